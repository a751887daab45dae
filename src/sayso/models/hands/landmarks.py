r"""Landmarks of a hand: 21 points in pixels, and the hand followed from picture to picture.

   8  12 16 20      tips: 4 thumb, 8 index, 12 middle, 16 ring, 20 little finger
   7  11 15 19
4  6  10 14 18      the next joint, 3 of the thumb
3 \5   9 13 17      where the fingers begin
 2  \  | | /
  1  \ | |/
     - 0 -          wrist
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.models.hands import networks
from sayso.models.hands.palms import Palm, PalmDetector, sampled
from sayso.spec import Image

Numbers = NDArray[np.float64]
SIDE_PX = 224
SURE = 0.5
PALM_SCALE, PALM_SHIFT = 2.6, 0.5
"""By how much a hand is larger than its palm, and how far its middle lies from the palm's, in palms."""
HAND_SCALE, HAND_SHIFT = 2.0, 0.1
"""The same of the landmarks that follow a hand."""
FOLLOWED = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Landmarks whose box follows it: without the tips, which move most."""
APART = 0.5
"""Two hands are two if their middles are further apart than this share of their size."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """Landmarks of a hand in a picture."""

    pixels: Numbers
    """``[21, 2]``."""
    world_m: Numbers
    """The network's own guess of its shape, turned as the picture is, about its middle, ``[21, 3]``."""
    score: float
    right: float
    """How surely it is a right hand, of 1."""

    @property
    def size_px(self) -> float:
        """Return the larger side of its box."""
        return float(np.ptp(self.pixels, axis=0).max())


@dataclass(frozen=True, kw_only=True)
class Region:
    """Square part of a picture in which a hand is upright: its middle, side and turn."""

    middle: Numbers
    side: float
    turn_rad: float


class HandTracker:
    """Tracker of the hand in the pictures of one camera, in their order."""

    def __init__(self, threads: int = 1) -> None:
        """Open both networks."""
        self._palms = PalmDetector(threads)
        self._answer = networks.compiled(networks.LANDMARKS, threads)
        self._region: Region | None = None

    def __call__(self, image: Image) -> Hand | None:
        """Return the hand of the next picture, uint8 ``[H, W, 3]``, or None if there is none."""
        if self._region is not None:
            hand = self.landmarks(image, self._region)
            if hand.score >= SURE:
                self._region = region_of(hand.pixels)
                return hand
        self._region = None
        for palm in self._palms(image)[:2]:
            hand = self.landmarks(image, region_of_palm(palm))
            if hand.score >= SURE:
                self._region = region_of(hand.pixels)
                return hand
        return None

    def hands(self, image: Image) -> list[Hand]:
        """Return all the hands of a picture, whatever came before it."""
        found: list[Hand] = []
        for palm in self._palms(image)[:4]:
            hand = self.landmarks(image, region_of_palm(palm))
            near = [
                np.linalg.norm(hand.pixels.mean(0) - one.pixels.mean(0)) < APART * one.size_px
                for one in found
            ]
            if hand.score >= SURE and not any(near):
                found.append(hand)
        return found

    def landmarks(self, image: Image, region: Region) -> Hand:
        """Return what the landmark network says of a part of a picture; its score tells if it is a hand."""
        scale = region.side / SIDE_PX
        turn = _turn(region.turn_rad)
        begin = region.middle + turn @ np.full(2, (0.5 - SIDE_PX / 2) * scale) - 0.5
        into = np.concatenate([scale * turn, begin[:, None]], axis=1)
        answer = self._answer(sampled(image, into, SIDE_PX))
        points = answer["Identity"].reshape(21, 3).astype(np.float64)
        world = answer["Identity_3"].reshape(21, 3).astype(np.float64)
        world[:, :2] = world[:, :2] @ turn.T
        return Hand(
            pixels=region.middle + (points[:, :2] / SIDE_PX - 0.5) * region.side @ turn.T,
            world_m=world,
            score=float(answer["Identity_1"].ravel()[0]),
            right=float(answer["Identity_2"].ravel()[0]),
        )


def region_of_palm(palm: Palm) -> Region:
    """Return where the hand is whose palm was found."""
    turn_rad = _upright(palm.wrist, palm.middle)
    side = float((palm.box[1] - palm.box[0]).max())
    shift = _turn(turn_rad) @ np.array([0.0, -PALM_SHIFT * (palm.box[1] - palm.box[0])[1]])
    return Region(middle=palm.box.mean(0) + shift, side=PALM_SCALE * side, turn_rad=turn_rad)


def region_of(pixels: Numbers) -> Region:
    """Return where to look for a hand next that was here, ``[21, 2]``."""
    points = pixels[list(FOLLOWED)]
    fingers = ((pixels[5] + pixels[13]) / 2 + pixels[9]) / 2
    turn_rad = _upright(pixels[0], fingers)
    turn = _turn(turn_rad)
    centre = (points.min(0) + points.max(0)) / 2
    turned = (points - centre) @ turn
    low, high = turned.min(0), turned.max(0)
    middle = centre + turn @ ((low + high) / 2 - np.array([0.0, HAND_SHIFT * (high - low)[1]]))
    return Region(middle=middle, side=HAND_SCALE * float((high - low).max()), turn_rad=turn_rad)


def _upright(below: Numbers, above: Numbers) -> float:
    """Return by how much a picture must be turned for one point to be straight above another."""
    right, up = above[0] - below[0], below[1] - above[1]
    angle = math.pi / 2 - math.atan2(up, right)
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _turn(angle_rad: float) -> Numbers:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s], [s, c]])
