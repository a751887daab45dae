"""Planning of a round of improvement: how much acting, training and comparing fit into the time there is.

What things cost is known from the last round; before the first one, from what the policy's folder says of its
own making, and else from a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

COMPARING = 0.2
"""Share of a round's time that comparing may take at most."""
GUESS_EPISODE_S, GUESS_SAMPLE_S = 2.0, 0.008
"""Seconds of an episode and of a window in training, on one core, where nothing is known."""
LEAST_STEPS, LEAST_PAIRS = 20, 20
"""A round with fewer optimiser steps is not begun; fewer pairs could not tell any two policies apart."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What things cost in wall-clock seconds, all workers together."""

    scene_s: float
    """Gathering, per scene."""
    sample_s: float
    """Training, per window."""
    episode_s: float
    """Comparing, per episode."""

    @classmethod
    def of(cls, training: Mapping[str, Any], workers: int, tries: float) -> Self:
        """Return what the account of a policy's training says of them.

        Args:
            training: the account, which may say nothing.
            workers: processes that act side by side.
            tries: episodes of a scene.
        """
        episode_s = _ratio(training, "recording_seconds", "demonstrations") or GUESS_EPISODE_S / workers
        sample_s = _ratio(training, "seconds", "samples") or GUESS_SAMPLE_S
        return cls(scene_s=episode_s * tries, sample_s=sample_s, episode_s=episode_s)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Amounts of one round."""

    episodes: int
    steps: int
    pairs: int

    def to_json(self) -> dict[str, int]:
        """Return plain numbers."""
        return asdict(self)


def planned(
    seconds: float, pace: Pace, *, gathering: float, batch_size: int, families: int, asked: Plan
) -> Plan | None:
    """Return what fits into a round of so many seconds; None if that is not enough to learn anything.

    Args:
        seconds: of the round.
        pace: what things cost.
        gathering: share of the time without comparing in which the policy acts.
        batch_size: windows per step.
        families: how many, of which each is to have a scene at least.
        asked: what a person wants, where it is not 0: of ``pairs`` no more than so many.
    """
    pairs = min(asked.pairs, int(COMPARING * seconds / (2 * pace.episode_s)))
    rest = (1 - COMPARING) * seconds
    episodes = int(gathering * rest / pace.scene_s)
    steps = int((1 - gathering) * rest / (pace.sample_s * batch_size))
    found = Plan(episodes=asked.episodes or episodes, steps=asked.steps or steps, pairs=pairs)
    enough = (asked.episodes or episodes >= families) and (asked.steps or steps >= LEAST_STEPS)
    return found if enough and pairs >= min(LEAST_PAIRS, asked.pairs) else None


def _ratio(facts: Mapping[str, Any], above: str, below: str) -> float:
    """Return one number of an account divided by another; 0 where it does not say both."""
    try:
        return float(facts[above]) / float(facts[below])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0
