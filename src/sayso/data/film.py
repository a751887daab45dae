"""Contact sheets and films of recorded frames: cameras side by side with a caption.

Every picture is laid out like this::

    ┌────────┬────────┐
    │ front  │ wrist  │
    ├────────┴────────┤
    │ the instruction │
    └─────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from sayso.data.video import FOR_BROWSERS, encode_video
from sayso.spec import IMAGES, TASK, Image, Observation

VIEW_PX = 256
"""Height to which every camera's view is scaled."""
CAPTION_PX = 24
MOST_LETTERS = 200
"""Of an instruction, more than any picture is wide."""
_INK, _PAPER = (240, 240, 240), (24, 24, 28)


def write_film(path: Path, frames: Iterable[Observation], fps: float, *, remark: str = "") -> Path:
    """Write frames as an mp4, each with all its cameras and its instruction, and return `path`.

    Args:
        path: the file; its folder is made.
        frames: observations, as in `sayso.spec.Episode.frames`.
        fps: frames per second, as they were recorded.
        remark: what to add to the instruction, such as how the episode ended.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_video(path, _captioned(frames, remark), fps, FOR_BROWSERS)
    return path


def captioned(frame: Observation, remark: str = "") -> Image:
    """Return one picture of a frame: its cameras side by side above its instruction, uint8 ``[H, W, 3]``."""
    views = side_by_side([image for key, image in sorted(frame.items()) if key.startswith(IMAGES)])
    strip = Picture.new("RGB", (views.shape[1], CAPTION_PX), _PAPER)
    text = f"{frame[TASK][:MOST_LETTERS]}   {remark}".strip()
    font = ImageFont.load_default(size=CAPTION_PX * 0.5)
    ImageDraw.Draw(strip).text((8, CAPTION_PX // 5), text, fill=_INK, font=font)
    return np.concatenate([views, np.asarray(strip)])


def side_by_side(images: Sequence[Image]) -> Image:
    """Return images, uint8 ``[H, W, 3]`` of any size, in one row `VIEW_PX` high."""
    return np.concatenate([_scaled(image) for image in images], axis=1)


def contact_sheet(frames: Sequence[Observation], columns: int) -> Image:
    """Return captioned frames in rows of `columns`, read like a page."""
    pictures = [captioned(frame) for frame in frames]
    blank = np.zeros_like(pictures[0])
    pictures += [blank] * (-len(pictures) % columns)
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures), columns)]
    return np.concatenate(rows)


def _captioned(frames: Iterable[Observation], remark: str) -> Iterator[Image]:
    for frame in frames:
        yield captioned(frame, remark)


def _scaled(image: Image) -> Image:
    height, width = image.shape[:2]
    even_width = max(2, round(width * VIEW_PX / height / 2) * 2)  # video needs even sizes
    return np.asarray(Picture.fromarray(image).resize((even_width, VIEW_PX), Picture.Resampling.BICUBIC))
