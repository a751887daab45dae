"""Measure a policy by its name: what ``sayso eval`` and the benchmarks call."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sayso import pool, rollout
from sayso import subject as subjects
from sayso.evaluate import evaluate
from sayso.journal import Journal
from sayso.provenance import provenance
from sayso.spec import EXECUTE, at_least, seeds

BESIDES = ("families", "episodes", "start", "workers", "out", "films", "max_films")
"""Fields of `EvalConfig` that decide how many episodes there are and how they are run, but no episode."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Say what to measure a policy on."""

    world: str
    """Where it happens: tabletop, home, metaworld or metaworld-lerobot."""
    families: tuple[str, ...] = ()
    """Families of tasks; none named means all of the world's."""
    episodes: int = 100
    """Episodes of each family, each on a seed of its own."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds to draw from; both are disjoint from training."""
    start: int = 0
    """Number of seeds of the split to skip."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    swap: bool = False
    """Name another object of the same scene, and count which one the policy goes for."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    out: Path | None = None
    """File for the report, as JSON. An evaluation that was stopped goes on when it is asked for again."""
    films: Path | None = None
    """Folder for films of the first failures."""
    max_films: int = 5
    """How many failures to film."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, episodes=1, start=0, execute=1, workers=0, max_films=0)


def evaluate_policy(subject: str, config: EvalConfig) -> int:
    """Measure a checkpoint, or the expert of a world, print the report and write it where asked."""
    training = subjects.learned_from(subject)
    make_world = partial(rollout.packaged_world, config.world)
    journal = _journal(subject, config)
    report = evaluate(
        make_world,
        subjects.maker_of(subject),
        families=rollout.chosen_families(rollout.offer_of(make_world), config.families),
        seeds=seeds(config.split, config.episodes, config.start),
        workers=config.workers or pool.cores(),
        execute=config.execute,
        options={"swap": True} if config.swap else None,
        films=config.films,
        max_films=config.max_films,
        training=training,
        config={"policy": subject, **_plain(config)},
        journal=journal,
    )
    print(report)
    if config.out:
        print(f"report: {report.write(config.out)}")
    if journal and not report.partial:
        journal.close()
    for film in report.films:
        print(f"film: {film}")
    return 0


def _journal(subject: str, config: EvalConfig) -> Journal | None:
    """Return the journal beside the report, told apart by all that decides an episode."""
    if config.out is None:
        return None
    asked = {name: value for name, value in _plain(config).items() if name not in BESIDES}
    asked |= {"policy": subject, "weights": subjects.weights_of(subject), "commit": provenance()["commit"]}
    return Journal(config.out.with_suffix(".episodes.jsonl"), asked)


def _plain(config: EvalConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain
