"""Measure what experience adds to a policy that has room to grow (docs/experience.md).

    python benchmarks/experience.py --worlds tabletop
    python benchmarks/experience.py --worlds tabletop home metaworld --rows corrections successes
    python benchmarks/experience.py --worlds tabletop --rows recovery

A policy is cloned from ten demonstrations of each family, in at most twenty minutes of training, and improved
by `sayso improve` from each source for `--hours`, recordings and comparisons included. Success is counted on
test seeds, the same for all. Each part is kept in a folder and resumes by itself, so the same command goes on
after a stop. The result holds the rows that were asked for.

``start_<world>`` and ``<source>_<world>`` are means over the families, in Meta-World the tier mean;
``minutes_<source>_<world>`` is what the improvement took; ``<source>_gain`` is the mean over the worlds of
what it added. ``still_failures_before`` and ``still_failures_after`` are how many episodes of the shipped
policies fail and end standing still, without and with `--recover`, and ``recovered_<world>`` beside
``shipped_<world>`` says whether that hurts.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from generalisation import METAWORLD, mean
from household import outcome
from mt50_table import flat
from results_file import ROOT, evaluated, write_result
from sayso import loading
from sayso.evaluation.measure import EvalConfig
from sayso.learn.experience.table import SOURCES
from sayso.learn.imitate import TrainConfig, train
from sayso.learn.improve import ROUNDS, ImproveConfig, improve
from sayso.learn.record import RecordConfig, record
from sayso.spec import EXECUTE, above, at_least, known, seeds
from sayso.tasks.worlds import WORLDS
from sayso.work import pool
from sayso.work.ledger import rows_of

WORLDS_MEASURED = ("tabletop", "home", METAWORLD)
START, RECOVERY = "start", "recovery"
SHIPPED, RECOVERED = "shipped", "recovered"
STEPS: Mapping[str, int] = {"tabletop": 1500, "home": 1200, METAWORLD: 1500}
"""Optimiser steps of 64 windows of the policy that is begun with: at most twenty minutes on two cores."""
Reports = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What to measure, and where the parts are kept."""

    worlds: tuple[str, ...] = ("tabletop",)
    """In which worlds."""
    rows: tuple[str, ...] = (START, "corrections", "successes", "reinforcement", RECOVERY)
    """Which of them: the policy that is begun with, a source of experience, or recovery."""
    demonstrations: int = 10
    """Demonstrations of each family, which the policy is cloned from."""
    steps: int = 0
    """Steps of that training; 0 is the world's own number."""
    hours: float = 1.0
    """Time of each improvement."""
    episodes: int = 50
    """Test episodes of each of the household's families."""
    metaworld_episodes: int = 2
    """Test episodes of each of Meta-World's tasks."""
    recovery_episodes: int = 100
    """Episodes of each family on which the shipped policy is tried with and without recovery."""
    start: int = 20_000
    """Number of seeds of the test split to skip."""
    workers: int = 0
    """Processes that act side by side, and threads that train; 0 is one per core."""
    folder: Path = ROOT / "runs" / "experience"
    """Folder of recordings, runs and reports."""
    results: Path = ROOT / "benchmarks" / "results"
    """Folder of the result file."""

    def __post_init__(self) -> None:
        """Refuse worlds and rows there are none of."""
        at_least(
            self, demonstrations=1, steps=0, episodes=1, metaworld_episodes=1, recovery_episodes=1, start=0
        )
        above(self, hours=0)
        for world in self.worlds:
            known("world", world, WORLDS_MEASURED)
        for row in self.rows:
            known("row", row, (START, RECOVERY, *SOURCES))


def main(config: Experience) -> None:
    """Run what is missing, print the numbers and write ``experience.json``."""
    for world in config.worlds:
        WORLDS.ready(world)
    reports: Reports = {}
    minutes: dict[tuple[str, str], float] = {}
    for world in config.worlds:
        for row in config.rows:
            print(f"{world}: {row}", flush=True)
            if row == RECOVERY:
                reports |= dict(_recovery(config, world))
                continue
            policy = _begun(config, world)
            if row != START:
                policy, minutes[row, world] = _improved(config, world, row, policy)
            reports[row, world] = _evaluated(config, world, row, policy)
    metrics = summary(reports) | {f"minutes_{row}_{world}": m for (row, world), m in minutes.items()}
    for name, value in metrics.items():
        print(f"{name:40} {value:9.3f}") if "/" not in name else None
    written = write_result(
        "experience",
        metrics,
        seeds=seeds("test", config.episodes, config.start),
        n=config.episodes,
        config={key: value for key, value in vars(config).items() if not isinstance(value, Path)}
        | {"starting_steps": {world: _steps(config, world) for world in config.worlds}},
        episodes=[outcome(f"{row} {world}", e) for (row, world), r in reports.items() for e in r["episodes"]],
        reports=reports.values(),
        folder=config.results,
    )
    print("wrote", written)


def summary(reports: Reports) -> dict[str, float]:
    """Return every metric that is counted from reports of row and world."""
    metrics: dict[str, float] = {}
    found = {key: mean(key[1], report["episodes"]) for key, report in reports.items()}
    for (row, world), interval in found.items():
        metrics |= flat(f"{row}_{world}", interval)
    for source in SOURCES:
        worlds = [world for row, world in found if row == source and (START, world) in found]
        gains = [found[source, world].share - found[START, world].share for world in worlds]
        metrics |= {f"{source}_gain": sum(gains) / len(gains)} if gains else {}
    for name, row in (("before", SHIPPED), ("after", RECOVERED)):
        counts = [report["metrics"]["still_failures"] for (each, _), report in reports.items() if each == row]
        metrics |= {f"still_failures_{name}": float(sum(counts))} if counts else {}
    return metrics


def _steps(config: Experience, world: str) -> int:
    return config.steps or STEPS[world]


def _workers(config: Experience) -> int:
    return config.workers or pool.cores()


def _begun(config: Experience, world: str) -> Path:
    """Return the policy that has room to grow, cloned from few demonstrations."""
    there = config.folder / world / f"{config.demonstrations}_each"
    shown = record(
        RecordConfig(
            world=world,
            episodes=config.demonstrations * len(WORLDS[world].families),
            workers=config.workers,
            out=there / "demonstrations",
        )
    )
    print(shown)
    return train(
        TrainConfig(
            datasets=(shown.out,),
            out=there / f"start_{_steps(config, world)}",
            steps=_steps(config, world),
            batch_size=64,
            threads=_workers(config),
        )
    )


def _improved(config: Experience, world: str, source: str, policy: Path) -> tuple[Path, float]:
    """Return the policy that an improvement ended with, and the minutes it took."""
    out = policy.parent / f"{source}_{config.hours:g}_h"
    asked = ImproveConfig(world=world, source=source, hours=config.hours, out=out, workers=config.workers)
    found = improve(policy, asked, loading.subject)
    print(found)
    return found.policy, sum(row["seconds"] for row in rows_of(out / ROUNDS)) / 60


def _evaluated(config: Experience, world: str, row: str, policy: Path) -> dict[str, Any]:
    count = config.metaworld_episodes if world == METAWORLD else config.episodes
    return evaluated(
        policy,
        EvalConfig(
            world=world,
            episodes=count,
            start=config.start,
            workers=config.workers,
            out=policy.parent / "reports" / f"{row}_{loading.weights_of(str(policy))[:8]}_{count}.json",
        ),
    )


def _recovery(config: Experience, world: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield the reports of the shipped policy without and with recovery, on the same seeds."""
    policy = loading.subject(str(ROOT / WORLDS[world].checkpoint))
    for name, recover in ((SHIPPED, False), (RECOVERED, True)):
        wanted = EvalConfig(
            world=world,
            episodes=config.metaworld_episodes if world == METAWORLD else config.recovery_episodes,
            start=config.start,
            workers=config.workers,
            recover=recover,
            out=config.folder
            / world
            / "reports"
            / f"{name}_{policy.weights[:8]}_{config.recovery_episodes}.json",
        )
        subject = loading.recovering(policy, EXECUTE) if recover else policy
        yield (name, world), evaluated(subject, wanted)


if __name__ == "__main__":
    main(tyro.cli(Experience, description=__doc__))
