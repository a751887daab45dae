"""Correction of a policy from outside: what it is shown, and what becomes of what it answers.

::

    look --- see ---> policy --- say ---> the action that was meant
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sayso.data.statistics import RELATIVE, Stats, scale
from sayso.data.transforms import relative_dimensions
from sayso.evaluation.diagnosis.shown import Demonstrations, Look
from sayso.spec import ACTION, STATE, Array, Image, Observation, image_key

See = Callable[[Look], Observation]
Say = Callable[[Array, Look], Array]


def as_it_is(look: Look) -> Observation:
    """Show what there is now."""
    return look.now


def as_said(chunk: Array, look: Look) -> Array:
    """Return a chunk as it is."""
    return chunk


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Correction of one fault."""

    what: str
    """What is done, for a person: ``red and blue exchanged``."""
    see: See = as_it_is
    say: Say = as_said


def pictures(what: str, cameras: Sequence[str], change: Callable[[Image], Image]) -> Correction:
    """Change the pictures of some cameras."""

    def see(look: Look) -> Observation:
        keys = map(image_key, cameras)
        return {**look.now, **{key: np.ascontiguousarray(change(look.now[key])) for key in keys}}

    return Correction(what=what, see=see)


def exchanged(one: str, other: str) -> Correction:
    """Show the pictures of two cameras under each other's names."""
    first, second = image_key(one), image_key(other)

    def see(look: Look) -> Observation:
        return {**look.now, first: look.now[second], second: look.now[first]}

    return Correction(what=f"{one} and {other} exchanged", see=see)


def numbers(
    what: str, state: Callable[[Array], Array] | None, action: Callable[[Array], Array] | None
) -> Correction:
    """Change the numbers of the state ``[S]``, of actions ``[K, A]``, or of both."""

    def see(look: Look) -> Observation:
        return {**look.now, STATE: state(look.now[STATE]).astype(np.float32)} if state else look.now

    def say(chunk: Array, look: Look) -> Array:
        return action(chunk) if action else chunk

    return Correction(what=what, see=see if state else as_it_is, say=say)


def in_order(what: str, order: Sequence[int]) -> Correction:
    """Give the policy the numbers of the state in another order."""
    return numbers(what, lambda state: np.asarray(state)[list(order)], None)


def shifted(steps: int) -> Correction:
    """Execute a chunk so many steps further on; before its begin it goes on as it begins."""

    def say(chunk: Array, look: Look) -> Array:
        if steps > 0:
            return np.concatenate([chunk[steps:], np.repeat(chunk[-1:], steps, 0)])[: len(chunk)]
        first = [chunk[0] + k * (chunk[min(1, len(chunk) - 1)] - chunk[0]) for k in range(steps, 0)]
        return np.concatenate([np.stack(first), chunk])[: len(chunk)]

    step = f"{abs(steps)} step{'s' * (abs(steps) > 1)}"
    return Correction(what=f"chunks begin {step} {'later' if steps > 0 else 'earlier'}", say=say)


def paced(factor: float) -> Correction:
    """Read a chunk so many times as fast, between its rows by a straight line."""

    def say(chunk: Array, look: Look) -> Array:
        at = np.clip(np.arange(len(chunk)) * factor, 0, len(chunk) - 1)
        low = np.floor(at).astype(int)
        high, share = np.minimum(low + 1, len(chunk) - 1), (at - low)[:, None]
        read: Array = (chunk[low] * (1 - share) + chunk[high] * share).astype(np.float32)
        return read

    return Correction(what=f"chunks are read {factor:.2g} times as fast", say=say)


def later_pictures(look: Look) -> Observation:
    """Show the pictures of a step later beside the numbers of now."""
    return {**look.later, STATE: look.now[STATE]}


def restandardised(stats: Mapping[str, Stats], there: Demonstrations) -> Correction | None:
    """Let numbers pass through the statistics of what was shown, instead of those that a policy keeps.

    None if the policy does not say which it keeps.
    """
    if STATE not in stats or ACTION not in stats:
        return None
    relative = np.array(relative_dimensions(there.features)) & (RELATIVE in stats)
    kept = stats[RELATIVE] if RELATIVE in stats else stats[ACTION]
    width = len(there.features.action)
    rows = len(kept.mean) // width
    chunks = there.relative(rows, relative)
    found = Stats.of(chunks.reshape(-1, rows * width)) if RELATIVE in stats else there.actions
    (m0, s0), (m1, s1) = (_moments(each, rows, width) for each in (kept, found))
    (f0, g0), (f1, g1) = (
        _moments(each, 1, len(there.features.state)) for each in (stats[STATE], there.states)
    )

    def seen(state: Array) -> Array:
        felt: Array = ((np.asarray(state) - f1[0]) / g1[0] * g0[0] + f0[0]).astype(np.float32)
        return felt

    def see(look: Look) -> Observation:
        return {**look.now, STATE: seen(look.now[STATE])}

    def say(chunk: Array, look: Look) -> Array:
        from_there, from_here = (
            np.where(relative, state, 0) if relative.any() else 0
            for state in (seen(look.now[STATE]), look.now[STATE])
        )
        k = min(len(chunk), rows) if RELATIVE in stats else len(chunk)
        units = (chunk[:k] - from_there - m0[:k]) / s0[:k]
        answer: Array = (units * s1[:k] + m1[:k] + from_here).astype(np.float32)
        return answer

    return Correction(what="statistics of what is shown here", see=see, say=say)


def _moments(stats: Stats, rows: int, width: int) -> tuple[Array, Array]:
    """Return mean and scale, ``[rows, width]``; one row serves all if there is but one."""
    mean, std = np.array(stats.mean, np.float32), np.array(stats.std, np.float32)
    return mean.reshape(-1, width), scale(mean, std).reshape(-1, width)
