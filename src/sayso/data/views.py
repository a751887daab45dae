"""Reference pictures of a policy's cameras: what each showed where its demonstrations began.

::

    first frame of up to 24 episodes: pictures, and where the robot stood
        --> the robot stands so now: the mean edges of the pictures, those the most where it stood like that
        --> against the edges of what a camera shows now: by how much it seems to have moved

How far the reference pictures lie apart among themselves, each held against the others, is what is usual: a
camera that stood elsewhere in some demonstrations is not called moved by that much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.data.registration import Field, Match, Placement, Registration, edges, small
from sayso.spec import STATE, Array, Image, image_key

MOST = 24
"""Reference pictures of a camera."""
ANYHOW = 0.02
"""Weight of a picture in which the robot stood otherwise, to that of one in which it stood like this."""
CLEARLY = 1.35
"""How much more alike pictures must be elsewhere than where they were, for a camera to be called moved."""
LEAST_MOVED = 0.025
"""Share of its width by which what a camera shows must be off in any case for it to be called moved."""
USUALLY, SLACK = 0.9, 1.25
"""Share of the reference pictures that are usual, and what an offset is multiplied by before it is not."""
UNLIKE = 0.4
"""Share of the likeness that is usual, below which nothing can be told of a place."""
LEAST_LIKE = 0.03
"""Likeness below which pictures have nothing in common, or show nothing."""
FEWEST = 3
"""Reference pictures from which one can be held against the others."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a camera seems to be."""

    placement: Placement
    """Of what it shows, against what it showed in the demonstrations."""
    moved: float
    """How far that is, mean over the picture, as a share of its width."""
    usual: float
    """By how much it was off among the demonstrations themselves, or less than can be told."""
    alike: bool
    """Whether the pictures are so alike that a place can be told at all."""

    @property
    def familiar(self) -> bool:
        """Tell whether it looks as in the demonstrations."""
        return self.alike and self.moved <= self.usual


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Reference pictures of a camera, each held against the others."""

    off: float
    """How far they are off at most, as a share of the width."""
    likeness: float
    """How alike they are at least."""


@dataclass(frozen=True, eq=False)
class View:
    """Pictures of a camera, uint8 ``[K, h, w, 3]``, and where the robot stood in each, ``[K, S]``."""

    pictures: Image
    states: Array
    known: Usual | None = None
    """What is usual, where that was worked out before."""
    per_level: float = 0.0
    """How far level 1 of a world's axis ``camera`` moves the picture, as a share of its width; 0: unknown."""

    def compared(self, image: Image, state: Array) -> Found:
        """Hold a picture, uint8 ``[H, W, 3]``, against these; the robot stands at a state, ``[S]``."""
        match = self._match(edges(small(image, self.pictures.shape[1:3])), state)
        return Found(
            placement=match.placement,
            moved=match.placement.moved(self.pictures.shape[1:3]),
            usual=self.usual.off,
            alike=match.likeness >= max(LEAST_LIKE, UNLIKE * self.usual.likeness),
        )

    def level(self, moved: float) -> float:
        """Return which level of axis ``camera`` moves a picture so far; 0 where that is unknown."""
        return moved / self.per_level if self.per_level else 0.0

    @cached_property
    def usual(self) -> Usual:
        """Return how far off and how alike the pictures are, each held against all others."""
        if self.known:
            return self.known
        count = len(self.pictures)
        if count < FEWEST:
            return Usual(off=LEAST_MOVED, likeness=0.0)
        matches = [self._match(self._edges[k], self.states[k], without=k) for k in range(count)]
        off = [match.placement.moved(self.pictures.shape[1:3]) for match in matches]
        return Usual(
            off=max(LEAST_MOVED, SLACK * float(np.quantile(off, USUALLY))),
            likeness=max(0.0, float(np.quantile([match.likeness for match in matches], 1 - USUALLY))),
        )

    @cached_property
    def _edges(self) -> Field:
        return np.stack([edges(picture) for picture in self.pictures])

    def _match(self, now: Field, state: Array, without: int | None = None) -> Match:
        """Return where the mean edges of the pictures are in others: where they were, if in doubt."""
        weights = self._weights(state)
        if without is not None:
            weights[without] = 0.0
        template = np.tensordot(weights / weights.sum(), self._edges, 1).astype(np.complex64)
        registration = Registration(template, now)
        here, anywhere = registration.near(), registration.anywhere()
        clearly = anywhere.likeness > LEAST_LIKE + CLEARLY * max(here.likeness, 0.0)
        return anywhere if clearly else here

    def _weights(self, state: Array) -> NDArray[np.float64]:
        spread = self.states.std(0) + 1e-3 * np.abs(self.states).max(0, initial=0.0) + 1e-2
        away = ((self.states - state) / spread).astype(np.float64) ** 2
        weights: NDArray[np.float64] = np.exp(-away.sum(1) / 2) + ANYHOW
        return weights


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Success of a policy at the levels of its world's axis ``camera``, as measured."""

    success: tuple[tuple[int, float], ...]
    """Levels that were measured, rising from 0, and the share of episodes that succeed there."""
    of: str
    """What was measured, for a person."""
    shown: int = 0
    """Farthest level that training shows."""


def spread(count: int) -> list[int]:
    """Return which of so many frames are kept: all, or as many as are, evenly."""
    return np.unique(np.linspace(0, count - 1, MOST).astype(int)).tolist() if count else []


@dataclass(frozen=True, kw_only=True)
class Views:
    """Reference pictures of all cameras of a policy; none where nobody kept any."""

    cameras: Mapping[str, View] = field(default_factory=dict)
    costs: Costs | None = None

    @classmethod
    def of(cls, frames: Sequence[Mapping[str, Any]], cameras: Sequence[str]) -> Views:
        """Keep observations: uint8 ``[H, W, 3]`` of each camera, and the state, ``[S]``, if there is one."""
        chosen = [frames[k] for k in spread(len(frames))]
        states = np.array([frame.get(STATE, ()) for frame in chosen], np.float32)
        return cls(
            cameras={
                camera: View(np.stack([small(frame[image_key(camera)]) for frame in chosen]), states)
                for camera in cameras
                if chosen
            }
        )

    def elsewhere(self, there: Callable[[str], str], states: Callable[[Array], Array]) -> Views:
        """Return them for a robot that calls cameras and measures numbers otherwise."""
        return replace(
            self,
            cameras={there(name): replace(v, states=states(v.states)) for name, v in self.cameras.items()},
        )

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.cameras)


NONE_KEPT = Views()
