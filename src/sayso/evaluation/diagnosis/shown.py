"""Demonstrations that a policy is held against: what an expert or a recording saw and did, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sayso.data.fit import check_fits
from sayso.data.reader import Dataset
from sayso.data.statistics import Stats, hardly_moves
from sayso.data.transforms import Repack
from sayso.evaluation.action_error import standing
from sayso.evaluation.rollout import rollout
from sayso.spec import ACTION, STATE, Array, Features, Observation, SaysoError
from sayso.tasks.contract import World, expert_of

ROWS = 8
"""Rows of a chunk that are compared: those after them are hard to foresee."""
IN_A_ROW = 32
"""Frames of an episode of a recording that are decoded, one after the other."""


@dataclass(frozen=True)
class Look:
    """One moment of a demonstration."""

    now: Observation
    later: Observation
    """A step later."""
    shown: Array
    """What was done from now on, ``[ROWS, A]``; NaN after the end."""
    standing: Array
    """The action that stays where the robot is, ``[A]``; NaN where its state does not say."""


@dataclass(frozen=True)
class Sequel:
    """Frames of one episode, one after the other, and what was done in each, and after the last of them."""

    frames: Sequence[Observation]
    actions: Array

    @property
    def states(self) -> Array:
        """Return the states, ``[T, S]``."""
        return np.stack([frame[STATE] for frame in self.frames])


@dataclass(frozen=True)
class Demonstrations:
    """Some demonstrations, in the names and units of what the policy drives."""

    features: Features
    sequels: Sequence[Sequel]
    by: str
    """Who showed them, for a person."""

    def looks(self, n: int) -> list[Look]:
        """Return n moments, spread evenly over all; fewer if there are no more."""
        there = [(s, t) for s in self.sequels for t in range(len(s.frames) - 1)]
        if not there:
            raise SaysoError(f"the demonstrations by {self.by} have no two frames")
        chosen = np.linspace(0, len(there) - 1, min(n, len(there))).round().astype(int)
        return [self._look(*there[k]) for k in chosen]

    def _look(self, s: Sequel, t: int) -> Look:
        done = s.actions[t : t + ROWS]
        shown = np.full((ROWS, done.shape[1]), np.nan, np.float32)
        shown[: len(done)] = done
        return Look(s.frames[t], s.frames[t + 1], shown, self._standing(s, t))

    def _standing(self, s: Sequel, t: int) -> Array:
        now: Array = standing(np.asarray(s.frames[t][STATE])[None], self.features)[0]
        return now

    @cached_property
    def spread(self) -> Array:
        """Return how far actions lie from where the robot stands, one sigma of each dimension, ``[A]``.

        Of one that hardly moves it is infinite: its errors say nothing.
        """
        gaps = self.relative(ROWS, np.ones(len(self.features.action), bool)).reshape(
            -1, len(self.features.action)
        )
        spread = gaps.std(0)
        return np.where(hardly_moves(np.abs(gaps).mean(0), spread), np.inf, spread).astype(np.float32)

    def relative(self, rows: int, counted: NDArray[np.bool_]) -> Array:
        """Return what was done next from each moment on, ``[N, rows, A]``, beyond the end the last action.

        The dimensions that are counted so are counted from where the robot stood.
        """
        found = []
        for s in self.sequels:
            actions = np.concatenate([s.actions, np.repeat(s.actions[-1:], rows, 0)])
            for t in range(len(s.frames)):
                from_here = np.where(counted, np.nan_to_num(self._standing(s, t)), 0)
                found.append(actions[t : t + rows] - from_here)
        return np.stack(found)

    @property
    def states(self) -> Stats:
        """Return the statistics of the states."""
        return Stats.of(np.concatenate([s.states for s in self.sequels]))

    @property
    def actions(self) -> Stats:
        """Return the statistics of the actions."""
        return Stats.of(np.concatenate([s.actions for s in self.sequels]))


def by_expert(world: World, trials: Iterable[tuple[str, int]]) -> Demonstrations:
    """Let a world's expert show episodes, each a family and a seed.

    Raises:
        SaysoError: if the world has no expert, or the expert could do none of them.
    """
    expert, sequels, why = expert_of(world), [], ""
    for family, seed in trials:
        episode = rollout(world, expert, seed, family=family, keep_frames=True)
        if episode.success:
            sequels.append(Sequel(episode.frames, np.stack([f[ACTION] for f in episode.frames])))
        why = why or episode.error or episode.why
    if not sequels:
        raise SaysoError(
            f"the expert of {world.name} could show nothing ({why.splitlines()[-1] if why else '?'}): name a "
            "recording to compare with, --datasets"
        )
    return Demonstrations(world.features, sequels, f"{len(sequels)} episodes by the expert of {world.name}")


def recorded(datasets: Sequence[Dataset], features: Features, episodes: int) -> Demonstrations:
    """Take parts of so many episodes of recordings, in a policy's names and units.

    Raises:
        FeatureMismatchError: if they are of another robot or other cameras.
    """
    sequels = []
    for dataset in datasets:
        check_fits(features, dataset.features)
        way = Repack.between(dataset.features, features)
        count = min(len(dataset.episodes), -(-episodes // len(datasets)))
        for k in np.linspace(0, len(dataset.episodes) - 1, count).round().astype(int):
            episode = dataset.episodes[k]
            first = max(0, (len(episode) - IN_A_ROW - ROWS) // 2)
            steps = range(first, min(len(episode), first + IN_A_ROW))
            frames = [way.forward(frame) for frame in dataset.frames(episode, steps)]
            rows = dataset.action[
                episode.start + first : episode.start + min(len(episode), first + 2 * IN_A_ROW)
            ]
            sequels.append(Sequel(frames, way.forward({ACTION: rows})[ACTION]))
    return Demonstrations(
        features, sequels, f"{len(sequels)} episodes of {', '.join(str(d.root) for d in datasets)}"
    )
