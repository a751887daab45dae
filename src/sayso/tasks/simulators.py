"""Simulators of Meta-World, and how one is set up for an episode: places, camera, lights, matter, textures.

Meta-World offers no public way to most of this, so here and nowhere else we reach into its private parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from sayso.geometry import Vector
from sayso.sim.disturbance import Disturber
from sayso.sim.dynamics import Matter
from sayso.sim.physics import Physics
from sayso.sim.textures import lay, patterned, photographed
from sayso.spec import SaysoError
from sayso.tasks.sawyer import CAMERA, CAMERA_M, EYES

LEROBOT_SEED = 42
TEXTURES = ("T_table", "T_floor", "T_wallmetal")
"""What table, floor and wall are covered with, in the order of `SURFACES`; not every task shows a wall."""
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


@dataclass(frozen=True, kw_only=True)
class Look:
    """How table, floor and wall look; as it stands here, as they come."""

    paint: float = 0.0
    """By how much their colours are off, of 1."""
    patterns: bool = False
    photographs: float = 0.0
    """Of how much contrast of 1; 0 is none."""


class Backdrop:
    """Textures of table, floor and wall as they come, so that they can be replaced and put back again."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Remember them."""
        self._model, self._look = model, Look()
        found = (mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, name) for name in TEXTURES)
        self._there = [number for number in found if number >= 0]
        self._data = model.tex_data.copy()

    def show(self, look: Look, rng: np.random.Generator) -> bool:
        """Make them look so, and tell whether they may have changed."""
        if look == self._look == Look():
            return False
        self._look = look
        self._model.tex_data[:] = self._data
        if look.photographs or look.patterns:
            textures = photographed(rng, look.photographs) if look.photographs else patterned(rng)
            for texture, number in zip(textures, self._there, strict=False):
                lay(self._model, number, texture.image())
        elif look.paint:
            for number in self._there:
                self._paint(number, look.paint, rng)
        return True

    def _paint(self, texture: int, by: float, rng: np.random.Generator) -> None:
        """Change each of a texture's three colours by so much, up or down, whichever fits its mean."""
        start, width = int(self._model.tex_adr[texture]), int(self._model.tex_width[texture])
        stop = start + width * int(self._model.tex_height[texture]) * 3
        there = self._data[start:stop].reshape(-1, 3) / 255
        change = by * rng.choice((-1.0, 1.0), 3)
        mean = there.mean(axis=0)
        change = np.where((mean + change >= 0) & (mean + change <= 1), change, -change)
        self._model.tex_data[start:stop] = (
            np.rint(255 * np.clip(there + change, 0, 1)).astype(np.uint8).ravel()
        )


@dataclass(frozen=True)
class TaskSimulator:
    """One task's simulator, and its camera, lights, matter and textures as they come."""

    env: Any
    disturber: Disturber
    """What moves the camera and dims the lights, whatever the episode before had changed."""
    matter: Matter
    backdrop: Backdrop
    hand_m: Vector
    """Where the hand starts, metres, [3]."""
    lerobot: bool
    """Whether it is built, and looked at first, as LeRobot does."""

    @property
    def goal_m(self) -> Vector:
        """Return where the task wants something to be, metres, [3]."""
        goal: Vector = self.env._target_pos
        return goal

    def place(self, seed: int, aside_m: Vector | float = 0.0) -> Vector:
        """Draw the places the way LeRobot does, and return Meta-World's own observation, float64 [39].

        The hand starts so far from where it usually does, metres [3].

        What hangs on the drawn places is put there as well, unless it is to be stale as LeRobot's is.
        """
        env = self.env
        env.hand_init_pos = self.hand_m + aside_m
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
    model = env.model
    return TaskSimulator(
        env,
        Disturber(Physics(model=model, data=env.data, eyes=EYES)),
        Matter(model, _things(model)),
        Backdrop(model),
        np.array(env.hand_init_pos, float),
        lerobot,
    )


def _things(model: mujoco.MjModel) -> list[int]:
    """Return the bodies that move and are none of the robot's."""
    robot = model.body_rootid[model.body("hand").id]
    movable = (body for body in range(1, model.nbody) if model.body_dofnum[body])
    return [body for body in movable if model.body_rootid[body] != robot]
