"""Lens of a camera: a picture with barrel distortion, and where a point of the straight picture is in it.

::

    straight picture, wider        through the lens       radii from the middle, 1 at the corners:
    +--+--+--+                      .--+--+--.            straight = bent (1 + k bent^2) / (1 + k)
    |  |  |  |        ---->         |  |  |  |
    +--+--+--+                      +--+--+--+            (Brown 1966, its first radial term)
    |  |  |  |                      |  |  |  |
    +--+--+--+                      '--+--+--'
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.spec import Image

_STEPS = 12
"""Newton steps from a straight radius to a bent one; three are enough for any lens that is made."""


@dataclass(frozen=True, kw_only=True)
class Lens:
    """Lens that draws what is near the middle larger than what is near the edge."""

    barrel: float = 0.0
    """k of the drawing above; at 0 straight lines stay straight."""

    @property
    def wider(self) -> float:
        """Return the factor on the tangents of the field of view with which to draw the straight picture.

        With it the lens sees at the middle of each edge what a straight camera sees there, and at the corners
        more.
        """
        return (1 + self.barrel) / (1 + self.barrel / 2)

    def widened_deg(self, fovy_deg: float) -> float:
        """Return the field of view of the straight picture, for one that the lens is to have."""
        return math.degrees(2 * math.atan(self.wider * math.tan(math.radians(fovy_deg) / 2)))

    def bend(self, picture: Image) -> Image:
        """Return a straight picture, uint8 [H, W, 3], as it is behind the lens."""
        if not self.barrel:
            return picture
        corners, weights = _samples(self.barrel, *picture.shape[:2])
        flat = picture.reshape(-1, 3).astype(np.float32)
        bent = sum(flat[at] * weight[:, None] for at, weight in zip(corners, weights, strict=True))
        return np.asarray(np.rint(bent), np.uint8).reshape(picture.shape)

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return where a point of the straight picture, in 0..1, is behind the lens."""
        x, y = 2 * u - 1, 2 * v - 1
        straight = math.sqrt((x * x + y * y) / 2)
        if not self.barrel or not straight:
            return u, v
        bent, wanted = straight, straight * (1 + self.barrel)
        for _ in range(_STEPS):
            bent -= (bent * (1 + self.barrel * bent**2) - wanted) / (1 + 3 * self.barrel * bent**2)
        factor = bent / straight
        return (1 + x * factor) / 2, (1 + y * factor) / 2


@functools.cache
def _samples(
    barrel: float, height: int, width: int
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
    """Return, of every pixel, the four of the straight picture that it lies between, and their weights."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x, y = 2 * (x + 0.5) / width - 1, 2 * (y + 0.5) / height - 1
    factor = (1 + barrel * (x**2 + y**2) / 2) / (1 + barrel)
    column = np.clip((x * factor + 1) / 2 * width - 0.5, 0, width - 1)
    row = np.clip((y * factor + 1) / 2 * height - 0.5, 0, height - 1)
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = column - left, row - top
    corners = [top * width + left, top * width + right, bottom * width + left, bottom * width + right]
    weights = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]
    return [c.ravel() for c in corners], [w.ravel().astype(np.float32) for w in weights]
