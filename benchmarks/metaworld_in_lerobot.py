"""Measure a policy on Meta-World's fifty tasks inside LeRobot's own environment class, not ours.

    python benchmarks/metaworld_in_lerobot.py --checkpoint checkpoints/metaworld

It answers whether our world is LeRobot's: the tier mean must agree with that of ``metaworld.json`` within the
intervals. LeRobot draws every step, in full, so that an episode takes about ten times as long; it must be
installed (docs/metaworld.md says how). Killed and given again, it goes on with the episode it was at.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from gymnasium import spaces

from household import fingerprint, outcome
from long_instructions import policy_in
from mt50_table import headline
from results_file import ROOT, once_by_episode, write_result
from sayso.evaluation.report import training_of
from sayso.evaluation.trials import evaluate
from sayso.spec import EXECUTE, STATE, TASK, Array, Features, Observation, Outcome, Policy, image_key, seeds
from sayso.tasks.metaworld import CONDITION, MetaWorldTask
from sayso.tasks.mt50 import TASKS
from sayso.tasks.sawyer import features, views
from sayso.work import pool


class InLeRobot:
    """Be a World whose every step, picture, sentence and verdict is that of LeRobot's ``MetaworldEnv``."""

    name = "lerobot.envs.metaworld"
    families = tuple(TASKS)

    def __init__(self) -> None:
        """Begin without an episode."""
        self.features: Features = features()
        self.action_space = spaces.Box(-1, 1, (len(self.features.action),), np.float32)
        self._envs: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode of a seed, of the task that ``options["family"]`` names."""
        from lerobot.envs.metaworld import MetaworldEnv

        family = (options or {})["family"]
        if family not in self._envs:
            self._envs[family] = MetaworldEnv(task=f"{family}-v3", obs_type="pixels_agent_pos")
        self._env = self._envs[family]
        self.task = MetaWorldTask(family=family, instruction=self._env.task_description)
        looked, _ = self._env.reset(seed=seed)
        return self._seen(looked), {}

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action; LeRobot draws whether anybody looks or not."""
        looked, reward, terminated, truncated, told = self._env.step(np.clip(action, -1, 1))
        info = {"conditions": {CONDITION: told["is_success"]}, "is_success": told["is_success"]}
        return self._seen(looked), reward, terminated, truncated, info

    def _seen(self, looked: dict[str, Any]) -> Observation:
        state = looked["agent_pos"].astype(np.float32)
        cut = views(looked["pixels"], state)
        seen = {image_key(name): view for name, view in cut.items()}
        return seen | {STATE: state, TASK: self.task.instruction}

    def labels(self) -> Array:
        """Refuse: LeRobot's class has no labels."""
        raise NotImplementedError

    def other_labels(self) -> None:
        """Return nothing: each scene knows one task."""

    def expert(self) -> Policy:
        """Refuse: this world is for measuring policies."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every task's environment."""
        for env in self._envs.values():
            env.close()


@dataclass(frozen=True, kw_only=True)
class InLeRobotConfig:
    """Say what to measure, and how often."""

    checkpoint: Path
    """Folder of the policy."""
    episodes: int = 2
    """Episodes of each task, on the first of the table's test seeds."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    reports: Path = ROOT / "runs" / "metaworld_in_lerobot"
    """Folder of the report."""


def main(config: InLeRobotConfig) -> None:
    """Run what is missing, print the numbers and write ``metaworld_in_lerobot.json``."""
    import lerobot

    used = seeds("test", config.episodes)
    run = partial(
        evaluate,
        InLeRobot,
        partial(policy_in, config.checkpoint),
        families=tuple(TASKS),
        seeds=used,
        workers=config.workers or pool.cores(),
        execute=config.execute,
        training=training_of(config.checkpoint),
    )
    out = config.reports / f"{fingerprint(config.checkpoint)}_{len(used)}_{config.execute}.json"
    report = once_by_episode(out, {"world": InLeRobot.name}, run)
    episodes = report["episodes"]
    metrics = headline(episodes)
    metrics["invalid"] = sum(episode["outcome"] == Outcome.INVALID for episode in episodes)
    for name, value in metrics.items():
        print(f"{name:35} {value:9.3f}")
    written = write_result(
        "metaworld_in_lerobot",
        metrics,
        seeds=used,
        n=len(episodes),
        config={"lerobot": lerobot.__version__, "episodes": config.episodes, "execute": config.execute},
        episodes=[outcome("lerobot", episode) for episode in episodes],
        reports=[report],
    )
    print("wrote", written)


if __name__ == "__main__":
    main(tyro.cli(InLeRobotConfig, description=__doc__))
