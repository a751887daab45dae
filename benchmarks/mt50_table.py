"""Make the table of Meta-World's fifty tasks: unseen places first, then each disturbance for itself.

    python benchmarks/mt50_table.py --checkpoint checkpoints/metaworld [--improved FOLDER]

Each row leaves its report, named after the policy's weights, in a folder and is not repeated when it is
there; a row that was killed goes on with the episode it was at. So the same command continues, and a new
policy is measured anew. With ``--in-lerobot`` the same policy acts in LeRobot's own class instead, on the
first ``--row-episodes`` of the same seeds (docs/metaworld.md says where that runs): is our world LeRobot's?
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axes import ANYWHERE, CAMERA
from household import fingerprint, outcome, parameters_m
from results_file import ROOT, benchmark_code, evaluated, hours_from_nothing, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.statistics import Interval, is_void, wilson
from sayso.spec import EXECUTE, Outcome, known, seeds
from sayso.tasks.mt50 import TASKS, TIERS

Episodes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Circumstances under which the tasks are tried."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the world's ``reset``."""
    world: str = "metaworld"
    """Or the variant of it that is drawn as LeRobot does."""


STANDARD = "standard"
ROWS: Mapping[str, Row] = {
    STANDARD: Row(),
    **{name: Row(options=options) for name, options in ANYWHERE.items()},
    "wrong_instruction": Row(options={"wording": "wrong"}),
    "blank_instruction": Row(options={"instruction": ""}),
    "lerobot_drawing": Row(world="metaworld-lerobot"),
}
"""The first is the protocol's; each further one changes a single thing."""
EARLY_STEPS = 400
"""Where some others end an episode; LeRobot's configuration names it and does not use it."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What to measure, and where the parts are kept."""

    checkpoint: Path
    """Folder of the policy."""
    improved: Path | None = None
    """Folder of a policy that learned on from its own successes; its mean stands beside the first one's."""
    in_lerobot: bool = False
    """Measure in LeRobot's own class, and nothing else; its tier mean must agree within the intervals."""
    episodes: int = 20
    """Episodes of each task, each on a test seed of its own."""
    disturbances: tuple[str, ...] = tuple(name for name in ROWS if name != STANDARD)
    """Which things to change, one at a time; none of them leaves the headline."""
    row_episodes: int = 4
    """Episodes of each task under each disturbance, on the first of the same seeds."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    reports: Path = ROOT / "runs" / "metaworld_table"
    """Folder of the rows' own reports, with films of failures."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work, and disturbances there are none of."""
        for name in self.disturbances:
            known("disturbance", name, ROWS)
        if not 1 <= self.row_episodes <= self.episodes or self.execute < 1 or self.workers < 0:
            raise ValueError(
                f"1 <= row_episodes <= episodes, execute >= 1 and workers >= 0 are needed: {self}"
            )


def main(config: Table) -> None:
    """Run what is missing, print the numbers and write what was asked for."""
    if config.in_lerobot:
        print("wrote", in_lerobot(config))
        return
    rows = {name: ROWS[name] for name in (STANDARD, *config.disturbances)}
    reports = {name: measured(config, config.checkpoint, name) for name in rows}
    if config.improved:
        reports["improved"] = measured(config, config.improved, STANDARD)
    metrics = summary({name: report["episodes"] for name, report in reports.items()})
    metrics |= {
        "train_hours": hours_from_nothing(config.checkpoint),
        "trained_parameters_m": parameters_m(config.checkpoint),
        "policy_ms": reports[STANDARD]["metrics"]["policy_ms"],
    }
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    settings = {
        **{key: value for key, value in vars(config).items() if not isinstance(value, Path | None)},
        "rows": {name: {"world": row.world, "options": dict(row.options)} for name, row in rows.items()},
        "training": {name: reports[name]["training"] for name in (STANDARD, "improved") if name in reports},
        "evaluation_hours_of_one_core": sum(
            episode["seconds"] for report in reports.values() for episode in report["episodes"]
        )
        / 3600,
    }
    episodes = [outcome(name, episode) for name, report in reports.items() for episode in report["episodes"]]
    written = write_result(
        "metaworld",
        metrics,
        seeds=seeds("test", config.episodes),
        n=config.episodes * len(TASKS),
        config=settings,
        episodes=episodes,
        reports=reports.values(),
    )
    print("wrote", written)


def measured(config: Table, policy: Path, name: str) -> dict[str, Any]:
    """Return the report of one row, which is run, or finished, unless it is there in full.

    Raises:
        SaysoError: if it was interrupted, or is void.
    """
    row, standard = ROWS[name], name == STANDARD
    count = config.episodes if standard else config.row_episodes
    out = config.reports / f"{fingerprint(policy)}_{name}_{count}_{config.execute}.json"
    print(f"{policy.name}: {name}", flush=True)
    wanted = EvalConfig(
        world=row.world,
        episodes=count,
        execute=config.execute,
        workers=config.workers,
        out=out,
        films=out.with_suffix("") if standard else None,
    )
    return evaluated(policy, wanted, options=row.options)


def in_lerobot(config: Table) -> Path:
    """Measure the policy in LeRobot's own class, write ``metaworld_in_lerobot.json`` and return its path."""
    import lerobot

    from lerobots_metaworld import NAME, PLACE

    # The class is this folder's, so its journal is for this code only.
    name = f"{fingerprint(config.checkpoint)}_{config.row_episodes}_{config.execute}_{benchmark_code()[:8]}"
    wanted = EvalConfig(
        world=NAME,
        episodes=config.row_episodes,
        execute=config.execute,
        workers=config.workers,
        out=config.reports / "in_lerobot" / f"{name}.json",
    )
    report = evaluated(config.checkpoint, wanted, place=PLACE)
    episodes = report["episodes"]
    metrics = headline(episodes)
    metrics["invalid"] = sum(episode["outcome"] == Outcome.INVALID for episode in episodes)
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    return write_result(
        "metaworld_in_lerobot",
        metrics,
        seeds=seeds("test", config.row_episodes),
        n=len(episodes),
        config={"lerobot": lerobot.__version__, "episodes": config.row_episodes, "execute": config.execute},
        episodes=[outcome("lerobot", episode) for episode in episodes],
        reports=[report],
    )


def summary(rows: Mapping[str, Episodes]) -> dict[str, float]:
    """Return every metric of the table, the headline first; the disturbances and ``improved`` as tier means.

    ``invalid`` counts, over all rows, the episodes that crashed and are in none of the rates.

    Args:
        rows: name of a row -> its episodes: ``family``, ``seed``, ``outcome`` and ``steps`` of each count.
    """
    standard = rows[STANDARD]
    metrics = headline(standard)
    metrics |= flat("tier_mean_in_400_steps", tier_mean([until(EARLY_STEPS, e) for e in standard]))
    others = {name: episodes for name, episodes in rows.items() if name != STANDARD}
    if "improved" in others:
        metrics |= flat("improved_tier_mean", tier_mean(others.pop("improved")))
    if few := {episode["seed"] for episodes in others.values() for episode in episodes}:
        metrics |= flat("undisturbed", tier_mean([e for e in standard if e["seed"] in few]))
    if others.keys() >= CAMERA.keys():
        metrics |= flat("camera", mean_of_same_scenes([tier_mean(others[name]) for name in CAMERA]))
    for name, episodes in others.items():
        metrics |= flat(name, tier_mean(episodes))
    for task in TASKS:
        tried = [episode["outcome"] for episode in standard if episode["family"] == task]
        invalid = tried.count(Outcome.INVALID)
        if not is_void(len(tried) - invalid, invalid):  # a number that is void is left out
            metrics |= flat(task, rate([episode for episode in standard if episode["family"] == task]))
    metrics["invalid"] = sum(e["outcome"] == Outcome.INVALID for some in rows.values() for e in some)
    return metrics


def headline(episodes: Episodes) -> dict[str, float]:
    """Return the two means of a row, and the rate of each tier."""
    metrics = flat("tier_mean", tier_mean(episodes)) | flat("episode_mean", rate(episodes))
    for tier, some in by_tier(episodes).items():
        metrics |= flat(tier, rate(some))
    return metrics


def until(steps: int, episode: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an episode as if it had been cut off after so many steps."""
    late = episode["outcome"] == Outcome.SUCCESS and episode["steps"] > steps
    return {**episode, "outcome": Outcome.FAILURE} if late else episode


def by_tier(episodes: Episodes) -> dict[str, Episodes]:
    """Return the episodes of each tier of difficulty."""
    return {tier: [e for e in episodes if TASKS[e["family"]].tier == tier] for tier in TIERS}


def rate(episodes: Iterable[Mapping[str, Any]]) -> Interval:
    """Return the share of successes among valid episodes, with Wilson's interval."""
    ended = [e["outcome"] for e in episodes if e["outcome"] != Outcome.INVALID]
    return wilson(ended.count(Outcome.SUCCESS), len(ended))


def tier_mean(episodes: Episodes) -> Interval:
    """Return the plain mean of the tiers' success rates, with its interval."""
    return mean_of([rate(some) for some in by_tier(episodes).values()])


def mean_of(rates: Sequence[Interval]) -> Interval:
    """Return the mean of independent rates, with its interval.

    The distances from the rates to the ends of their Wilson intervals add like standard errors: by squares
    (Newcombe 1998, method 10; Zou and Donner 2008). Unlike a bootstrap that needs no seed, and it does not
    become certain where every episode of a task ended alike.
    """
    mean = statistics.fmean(found.share for found in rates)
    below = math.hypot(*(found.share - found.low for found in rates)) / len(rates)
    above = math.hypot(*(found.high - found.share for found in rates)) / len(rates)
    return Interval(mean, mean - below, mean + above)


def mean_of_same_scenes(rates: Sequence[Interval]) -> Interval:
    """Return the mean of rates that were measured in the same scenes, with its interval.

    What is hard in one of them is hard in all, so the mean is taken to be no surer than one of them is.
    """
    shares, lows, highs = zip(*((found.share, found.low, found.high) for found in rates), strict=True)
    return Interval(statistics.fmean(shares), statistics.fmean(lows), statistics.fmean(highs))


def flat(name: str, found: Interval) -> dict[str, float]:
    """Return a share and the ends of its interval as three metrics."""
    return {name: found.share, f"{name}/low": found.low, f"{name}/high": found.high}


if __name__ == "__main__":
    import tyro

    main(tyro.cli(Table, description=__doc__))
