"""Appearance of a camera's pictures in a few numbers, to tell later whether it still shows the like.

::

    480 x 640 or 96 x 128   -->   the mean colour of 4 x 4 fields, 48 numbers of 0 to 1

Of a recording's pictures their statistics are kept, beside those of states and actions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image as Picture

from sayso.data.statistics import Stats
from sayso.spec import Array, Image

FIELDS, NUMBERS = 4, 48
"""Fields along each side, and numbers of them all."""
ENOUGH = 200
"""Pictures of a camera that tell what it usually shows."""


def appearance(image: Image) -> Array:
    """Return the mean colours of the fields of a picture, uint8 ``[H, W, 3]``, as float32 ``[48]``."""
    small = Picture.fromarray(np.ascontiguousarray(image)).resize((FIELDS, FIELDS), Picture.Resampling.BOX)
    fields: Array = np.asarray(small, np.float32).ravel() / np.float32(255)
    return fields


def turned(fields: Array) -> Array:
    """Return the fields of the same picture upside down."""
    return fields.reshape(FIELDS, FIELDS, 3)[::-1, ::-1].ravel()


def recoloured(fields: Array) -> Array:
    """Return the fields of the same picture with red and blue exchanged."""
    return fields.reshape(-1, 3)[:, ::-1].ravel()


def of_pictures(images: Iterable[Image]) -> Stats:
    """Return the statistics of what some pictures look like."""
    return Stats.of(np.stack([appearance(image) for image in images]).round(4))
