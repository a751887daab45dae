"""Simulators of Meta-World, and how one is set up for an episode: its places, its camera and its lights.

Meta-World offers no public way to most of this, so here and nowhere else we reach into its private parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from sayso.geometry import Vector
from sayso.sim.disturbance import Disturber
from sayso.sim.physics import Physics
from sayso.spec import SaysoError
from sayso.tasks.sawyer import CAMERA, CAMERA_M, EYES

LEROBOT_SEED = 42
INSTALL = "Meta-World is not installed: pip install 'sayso[metaworld]'"


def packages() -> tuple[Any, Any]:
    """Import Meta-World and its scripted policies.

    Raises:
        SaysoError: if it is not installed.
    """
    try:
        import metaworld
        from metaworld import policies
    except ModuleNotFoundError as error:
        raise SaysoError(f"{INSTALL} (there is no module {error.name!r})") from error
    return metaworld, policies


@dataclass(frozen=True)
class TaskSimulator:
    """One task's simulator, and its camera and lights as they come."""

    env: Any
    disturber: Disturber
    """What moves the camera and dims the lights, whatever the episode before had changed."""
    lerobot: bool
    """Whether it is built, and looked at first, as LeRobot does."""

    @property
    def goal_m(self) -> Vector:
        """Return where the task wants something to be, metres, [3]."""
        goal: Vector = self.env._target_pos
        return goal

    def place(self, seed: int) -> Vector:
        """Draw the places the way LeRobot does, and return Meta-World's own observation, float64 [39].

        What hangs on the drawn places is put there as well, unless it is to be stale as LeRobot's is.
        """
        env = self.env
        env.seed(seed)
        raw: Vector
        raw, _ = env.reset(seed=seed)
        if self.lerobot:
            return raw
        mujoco.mj_forward(env.model, env.data)
        now = env._get_curr_obs_combined_no_goal()
        env._prev_obs = now
        raw = np.hstack([now, now, env._get_pos_goal()])
        return raw


def build(family: str, *, lerobot: bool) -> TaskSimulator:
    """Build a task's simulator with its goal observable, as in the multi-task benchmarks.

    Raises:
        SaysoError: if Meta-World is not installed.
    """
    metaworld, _ = packages()
    name = f"{family}-v3"
    env = metaworld.ALL_V3_ENVIRONMENTS[name]()
    env.model.cam_pos[env.model.camera(CAMERA).id] = CAMERA_M
    if lerobot:
        env.set_task(metaworld.MT1(name, seed=LEROBOT_SEED).train_tasks[0])
        env.reset()
    else:
        env.model.vis.quality.offsamples = 0
        env._partially_observable, env._set_task_called = False, True
        del env.sawyer_observation_space  # cached, and it differs where the goal can be seen
    env._freeze_rand_vec, env.seeded_rand_vec = False, True
    return TaskSimulator(env, Disturber(Physics(model=env.model, data=env.data, eyes=EYES)), lerobot)
