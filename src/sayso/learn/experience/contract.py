"""Contract of a source of experience: a round of improvement goes in, a candidate policy comes out.

::

    policy as it is --> gather --> recordings --> learn --> candidate --> compared with it (`learn.improve`)
                                                   ^
                                   demonstrations -'

Both stages can be killed at any moment and called again with the same round: what is there is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sayso.evaluation.noise import ActionNoise
from sayso.learn.config import TrainConfig
from sayso.learn.imitate import train
from sayso.spec import EXECUTE, Policy
from sayso.tasks.contract import World
from sayso.tasks.worlds import Worlds

UNDISTURBED = ActionNoise().times(0)
"""No noise: a policy's own mistakes are disturbance enough."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Recording of experience, and how often a window of it is drawn, where one of demonstrations is once."""

    dataset: Path
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Round of improvement: who acts, where, how much, and what there is to learn from already."""

    folder: Path
    """Where its stages keep what they make."""
    policy: Path
    """Checkpoint of the policy as it is."""
    make_policy: Callable[[World], Policy]
    """Builds that policy for a world, in each process; picklable."""
    world: str
    families: tuple[str, ...]
    worlds: Worlds
    """Table that has the world."""
    start: int
    """Number of seeds of the training split that are used up."""
    episodes: int
    """Scenes in which it acts."""
    steps: int
    """Optimiser steps."""
    workers: int
    """Processes that act side by side; 0 is one per core."""
    threads: int
    execute: int = EXECUTE
    demonstrations: tuple[Path, ...] = ()
    """Datasets that the policy learned from."""
    earlier: tuple[Shown, ...] = ()
    """Experience of the rounds before."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainConfig`, as the policy itself was trained."""


def imitated(round: Round, shown: Sequence[Shown]) -> Path:
    """Train on, from the policy's weights, on demonstrations and all experience; return the candidate."""
    everything = [*map(_demonstrated, round.demonstrations), *round.earlier, *shown]
    config = TrainConfig(
        datasets=tuple(each.dataset for each in everything),
        weights=tuple(each.weight for each in everything),
        out=round.folder / "training",
        init=round.policy,
        steps=round.steps,
        threads=round.threads,
        **round.settings,
    )
    return train(config)


def _demonstrated(dataset: Path) -> Shown:
    return Shown(dataset=dataset)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Row of the table: how experience is gathered, and how a policy learns from it."""

    gather: Callable[[Round], Sequence[Shown]]
    """Lets the policy act, and returns what came of it that is worth keeping for later rounds as well."""
    learn: Callable[[Round, Sequence[Shown]], Path] = imitated
    """Returns the checkpoint folder of the candidate."""
    needs_demonstrations: bool = True
    """Whether the demonstrations that the policy learned from are learned from again."""
    gathering: float = 0.4
    """Share of a round's time for gathering; learning has the rest, but for what comparing takes."""
    tries: float = 1.0
    """Episodes that one scene takes, before that was measured."""
