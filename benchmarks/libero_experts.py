"""Measure LIBERO's expert: how often it carries out each of the forty tasks, laid out at random.

Nothing is drawn, so an episode takes seconds. Give the same command again to go on with one that was stopped.

python benchmarks/libero_experts.py [--episodes 20]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from results_file import ROOT, evaluated, success, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.statistics import wilson
from sayso.loading import EXPERT
from sayso.spec import Outcome, seeds
from sayso.tasks.libero.suites import FAMILIES

WORLD, SPLIT = "libero", "validation"
"""Seeds of the test split would begin in the benchmark's own states."""


@dataclass(frozen=True, kw_only=True)
class LiberoExperts:
    """Say how much to measure, and where the parts are kept."""

    episodes: int = 20
    """Episodes of each task, each laid out anew."""
    workers: int = 1
    """Processes that measure side by side; 0 is one per core."""
    reports: Path = ROOT / "runs" / "libero_experts"
    """Folder of the evaluations' own reports; one that is there is not repeated."""


def main(config: LiberoExperts) -> None:
    """Run what is missing, print the numbers and write ``libero_experts.json``."""
    metrics: dict[str, float] = {}
    reports: list[Mapping[str, Any]] = []
    for suite in dict.fromkeys(family.split("-")[0] for family in FAMILIES):
        families = tuple(family for family in FAMILIES if family.split("-")[0] == suite)
        asked = EvalConfig(
            world=WORLD,
            families=families,
            episodes=config.episodes,
            split=SPLIT,
            workers=config.workers,
            out=config.reports / f"{suite}.json",
        )
        found = evaluated(EXPERT, asked)
        reports.append(found)
        metrics |= success(found, WORLD, "expert_")
        metrics |= {
            f"expert_{family}_{WORLD}_steps": found["families"][family]["mean_steps"] for family in families
        }
        metrics |= of_suite(suite, found["episodes"])
    metrics |= of_suite("all", [episode for found in reports for episode in found["episodes"]])
    for name, value in metrics.items():
        print(f"{name:40} {value:9.3f}")
    written = write_result(
        "libero_experts",
        metrics,
        seeds=seeds(SPLIT, config.episodes),
        n=config.episodes,
        config={"episodes": config.episodes, "split": SPLIT},
        reports=reports,
    )
    print("wrote", written)


def of_suite(suite: str, episodes: list[Mapping[str, Any]]) -> dict[str, float]:
    """Return the success of a suite's episodes taken together, with its interval."""
    done = wilson(sum(episode["outcome"] == Outcome.SUCCESS for episode in episodes), len(episodes))
    name = f"expert_{suite}_{WORLD}"
    return {name: done.share, f"{name}/low": done.low, f"{name}/high": done.high}


if __name__ == "__main__":
    main(tyro.cli(LiberoExperts, description=__doc__))
