"""Names of the files in a policy's folder, whether a checkpoint or an export; and JSON of whatever origin."""

from __future__ import annotations

import json
import math
from typing import Any

CONFIG = "config.json"
"""What it is: model, features, facts of the training."""
WEIGHTS = "model.safetensors"
STATS = "stats.json"
CARD = "README.md"
VIEWS, VIEWS_PICTURES = "views.json", "views.jpg"
"""Reference pictures of its cameras, for those of a robot to be compared with; older folders have none."""
MOST_DIGITS = 308
"""Of a whole number that a float could be made of."""


def parsed(content: str | bytes) -> Any:
    """Parse JSON that anybody may have written.

    Raises:
        ValueError: if it is none; and, what Python's reader does not say, if it nests too deep or holds a
            number that no float can hold.
    """
    try:
        return json.loads(content, parse_int=_whole, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return number
