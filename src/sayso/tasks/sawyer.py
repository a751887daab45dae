"""Observations and actions of Meta-World's robot, both of its views cut out of the one picture there is.

::

    the picture, upright                corner2: all of it, small
    +----------------------+
    |       +-------+      |            hand: a square of it around the fingertips, which are where
    |       | | | | |      |                  the state says, two and a half times as sharp
    |       +-------+      |
    +----------------------+

The protocol gives a policy one camera and the hand's place in metres. Where the hand appears follows from
that place and from where the protocol's camera stands, so the second view needs no second camera and nothing
that a policy is not told anyway. It always follows the camera of the protocol: one that was moved for a test
shifts what is in the square, and nobody tells the square.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image as Pillow

from sayso.geometry import project
from sayso.sim.physics import Eye
from sayso.spec import Dimension, Features, Image, point_names, square_cameras

CAMERA, HAND = "corner2", "hand"
CAMERA_M = (0.75, 0.075, 0.7)
CAMERA_ROTATION = (
    (-0.54990134, 0.37620774, 0.74570522),
    (-0.83318276, -0.30954914, -0.45824211),
    (0.05843818, -0.87329667, 0.48367129),
)
"""world_from_camera, as Meta-World's own file has it; the camera hangs upside down."""
FOVY_RAD = math.radians(60.0)
HAND_SIDE = 0.3
"""Side of the square around the hand, as a share of the picture's."""
BELOW_M = 0.05
"""How far under the hand the middle of its square lies: at its fingertips; above it there is only arm."""
SIZES_PX: Mapping[str, int] = {CAMERA: 128, HAND: 96}
"""Height and width of each view that a policy gets."""
FPS, HORIZON = 80, 500
MOVE_M = 0.01
"""How far an action of 1 moves the hand's target."""
EYES = {CAMERA: Eye(name=CAMERA, turned=True)}
"""The one camera there is; the view of the hand is cut out of its picture."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """Square part of a picture; all numbers are shares of the picture's side, right and down."""

    left: float
    top: float
    side: float

    def within(self, u: float, v: float) -> tuple[float, float, bool]:
        """Return where a point of the picture lies in the square, in 0..1, and whether it does at all."""
        across, down = (u - self.left) / self.side, (v - self.top) / self.side
        return across, down, 0 <= across <= 1 and 0 <= down <= 1


WHOLE = Square(left=0.0, top=0.0, side=1.0)


def squares(state: ArrayLike) -> dict[str, Square]:
    """Return which part of the picture each view shows.

    Args:
        state: the hand's x, y and z in metres, [3] or longer; what comes behind is not looked at.
    """
    fingertips = np.asarray(state, float)[:3] - (0.0, 0.0, BELOW_M)
    u, v, _ = project(fingertips, CAMERA_M, np.array(CAMERA_ROTATION), FOVY_RAD)
    half = HAND_SIDE / 2  # the picture was turned by 180 degrees, the camera was not
    return {CAMERA: WHOLE, HAND: Square(left=1.0 - u - half, top=1.0 - v - half, side=HAND_SIDE)}


def views(picture: Image, state: ArrayLike, sizes_px: Mapping[str, int] = SIZES_PX) -> dict[str, Image]:
    """Return what a policy sees: each view uint8 [size, size, 3], averaged down from the picture.

    What a square shows of beyond the picture is black.

    Args:
        picture: what the protocol's camera sees, upright (turned by 180 degrees), uint8 [H, H, 3]. A larger
            one makes sharper views; the square around the hand has its full sharpness from 320 on.
        state: the hand's x, y and z in metres, [3] or longer.
        sizes_px: height and width of each view.

    Raises:
        ValueError: if picture or state is not of that kind.
        KeyError: if a size is missing.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape != (len(picture), len(picture), 3):
        raise ValueError(
            f"a picture here is uint8 [H, H, 3], but got {picture.dtype} {list(picture.shape)}; one of "
            "several environments comes without their axis"
        )
    hand = np.asarray(state, float)
    if hand.ndim != 1 or len(hand) < 3 or not np.isfinite(hand[:3]).all():
        raise ValueError(f"a state here begins with the hand's x, y and z in metres, but got {state!r}")
    whole = Pillow.fromarray(np.ascontiguousarray(picture))
    return {name: _cut(whole, square, sizes_px[name]) for name, square in squares(hand).items()}


def features(sizes_px: Mapping[str, int] = SIZES_PX) -> Features:
    """Return what the robot shows and accepts. An action of 1 moves the hand's target by 1 cm.

    Raises:
        ValueError: if the size of a view is missing or is no number of pixels.
    """
    return Features(
        robot_type="metaworld_sawyer",
        fps=FPS,
        state=(
            *(Dimension(name=f"hand.{axis}", unit="m") for axis in "xyz"),
            Dimension(name="gripper.opening", unit="share"),
        ),
        action=(
            *(Dimension(name=f"hand.{axis}.vel", unit="share") for axis in "xyz"),
            Dimension(name="gripper.effort", unit="effort"),
        ),
        cameras=square_cameras(sizes_px, SIZES_PX),
        points=point_names((CAMERA, HAND)),
    )


def _cut(whole: Pillow.Image, square: Square, size_px: int) -> Image:
    """Return a square of a picture, uint8 [size_px, size_px, 3]."""
    side = square.side * whole.width
    left, top = square.left * whole.width, square.top * whole.width
    x, y = math.floor(left), math.floor(top)
    part = whole.crop((x, y, math.ceil(left + side), math.ceil(top + side)))  # black beyond the border
    # Not BOX, which takes whole pixels only: the hand would seem to jump by half a pixel.
    right, bottom = min(left - x + side, part.width), min(top - y + side, part.height)
    box = (left - x, top - y, right, bottom)
    return np.array(part.resize((size_px, size_px), Pillow.Resampling.HAMMING, box=box))
