"""Point tracking: what was clicked in a few frames of an episode is followed through all of them.

    marks      frame 0: here    frame 120: here    frame 300: not in the picture
    tracked    from each mark forwards and backwards, until it is lost
    points     where both ways agree: visible; where marks say so: hidden; elsewhere nobody knows

Sparse optical flow (Lucas and Kanade 1981, with pyramids: Bouguet 2001) of a patch around the point, each
step checked by going back. It needs the extra ``label`` (OpenCV).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sayso.spec import Array, Image, SaysoError

INSTALL = "following points needs OpenCV: pip install 'sayso[label]'"
HEIGHT_PX = 240
"""Height at which pictures are compared."""
RADII_PX, GRID = (5, 12, 24), 7
"""Half the width of the patch that is followed, a larger one where a smaller is of one colour; and how many
points of it each way."""
RETURNS_PX = 0.7
"""How near a point must come to where it was when it is followed back."""
ENOUGH = 0.4
"""Share of a patch's points that must be found again, else it is lost."""
AGREE = 0.04
"""How far two ways may end apart, as a share of the picture, and still both be right."""
VISIBLE, HIDDEN, UNKNOWN = 1.0, 0.0, -1.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Click of a person: where a thing is in a frame, or that it is not to be seen there."""

    frame: int
    uv: tuple[float, float] | None
    """Shares of the width from the left and of the height from above; None if it is not to be seen."""


def track(images: Iterable[Image], marks: Sequence[Mark]) -> Array:
    """Follow a thing through an episode.

    Args:
        images: every frame of one camera, uint8 ``[H, W, 3]``.
        marks: where it is in some of them; the first and the last frame are as good as any.

    Returns:
        float32 ``[N, 3]``: u, v in 0..1 and whether visible: 1, 0, or -1 where nobody knows.

    Raises:
        SaysoError: if OpenCV is not installed, or a mark is of a frame that is not there.
    """
    grey = [_grey(image) for image in images]
    points = np.full((len(grey), 3), (0.5, 0.5, UNKNOWN), np.float32)
    ordered = sorted(marks, key=lambda mark: mark.frame)
    if ordered and not 0 <= ordered[0].frame <= ordered[-1].frame < len(grey):
        raise SaysoError(f"a mark is of frame {ordered[-1].frame}, but there are only {len(grey)} frames")
    if not ordered:
        return points
    first, last = ordered[0], ordered[-1]
    _fill(points, 0, first.frame + 1, _followed(grey, first, -1, 0))
    for a, b in pairwise(ordered):
        there = _followed(grey, a, 1, b.frame)
        back = _followed(grey, b, -1, a.frame)
        _fill(points, a.frame, b.frame + 1, _joined(there, back, b.frame - a.frame))
    _fill(points, last.frame, len(grey), _followed(grey, last, 1, len(grey) - 1))
    return points


Path = dict[int, Array]
"""Frame -> u, v and visible, of the frames at which something is known."""


def _fill(points: Array, start: int, stop: int, path: Path) -> None:
    for frame in range(start, stop):
        if frame in path:
            points[frame] = path[frame]


def _followed(grey: Sequence[Any], mark: Mark, way: int, end: int) -> Path:
    """Follow a mark frame by frame, in one way or the other, until it is lost."""
    if mark.uv is None:  # it says nothing of other frames, but see `_joined`
        return {mark.frame: np.array([0.5, 0.5, HIDDEN], np.float32)}
    height, width = grey[0].shape
    size = np.array([width, height], np.float32)
    place, path = np.array(mark.uv, np.float32) * size, {}
    path[mark.frame] = _visible(place / size)
    for frame in range(mark.frame + way, end + way, way):
        moved = _step(grey[frame - way], grey[frame], place)
        if moved is None or not ((moved >= 0) & (moved < size)).all():
            break
        place = moved
        path[frame] = _visible(place / size)
    return path


def _joined(there: Path, back: Path, frames: int) -> Path:
    """Return what two marks say of the frames between them; each counts the more the nearer it is."""
    start, end = min(there), max(back)
    hidden = [path[mark][2] == HIDDEN for path, mark in ((there, start), (back, end))]
    if all(hidden):
        return dict.fromkeys(range(start, end + 1), there[start])
    path = dict(there) if not hidden[0] else {start: there[start]}
    for frame, point in back.items():
        other = path.get(frame)
        if other is None or frame == end:
            path[frame] = point
        elif frame != start and other[2] == VISIBLE and point[2] == VISIBLE:
            share = (frame - start) / max(1, frames)
            apart = float(np.abs(other - point)[:2].max())
            path[frame] = (1 - share) * other + share * point
            if apart > AGREE:
                path[frame] = np.array([0.5, 0.5, UNKNOWN], np.float32)
    return path


def _visible(uv: Array) -> Array:
    return np.array([*uv, VISIBLE], np.float32)


def _step(before: Any, after: Any, place: Array) -> Array | None:
    """Return where a patch has moved to in the next frame, in pixels; None if it is not found again."""
    shifts = (_shift(before, after, place, radius) for radius in RADII_PX)
    shift = next((one for one in shifts if one is not None), None)
    return None if shift is None else place + shift


def _shift(before: Any, after: Any, place: Array, radius: int) -> Array | None:
    import cv2

    offsets = np.linspace(-radius, radius, GRID, dtype=np.float32)
    patch = (place + np.stack(np.meshgrid(offsets, offsets), -1).reshape(-1, 2)).astype(np.float32)
    window: dict[str, Any] = {"winSize": (13, 13), "maxLevel": 3}
    flow: Any = cv2.calcOpticalFlowPyrLK
    moved, found, _ = flow(before, after, patch[:, None], None, **window)
    returned, again, _ = flow(after, before, moved, None, **window)
    good = (found & again).astype(bool).ravel()
    good &= np.abs(returned[:, 0] - patch).max(1) < RETURNS_PX
    if good.mean() < ENOUGH:
        return None
    shift: Array = np.median(moved[good, 0] - patch[good], axis=0)
    return shift


def _grey(image: Image) -> Any:
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise SaysoError(INSTALL) from error
    height, width = image.shape[:2]
    size = (round(width * HEIGHT_PX / height), HEIGHT_PX)
    return cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
