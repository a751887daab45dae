"""Files of reference pictures in a policy's folder: one image to look at, and JSON beside it.

::

    views.jpg     a row for each camera, a column for each demonstration
    views.json    sizes of the rows, where the robot stood, what is usual, what a moved camera costs
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from sayso.data.views import NONE_KEPT, Costs, Usual, View, Views
from sayso.spec import Image
from sayso.spec.files import VIEWS, VIEWS_PICTURES, parsed

FILES = (VIEWS, VIEWS_PICTURES)
QUALITY = 85
LARGEST_PX = 20_000_000
"""Pixels of the picture beyond which it is not one of ours."""


class ViewsError(ValueError):
    """Files that hold no reference pictures, or not all of them."""


def write_views(views: Views, folder: Path) -> tuple[str, ...]:
    """Write reference pictures into a folder, and return the names of their files; none if there are none."""
    if not views:
        return ()
    states = next(iter(views.cameras.values())).states
    rows = [np.concatenate(list(view.pictures), 1) for view in views.cameras.values()]
    wide = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0))) for row in rows])
    content = io.BytesIO()
    Picture.fromarray(sheet).save(content, "JPEG", quality=QUALITY, subsampling=0)
    (folder / VIEWS_PICTURES).write_bytes(content.getvalue())
    described = {
        "cameras": {name: _described(view) for name, view in views.cameras.items()},
        "states": np.round(states.astype(float), 4).tolist(),
        "costs": asdict(views.costs) if views.costs else None,
    }
    (folder / VIEWS).write_text(json.dumps(described) + "\n", encoding="utf-8")
    return FILES


def kept_in(folder: Path) -> tuple[str, ...]:
    """Return which of the files of reference pictures stand in a folder."""
    return tuple(name for name in FILES if (folder / name).exists())


def read_views(folder: Path) -> Views:
    """Return the reference pictures in a folder; none if it has none.

    Raises:
        ViewsError: if one of the two files is missing, or they do not belong together.
    """
    there = kept_in(folder)
    if not there:
        return NONE_KEPT
    if len(there) < len(FILES):
        raise ViewsError(f"{there[0]} stands there alone, without the other of {' and '.join(FILES)}")
    try:
        described = parsed((folder / VIEWS).read_text(encoding="utf-8"))
        states = np.array(described["states"], np.float32)
        with Picture.open(folder / VIEWS_PICTURES) as file:
            if file.width * file.height > LARGEST_PX:
                raise ViewsError(f"{VIEWS_PICTURES} is {file.width} x {file.height}, far too large")
            sheet = np.asarray(file.convert("RGB"))
        return Views(cameras=_views(described["cameras"], sheet, states), costs=_costs(described["costs"]))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ViewsError(f"{' and '.join(FILES)} cannot be read: {error}") from error


def _described(view: View) -> dict[str, Any]:
    return {
        "shape": list(view.pictures.shape[1:3]),
        "usual": {name: round(value, 4) for name, value in asdict(view.usual).items()},
        "per_level": round(view.per_level, 4),
    }


def _views(described: Mapping[str, Any], sheet: Image, states: Any) -> dict[str, View]:
    found, top = {}, 0
    for name, row in described.items():
        height, width = map(int, row["shape"])
        part = sheet[top : top + height, : len(states) * width]
        if min(height, width) < 1 or part.shape[:2] != (height, len(states) * width) or states.ndim != 2:
            raise ViewsError(f"{VIEWS_PICTURES} has no room for {len(states)} pictures of {name}")
        pictures = np.stack(np.split(part, len(states), 1))
        usual = Usual(off=float(row["usual"]["off"]), likeness=float(row["usual"]["likeness"]))
        found[str(name)] = View(pictures, states, usual, float(row["per_level"]))
        top += height
    return found


def _costs(described: Any) -> Costs | None:
    if described is None:
        return None
    success = tuple((int(level), float(share)) for level, share in described["success"])
    if not success or [level for level, _ in success] != sorted({level for level, _ in success}):
        raise ValueError(f"levels of success do not rise: {success}")
    return Costs(success=success, of=str(described["of"]), shown=int(described["shown"]))
