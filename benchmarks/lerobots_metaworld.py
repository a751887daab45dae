"""Meta-World as LeRobot's own environment class has it, not ours: a world for `mt50_table`.

LeRobot draws every step, in full, so that an episode takes about ten times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from sayso.spec import STATE, TASK, Array, Features, Observation, image_key
from sayso.tasks.metaworld import CONDITION, MetaWorldTask
from sayso.tasks.mt50 import TASKS
from sayso.tasks.sawyer import features, views
from sayso.tasks.worlds import WorldEntry

NAME = "lerobot.envs.metaworld"


class InLeRobot:
    """World whose every step, picture, sentence and verdict is that of LeRobot's ``MetaworldEnv``."""

    name = NAME
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

    def close(self) -> None:
        """Close every task's environment."""
        for env in self._envs.values():
            env.close()


PLACE = WorldEntry(make=InLeRobot, families=tuple(TASKS), features=features())
