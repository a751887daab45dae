"""Transfer of an episode's pictures: packets copied as they are where that is exact, else encoded anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sayso.data.crop import cut
from sayso.data.edit.columns import Picture
from sayso.data.footage import of_size
from sayso.data.format import FormatError
from sayso.data.info import Camera
from sayso.data.resize import fitted
from sayso.data.staging import sampled
from sayso.data.statistics import QUANTILES, Integers, colour_histogram, describe_images
from sayso.data.tables import Clip
from sayso.data.video import VideoError, copy_clip, encode_video, frames_at, video_info
from sayso.spec import Image

NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
"""What LeRobot says of the pictures of an episode, each as ``[3, 1, 1]``, but the number of those counted."""


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """Pictures of an episode in a video of their own."""

    path: Path
    info: Mapping[str, Any]
    """How they are encoded, as ``info.json`` says it."""
    stats: Mapping[str, Any] | None
    """None of depth that nobody has counted."""


def film(
    part: Path,
    picture: Picture,
    clip: Clip,
    *,
    entry: Mapping[str, Any],
    recorded: Mapping[str, Any] | None,
    frames: int,
    fps: float,
    every: int,
    where: str,
) -> Filmed:
    """Write the pictures of one episode and camera as a video.

    Args:
        part: the video to write.
        picture: what becomes of the camera.
        clip: where they are.
        entry: what ``info.json`` says of the camera.
        recorded: statistics that came with the episode.
        frames: how many it has there.
        fps: how many a second.
        every: one of how many is kept.
        where: which episode it is, in words, and how to leave it out.

    Raises:
        FormatError: if a picture is missing, damaged or of another size.
    """
    try:
        plain = every == 1 and picture.size == picture.was
        if plain and copy_clip(part, clip.path, clip.begins_s, frames, fps):
            info = entry.get("info") or video_info(*picture.size, fps)
            stats = recorded if is_whole(recorded) else None
            if not picture.is_depth:
                _check_size(part, picture, clip, where)
            if stats is None and not picture.is_depth:
                stats = _counted(shown.image for shown in frames_at(part, sampled(frames) / fps, 0.5 / fps))
            return Filmed(path=part, info=info, stats=stats)
        if picture.is_depth:
            raise FormatError(f"{clip.path} shows depth that cannot be copied exactly; leave that camera out")
        times = [clip.begins_s + step / fps for step in range(0, frames, every)]
        count = _Count(sampled(len(times)))
        encode_video(part, count.passing(_scaled(clip, times, picture, fps, where)), fps / every)
        return Filmed(path=part, info=video_info(*picture.size, fps / every), stats=count.stats)
    except VideoError as error:
        raise FormatError(f"{where}: {error}") from error


def stats_of(images: Sequence[Image]) -> dict[str, Any]:
    """Return LeRobot's statistics of an episode's pictures, of which some are counted."""
    return _counted(images[k] for k in sampled(len(images)))


def is_whole(stats: Mapping[str, Any] | None) -> bool:
    """Tell whether statistics of pictures or of depth that were recorded have all that LeRobot says today."""
    if not stats or not all(name in stats for name in NAMES):
        return False
    shapes = {np.shape(stats[name]) for name in NAMES if name != "count"}
    return shapes in ({(3, 1, 1)}, {(1, 1, 1)}) and np.shape(stats["count"]) == (1,)


def together(stats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the statistics of all episodes' pictures: exact but for quantiles, the outermost of which stay.

    LeRobot puts its own together in this way.
    """
    counts = np.array([one["count"][0] for one in stats], np.float64)
    shares = (counts / counts.sum()).reshape(-1, 1, 1, 1)
    each = {name: np.array([one[name] for one in stats], np.float64) for name in NAMES if name != "count"}
    mean = (shares * each["mean"]).sum(0)
    spread = np.sqrt((shares * (each["std"] ** 2 + (each["mean"] - mean) ** 2)).sum(0))
    found = {"min": each["min"].min(0), "max": each["max"].max(0), "mean": mean, "std": spread}
    for name, level in QUANTILES.items():
        found[name] = each[name].min(0) if level <= 0.5 else each[name].max(0)
    return {name: values.tolist() for name, values in found.items()} | {"count": [int(counts.sum())]}


class _Count:
    """Histogram of some of the pictures that go by."""

    def __init__(self, steps: Integers) -> None:
        self._steps = set(steps.tolist())
        self._histogram = np.zeros((3, 256), np.int64)

    def passing(self, images: Iterable[Image]) -> Iterator[Image]:
        """Yield pictures as they come, and count some of them."""
        for step, image in enumerate(images):
            if step in self._steps:
                self._histogram += colour_histogram([image])
            yield image

    @property
    def stats(self) -> dict[str, Any]:
        """Return the statistics of those that were counted."""
        return describe_images(self._histogram, len(self._steps))


def _counted(images: Iterable[Image]) -> dict[str, Any]:
    shown = list(images)
    return describe_images(colour_histogram(shown), len(shown))


def _scaled(clip: Clip, times: Sequence[float], picture: Picture, fps: float, where: str) -> Iterator[Image]:
    camera = Camera(key=picture.key, is_video=True, size=picture.was)
    for shown in frames_at(clip.path, times, 0.5 / fps):
        yield fitted(cut(of_size(shown.image, camera, clip.path, where), picture.part), picture.size)


def _check_size(part: Path, picture: Picture, clip: Clip, where: str) -> None:
    camera = Camera(key=picture.key, is_video=True, size=picture.was)
    for shown in frames_at(part, [0.0]):
        of_size(shown.image, camera, clip.path, where)
