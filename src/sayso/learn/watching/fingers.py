r"""Fingers in space: thumb and index finger in the arm's frame, from two cameras or more, or from one.

                          o  eye        o  eye
                           \          /
    two rays meet:          \        /       one ray needs a depth: from the network's guess of the
                              \    /         hand's shape, corrected where the hand must be at the
                                \/           table, when it grasps and when it lets go

Source: Hartley and Zisserman 2004, 12.2, linear triangulation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sayso.data.cameras import CalibratedCamera
from sayso.learn.watching.sight import View
from sayso.learn.watching.smoothing import filled, gaussian, median

Numbers = NDArray[np.float64]
PINCHING = (3, 4, 7, 8)
"""Last joint and tip of the thumb, and of the index finger."""
TIP_SHARE = 0.65
"""Where a finger's pad is, from its last joint to its tip."""
THICK_M = 0.015
"""By how much pads are nearer to each other than the middles of the fingers."""
GRASP_HEIGHT_M, RELEASE_HEIGHT_M = 0.022, 0.035
"""Where a hand is assumed to grasp and to let go, above the table, if one camera has to do."""
PALM_M = {
    (0, 5): 0.086,
    (0, 9): 0.082,
    (0, 13): 0.079,
    (0, 17): 0.077,
    (5, 17): 0.055,
    (1, 17): 0.080,
    (1, 5): 0.063,
    (2, 17): 0.080,
}
"""Lengths between landmarks of the palm of an adult's hand, as the network places them: two cameras measured
them on a rendered hand whose wrist is 92 mm from where the middle finger begins."""
SIZES = (0.7, 1.6)
"""By how much larger a hand may be than the network guesses."""
DEPTH_FRAMES = 9
"""Over how many frames the depth of one camera's hand is steadied."""
MOST_SHIFT_S = 1.0
"""By how much two cameras may have been started apart."""


def triangulated(cameras: Sequence[CalibratedCamera], pixels: Sequence[Numbers]) -> Numbers:
    """Return points, ``[..., 3]`` in the arm's frame, that cameras see at pixels, ``[..., 2]`` of each."""
    rows = []
    for camera, seen in zip(cameras, pixels, strict=True):
        flat = camera.flattened(seen)
        pose = np.concatenate([camera.rotation, camera.translation_m[:, None]], axis=1)
        rows += [flat[..., k, None] * pose[2] - pose[k] for k in (0, 1)]
    known = ~np.isnan(pixels[0]).any(-1)
    for seen in pixels[1:]:
        known &= ~np.isnan(seen).any(-1)
    equations = np.stack(rows, axis=-2)
    found = np.full((*equations.shape[:-2], 3), np.nan)
    if known.any():
        solution = np.linalg.svd(equations[known])[2][..., -1, :]
        found[known] = solution[..., :3] / solution[..., 3:]
    return found


def missed_px(cameras: Sequence[CalibratedCamera], pixels: Sequence[Numbers]) -> float:
    """Return how far, in the middle, points are drawn from where they were seen; infinite if none was."""
    points = triangulated(cameras, pixels)
    off = [np.linalg.norm(c.project(points) - p, axis=-1) for c, p in zip(cameras, pixels, strict=True)]
    known = ~np.isnan(off[0])
    return float(np.median(np.concatenate([one[known] for one in off]))) if known.any() else np.inf


def in_step(views: Sequence[View], fps: float) -> list[View]:
    """Return views whose rows are of the same moments, however the cameras were started.

    The hand itself is the clock: of all shifts, that one is right at which its rays meet best.
    """
    starts, first = [0], views[0]
    most = round(MOST_SHIFT_S * fps)
    for other in views[1:]:
        misses = {}
        for shift in sorted(range(-most, most + 1), key=abs):
            a, b = max(0, -shift), max(0, shift)
            length = min(len(first.pixels) - a, len(other.pixels) - b)
            if length < fps:
                continue
            pair = [v.pixels[k : k + length, PINCHING] for v, k in ((first, a), (other, b))]
            misses[shift] = missed_px([first.camera, other.camera], pair)
        starts.append(min(misses, key=lambda s: misses[s]) if misses else 0)
    begin = [start - min(starts) for start in starts]
    length = min(len(v.pixels) - b for v, b in zip(views, begin, strict=True))
    return [view.shifted(b, length) for view, b in zip(views, begin, strict=True)]


def from_one(view: View) -> Numbers:
    """Return the fingers' four points in the arm's frame, ``[N, 4, 3]``, with a depth that is only guessed.

    How far away the hand is tells that bone of its palm which is foreshortened least; how far a point lies
    before or behind the hand's middle, the network's guess of its shape, brought to that size.
    """
    flat = view.camera.flattened(view.pixels)
    palm = np.array(list(PALM_M))
    drawn = np.linalg.norm(flat[:, palm[:, 0]] - flat[:, palm[:, 1]], axis=-1)
    away = (np.array(list(PALM_M.values())) / drawn).min(axis=1)
    steady = gaussian(median(filled(away[:, None]), DEPTH_FRAMES), 2.0)
    spread = [
        np.linalg.norm(part - part.mean(axis=1, keepdims=True), axis=(1, 2))
        for part in (view.world_m[..., :2], flat)
    ]
    size = steady[:, 0] * spread[1] / spread[0]
    ahead = view.world_m[..., 2] - view.world_m[..., 2].mean(axis=1, keepdims=True)
    depth = steady + np.clip(size, *SIZES)[:, None] * ahead[:, PINCHING]
    found: Numbers = view.camera.eye_m + depth[..., None] * view.camera.rays(view.pixels[:, PINCHING, :])
    return found


def anchored(points: Numbers, camera: CalibratedCamera, grasp: int, release: int) -> Numbers:
    """Return the pads' middle, ``[N, 3]``, moved along its rays to the table where the hand is there.

    Args:
        points: the middle with a guessed depth, ``[N, 3]``.
        camera: that saw it.
        grasp: row at which the hand grasps.
        release: row at which it lets go.
    """
    away = points - camera.eye_m
    contacts = np.array([grasp, max(release, grasp + 1)])
    heights = np.array([GRASP_HEIGHT_M, RELEASE_HEIGHT_M])
    wanted = (heights - camera.eye_m[2]) / away[np.minimum(contacts, len(away) - 1), 2]
    factors = np.interp(np.arange(len(away)), contacts, wanted)
    moved: Numbers = camera.eye_m + factors[:, None] * away
    return moved


def pads(points: Numbers) -> Numbers:
    """Return the pads of thumb and index finger, ``[..., 2, 3]``, from joints and tips, ``[..., 4, 3]``."""
    return (1 - TIP_SHARE) * points[..., [0, 2], :] + TIP_SHARE * points[..., [1, 3], :]
