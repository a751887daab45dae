"""Measure the scripted experts: how often each carries out its family of tasks on seeds nobody else uses.

python benchmarks/experts.py [--episodes 100]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from results_file import ROOT, evaluated, success, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.loading import EXPERT
from sayso.spec import seeds
from sayso.tasks.household.catalogue import TASKS


@dataclass(frozen=True, kw_only=True)
class Experts:
    """Say how much to measure, and where the parts are kept."""

    episodes: int = 100
    """Episodes of each family."""
    reports: Path = ROOT / "runs" / "experts"
    """Folder of the evaluations' own reports; one that is there is not repeated."""


def main(config: Experts) -> None:
    """Run what is missing, print the numbers and write ``experts.json``."""
    metrics: dict[str, float] = {}
    reports: list[Mapping[str, Any]] = []
    for world in TASKS:
        path = config.reports / f"{world}.json"
        found = evaluated(EXPERT, EvalConfig(world=world, episodes=config.episodes, out=path))
        reports.append(found)
        metrics |= success(found, world, "expert_")
        metrics |= {
            f"expert_{name}_{world}_steps": family["mean_steps"] for name, family in found["families"].items()
        }
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    used = seeds("test", config.episodes)
    settings = {"episodes": config.episodes}
    written = write_result(
        "experts", metrics, seeds=used, n=config.episodes, config=settings, reports=reports
    )
    print("wrote", written)


if __name__ == "__main__":
    main(tyro.cli(Experts, description=__doc__))
