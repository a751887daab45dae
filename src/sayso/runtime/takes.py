"""Episode in the making: the frames of what one person did in one go, from the first motion to the last.

    reading ──> see ──┐
    the loop's tick ──┴──> a frame: what was shown, felt and sent, and the sentence ──> cut ──> frames

What comes before the first motion and after the last is left out: a policy that learned it would stand still
there. Pictures are copied, as drivers may show the next one in the same array.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sayso.runtime.tick import Tick
from sayso.spec import ACTION, IMAGES, STATE, TASK, Features, Image, Observation, image_key

FEWEST = 3
"""A take of fewer frames shows nothing: a key was touched."""


class Take:
    """Frames of one person's go, as they come."""

    def __init__(self, features: Features, spool: Path | None = None) -> None:
        """Begin with none.

        Args:
            features: of the robot, in its own names and sizes; with points if labels are seen.
            spool: folder for pictures that wait to be encoded, where a minute of them is more than memory
                should hold; None keeps them in memory.
        """
        self._features, self._folder = features, spool
        self._spool = Spool(spool) if spool is not None else None
        self._frames: list[Observation] = []
        self._shown: Observation | None = None
        self._moved = 0

    def __len__(self) -> int:
        """Return how many frames there are, up to the last motion."""
        return self._moved

    def see(self, reading: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> None:
        """Take note of a reading before the step that answers it, and of what is known of it besides."""
        names = self._features.state_names
        if any(reading.get(name) is None for name in (*names, *self._features.cameras)):
            self._shown = None  # a reading that lacks something is none
            return
        images = {image_key(n): np.array(reading[n], np.uint8) for n in self._features.cameras}
        state = np.array([reading[name] for name in names], np.float32)
        self._shown = {STATE: state, **images, **(labels or {})}

    def step(self, tick: Tick, sentence: str, *, moving: bool) -> None:
        """Add the step that was taken, unless nothing was seen before it or nothing has moved so far.

        Args:
            tick: of the loop.
            sentence: what was asked for.
            moving: whether anything was wanted in this step.
        """
        shown, self._shown = self._shown, None
        if shown is None or tick.observation is None or not (moving or self._frames):
            return
        if spool := self._spool:
            shown = {key: spool.put(what) if key.startswith(IMAGES) else what for key, what in shown.items()}
        self._frames.append({**shown, ACTION: np.array(tick.sent, np.float32), TASK: sentence})
        if moving:
            self._moved = len(self._frames)

    def cut(self) -> list[Observation]:
        """Return the frames up to the last motion, none if they are too few, and begin anew."""
        frames, spool = self._frames[: self._moved], self._spool
        self._frames, self._moved = [], 0
        if spool is not None and self._folder is not None:
            self._spool = Spool(self._folder)
            found = spool.pictures() if frames else {}
            frames = [{k: found[v] if isinstance(v, Spooled) else v for k, v in f.items()} for f in frames]
        return frames if len(frames) >= FEWEST else []


@dataclass(frozen=True)
class Spooled:
    """Place of a picture in a file."""

    begin: int
    shape: tuple[int, ...]


class Spool:
    """File without a name that holds pictures one after the other, and is gone with whoever holds it."""

    def __init__(self, folder: Path) -> None:
        """Open it in a folder, which must be there."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as this is there
        self._places: list[Spooled] = []
        self._end = 0

    def put(self, picture: Image) -> Spooled:
        """Write a picture, and return where it is."""
        place = Spooled(self._end, picture.shape)
        self._file.write(picture.tobytes())
        self._places.append(place)
        self._end += picture.size
        return place

    def pictures(self) -> dict[Spooled, Image]:
        """Return all of them, uint8 ``[H, W, 3]`` each, read from the disk when they are looked at."""
        self._file.flush()
        whole = np.memmap(self._file, np.uint8, "r")
        return {p: whole[p.begin : p.begin + math.prod(p.shape)].reshape(p.shape) for p in self._places}


def recorded_features(features: Features, *, labelled: bool) -> Features:
    """Return what episodes of a robot hold: its own names and sizes, and points where they are known."""
    return Features(
        robot_type=features.robot_type,
        fps=features.fps,
        state=features.state,
        action=features.action,
        cameras=features.cameras,
        points=features.points if labelled else (),
    )
