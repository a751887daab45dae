"""Action error: how far a policy's chunks are from what was shown, in robot units, beside two baselines.

::

    held-out window --> policy --> chunk      |chunk - what was shown|       error
                                              |where the robot stands - ..|  still: whoever never moves
                                              |mean action of training - ..| mean: whoever never looks

A policy is only worth running where its error is well below both. It is no success rate: what was shown is
one way of several, and small errors add up once the robot sees what came of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sayso.data.statistics import Integers, Stats, hardly_moves, scale
from sayso.data.windows import Part, RawBatch, Windows
from sayso.spec import (
    ACTION,
    AS_LEARNED,
    EXECUTE,
    STATE,
    TASK,
    Array,
    Features,
    Observation,
    Policy,
    image_key,
)

MOST_WINDOWS = 512
"""Windows that are measured at most, spread evenly over all: more would change the third digit."""
_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Mean absolute error of a policy and of the two baselines."""

    error: float
    still: float | None
    """None where the state does not say where the robot stands."""
    mean: float


@dataclass(frozen=True, kw_only=True)
class DimensionErrors(Errors):
    """Errors of one dimension of the action, in its unit: of the first actions, which are executed."""

    name: str
    unit: str
    chunk: Errors
    """Of the whole chunk, which looks further ahead."""


@dataclass(frozen=True, kw_only=True)
class ActionError(Errors):
    """Errors of a policy, averaged over its dimensions, each in units of its own spread (one sigma)."""

    dimensions: tuple[DimensionErrors, ...]
    windows: int
    """How many were measured."""

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote, whatever else stands beside it.

        Raises:
            KeyError, TypeError, ValueError: if it is something else.
        """
        rows = [DimensionErrors(**{**row, "chunk": Errors(**row["chunk"])}) for row in raw["dimensions"]]
        known = {field.name: raw[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**known, "dimensions": tuple(rows)})

    @classmethod
    def of_all(cls, parts: Mapping[str, ActionError]) -> ActionError:
        """Return the errors on several recordings, each counting as much as another; a single one as it is.

        Args:
            parts: name of a recording -> the errors there; dimensions are called after both.
        """
        if len(parts) == 1:
            return next(iter(parts.values()))
        means = {
            name: None if None in (of := [getattr(part, name) for part in parts.values()]) else np.mean(of)
            for name in ("error", "still", "mean")
        }
        dimensions = tuple(
            dataclasses.replace(d, name=f"{name}/{d.name}")
            for name, part in parts.items()
            for d in part.dimensions
        )
        windows = sum(part.windows for part in parts.values())
        return cls(**_plain(means), dimensions=dimensions, windows=windows)

    def by_unit(self) -> str:
        """Say the error of each unit, averaged over its dimensions, such as ``2.1 deg, 3.4 %``."""
        units = dict.fromkeys(d.unit for d in self.dimensions)
        errors = {u: np.mean([d.error for d in self.dimensions if d.unit == u]) for u in units}
        return ", ".join(f"{error:.3g} {unit}".strip() for unit, error in errors.items())

    def __str__(self) -> str:
        """Return a table for a person."""
        width = max(len("dimension"), *(len(_named(d)) for d in self.dimensions))
        lines = [f"{'':{width}}  first {EXECUTE} actions          whole chunk"]
        lines.append(f"{'dimension':{width}}" + 2 * f"{'error':>8}{'still':>8}{'mean':>8}   ")
        lines += [f"{_named(d):{width}}{_three(d)}   {_three(d.chunk)}" for d in self.dimensions]
        lines.append(f"{'in spreads':{width}}{_three(self)}")
        return "\n".join(line.rstrip() for line in lines)


def spread_evenly(numbers: Integers, most: int = MOST_WINDOWS) -> Integers:
    """Return some of the numbers, from the first to the last; all if they are few."""
    places = np.linspace(0, len(numbers) - 1, min(len(numbers), most))
    chosen: Integers = numbers[np.round(places).astype(np.int64)]
    return chosen


def action_error(
    policy: Policy,
    windows: Windows | Part,
    numbers: Integers,
    stats: Mapping[str, Stats] | None = None,
    track: Callable[[list[Integers]], Iterable[Integers]] = iter,
) -> ActionError:
    """Measure a policy on some windows, as it acts: each look by itself, noise of its own for each.

    Args:
        policy: who acts, in the windows' names and units.
        windows: what was shown.
        numbers: which of them, at least one.
        stats: of what it was trained on; None takes those of the windows.
        track: shows how much of the work is done while it yields it; by default nobody watches.
    """
    batches = [_answered(policy, windows, part) for part in track(_parts(numbers))]
    predicted, shown, still, counts = (np.concatenate(each) for each in zip(*batches, strict=True))
    of_action = (stats or windows.stats)[ACTION]
    guesses = {"error": predicted, "still": still, "mean": np.array(of_action.mean, np.float32)}
    both = [
        {name: _mae(guess, shown, counts, rows) for name, guess in guesses.items()}
        for rows in (EXECUTE, shown.shape[1])
    ]
    first, whole = (
        [Errors(**{name: _number(values[k]) for name, values in each.items()}) for k in range(shown.shape[2])]
        for each in both
    )
    dimensions = tuple(
        DimensionErrors(name=d.name, unit=d.unit, **vars(near), chunk=far)
        for d, near, far in zip(windows.features.action, first, whole, strict=True)
    )
    spreads, rests = scale(of_action.mean, of_action.std), hardly_moves(of_action.mean, of_action.std)
    moving = ~rests if not rests.all() else rests
    overall = {name: _number((values / spreads)[moving].mean()) for name, values in both[0].items()}
    return ActionError(**overall, dimensions=dimensions, windows=len(numbers))


def _parts(numbers: Integers) -> list[Integers]:
    return [numbers[k : k + _AT_ONCE] for k in range(0, len(numbers), _AT_ONCE)]


def _answered(
    policy: Policy, windows: Windows | Part, numbers: Integers
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Return what a policy does, what was shown, where the robot stands, ``[B, K, A]``, and what counts."""
    batch = windows.batch(numbers)
    answers = [
        _chunk(policy, observation, int(number))
        for observation, number in zip(looks(batch, windows.features), numbers, strict=True)
    ]
    rows = min(len(answer) for answer in answers)
    shown, is_pad = windows.shown(numbers, rows)
    still = np.broadcast_to(standing(batch[STATE][:, -1:], windows.features), shown.shape)
    return np.stack([answer[:rows] for answer in answers]), shown, still, ~is_pad


def looks(batch: RawBatch, features: Features) -> Iterator[Observation]:
    """Yield what a policy sees of each window of a batch."""
    keys = [*map(image_key, features.cameras), *((STATE,) if features.state else ())]
    for k, sentence in enumerate(batch[TASK]):
        cropped = {AS_LEARNED: True} if AS_LEARNED in batch else {}
        yield {**{key: batch[key][k, -1] for key in keys}, **cropped, TASK: sentence}


def _chunk(policy: Policy, observation: Observation, number: int) -> Array:
    policy.reset()
    if seed := getattr(policy, "seed", None):
        seed(number)
    return policy.act(observation).actions


def standing(state: Array, features: Features) -> Array:
    """Return the action that stays where the robot is, ``[..., A]``; NaN where its state does not say."""
    names: Sequence[str] = features.state_names
    places = [names.index(name) if name in names else -1 for name in features.action_names]
    found: Array = np.full((*state.shape[:-1], len(places)), np.nan, np.float32)
    for k, place in enumerate(places):
        if place >= 0:
            found[..., k] = state[..., place]
    return found


def _mae(guess: Array, shown: Array, counts: NDArray[np.bool_], rows: int) -> NDArray[np.float64]:
    """Return the mean absolute error of each dimension over the first rows of all chunks that count."""
    off = np.abs(np.asarray(guess, np.float64) - shown)[:, :rows]
    mean: NDArray[np.float64] = off[counts[:, :rows]].mean(0)
    return mean


def _plain(means: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if mean is None else float(mean) for name, mean in means.items()}


def _number(value: float) -> Any:
    return None if np.isnan(value) else float(value)


def _named(d: DimensionErrors) -> str:
    return f"{d.name} [{d.unit}]" if d.unit else d.name


def _three(e: Errors) -> str:
    return "".join(f"{'-' if value is None else f'{value:.3g}':>8}" for value in (e.error, e.still, e.mean))
