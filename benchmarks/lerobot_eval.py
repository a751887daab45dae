"""Measure Meta-World's policy by ``lerobot-eval``, through the plugin, beside our own number.

    python benchmarks/lerobot_eval.py --checkpoint checkpoints/metaworld

Runs where LeRobot, its Meta-World and ``plugins/lerobot_policy_sayso`` are installed (docs/metaworld.md).
Each task is a call of LeRobot's own command, but for the films, which would draw every step twice. What is
done is not repeated, so the same command goes on after a kill, and ``--episodes`` may grow.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from household import fingerprint
from mt50_table import Episodes, by_tier, flat, rate
from results_file import RESULTS, ROOT, benchmark_code, write_result
from sayso.spec import EXECUTE, Outcome, seeds
from sayso.tasks.mt50 import TASKS, TIERS

BLOCK = 5
"""Episodes of one call: every task is tried so often before any is tried more."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to measure, and where the parts are kept."""

    checkpoint: Path
    """Folder of the policy."""
    episodes: int = 5
    """Episodes of each task, on the first test seeds; a multiple of 5."""
    every: int = 2
    """Every how manyth task of each tier is tried."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    reports: Path = ROOT / "runs" / "lerobot_eval"
    """Folder of what ``lerobot-eval`` writes."""


def main(asked: Asked) -> None:
    """Run what is missing, print the numbers and write them."""
    import lerobot

    folder = asked.reports / f"{fingerprint(asked.checkpoint)}_{asked.execute}_{benchmark_code()[:8]}"
    for task, first in calls(asked):
        if not (folder / f"{task}_{first}" / "eval_info.json").exists():
            print(f"{task}: seeds {first} to {first + BLOCK - 1}", flush=True)
            lerobot_eval(words(asked, task, first, folder))
    found = [episode for task, first in calls(asked) for episode in ended(folder, task, first)]
    metrics = compared(found, ours())
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    typed = shlex.join(["lerobot-eval", *words(asked, "TASK", seeds("test", 1)[0], Path("OUT"))])
    settings: dict[str, Any] = {"lerobot": lerobot.__version__, "typed": typed, "films": False}
    settings |= {"episodes": asked.episodes, "execute": asked.execute, "tasks": tasks(asked.every)}
    written = write_result(
        "lerobot_eval",
        metrics,
        seeds=seeds("test", asked.episodes),
        n=len(found),
        config=settings,
        episodes=found,
    )
    print("wrote", written)


def tasks(every: int) -> list[str]:
    """Return every so manyth task of each tier."""
    return [task for tier in TIERS for task in [t for t, a in TASKS.items() if a.tier == tier][::every]]


def calls(asked: Asked) -> Iterator[tuple[str, int]]:
    """Yield the task and the first seed of each call."""
    for first in seeds("test", asked.episodes)[::BLOCK]:
        for task in tasks(asked.every):
            yield task, first


def words(asked: Asked, task: str, first: int, folder: Path) -> list[str]:
    """Return what is typed behind ``lerobot-eval``."""
    return [
        f"--policy.path={asked.checkpoint}",
        f"--policy.n_action_steps={asked.execute}",
        "--policy.device=cpu",
        "--env.type=metaworld",
        f"--env.task={task}-v3",
        "--eval.batch_size=1",
        f"--eval.n_episodes={BLOCK}",
        f"--seed={first}",
        f"--output_dir={folder / f'{task}_{first}'}",
    ]


def lerobot_eval(typed: list[str]) -> None:
    """Do in this process what the command does, without films."""
    from lerobot.scripts import lerobot_eval as command
    from lerobot.utils.import_utils import register_third_party_plugins

    register_third_party_plugins()
    whole, before = command.eval_policy_all, sys.argv
    command.eval_policy_all = lambda **given: whole(**given | {"max_episodes_rendered": 0})
    sys.argv = ["lerobot-eval", *typed]
    try:
        command.eval_main()
    finally:
        command.eval_policy_all, sys.argv = whole, before


def ended(folder: Path, task: str, first: int) -> Iterator[dict[str, Any]]:
    """Yield how the episodes of a call ended."""
    told = json.loads((folder / f"{task}_{first}" / "eval_info.json").read_text(encoding="utf-8"))
    for seed, success in enumerate(told["per_task"][0]["metrics"]["successes"], first):
        outcome = Outcome.SUCCESS if success else Outcome.FAILURE
        yield {"report": "lerobot-eval", "family": task, "seed": seed, "outcome": outcome}


def ours() -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return how the episodes of our own table ended, by task and seed."""
    table = json.loads((RESULTS / "metaworld.json").read_text(encoding="utf-8"))
    return {(e["family"], e["seed"]): e for e in table["episodes"] if e["report"] == "standard"}


def compared(found: Episodes, own: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, float]:
    """Return success by ``lerobot-eval`` and in our own world, there on the same seeds and on all.

    Args:
        found: what ``lerobot-eval`` told.
        own: episodes of our own table, by task and seed.
    """
    tried = {episode["family"] for episode in found}
    same = [own[episode["family"], episode["seed"]] for episode in found]
    metrics = flat("lerobot_eval", rate(found)) | flat("ours", rate(same))
    metrics |= flat("ours_all_seeds", rate(e for e in own.values() if e["family"] in tried))
    alike = sum(a["outcome"] == b["outcome"] for a, b in zip(found, same, strict=True))
    metrics["same_outcome"] = alike / len(found)
    for tier, some in by_tier(found).items():
        if some:
            metrics |= flat(tier, rate(some))
    return metrics


if __name__ == "__main__":
    import tyro

    main(tyro.cli(Asked, description=__doc__))
