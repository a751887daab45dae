"""Look for the scene that the demonstration shows first: how the shipped policy does in each of some.

    python scripts/choose_scene.py home --scenes 40

A line says scene by scene what was asked and how often it had to be tried; the table of
worlds (`sayso.tasks.worlds`) holds the scene that was chosen. To be run again when another policy is shipped.
"""

from __future__ import annotations

import argparse
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console

from sayso import load
from sayso.demo import Demonstration
from sayso.evaluation.planner import PlanReport
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import called
from sayso.tasks.household.words.language import plain
from sayso.tasks.household.world import HouseholdWorld

COUNT = 3
"""Instructions in a scene: as many as the demonstration runs."""


def main() -> None:
    """Run the demonstration of every scene without its films, and print how each went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=tuple(TASKS))
    parser.add_argument("--scenes", type=int, default=40)
    given = parser.parse_args()
    policy, world = load(f"checkpoints/{given.world}"), HouseholdWorld(given.world)
    done = at_once = 0
    with tempfile.TemporaryDirectory() as films:
        for scene in range(given.scenes):
            show = Demonstration(world, policy, Console(file=StringIO()), Path(films), scene)
            reports = show.run(COUNT)
            done += all(report.success for report in reports)
            at_once += all(step.episode.success for report in reports for step in report.steps)
            print(f"{scene:4}  {'; '.join(map(told, reports))}", flush=True)
    print(f"everything done in {done} of {given.scenes} scenes, at the first attempt in {at_once}")


def told(report: PlanReport) -> str:
    """Return what was asked for and how it went."""
    failed = [step.episode.why for step in report.steps if not step.episode.success]
    asked = ", then ".join(plain(called(intent)) for intent in report.asked)
    how = "done" if report.success else "NOT done"
    return f"{asked}: {how}" + (f" ({'; '.join(failed)})" if failed else "")


if __name__ == "__main__":
    main()
