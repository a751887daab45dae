"""Diagnosis run: a policy that does nothing right is held against what was shown, each fault corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sayso.data.reader import Dataset
from sayso.data.statistics import Stats
from sayso.evaluation.diagnosis.finding import Diagnosis
from sayso.evaluation.diagnosis.lag import lags, stale
from sayso.evaluation.diagnosis.shown import Demonstrations, by_expert, recorded
from sayso.evaluation.diagnosis.trial import Trial, try_all
from sayso.evaluation.measure import Subject
from sayso.spec import ConfigError, Features, Policy, SaysoError, at_least, seeds
from sayso.tasks.worlds import WORLDS, WorldEntry, chosen_families
from sayso.work.provenance import provenance, write_json


@dataclass(frozen=True, kw_only=True)
class DiagnoseConfig:
    """What to hold a policy against."""

    world: str = ""
    """World whose expert shows what is right."""
    datasets: tuple[Path, ...] = ()
    """Recordings that show what is right, instead of a world's expert."""
    families: tuple[str, ...] = ()
    """Families of tasks, taken in turn; none named means all of the world's."""
    episodes: int = 9
    """Episodes that are shown."""
    looks: int = 64
    """Moments of them at which the policy is asked."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds to draw from."""
    start: int = 0
    """Number of seeds of the split to skip."""
    out: Path | None = None
    """File for all that was found, as JSON."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.world and not self.datasets:
            raise ConfigError("diagnose needs --world, whose expert shows what is right, or --datasets")
        if self.world and self.datasets:
            raise ConfigError(f"datasets are given and world is {self.world}: name one of them")
        at_least(self, episodes=1, looks=1, start=0)


def diagnose_in_world(subject: Subject, config: DiagnoseConfig, *, place: WorldEntry | None = None) -> int:
    """Hold a policy against a world's expert, print what was found and write it where asked.

    Args:
        subject: the policy.
        config: what to hold it against.
        place: the world, if it is in no table; ``config.world`` is what it is called then.

    Returns:
        The exit code: 0 if nothing was found, 1 if a fault is named.

    Raises:
        SaysoError: if it is the expert itself, or the expert can show nothing.
    """
    entry = place or WORLDS.ready(config.world)
    families = chosen_families(entry.families, config.families)
    world = entry.make()
    policy = subject.make(world)
    if not getattr(policy, "sees_pictures", True):
        raise SaysoError(
            f"{subject.name} sees the simulator itself, so no convention can be wrong: name a policy"
        )
    chosen = seeds(config.split, config.episodes, config.start)
    trials = [(families[k % len(families)], seed) for k, seed in enumerate(chosen)]
    with _progress() as bar:
        task = bar.add_task("the expert shows", total=None)
        there = by_expert(world, trials)
        bar.remove_task(task)
    return _told(diagnosis(subject.name, policy, there, config.looks), config)


def diagnose_on_recordings(name: str, policy: Policy, features: Features, config: DiagnoseConfig) -> int:
    """Hold a policy against recordings, print what was found and return the exit code.

    Raises:
        FeatureMismatchError: if the recordings are of another robot or other cameras.
    """
    there = recorded([Dataset(root) for root in config.datasets], features, config.episodes)
    return _told(diagnosis(name, policy, there, config.looks), config)


def diagnosis(name: str, policy: Policy, there: Demonstrations, looks: int) -> Diagnosis:
    """Try all corrections on a policy and return what was found."""
    trial = Trial(policy, there, there.looks(looks))
    stats: Mapping[str, Stats] = getattr(policy, "stats", {})
    with _progress() as bar:
        task = bar.add_task("as it is", total=None)
        error, tried = try_all(
            trial,
            there,
            stats,
            lambda what, done, all: bar.update(task, description=what, completed=done, total=all),
        )
    return Diagnosis(
        policy=name,
        by=there.by,
        looks=len(trial.looks),
        error=error,
        still=trial.still(),
        tried=tried,
        lags=lags(there),
        stale=stale(there),
    )


def _told(found: Diagnosis, config: DiagnoseConfig) -> int:
    print(found)
    if config.out:
        print(f"diagnosis: {write_json(config.out, {**provenance(), **found.to_json()})}")
    return int(found.fault is not None)


def _progress() -> Progress:
    return Progress(BarColumn(), TextColumn("{task.description}", markup=False), console=Console(stderr=True))
