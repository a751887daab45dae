"""Index of one video: times and sizes of its frames without decoding, any of its pictures in grey.

What a frame weighs tells much: where nothing changes, a coder writes next to nothing but key frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from sayso.data.statistics import Integers
from sayso.data.video import VideoError
from sayso.spec import Array

CELLS = 30
"""A picture is compared by the means of cells, of which so many stand along its shorter side."""
AHEAD = 4
"""Frames up to which it is quicker to decode on than to seek."""
EMPTY_BYTES, EMPTY_BYTES_PER_PIXEL, EMPTY_SHARE = 24, 4e-4, 0.4
"""A frame up to this size, or up to this share of the middle one, most likely shows what the one before it
did, unless it is a key frame."""


@dataclass(frozen=True, kw_only=True)
class Reel:
    """Index of an open video's n frames, in the order in which they are shown."""

    container: av.container.InputContainer
    ticks: Integers
    times_s: NDArray[np.float64]
    sizes: Integers
    """Bytes of each."""
    is_key: NDArray[np.bool_]

    @classmethod
    def of(cls, container: av.container.InputContainer) -> Reel:
        """Read times and sizes of all frames without decoding any.

        Raises:
            VideoError: if it holds no frame.
        """
        stream = container.streams.video[0]
        packets = [(p.pts, p.size, p.is_keyframe) for p in container.demux(stream) if p.size]
        known = sorted((int(pts), size, bool(key)) for pts, size, key in packets if pts is not None)
        if not known:
            raise VideoError(f"{container.name} holds no frame: it was cut, or its recording never finished")
        ticks, sizes, keys = (np.array(column) for column in zip(*known, strict=True))
        base = float(stream.time_base or 0)
        return cls(container=container, ticks=ticks, times_s=ticks * base, sizes=sizes, is_key=keys)

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of its pictures."""
        context = self.container.streams.video[0].codec_context
        return int(context.height), int(context.width)

    @property
    def channels(self) -> int:
        """Return how many channels its pictures have: 3 of colour, 1 of grey or depth."""
        shape = self.container.streams.video[0].codec_context.format
        return 3 if shape is None or shape.name == "pal8" else len(shape.components)

    @property
    def fps(self) -> float:
        """Return how many frames it shows in a second, by their times."""
        steps = np.diff(self.times_s)
        return float(1 / np.median(steps)) if len(steps) and np.median(steps) > 0 else np.nan

    def nearest(self, times_s: NDArray[np.float64]) -> Integers:
        """Return which frame is shown nearest to each time."""
        after = np.clip(np.searchsorted(self.times_s, times_s), 1, max(1, len(self.times_s) - 1))
        after = np.minimum(after, len(self.times_s) - 1)
        before = np.maximum(after - 1, 0)
        nearer = times_s - self.times_s[before] <= self.times_s[after] - times_s
        return np.where(nearer, before, after).astype(np.int64)

    @cached_property
    def is_empty(self) -> NDArray[np.bool_]:
        """Tell which frames weigh next to nothing; a key frame counts as the frame after it."""
        most = EMPTY_BYTES + EMPTY_BYTES_PER_PIXEL * self.size[0] * self.size[1]
        if not self.is_key.all():
            most = max(most, EMPTY_SHARE * float(np.median(self.sizes[~self.is_key])))
        light = (self.sizes <= most) & ~self.is_key
        following = np.append(light[1:], False)
        return np.where(self.is_key, following, light)

    def pictures(self, wanted: Sequence[int]) -> Iterator[Array]:
        """Yield the cells of frames whose numbers ascend.

        Raises:
            VideoError: if one is damaged.
        """
        stream = self.container.streams.video[0]
        keys = np.flatnonzero(self.is_key)
        converter, decoder, at = VideoReformatter(), None, -AHEAD - 1
        for number in wanted:
            place = int(np.searchsorted(keys, number, side="right")) - 1
            key = int(keys[place]) if place >= 0 else 0
            if decoder is None or (number - at > AHEAD and key > at):
                self.container.seek(int(self.ticks[key]), stream=stream)
                decoder = self.container.decode(stream)
            yield _cells(_grey(converter, self._shown(decoder, number)))
            at = number

    def _shown(self, decoder: Iterator[Any], number: int) -> av.VideoFrame:
        with contextlib.suppress(av.FFmpegError):
            for frame in decoder:
                if frame.is_corrupt:
                    break
                if frame.pts is not None and frame.pts >= self.ticks[number]:
                    return frame  # type: ignore[no-any-return]
        raise VideoError(
            f"{self.container.name} is damaged at {self.times_s[number]:.3f} s: take it from a copy"
        )


def _grey(converter: VideoReformatter, frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(converter.reformat(frame, format="gray").to_ndarray(), np.uint8)


def _cells(grey: NDArray[np.uint8]) -> Array:
    """Return the mean grey level of square cells, float32 ``[h, w]``."""
    side = max(1, min(grey.shape) // CELLS)
    high, wide = (length // side for length in grey.shape)
    cut = grey[: high * side, : wide * side].reshape(high, side, wide, side)
    return np.asarray(cut.mean(axis=(1, 3), dtype=np.float32))


def cells_of(image: NDArray[np.uint8]) -> Array:
    """Return the cells of a picture in colours, uint8 ``[H, W, 3]``."""
    return _cells(image.mean(axis=2).astype(np.uint8))
