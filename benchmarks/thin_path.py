"""Measure the whole path: how often the shipped and the textbook policies succeed, and what they cost.

    python benchmarks/thin_path.py [--episodes 100] [--reports FOLDER] [--data-minutes 30]

Every evaluation leaves its report in a folder and is not repeated when it is there, so that a run that was
stopped goes on. Speeds come from `sim_speed.json`, `train_throughput.json` and `latency.json`, which their
own scripts write; run those first, on a quiet machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from results_file import RESULTS, ROOT, evaluated, success, trained_hours, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.report import chosen_objects
from sayso.evaluation.statistics import wilson
from sayso.spec import seeds
from sayso.tasks.household.catalogue import TASKS

SPEEDS = {
    "sim_speed": ("control_steps_per_s_tabletop", "control_steps_per_s_home"),
    "train_throughput": ("loader_samples_per_s", "train_samples_per_s"),
    "latency": ("policy_ms_1_thread", "policy_ms_2_threads"),
}


@dataclass(frozen=True, kw_only=True)
class ThinPath:
    """Say what to measure, and where the parts are kept."""

    episodes: int = 100
    """Episodes of each family."""
    wrong: int = 50
    """Episodes of each family in which another object is named."""
    reports: Path = ROOT / "runs" / "thin_path"
    """Folder of the evaluations' own reports, with films of failures."""
    policies: Path = ROOT / "checkpoints"
    """Folder with a policy per world."""
    textbook: Path = ROOT / "runs" / "textbook"
    """Folder of textbook runs, one per world; worlds without one are left out."""
    data_minutes: float = 0.0
    """What recording took, as `sayso record` says at its end; it counts into train_hours."""


def report(config: ThinPath, name: str, policy: Path, world: str, *, swap: bool) -> dict[str, Any]:
    """Return the report of an evaluation, which is run unless it is there."""
    path = config.reports / f"{name}.json"
    films = None if swap else config.reports / f"films_{name}"
    count = config.wrong if swap else config.episodes
    wanted = EvalConfig(world=world, episodes=count, swap=swap, out=path, films=films)
    return evaluated(policy, wanted)


def without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of an evaluation's settings where things lay on one machine."""
    return {name: value for name, value in config.items() if name not in ("policy", "out", "films")}


def main(config: ThinPath) -> None:
    """Run what is missing, print the numbers and write ``thin_path.json``."""
    metrics: dict[str, float] = {}
    reports: dict[str, dict[str, Any]] = {}
    named = counted = 0
    hours = config.data_minutes / 60
    for world in TASKS:
        ours = config.policies / world
        reports[f"ours_{world}"] = report(config, world, ours, world, swap=False)
        metrics |= success(reports[f"ours_{world}"], world)
        reports[f"swap_{world}"] = swapped = report(config, f"{world}_swap", ours, world, swap=True)
        named += sum(chosen_objects(family).get("named", 0) for family in swapped["families"].values())
        counted += sum(sum(chosen_objects(family).values()) for family in swapped["families"].values())
        hours += trained_hours(ours)
        textbook = config.textbook / world / "policy"
        if textbook.is_dir():
            reports[f"textbook_{world}"] = report(config, f"textbook_{world}", textbook, world, swap=False)
            metrics |= success(reports[f"textbook_{world}"], world, "textbook_")
            metrics[f"textbook_train_hours_{world}"] = trained_hours(textbook)
        metrics[f"train_hours_{world}"] = trained_hours(ours)
    follows = wilson(named, counted)
    metrics |= {
        "wrong_instruction_follows_words": follows.share,
        "wrong_instruction_follows_words/low": follows.low,
        "wrong_instruction_follows_words/high": follows.high,
        "train_hours": hours,
    }
    for name, wanted in SPEEDS.items():
        stored = json.loads((RESULTS / f"{name}.json").read_text())["metrics"]
        metrics |= {metric: stored[metric] for metric in wanted}
    for name, value in sorted(metrics.items()):
        print(f"{name:45} {value:9.3f}")
    episodes = [
        {
            "policy": policy,
            "world": e["world"],
            "family": e["family"],
            "seed": e["seed"],
            "outcome": e["outcome"],
        }
        for policy, found in reports.items()
        for e in found["episodes"]
    ]
    settings = {
        "episodes": config.episodes,
        "wrong": config.wrong,
        "data_minutes": config.data_minutes,
        "training": {name: found["training"] for name, found in reports.items()},
        "evaluation": {name: without_paths(found["config"]) for name, found in reports.items()},
        "horizon": {name: found["horizon"] for name, found in reports.items()},
        "evaluation_seconds": sum(e["seconds"] for found in reports.values() for e in found["episodes"]),
    }
    used = seeds("test", config.episodes)
    written = write_result(
        "thin_path",
        metrics,
        seeds=used,
        n=config.episodes,
        config=settings,
        episodes=episodes,
        reports=reports.values(),
    )
    print("wrote", written)


if __name__ == "__main__":
    main(tyro.cli(ThinPath, description=__doc__))
