"""Understanding of a clip: the path of a hand's pads, how far it is open, and when it grasps and lets go."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.data.cameras import CalibratedCamera
from sayso.data.clips import Clip
from sayso.learn.watching.events import edges, moments
from sayso.learn.watching.fingers import (
    PINCHING,
    THICK_M,
    anchored,
    from_one,
    in_step,
    pads,
    triangulated,
)
from sayso.learn.watching.sight import NotUnderstoodError, Tracker, View, longest_gap, seen
from sayso.learn.watching.smoothing import filled, gaussian, median

Numbers = NDArray[np.float64]
FARTHEST_M = 1.5
"""A hand further than that from the arm's base is none: rays that hardly cross meet anywhere."""


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What a clip shows, a row for each moment."""

    clip: Clip
    views: list[View]
    path_m: Numbers
    """Middle between the pads of thumb and index finger, in the arm's frame ``[N, 3]``."""
    opening_m: Numbers
    """Between these pads ``[N]``."""
    closing: Numbers
    """Direction from the thumb's pad to the finger's, of length 1 ``[N, 3]``."""
    grasp: int
    """Row at which the hand has closed."""
    release: int
    """Row at which it begins to open again."""

    @property
    def held(self) -> NDArray[np.bool_]:
        """Tell at which moments the hand holds the thing, ``[N]``."""
        rows = np.arange(len(self.path_m))
        return (rows >= self.grasp) & (rows < self.release)

    @property
    def heading_rad(self) -> float:
        """Return along which heading the hand closes around the thing, in (-pi/2, pi/2]."""
        near = self.closing[max(0, self.grasp - 3) : self.grasp + 1].mean(axis=0)
        heading = math.atan2(near[1], near[0])
        return -((math.pi / 2 - heading) % math.pi - math.pi / 2)

    @property
    def object_m(self) -> Numbers:
        """Return where the thing is at each moment, ``[N, 3]``: it lies, is carried, and lies again."""
        rows = np.clip(np.arange(len(self.path_m)), self.grasp, self.release)
        return self.path_m[rows]


def understand(
    clip: Clip,
    cameras: Mapping[str, CalibratedCamera],
    make_tracker: Callable[[], Tracker],
    fps: float,
    height_px: int,
) -> Understood:
    """Return what a clip shows.

    Raises:
        NotUnderstoodError: if that cannot be told; it says why, and what to film instead.
        SaysoError: if a video is damaged, or not of the camera that was calibrated.
    """
    chosen = [camera for name, camera in cameras.items() if name in clip.videos]
    views = seen(clip, chosen, make_tracker, fps, height_px)
    if len(views) > 1:
        views = in_step(views, fps)
    return interpreted(clip, views, fps)


def interpreted(clip: Clip, views: list[View], fps: float) -> Understood:
    """Return what landmarks mean that were seen at the same moments by one camera or more."""
    several = len(views) > 1
    if several:
        fingers = triangulated([v.camera for v in views], [v.pixels[:, PINCHING, :] for v in views])
        width, sigma = 5, 1.0
    else:
        fingers, width, sigma = from_one(views[0]), 7, 1.5
    ends = pads(fingers)
    ends[np.linalg.norm(ends, axis=-1).max(axis=1) > FARTHEST_M] = np.nan
    known = np.asarray(~np.isnan(ends).any(axis=(1, 2)))
    _refuse_unknown(clip, known, fps, several)
    path = gaussian(median(filled(ends.mean(axis=1)), width), sigma)
    apart = filled(ends[:, 1] - ends[:, 0])
    opening = np.linalg.norm(apart, axis=1) - THICK_M
    opening = gaussian(median(opening[:, None], 3 if several else 5), 0.7)[:, 0].clip(0)
    found = (moments if several else edges)(opening, fps)
    if found is None:
        raise NotUnderstoodError(
            f"clip {clip.name!r}: the hand is found, but not seen to close around a thing and open again. "
            "Grasp with thumb and index finger, open the hand clearly before and after, and let both be seen"
        )
    if not several:
        path = anchored(path, views[0].camera, *found)
    smooth = gaussian(apart, 1.0)
    return Understood(
        clip=clip,
        views=views,
        path_m=path,
        opening_m=opening,
        closing=smooth / np.linalg.norm(smooth, axis=1, keepdims=True).clip(1e-6),
        grasp=found[0],
        release=found[1],
    )


def _refuse_unknown(clip: Clip, known: NDArray[np.bool_], fps: float, several: bool) -> None:
    if known.sum() < fps / 2:
        raise NotUnderstoodError(
            f"clip {clip.name!r}: "
            + (
                "the cameras do not see the hand at the same time, or not at the same place. Start them "
                "within a second of each other, and calibrate anew if one of them was moved"
                if several
                else "the hand is nowhere near the arm. Calibrate anew if the camera was moved"
            )
        )
    if several and (gap := longest_gap(known, fps)):
        raise NotUnderstoodError(
            f"clip {clip.name!r}: no two cameras see the hand for {gap[1]:.1f} s from {gap[0]:.1f} s on. "
            "Turn them so that both see thumb and index finger from where the hand grasps to where it lets go"
        )
