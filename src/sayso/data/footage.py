"""Video index: where a dataset's table says that a camera's pictures are in its videos.

    table    episode 7 begins in file-002.mp4 at 4.101 s; frame k is shown k / fps later
    video    frames at 4.067, 4.1, 4.133 ...            the nearest is 1 ms off: taken, and said

Times drift in many recordings, a little more with each episode. Up to half a frame's time the nearest frame
is the right one. Beyond that it is another one, and nothing in the picture would tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from sayso.data.format import FormatError
from sayso.data.info import Camera
from sayso.data.statistics import Integers
from sayso.data.tables import Clip
from sayso.data.video import TOLERANCE_S, VideoError, extent, frames_at
from sayso.spec import Image


@dataclass
class Footage:
    """Where one camera's pictures of each episode are."""

    name: str
    camera: Camera
    clips: Sequence[Clip]
    """Of each episode."""
    starts: Integers
    """First row of each episode, and behind the last one the number of rows."""
    numbers: Sequence[int]
    """What each episode is called."""
    fps: float
    drift_s: float = field(default=0.0, init=False)
    """How far frames lay from where they were looked for, at most, so far."""

    def images(self, rows: Integers) -> Iterator[Image]:
        """Yield the images of ascending rows; each video is decoded once, however many episodes it holds.

        Raises:
            VideoError: if a video is damaged, or shows nothing within half a frame's time of what is wanted.
            FormatError: if pictures are not of the size that ``info.json`` says.
        """
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        steps = rows - self.starts[owners]
        located = zip(owners.tolist(), steps.tolist(), strict=True)
        for path, group in groupby(located, key=lambda place: self.clips[place[0]].path):
            places = list(group)
            times = [self.clips[owner].begins_s + step / self.fps for owner, step in places]
            shown = frames_at(path, times, self._half_a_frame_s)
            for number, (owner, step) in enumerate(places):
                episode = f"camera {self.name!r}, episode {self.numbers[owner]}"
                try:
                    if number == 0:
                        self._refuse_shifted(path)
                    image, off_s = next(shown)
                except VideoError as error:
                    raise VideoError(f"{episode}, frame {step}: {error}") from error
                self.drift_s = max(self.drift_s, off_s)
                yield of_size(image, self.camera, path, episode)

    @property
    def remark(self) -> str:
        """Say how far times have drifted, if it is worth a word."""
        if self.drift_s <= TOLERANCE_S:
            return ""
        return (
            f"camera {self.name!r}: times in the table of episodes are up to {self.drift_s * 1e3:.2f} ms off "
            f"those in the videos; the nearest frames were taken (a frame lasts {1e3 / self.fps:.1f} ms)"
        )

    @property
    def _half_a_frame_s(self) -> float:
        return 0.5 / self.fps

    def _refuse_shifted(self, path: Path) -> None:
        mine = [k for k, clip in enumerate(self.clips) if clip.path == path]
        begins_s, lengths = [self.clips[k].begins_s for k in mine], np.diff(self.starts)[mine].tolist()
        for k, wrong in shifted(path, begins_s, lengths, self.fps).items():
            raise VideoError(
                f"in {path} episode {self.numbers[mine[k]]} {wrong}. Correct from_timestamp in meta/episodes,"
                " or record again"
            )


def shifted(path: Path, begins_s: Sequence[float], lengths: Sequence[int], fps: float) -> dict[int, str]:
    """Return which episodes of a video have other frames than those their times lead to, and what is wrong.

    That can be told where the video holds just the frames of its episodes, one after the other.

    Args:
        path: the video.
        begins_s: when each of its episodes begins, by the table of episodes.
        lengths: how many frames each has.
        fps: how many a second.

    Raises:
        VideoError: if the video is damaged.
    """
    count, first_s = extent(path)
    order = np.argsort(begins_s, kind="stable")
    ordered = np.asarray(lengths)[order]
    if count != ordered.sum():
        return {}
    found = {}
    for k, begin_s in zip(order.tolist(), first_s + (np.cumsum(ordered) - ordered) / fps, strict=True):
        if abs(off_s := begins_s[k] - begin_s) > 0.5 / fps:
            found[k] = (
                f"begins at {begin_s:.4f} s, but at {begins_s[k]:.4f} s by the table of episodes, "
                f"{abs(off_s) * fps:.1f} frames off: each picture would belong to another state"
            )
    return found


def of_size(image: Image, camera: Camera, path: Path, where: str) -> Image:
    """Return an image if it is of the size that ``info.json`` says.

    Raises:
        FormatError: if it is not.
    """
    if image.shape[:2] != camera.size:
        given, said = (" x ".join(map(str, size)) for size in (image.shape[:2], camera.size))
        raise FormatError(
            f"{path}: {where} is {given}, but meta/info.json says {said} (height x width). Correct the shape "
            f"of {camera.key!r} there if all pictures are so, or record again"
        )
    return image
