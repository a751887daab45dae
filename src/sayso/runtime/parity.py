"""Parity of two policies that should be one: their actions, their latency, their success.

Shapes: N samples, K chunk, A action.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from sayso.data.fit import check_fits
from sayso.data.reader import Dataset
from sayso.data.statistics import RELATIVE, Stats, scale
from sayso.data.transforms import Repack
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import Interval, is_void, wilson
from sayso.evaluation.trials import evaluate
from sayso.spec import (
    ACTION,
    AS_LEARNED,
    STATE,
    TASK,
    Array,
    Features,
    Observation,
    Outcome,
    Policy,
    SaysoError,
    image_key,
    seeds,
)
from sayso.tasks.contract import World, expert_of
from sayso.tasks.worlds import WorldEntry, chosen_families

WARM_UP = 10
"""Calls that are made before any is timed."""
PAUSE_S = 0.02
"""Time between calls that are timed: robots pause as well, and another engine's threads stop spinning."""
EPISODES = 8
"""Episodes of a dataset that frames are taken from."""
MAX_TO_MEAN = 10
"""How much larger than the mean error the largest of a frame may be."""
USUAL = 0.95
"""In how many frames it must be so. A policy looks at the best place only; where two are equally good, the
last bit decides, and the source itself would decide otherwise in another precision."""


def dataset_samples(root: Path, features: Features, n: int) -> list[Observation]:
    """Return n samples, evenly spaced over several episodes of a LeRobotDataset.

    Raises:
        FeatureMismatchError: if the dataset is not of the robot the policy was made for.
    """
    dataset = Dataset(root)
    check_fits(features, dataset.features)
    way = Repack.between(dataset.features, features)
    chosen = np.unique(np.linspace(0, len(dataset.episodes) - 1, EPISODES).astype(int))
    shares = np.diff(np.linspace(0, n, len(chosen) + 1).astype(int))
    samples: list[Observation] = []
    for number, share in zip(chosen, shares, strict=True):
        episode = dataset.episodes[number]
        steps = _spread(len(episode), int(share))
        frames = dict(zip(sorted(set(steps)), dataset.frames(episode, sorted(set(steps))), strict=True))
        samples += [_look(way.forward(frames[step]), features) for step in steps]
    return samples


def world_samples(make_world: Callable[[], World], features: Features, n: int) -> list[Observation]:
    """Return n samples of what a world's expert sees on training seeds, one episode of each family.

    Raises:
        FeatureMismatchError: if the world is not that of the robot the policy was made for.
        SaysoError: if no episode could be run.
    """
    samples: list[Observation] = []
    with contextlib.closing(make_world()) as place:
        check_fits(features, place.features)
        way = Repack.between(place.features, features)
        shares = np.diff(np.linspace(0, n, len(place.families) + 1).astype(int))
        for family, share in zip(place.families, shares, strict=True):
            samples += [
                _look(way.forward(frame), features) for frame in _demonstration(place, family, int(share))
            ]
    return samples


def _demonstration(world: World, family: str, n: int) -> list[Observation]:
    """Return n samples, evenly spaced, of what the expert sees on the first training seed.

    The episode is run twice, first to know how long it is: in a world of fifty families, drawing every step
    of it would take most of the time.
    """
    if not n:
        return []
    (seed,) = seeds("train", 1)
    episode = rollout(world, expert_of(world), seed, family=family, execute=1)
    if episode.outcome is Outcome.INVALID:
        raise SaysoError(f"the expert's episode of {family!r} in {world.name!r} broke: {episode.error}")
    steps = _spread(episode.steps, n)
    glimpsed = _Glimpsed(world, steps)
    rollout(cast(World, glimpsed), expert_of(world), seed, family=family, execute=1)
    return [glimpsed.seen[step] for step in steps]


class _Glimpsed:
    """World that keeps what is seen before some of its steps, and draws nothing else that nobody asks for."""

    def __init__(self, world: World, steps: Sequence[int]) -> None:
        self._world, self._steps, self._step = world, steps, 0
        self.seen: dict[int, Observation] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def reset(self, **given: Any) -> Any:
        self.seen[0], info = self._world.reset(**given)
        return self.seen[0], info

    def step(self, action: Array, *, render: bool = True) -> Any:
        self._step += 1
        observation, *more = self._world.step(action, render=render or self._step in self._steps)
        if self._step in self._steps:
            self.seen[self._step] = observation
        return observation, *more


def _spread(length: int, n: int) -> list[int]:
    """Return n steps evenly spaced over an episode."""
    steps: list[int] = np.linspace(0, length - 1, n).astype(int).tolist()
    return steps


def _look(frame: Observation, features: Features) -> Observation:
    """Leave out of a frame what no policy may see."""
    felt = (STATE,) if features.state else ()
    cropped = (AS_LEARNED,) if features.cropped else ()
    return {key: frame[key] for key in (*map(image_key, features.cameras), *felt, *cropped, TASK)}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far the actions of two policies are apart on the same samples."""

    samples: int
    mean: Mapping[str, float]
    """Unit -> mean absolute difference, in robot units."""
    largest: Mapping[str, float]
    """Unit -> largest difference, in robot units."""
    relative_mean: float
    """Mean absolute difference in model units: standard deviations of what the policy predicts."""
    relative_usual: float
    """What the largest difference of a frame stays below in `USUAL` of them, in model units."""
    relative_largest: float
    """Largest difference in model units."""

    @classmethod
    def of(
        cls,
        one: Policy,
        other: Policy,
        samples: Sequence[Observation],
        features: Features,
        stats: Mapping[str, Stats],
    ) -> Self:
        """Let two policies act on the same samples, robot and statistics as given."""
        error = np.stack([np.abs(answer(one, s) - answer(other, s)) for s in samples])
        units = [dimension.unit for dimension in features.action]
        by_unit = {unit: error[..., [u == unit for u in units]] for unit in dict.fromkeys(units)}
        relative = error / _scale(stats, len(units))
        return cls(
            samples=len(samples),
            mean={unit: float(e.mean()) for unit, e in by_unit.items()},
            largest={unit: float(e.max()) for unit, e in by_unit.items()},
            relative_mean=float(relative.mean()),
            relative_usual=float(np.quantile(relative.max((1, 2)), USUAL, method="inverted_cdf")),
            relative_largest=float(relative.max()),
        )

    def within(self, tolerance: float) -> bool:
        """Tell whether the mean error is at most `tolerance`, and in few frames one is ten times that."""
        return self.relative_mean <= tolerance and self.relative_usual <= MAX_TO_MEAN * tolerance

    def __str__(self) -> str:
        """Return two lines for a person."""
        errors = ((name, values) for name, values in (("mean", self.mean), ("largest", self.largest)))
        said = [
            f"{name} {', '.join(f'{e:.3g} {unit}' for unit, e in values.items())}" for name, values in errors
        ]
        return (
            f"action error on {self.samples} frames: {'; '.join(said)}\n"
            f"  in standard deviations: mean {self.relative_mean:.3g}, largest {self.relative_largest:.3g}, "
            f"in {USUAL:.0%} of the frames at most {self.relative_usual:.3g}"
        )


def answer(policy: Policy, sample: Observation) -> Array:
    """Return the chunk ``[K, A]`` of a policy that saw nothing but this sample."""
    policy.reset()
    return policy.act(sample).actions


def _scale(stats: Mapping[str, Stats], width: int) -> Array:
    """Return the size of one model unit in robot units, ``[K, A]`` or ``[1, A]``."""
    found = stats[RELATIVE if RELATIVE in stats else ACTION]
    return scale(found.mean, found.std).reshape(-1, width)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How many milliseconds a call takes."""

    p50_ms: float
    p99_ms: float
    calls: int

    @classmethod
    def of(cls, durations_ms: Sequence[float]) -> Self:
        """Summarise the durations of calls."""
        p50, p99 = np.percentile(durations_ms, (50, 99))
        return cls(p50_ms=float(p50), p99_ms=float(p99), calls=len(durations_ms))

    def __str__(self) -> str:
        """Return the two numbers."""
        return f"{self.p50_ms:.2f} ms (99 % below {self.p99_ms:.2f})"


def interleaved(
    calls: Mapping[str, Callable[[], object]], n: int, *, warm_up: int = WARM_UP, pause_s: float = PAUSE_S
) -> dict[str, Latency]:
    """Time n calls of each in turn, so that whatever else the machine does hits all alike.

    Args:
        calls: name -> what is timed.
        n: how often each is timed.
        warm_up: calls of each before.
        pause_s: time between calls, seconds.
    """
    durations: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm_up + n):
        for name, call in calls.items():
            time.sleep(pause_s)
            started = time.perf_counter()
            call()
            if turn >= warm_up:
                durations[name].append(1000 * (time.perf_counter() - started))
    return {name: Latency.of(taken) for name, taken in durations.items()}


@dataclass(frozen=True, kw_only=True)
class ClosedLoop:
    """How often two policies succeed on the same episodes."""

    before: Interval
    after: Interval
    episodes: int
    """How many both finished validly."""
    lost: int
    """Episodes in which only the first succeeded."""
    gained: int
    """Episodes in which only the second did."""
    broken: int
    """Episodes that only the second could not finish validly; they count in nothing else."""

    @property
    def costs_success(self) -> bool:
        """Tell whether the second is worse: it broke, or losses are too many for luck (sign test, 5 %)."""
        return self.broken > 0 or _luck(self.lost, self.lost + self.gained) < 0.05

    def __str__(self) -> str:
        """Return one line for a person."""
        rates = f"before {self.before}, after {self.after}"
        if is_void(self.episodes, self.broken):
            rates = "no rate, since more than 1 % broke"
        return (
            f"success in {self.episodes} episodes: {rates}; "
            f"{self.lost} lost, {self.gained} gained, {self.broken} broken"
        )


def closed_loop(
    world: WorldEntry,
    makers: tuple[Callable[[World], Policy], Callable[[World], Policy]],
    n: int,
    workers: int,
    families: Sequence[str] = (),
) -> ClosedLoop:
    """Run two policies on n validation seeds of each of some families of a world, or of all.

    Raises:
        SaysoError: if it was interrupted, or more than 1 % of the first policy's episodes could not be run.
    """
    settings: dict[str, Any] = {
        "families": chosen_families(world.families, families),
        "seeds": seeds("validation", n),
        "workers": workers,
    }
    before, after = (evaluate(world.make, maker, **settings) for maker in makers)
    if before.partial or after.partial:
        raise SaysoError("interrupted before both policies were measured")
    both = [
        (one, other)
        for one, other in zip(before.episodes, after.episodes, strict=True)
        if one.outcome is not Outcome.INVALID
    ]
    pairs = [(one, other) for one, other in both if other.outcome is not Outcome.INVALID]
    crashed = [e for e in before.episodes if e.outcome is Outcome.INVALID]
    if is_void(len(both), len(crashed)):
        raise SaysoError(
            f"{len(crashed)} of {len(before.episodes)} episodes could not be run with what was there before, "
            f"so there is nothing to compare with; the first: {crashed[0].error}"
        )
    return ClosedLoop(
        before=wilson(sum(one.success for one, _ in pairs), len(pairs)),
        after=wilson(sum(other.success for _, other in pairs), len(pairs)),
        episodes=len(pairs),
        lost=sum(one.success and not other.success for one, other in pairs),
        gained=sum(other.success and not one.success for one, other in pairs),
        broken=len(both) - len(pairs),
    )


def _luck(heads: int, throws: int) -> float:
    """Return the probability that a fair coin shows heads at least so often."""
    favourable = sum(math.comb(throws, k) for k in range(heads, throws + 1))
    return favourable / (1 << throws)
