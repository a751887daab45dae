"""Configuration of an improvement from experience, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from sayso.learn.experience.table import SOURCES
from sayso.learn.planning import LEAST_STEPS
from sayso.spec import EXECUTE, SPLITS, ConfigError, SaysoError, above, at_least, known


@dataclass(frozen=True, kw_only=True)
class ImproveConfig:
    """From what a policy is to get better, where, and for how long."""

    world: str
    """Where it acts: the name of a world."""
    source: Annotated[str, arg(name="from")]
    """What it learns from. corrections: it acts and the world's expert says what it would have done (DAgger).
    successes: what it did itself where it succeeded; a scene that failed is tried again with noise; no
    expert. reinforcement: success is the reward, the decoder alone is trained. Packages may offer others."""
    out: Path
    """Folder for all that is made; OUT/policy is the best policy so far at any moment. What was stopped goes
    on when it is asked for again, also with more hours or rounds."""
    hours: float = 1.0
    """Time that all of it may take, comparing included; a round is planned by what the one before took."""
    rounds: int = 2
    """How often the policy acts, learns and is compared, at most."""
    datasets: tuple[Path, ...] = ()
    """Demonstrations to keep beside the new experience; by default those that the policy says it learned
    from, where they still are."""
    families: tuple[str, ...] = ()
    """Families of tasks; none named means all of the world's."""
    episodes: int = 0
    """Scenes to act in, each round; 0 is as many as the time allows."""
    steps: int = 0
    """Optimiser steps of each round; 0 is as many as the time allows."""
    pairs: int = 300
    """Most pairs of episodes of a comparison; it ends sooner if the answer is clear."""
    alpha: float = 0.05
    """Probability that a policy which is not better takes the place of the one before, over all rounds."""
    start: int = 0
    """Number of seeds of the validation split to skip, for instance those an earlier improvement has used."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    workers: int = 0
    """Processes that act side by side, and threads that train; 0 is one per core."""
    batch_size: int = 0
    """Windows per step; 0 is as the policy itself was trained."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        at_least(self, rounds=1, episodes=0, steps=0, pairs=8, start=0, execute=1, workers=0, batch_size=0)
        above(self, hours=0, alpha=0)
        if self.alpha >= 1:
            raise ConfigError(f"alpha is {self.alpha:g}, but is a share and must be below 1")
        if 0 < self.steps < LEAST_STEPS:
            raise ConfigError(
                f"steps is {self.steps}, but less than {LEAST_STEPS} teach nothing; 0 is planned"
            )
        try:
            known("source of experience", self.source, SOURCES)
        except SaysoError as error:
            raise ConfigError(f"from is {self.source}: {error}") from error
        if self.start + self.rounds * self.pairs > (there := len(SPLITS["validation"])):
            raise ConfigError(
                f"start is {self.start}, but {self.rounds} comparisons of {self.pairs} pairs on fresh seeds "
                f"do not fit behind it: the validation split has {there} seeds"
            )


@dataclass(frozen=True, kw_only=True)
class Improved:
    """What an improvement came to."""

    policy: Path
    """The best one."""
    begun_with: str
    rounds: Sequence[Mapping[str, Any]]
    """What the comparison of each round said: ``verdict`` and ``sentence``."""

    @property
    def replaced(self) -> int:
        """Return the last round whose policy took the place of the one before; 0 if none did."""
        return max((n for n, row in enumerate(self.rounds, 1) if row["verdict"] == "second"), default=0)

    @property
    def void(self) -> bool:
        """Tell whether nothing can be said: no round was carried out, or its episodes crashed."""
        return all(row["verdict"] == "void" for row in self.rounds)

    def __str__(self) -> str:
        """Return one sentence."""
        if self.replaced:
            return f"{self.policy} is better than {self.begun_with}: it is that of round {self.replaced}"
        tried = f"none of {len(self.rounds)} rounds" if self.rounds else "no round"
        return f"{self.policy} is {self.begun_with} as it was: {tried} could be shown to make it better"
