"""Sight of a clip: the hand's landmarks in every picture of each camera, and what is wrong without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from sayso.data.cameras import CalibratedCamera
from sayso.data.clips import Clip, frames
from sayso.models.hands.landmarks import Hand
from sayso.spec import Image, SaysoError

Numbers = NDArray[np.float64]
LANDMARKS = 21
LOOK_S = 0.5
"""How often all hands of a picture are counted."""
LEAST_FOUND = 0.25
"""Share of a clip's pictures in which a hand must be found."""
LONGEST_GAP_S = 0.5
"""A hand may be lost for so long, between where it comes and where it leaves; that is filled in."""


class Tracker(Protocol):
    """Tracker of the hand in one camera's pictures, in their order."""

    def __call__(self, image: Image) -> Hand | None:
        """Return the hand of the next picture, or None."""
        ...

    def hands(self, image: Image) -> list[Hand]:
        """Return all the hands of a picture."""
        ...


class NotUnderstoodError(SaysoError):
    """Clip from which nothing can be learned; it says why, and what to film instead."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One camera's part of a clip, a row for each of its pictures."""

    camera: CalibratedCamera
    """For pictures of the clip's size."""
    pixels: Numbers
    """Landmarks ``[N, 21, 2]``; not a number where no hand was found."""
    world_m: Numbers
    """The network's own guess of the hand's shape ``[N, 21, 3]``."""
    images: list[Image]
    """Pictures for the dataset, of even size and no higher than asked for."""
    hands: Numbers
    """How many hands there were in the pictures looked at for that, ``[M]``."""

    @property
    def found(self) -> NDArray[np.bool_]:
        """Tell in which pictures a hand was found, ``[N]``."""
        return ~np.isnan(self.pixels[:, 0, 0])

    def shifted(self, start: int, length: int) -> View:
        """Return `length` of its pictures, from one on."""
        kept = slice(start, start + length)
        return View(
            camera=self.camera,
            pixels=self.pixels[kept],
            world_m=self.world_m[kept],
            images=self.images[kept],
            hands=self.hands,
        )


def seen(
    clip: Clip,
    cameras: Sequence[CalibratedCamera],
    make_tracker: Callable[[], Tracker],
    fps: float,
    height_px: int,
) -> list[View]:
    """Follow the hand through a clip, in each camera on its own.

    Raises:
        NotUnderstoodError: if there is no hand, or there are two.
    """
    found = [_view(clip, camera, make_tracker(), fps, height_px) for camera in cameras]
    for view in found:
        _refuse(clip, view, fps)
    return found


def _view(clip: Clip, camera: CalibratedCamera, tracker: Tracker, fps: float, height_px: int) -> View:
    pixels, world, images, counts = [], [], [], []
    every, none = (
        max(1, round(LOOK_S * fps)),
        (np.full((LANDMARKS, 2), np.nan), np.full((LANDMARKS, 3), np.nan)),
    )
    for k, image in enumerate(frames(clip.videos[camera.name], fps)):
        if k == 0:
            camera = camera.scaled_to(*image.shape[:2])
        if k % every == 0:
            counts.append(len(tracker.hands(image)))
        hand = tracker(image)
        pixels.append(none[0] if hand is None else hand.pixels)
        world.append(none[1] if hand is None else hand.world_m)
        images.append(smaller(image, height_px))
    return View(
        camera=camera,
        pixels=np.array(pixels),
        world_m=np.array(world),
        images=images,
        hands=np.array(counts, np.float64),
    )


def smaller(image: Image, height_px: int) -> Image:
    """Return a picture no higher than asked for, height and width even, as video needs them."""
    height, width = image.shape[:2]
    high = min(height, height_px) // 2 * 2
    wide = round(width * high / height / 2) * 2
    if (high, wide) == (height, width):
        return image
    return np.asarray(Picture.fromarray(image).resize((wide, high), Picture.Resampling.BOX))


def _refuse(clip: Clip, view: View, fps: float) -> None:
    found, name = view.found, view.camera.name
    if found.mean() < LEAST_FOUND:
        raise NotUnderstoodError(
            f"clip {clip.name!r}: camera {name!r} shows a hand in {found.mean():.0%} of its pictures. Film a "
            "bare hand with its forearm, in even light, from where thumb and index finger are both seen"
        )
    if (view.hands >= 2).sum() >= 2:
        raise NotUnderstoodError(
            f"clip {clip.name!r}: camera {name!r} shows two hands. Film one hand alone; keep the other, and "
            "other people, out of the picture"
        )
    if gap := longest_gap(found, fps):
        begins_s, lasts_s = gap
        raise NotUnderstoodError(
            f"clip {clip.name!r}: the hand leaves the picture of camera {name!r}, or is hidden in it, for "
            f"{lasts_s:.1f} s from {begins_s:.1f} s on. Film from further away, so that the whole hand stays "
            "in view from where it grasps to where it lets go"
        )


def longest_gap(found: NDArray[np.bool_], fps: float) -> tuple[float, float] | None:
    """Return when the longest gap without a hand begins and how long it lasts, if that is too long."""
    rows = np.flatnonzero(found)
    gaps = np.diff(rows)
    if len(gaps) == 0 or (gaps.max() - 1) / fps <= LONGEST_GAP_S:
        return None
    k = int(gaps.argmax())
    return float(rows[k] + 1) / fps, float(gaps[k] - 1) / fps
