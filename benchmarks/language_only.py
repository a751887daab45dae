"""Measure what a policy learns from descriptions alone, without any demonstration (docs/practice.md).

    python benchmarks/language_only.py --rows recipes               physics alone, no pictures, no training
    python benchmarks/language_only.py --rows left --tabletop ../data/tabletop --home ../data/home
    python benchmarks/language_only.py --rows compositions known

Each row can be asked for alone, is kept in a folder and goes on where it was stopped; the file holds the
rows that are there. ``recipe_<task>`` is the success of what practice found, in physics; ``<task>`` that of
the policy from pictures on fresh seeds, ``tasks_mean`` the mean of the five, ``practice_minutes`` the mean of
what one took, search, recording and training together. ``known_after_<task>_<family>`` is a family that the
policy knew before, ``known_after`` their mean. ``compositions_seen`` are descriptions of what demonstrations
showed, ``compositions_unseen`` of known skills and known words that never stood together, neither of them
practised; ``compositions_share`` is the latter of the former. ``corrected`` is of scenes in which somebody
said "no, the other one" in mid-motion, if `corrected.py` measured them into the same folder.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from results_file import ROOT, evaluated, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.statistics import wilson
from sayso.learn.practice import RECIPE, PracticeConfig, practice
from sayso.spec import known, seeds
from sayso.tasks.household.goals.world import described
from sayso.tasks.worlds import WORLDS, chosen_families
from sayso.work.provenance import write_json

TASKS: Mapping[str, tuple[str, str]] = {
    "left": ("tabletop", "put it to the left of the mug"),
    "red": ("tabletop", "put all red things into the bowl"),
    "off": ("tabletop", "push everything off the mat"),
    "row": ("tabletop", "line up the three blocks"),
    "shut": ("home", "shut the drawer with the can inside"),
}
"""Name of a row -> the world and the description."""
SEEN = ("put the can in the bowl", "put the block on the plate", "push the can onto the mat")
UNSEEN = ("put the can on the mat", "put the block beside the mug", "push the mug beside the bowl")
"""Descriptions on the tabletop: what demonstrations show, and the same skills and words, never together."""
ROWS = ("recipes", *TASKS, "compositions", "known")


@dataclass(frozen=True, kw_only=True)
class LanguageOnly:
    """What to measure, and where the parts are kept."""

    rows: tuple[str, ...] = ROWS
    """Which rows."""
    episodes: int = 100
    """Fresh seeds of each."""
    tabletop: tuple[Path, ...] = ()
    """Recordings that the tabletop's shipped policy learned from, to be learned beside the new."""
    home: tuple[Path, ...] = ()
    """Those of the home's."""
    demonstrations: int = 150
    """How many to record of each task."""
    steps: int = 1500
    """Steps of each training."""
    workers: int = 0
    """Processes side by side; 0 is one per core."""
    threads: int = 2
    """Threads of a training."""
    parts: Path = Path("runs/language_only")
    """Folder of practices and reports."""

    def __post_init__(self) -> None:
        """Refuse rows that there are none of."""
        for row in self.rows:
            known("row", row, ROWS)


def main(config: LanguageOnly) -> None:
    """Measure the rows that are asked for, and write all that are there."""
    for row in config.rows:
        if row == "recipes":
            for task in TASKS:
                practised(config, task, "practised")
        elif row in TASKS:
            learned(config, row)
        elif row == "compositions":
            compositions(config)
        else:
            known_after(config)
    metrics = summary(config)
    settings = {"tasks": {name: list(task) for name, task in TASKS.items()}, "rows": sorted(config.rows)}
    fresh = list(seeds("test", config.episodes, 0))
    print(write_result("language_only", metrics, seeds=fresh, n=config.episodes, config=settings))
    print(json.dumps(metrics, indent=2))


def practised(config: LanguageOnly, task: str, until: str) -> Path:
    """Practise a task as far as is asked, keep how long that took, and return its folder."""
    world, description = TASKS[task]
    out, began = config.parts / task, time.monotonic()
    practice(
        description,
        PracticeConfig(
            world=world,
            out=out,
            until=until,  # type: ignore[arg-type]
            trials=config.episodes,
            least=0.0 if until == "practised" else 0.8,
            episodes=config.demonstrations,
            known=getattr(config, world),
            steps=config.steps,
            workers=config.workers,
            threads=config.threads,
        ),
    )
    path = out / "minutes.json"
    before = json.loads(path.read_text(encoding="utf-8"))["minutes"] if path.exists() else 0.0
    write_json(path, {"minutes": before + (time.monotonic() - began) / 60})
    return out


def learned(config: LanguageOnly, task: str) -> dict[str, Any]:
    """Practise and train a task, and measure the policy on fresh seeds from pictures."""
    policy = practised(config, task, "trained") / "training" / "policy"
    return asked(config, policy, *TASKS[task], name=task)


def asked(config: LanguageOnly, policy: Path, world: str, description: str, name: str) -> dict[str, Any]:
    """Return the report of a policy on a description."""
    wanted = EvalConfig(
        world=world,
        goal=description,
        episodes=config.episodes,
        workers=config.workers,
        out=config.parts / f"{name}.json",
    )
    return evaluated(policy, wanted, place=described(world, description))


def compositions(config: LanguageOnly) -> None:
    """Measure the shipped policy on descriptions that it was never trained on, nor practised."""
    policy = ROOT / WORLDS["tabletop"].checkpoint
    for kind, sentences in (("seen", SEEN), ("unseen", UNSEEN)):
        for number, sentence in enumerate(sentences):
            asked(config, policy, "tabletop", sentence, name=f"{kind}_{number}")


def known_after(config: LanguageOnly) -> None:
    """Measure what each policy that learned a task still can of what it knew."""
    for task, (world, _) in TASKS.items():
        policy = config.parts / task / "training" / "policy"
        if not policy.exists():
            continue
        for family in chosen_families(WORLDS[world].families, ()):
            wanted = EvalConfig(
                world=world,
                families=(family,),
                episodes=config.episodes,
                workers=config.workers,
                out=config.parts / f"known_{task}_{family}.json",
            )
            evaluated(policy, wanted)


def summary(config: LanguageOnly) -> dict[str, float]:
    """Return every metric of what is there."""
    metrics: dict[str, float] = {}
    minutes: list[float] = []
    for task in TASKS:
        recipe = read(config.parts / task / RECIPE)
        if outcomes := recipe.get("measured"):
            metrics |= rate(f"recipe_{task}", sum(outcomes), len(outcomes))
            metrics[f"search_minutes_{task}"] = float(recipe["seconds"]) / 60
        if report := read(config.parts / f"{task}.json"):
            metrics |= counted(task, report)
            minutes.append(read(config.parts / task / "minutes.json")["minutes"])
    tasks = [metrics[task] for task in TASKS if task in metrics]
    if len(tasks) == len(TASKS):
        metrics["tasks_mean"] = float(np.mean(tasks))
    if minutes:
        metrics["practice_minutes"] = float(np.mean(minutes))
    metrics |= share_of_compositions(config)
    scenes = read(config.parts / "corrected.json").get("scenes", {}).values()
    if said := [one["success"] for one in scenes if one["said"]]:
        metrics |= rate("corrected", sum(said), len(said))
    after = [
        counted(path.stem.replace("known_", "known_after_"), read(path))
        for path in sorted(config.parts.glob("known_*.json"))
        if not path.stem.endswith((".old", ".episodes"))
    ]
    for one in after:
        metrics |= one
    if after:
        metrics["known_after"] = float(np.mean([next(iter(one.values())) for one in after]))
    return metrics


def share_of_compositions(config: LanguageOnly) -> dict[str, float]:
    """Return what the shipped policy can of compositions, seen and unseen, and the latter of the former."""
    found: dict[str, float] = {}
    for kind, sentences in (("seen", SEEN), ("unseen", UNSEEN)):
        reports = [read(config.parts / f"{kind}_{number}.json") for number in range(len(sentences))]
        if all(reports):
            outcomes = [one["outcome"] for report in reports for one in report["episodes"]]
            found |= rate(f"compositions_{kind}", outcomes.count("success"), len(outcomes))
    if found.get("compositions_seen"):
        found["compositions_share"] = found["compositions_unseen"] / found["compositions_seen"]
    return found


def counted(name: str, report: Mapping[str, Any]) -> dict[str, float]:
    """Return the rate of success of a report's episodes, with its interval."""
    outcomes = [one["outcome"] for one in report["episodes"]]
    return rate(name, outcomes.count("success"), len(outcomes) - outcomes.count("invalid"))


def rate(name: str, wins: int, n: int) -> dict[str, float]:
    """Return a share with its interval, named as result files want it."""
    share = wilson(wins, n)
    return {name: share.share, f"{name}/low": share.low, f"{name}/high": share.high}


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file; nothing if there is none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


if __name__ == "__main__":
    main(tyro.cli(LanguageOnly, description=__doc__))
