"""Pictures of a desk as a camera shows it: the room stays, things on the desk do not, the camera may move."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from sayso.spec import Image

HEIGHT, WIDTH, AROUND = 96, 128, 40
"""Of a picture, pixels, and how far the room goes on beyond each of its borders."""


def desk(seed: int, right: int = 0, down: int = 0) -> Image:
    """Return a picture, uint8 ``[96, 128, 3]``, in which things lie as a seed has it.

    Args:
        seed: of what lies there.
        right: by how many pixels what is shown lies further right, for the camera has moved.
        down: the same, further down.
    """
    rng = np.random.default_rng(seed)
    picture = Picture.fromarray(_room())
    draw = ImageDraw.Draw(picture)
    for _ in range(5):
        x, y = AROUND + rng.integers(10, WIDTH - 20), AROUND + rng.integers(45, HEIGHT - 12)
        draw.ellipse((x, y, x + 11, y + 8), fill=tuple(rng.integers(30, 230, 3).tolist()))
    whole = np.asarray(picture).astype(np.float32) + rng.normal(
        0, 3, (HEIGHT + 2 * AROUND, WIDTH + 2 * AROUND, 1)
    )
    top, left = AROUND - down, AROUND - right
    return whole[top : top + HEIGHT, left : left + WIDTH].clip(0, 255).astype(np.uint8)


@cache
def _room() -> Image:
    """Return what stays: a wall with a window and shelves behind a table with a lamp."""
    picture = Picture.new("RGB", (WIDTH + 2 * AROUND, HEIGHT + 2 * AROUND), (190, 185, 170))
    draw = ImageDraw.Draw(picture)
    table = AROUND + 40
    draw.rectangle((0, table, WIDTH + 2 * AROUND, HEIGHT + 2 * AROUND), fill=(120, 90, 60))
    for x, y, w, h, shade in (
        (20, 8, 34, 44, 230),
        (75, 20, 26, 36, 90),
        (122, 12, 20, 30, 60),
        (160, 30, 30, 26, 140),
    ):
        draw.rectangle((x, y, x + w, y + h), fill=(shade, shade, shade))
    draw.polygon([(70, 78), (82, 60), (94, 78)], fill=(60, 60, 70))
    draw.line([(82, 78), (90, 110)], fill=(40, 40, 40), width=4)
    draw.line([(140, 82), (150, 130), (120, 134)], fill=(230, 230, 235), width=6)
    return np.asarray(picture)
