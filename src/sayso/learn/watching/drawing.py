"""Drawing of what was understood: the tracked hand, and the gripper imagined in its place, in each picture.

white    the hand's landmarks and bones, as the networks found them
orange   the gripper, open: two jaws, as far apart as the hand's pads; green while it holds
yellow   the way of the pads so far; a cross at the place where the hand lets go
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from sayso.learn.watching.sight import View
from sayso.learn.watching.understanding import Understood
from sayso.spec import TASK, Image, Observation, image_key

Numbers = NDArray[np.float64]
BONES = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (5, 9), (9, 10), (10, 11), (11, 12)),
    *((9, 13), (13, 14), (14, 15), (15, 16), (13, 17), (0, 17), (17, 18), (18, 19), (19, 20)),
)
HAND, OPEN, HOLDS, WAY = (255, 255, 255), (255, 140, 0), (30, 220, 90), (255, 225, 60)
JAW_M = 0.06
TRAIL_S = 2.0
CROSS_PX = 5


def drawn(understood: Understood, row: int, fps: float) -> Observation:
    """Return the pictures of one moment with everything drawn in, and a caption, as an observation."""
    said = (
        f"{understood.clip.name}: {understood.clip.sentence}   {row / fps:.1f} s, {_doing(understood, row)}"
    )
    frame: Observation = {TASK: said}
    for view in understood.views:
        frame[image_key(view.camera.name)] = _picture(understood, view, row, fps)
    return frame


def telling(understood: Understood, count: int) -> list[int]:
    """Return the moments that tell most, in order: before, the grasp, the way, the release, and after."""
    last = len(understood.path_m) - 1
    between = np.linspace(understood.grasp, understood.release, max(2, count - 2)).round().astype(int)
    return sorted([max(0, understood.grasp - 10), *between.tolist(), min(last, understood.release + 10)])[
        :count
    ]


def _doing(understood: Understood, row: int) -> str:
    if row == understood.grasp:
        return "grasps"
    if row == understood.release:
        return "lets go"
    return "holds" if understood.held[row] else f"open by {understood.opening_m[row] * 1000:.0f} mm"


def _picture(understood: Understood, view: View, row: int, fps: float) -> Image:
    image = view.images[row]
    scale = image.shape[0] / view.camera.size[0]
    picture = Picture.fromarray(image)
    pen = ImageDraw.Draw(picture)

    def line(points: Numbers, colour: tuple[int, int, int], width: int = 2) -> None:
        pen.line([(float(x), float(y)) for x, y in points], fill=colour, width=width)

    if view.found[row]:
        hand = view.pixels[row] * scale
        for a, b in BONES:
            line(hand[[a, b]], HAND, 1)
    way = understood.path_m[max(0, row - round(TRAIL_S * fps)) : row + 1]
    if len(way) > 1:
        line(view.camera.project(way) * scale, WAY, 1)
    x, y = view.camera.project(understood.path_m[understood.release]) * scale
    for dx, dy in ((1, 1), (1, -1)):
        ends = np.array([[x - dx * CROSS_PX, y - dy * CROSS_PX], [x + dx * CROSS_PX, y + dy * CROSS_PX]])
        line(ends, WAY, 1)
    line(view.camera.project(_gripper(understood, row)) * scale, HOLDS if understood.held[row] else OPEN)
    return np.asarray(picture)


def _gripper(understood: Understood, row: int) -> Numbers:
    """Return the corners of a gripper that stands on the pads, ``[4, 3]``: a fork, upright."""
    aside = understood.closing[row] * np.array([1, 1, 0])
    aside = aside / max(float(np.linalg.norm(aside)), 1e-6) * (understood.opening_m[row] / 2 + 0.004)
    middle, up = understood.path_m[row], np.array([0, 0, JAW_M])
    return np.stack([middle - aside, middle - aside + up, middle + aside + up, middle + aside])
