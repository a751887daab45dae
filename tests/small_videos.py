"""Videos read whole by other means than ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from sayso.spec import Image


def whole_video(path: Path) -> Iterator[Image]:
    """Yield every frame as uint8 RGB ``[H, W, 3]``."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
