"""Measure policies along axes of generalisation, level by level (docs/generalisation.md).

    python benchmarks/generalisation.py --episodes 20
    python benchmarks/generalisation.py --worlds home --axes camera words --levels 1 3

Every evaluation leaves its report, named after the policy's weights, in a folder and is not repeated when it
is there, so the same command goes on after a stop. All are tried on the same seeds, undisturbed first.

``<axis>_<level>_<world>`` is the mean over the families that have that level, in Meta-World the tier mean;
``<axis>_<level>_<family>_<world>`` is the rate of one; ``<one>_<other>_3_<world>`` are two axes at once.
``retention_<axis>_<world>`` is what is left at level 3 of the undisturbed success of the same families, and
``words_drop_max`` what the family that loses most to held-out words loses; ``unseen_meshes`` is the mean of
both household worlds where real things are asked for that no training shows (extra ``meshes``).
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from axes import CAMERA
from household import fingerprint, outcome
from mt50_table import Episodes, flat, mean_of, rate, tier_mean
from results_file import ROOT, evaluated, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.statistics import Interval
from sayso.spec import known, seeds
from sayso.tasks.axes import PAIRS, departures, families_of
from sayso.tasks.worlds import WORLDS

MEASURED = ("tabletop", "home", "metaworld")
UNDISTURBED = "undisturbed"
RETAINED = 3
"""Level at which what is retained is counted, and two axes at once are measured."""
METAWORLD = "metaworld"
MESHES = "objects_3"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Circumstances under which the families of a world are tried."""

    name: str
    axis: tuple[str, ...] = ()
    """Axes and their levels, such as ``camera=3``."""
    options: Mapping[str, Any] | None = None
    """Of the world's ``reset`` instead."""


@dataclass(frozen=True, kw_only=True)
class Generalisation:
    """What to measure, and where the parts are kept."""

    worlds: tuple[str, ...] = MEASURED
    """In which worlds."""
    axes: tuple[str, ...] = ()
    """Along which axes; none named means all of a world's."""
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    """At which levels, where an axis has them."""
    pairs: bool = True
    """Measure two axes at once as well, at level 3."""
    episodes: int = 20
    """Episodes of each of the household's families."""
    metaworld_episodes: int = 4
    """Episodes of each of Meta-World's tasks."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds."""
    start: int = 1000
    """Number of its seeds to skip: those before were measured on."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    policies: Path = ROOT / "checkpoints"
    """Folder with a policy per world."""
    reports: Path = ROOT / "runs" / "generalisation"
    """Folder of the evaluations' own reports."""

    def __post_init__(self) -> None:
        """Refuse worlds and axes there are none of."""
        for name in self.worlds:
            known("world", name, MEASURED)
        there = {axis.name for name in self.worlds for axis in WORLDS[name].axes}
        for name in self.axes:
            known("axis", name, there)


def main(config: Generalisation) -> None:
    """Run what is missing, print the numbers and write ``generalisation.json``."""
    asked = [(world, row) for world in config.worlds for row in rows(config, world)]
    for world, row in asked:  # what is not installed is said now, and not after hours
        departures(WORLDS[world].axes, row.axis)
    reports = {(world, row.name): measured(config, world, row) for world, row in asked}
    metrics = summary({key: report["episodes"] for key, report in reports.items()})
    for name, value in metrics.items():
        if "/" not in name:
            print(f"{name:45} {value:9.3f}")
    print(
        "wrote",
        write_result(
            "generalisation",
            metrics,
            seeds=seeds(config.split, config.episodes, config.start),
            n=config.episodes,
            config={
                **{key: value for key, value in vars(config).items() if not isinstance(value, Path)},
                "departs": {f"{w} {n}": r["config"].get("departs", []) for (w, n), r in reports.items()},
                "options": {name: dict(options) for name, options in CAMERA.items()},
            },
            episodes=[outcome(f"{w} {n}", e) for (w, n), r in reports.items() for e in r["episodes"]],
            reports=reports.values(),
        ),
    )


def rows(config: Generalisation, world: str) -> Iterator[Row]:
    """Yield the rows of a world: undisturbed, then each level of each axis, then two axes at once."""
    yield Row(name=UNDISTURBED)
    axes = {a.name: a for a in WORLDS[world].axes if not a.in_making}
    chosen = [name for name in axes if not config.axes or name in config.axes]
    for name in chosen:
        for level in config.levels:
            if level < len(axes[name].levels):
                yield Row(name=f"{name}_{level}", axis=(f"{name}={level}",))
    for one, other in PAIRS if config.pairs else ():
        levels = [min(RETAINED, len(axes[name].levels) - 1) for name in (one, other) if name in chosen]
        if len(levels) == 2:
            words = (f"{one}={levels[0]}", f"{other}={levels[1]}")
            yield Row(name=f"{one}_{other}_{RETAINED}", axis=words)
    if world == METAWORLD and "camera" in chosen:
        for name, options in CAMERA.items():
            yield Row(name=name, options=options)


def measured(config: Generalisation, world: str, row: Row) -> dict[str, Any]:
    """Return the report of one row, which is run, or finished, unless it is there in full.

    Raises:
        SaysoError: if it was interrupted, or is void.
    """
    policy = config.policies / Path(WORLDS[world].checkpoint).name
    count = config.metaworld_episodes if world == METAWORLD else config.episodes
    name = f"{world}_{fingerprint(policy)}_{row.name}_{config.split}_{config.start}_{count}"
    print(f"{world}: {row.name}", flush=True)
    families = families_of(departures(WORLDS[world].axes, row.axis), WORLDS[world].families)
    wanted = EvalConfig(
        world=world,
        families=() if world == METAWORLD else families,
        episodes=count,
        split=config.split,
        start=config.start,
        axis=row.axis,
        workers=config.workers,
        out=config.reports / f"{name}.json",
    )
    return evaluated(policy, wanted, options=row.options)


def summary(found: Mapping[tuple[str, str], Episodes]) -> dict[str, float]:
    """Return every metric of the table from world and row -> episodes, undisturbed ones among them."""
    metrics: dict[str, float] = {}
    for (world, row), episodes in found.items():
        metrics |= flat(f"{row}_{world}", mean(world, episodes))
    for (world, row), episodes in found.items():
        axis, _, level = row.rpartition("_")
        if level != str(RETAINED):
            continue
        families = {episode["family"] for episode in episodes}
        undisturbed = mean(world, [e for e in found[world, UNDISTURBED] if e["family"] in families])
        if undisturbed.share:
            metrics[f"retention_{axis}_{world}"] = mean(world, episodes).share / undisturbed.share
    metrics |= words_drop(found)
    meshes = [mean(world, episodes).share for (world, row), episodes in found.items() if row == MESHES]
    metrics |= {"unseen_meshes": sum(meshes) / len(meshes)} if meshes else {}
    for (world, row), episodes in found.items():
        if world != METAWORLD:
            for family in dict.fromkeys(episode["family"] for episode in episodes):
                metrics |= flat(f"{row}_{family}_{world}", rate(of(family, episodes)))
    return metrics


def mean(world: str, episodes: Episodes) -> Interval:
    """Return the mean over families, or over Meta-World's tiers, with its interval."""
    if world == METAWORLD:
        return tier_mean(episodes)
    families: Sequence[str] = list(dict.fromkeys(episode["family"] for episode in episodes))
    return mean_of([rate(of(family, episodes)) for family in families])


def of(family: str, episodes: Episodes) -> Episodes:
    """Return the episodes of one family."""
    return [episode for episode in episodes if episode["family"] == family]


def words_drop(found: Mapping[tuple[str, str], Episodes]) -> dict[str, float]:
    """Return how much the family loses that loses most to held-out words; Meta-World counts as one."""
    drops = []
    for (world, row), episodes in found.items():
        if row != "words_1":
            continue
        before = found[world, UNDISTURBED]
        if world == METAWORLD:
            drops.append(tier_mean(before).share - tier_mean(episodes).share)
        else:
            families = dict.fromkeys(episode["family"] for episode in episodes)
            drops += [rate(of(f, before)).share - rate(of(f, episodes)).share for f in families]
    return {"words_drop_max": max(drops)} if drops else {}


if __name__ == "__main__":
    main(tyro.cli(Generalisation, description=__doc__))
