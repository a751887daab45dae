"""Measure the scripted experts: how often each carries out its family of tasks on seeds nobody else uses.

python benchmarks/experts.py [--episodes 100]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from results_file import ROOT, evaluated, success, write_result
from sayso.measure import EvalConfig
from sayso.spec import seeds
from sayso.subject import EXPERT
from sayso.tasks.task import TASKS


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
    for world in TASKS:
        path = config.reports / f"{world}.json"
        found = evaluated(EXPERT, EvalConfig(world=world, episodes=config.episodes, out=path))
        metrics |= success(found, world, "expert_")
        metrics |= {
            f"expert_{name}_{world}_steps": family["mean_steps"] for name, family in found["families"].items()
        }
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    used = seeds("test", config.episodes)
    settings = {"episodes": config.episodes}
    print("wrote", write_result("experts", metrics, seeds=used, n=config.episodes, config=settings))


if __name__ == "__main__":
    main(tyro.cli(Experts, description=__doc__))
