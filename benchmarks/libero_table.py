"""Measure a policy on LIBERO's four suites, from the benchmark's own states, and on LIBERO-PRO's.

    python benchmarks/libero_table.py --checkpoint FOLDER
    python benchmarks/libero_table.py --checkpoint FOLDER --suites spatial goal --kinds swap lan --episodes 10

Every suite leaves its report, named after the policy's weights, in a folder and is not repeated when it is
there; one that was stopped goes on with the episode it was at. So the same command goes on after a stop.

``<suite>`` is the mean over its ten tasks and ``average`` that over the four suites, as papers report them;
``<suite>-<number>`` is the rate of one task. ``pro_<suite>_<kind>`` is a suite of LIBERO-PRO, where one thing
was changed, and ``pro_<kind>`` the mean over suites; ``axis_<axis>`` the four suites along one of our axes at
level 3, on test seeds like the first row's. (A file called ``libero.py`` would hide LIBERO's own package.)
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from household import fingerprint, outcome, parameters_m
from mt50_table import Episodes, flat, mean_of, rate
from results_file import ROOT, evaluated, hours_from_nothing, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.spec import EXECUTE, at_least, known, seeds
from sayso.tasks.axes import departures
from sayso.tasks.libero.suites import CHANGES, SUITES, TASKS_EACH
from sayso.tasks.worlds import WORLDS

PLAIN, PRO = "libero", "libero-pro"
LEVEL = 3
"""At which our own axes are measured."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Ten tasks, and the circumstances under which they are tried."""

    name: str
    """Of its metric."""
    suite: str
    """LIBERO's, or LIBERO-PRO's with its kind."""
    world: str = PLAIN
    axis: tuple[str, ...] = ()
    """An axis of ours and its level."""

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the tasks."""
        return tuple(f"{self.suite}-{number}" for number in range(TASKS_EACH))


@dataclass(frozen=True, kw_only=True)
class Libero:
    """What to measure, and where the parts are kept."""

    checkpoint: Path
    """Folder of the policy; one for all suites."""
    suites: tuple[str, ...] = tuple(SUITES)
    """Which suites, of LIBERO and of LIBERO-PRO."""
    kinds: tuple[str, ...] = ("swap", "lan", "object", "task")
    """What LIBERO-PRO may have changed: swap (places), lan (words), object, task, with_mug,
    with_yellow_book, with_milk. --kinds with nothing behind it leaves LIBERO-PRO out."""
    axes: tuple[str, ...] = ()
    """Axes of ours to measure at level 3 as well, such as camera or light."""
    episodes: int = 50
    """Episodes of each task; the benchmark has 50 states to begin in."""
    pro_episodes: int = 20
    """Episodes of each of LIBERO-PRO's tasks, and of each task along an axis."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    reports: Path = ROOT / "runs" / "libero_table"
    """Folder of the evaluations' own reports, with films of failures."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work, and what there is none of."""
        at_least(self, episodes=1, pro_episodes=1, execute=1, workers=0)
        for name in self.suites:
            known("suite", name, SUITES)
        for name in self.kinds:
            known("kind", name, CHANGES)
        for name in self.axes:
            known("axis", name, [axis.name for axis in WORLDS[PLAIN].axes])


def main(config: Libero) -> None:
    """Run what is missing, print the numbers and write ``libero.json``."""
    asked = list(rows(config))
    for row in asked:  # what is not installed is said now, and not after hours
        departures(WORLDS[row.world].axes, row.axis)
    reports = [measured(config, row) for row in asked]
    metrics = summary([(row, found["episodes"]) for row, found in zip(asked, reports, strict=True)])
    metrics |= {
        "parameters_m": parameters_m(config.checkpoint),
        "policy_ms": statistics.fmean(found["metrics"]["policy_ms"] for found in reports),
        "train_hours": hours_from_nothing(config.checkpoint),
    }
    for name, value in metrics.items():
        if "/" not in name and "-" not in name:
            print(f"{name:35} {value:9.3f}")
    written = write_result(
        "libero",
        metrics,
        seeds=seeds("test", max(config.episodes, config.pro_episodes)),
        n=config.episodes,
        config={
            **{key: value for key, value in vars(config).items() if not isinstance(value, Path)},
            "training": reports[0]["training"],
            "evaluation_hours_of_one_core": hours_of(reports),
        },
        episodes=[
            outcome(row.name, episode)
            for row, found in zip(asked, reports, strict=True)
            for episode in found["episodes"]
        ],
        reports=reports,
    )
    print("wrote", written)


def rows(config: Libero) -> Iterator[Row]:
    """Yield what is measured: the suites as they are, along our axes, and as LIBERO-PRO has them."""
    for suite in config.suites:
        yield Row(name=suite, suite=suite)
    for axis in config.axes:
        for suite in config.suites:
            yield Row(name=f"axis_{axis}_{suite}", suite=suite, axis=(f"{axis}={LEVEL}",))
    for kind in config.kinds:
        for suite in config.suites:
            if suite in CHANGES[kind]:
                yield Row(name=f"pro_{suite}_{kind}", suite=f"{suite}_{kind}", world=PRO)


def measured(config: Libero, row: Row) -> dict[str, Any]:
    """Return the report of one row, which is run, or finished, unless it is there in full.

    Raises:
        SaysoError: if it was interrupted, or is void.
    """
    standard = row.world == PLAIN and not row.axis
    count = config.episodes if standard else config.pro_episodes
    out = config.reports / f"{fingerprint(config.checkpoint)}_{row.name}_{count}_{config.execute}.json"
    print(f"{config.checkpoint.name}: {row.name}", flush=True)
    wanted = EvalConfig(
        world=row.world,
        families=row.families,
        episodes=count,
        axis=row.axis,
        execute=config.execute,
        workers=config.workers,
        out=out,
        films=out.with_suffix("") if standard else None,
    )
    return evaluated(config.checkpoint, wanted)


def summary(found: list[tuple[Row, Episodes]]) -> dict[str, float]:
    """Return every metric of the table from rows and their episodes; means first, then single tasks."""
    rates = {
        row.name: {
            family: rate([episode for episode in episodes if episode["family"] == family])
            for family in row.families
        }
        for row, episodes in found
    }
    whole = [row for row, _ in found if row.world == PLAIN and not row.axis]
    metrics: dict[str, float] = {}
    if len(whole) > 1:
        metrics |= flat("average", mean_of([one for row in whole for one in rates[row.name].values()]))
    for row, _ in found:
        metrics |= flat(row.name, mean_of(list(rates[row.name].values())))
    groups: dict[str, list[str]] = {}
    for row, _ in found:
        if row not in whole:
            kind = row.suite.partition("_")[2]
            groups.setdefault(f"pro_{kind}" if kind else row.name.rpartition("_")[0], []).append(row.name)
    for group, names in groups.items():
        if len(names) > 1:
            metrics |= flat(group, mean_of([one for name in names for one in rates[name].values()]))
    for row in whole:
        for family, one in rates[row.name].items():
            metrics |= flat(family, one)
    return metrics


def hours_of(reports: list[dict[str, Any]]) -> float:
    """Return how many hours of one core episodes took."""
    return float(sum(episode["seconds"] for found in reports for episode in found["episodes"]) / 3600)


if __name__ == "__main__":
    main(tyro.cli(Libero, description=__doc__))
