"""Put Meta-World's fifty tasks behind our contracts, seen and asked for as LeRobot does.

The episode is that of LeRobot 0.6.1: camera ``corner2`` moved to [0.75, 0.075, 0.7] and its picture turned by
180 degrees; a state of four numbers, the hand's place and the gripper's opening, and nothing else of what the
simulator knows; LeRobot's sentence; places that follow the seed; 500 steps; success at any step.

What differs from LeRobot, and what ``lerobot=True`` therefore undoes:

- after a reset, what hangs on the drawn places (markers, fixtures) is put there before the first look.
  LeRobot's first picture still shows them where they were in the episode before;
- pictures are drawn without shadows, mirrors and multisampling, which is ten times as fast without a GPU;
- they have 128 x 128 pixels instead of 480 x 480;
- the fifty goals that Meta-World draws when LeRobot builds a task are not drawn; free placing never uses
  them.

A world that has succeeded waits for its `reset`, where LeRobot's calls it by itself; that changes no episode.
Drawing never goes through Gymnasium's renderer, which mixes up two worlds in one process.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from PIL import Image as Pillow

from sayso.geometry import Vector, project, quat_about_z
from sayso.sim.render import Cameras
from sayso.spec import (
    STATE,
    TASK,
    Array,
    Chunk,
    Dimension,
    Features,
    Image,
    Observation,
    Policy,
    SaysoError,
    image_key,
    known,
)
from sayso.tasks.mt50 import TASKS

CAMERA = "corner2"
CAMERA_M = (0.75, 0.075, 0.7)
FPS = 80
HORIZON = 500
SIZE_PX = 128
LEROBOT_PX = 480
LEROBOT_SEED = 42
SEEN = 4
"""How many numbers of Meta-World's observation a policy gets: those of the robot itself."""
CONDITION = "task_solved"
OPTIONS = (
    *("family", "instruction", "wording"),
    *("camera_shift_m", "camera_turn_deg", "light", "image_noise"),
)
WORDINGS = ("train", "heldout")
MAX_INSTRUCTION = 300
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'\"-_()")
INSTALL = "Meta-World is not installed: pip install 'sayso[metaworld]'"
NO_EPISODE = "this world has no episode yet: call reset(seed=...) first"
_NOISE_STREAM = 0x0480  # keeps the noise of a seed's pictures independent of everything else it decides


@dataclass(frozen=True, kw_only=True)
class MetaWorldTask:
    """Be what is asked for in one episode."""

    family: str
    instruction: str
    horizon: int = HORIZON


@dataclass(frozen=True)
class _Lamps:
    """Hold how bright the lights of a model are as it comes."""

    head: tuple[Vector, ...]
    lamps: tuple[Vector, ...]

    @classmethod
    def of(cls, model: mujoco.MjModel) -> _Lamps:
        return cls(*(tuple(values.copy() for values in group) for group in _lights(model)))

    def shine(self, model: mujoco.MjModel, factor: float) -> None:
        for group, originals in zip(_lights(model), (self.head, self.lamps), strict=True):
            for values, original in zip(group, originals, strict=True):
                values[:] = original * factor


@dataclass(frozen=True)
class _Stage:
    """Hold one task's simulator, and its camera and lights as they come."""

    env: Any
    camera: int
    camera_quat: Vector
    lamps: _Lamps


class MetaWorld(gymnasium.Env[Observation, Array]):
    """Carry out one of Meta-World's tasks per episode, with a simulated Sawyer arm.

    A family of tasks is one of the fifty; its simulator is built when it is first asked for and kept (20 MB
    each). The reward is 1 on success and 0 before.

    ``reset`` takes in ``options``:

    - ``family``: which task; drawn from the seed when absent;
    - ``instruction``: a sentence of one's own, which may be empty, instead of LeRobot's;
    - ``wording``: ``"heldout"`` for one of three sentences that training never hears;
    - ``camera_shift_m``: three numbers to add to the camera's position;
    - ``camera_turn_deg``: by how much the camera is turned about the vertical;
    - ``light``: a factor on all lights;
    - ``image_noise``: standard deviation of Gaussian noise on the picture, in grey levels of 255.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (Gymnasium's own type)
    name = "metaworld"

    def __init__(
        self,
        *,
        family: str | None = None,
        size_px: int | None = None,
        draw_px: int | None = None,
        lerobot: bool = False,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Open the camera.

        Args:
            family: the task of every episode; by default each seed draws one.
            size_px: height and width of the pictures a policy gets; 128, or 480 with `lerobot`.
            draw_px: height and width in which they are drawn, to be averaged down; by default the same.
            lerobot: take LeRobot's first look, render settings and size (see the module).
            render_mode: Gymnasium's; pictures are always arrays.

        Raises:
            UnknownNameError: if there is no such task.
            SaysoError: if Meta-World is not installed.
        """
        _packages()
        self.families = tuple(TASKS)
        self.render_mode = render_mode
        self._family = family if family is None else known("task", family, self.families)
        self._lerobot = lerobot
        self._size_px = size_px or (LEROBOT_PX if lerobot else SIZE_PX)
        self._draw_px = draw_px or (LEROBOT_PX if lerobot else self._size_px)
        self.features: Features = features(self._size_px)
        self.observation_space = _observation_space(self._size_px)
        self.action_space: spaces.Box = spaces.Box(-1.0, 1.0, (4,), np.float32)  # type: ignore[assignment]
        self._cameras = Cameras(self._draw_px, self._draw_px, plain=not lerobot)
        self._stages: dict[str, _Stage] = {}
        self._stage: _Stage | None = None
        self._task: MetaWorldTask | None = None

    @property
    def task(self) -> MetaWorldTask:
        """Return what is asked in the running episode.

        Raises:
            SaysoError: before the first reset.
        """
        if self._task is None:
            raise SaysoError(NO_EPISODE)
        return self._task

    @property
    def raw(self) -> Vector:
        """Return Meta-World's own observation, float64 [39], for experts and labels only."""
        self._running()
        raw: Vector = self._raw.copy()
        return raw

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Place everything as the seed says, and return the first look and its info."""
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            known("reset option", name, OPTIONS)
        family = options.get("family") or self._family or str(self.np_random.choice(self.families))
        self._task = self._asked(known("task", family, self.families), options)
        self._places = int(self.np_random.integers(2**31)) if seed is None else seed
        self._noise = float(options.get("image_noise", 0.0))
        self._enter(family)
        self._set_up(options)
        self._place(self._places)
        return self._observe(), self._info(False)

    def step(
        self, action: Array, *, look: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action (float32 [4], clipped to -1..1) for 1/80 s.

        Without `look` the picture is drawn only if the episode ends here.
        """
        action = np.asarray(action, dtype=np.float32)
        if action.shape != self.action_space.shape:
            names = ", ".join(self.features.action_names)
            raise ValueError(f"an action here is [{names}], but got shape {action.shape}")
        self._raw, _, _, cut_off, told = self._running().env.step(np.clip(action, -1.0, 1.0))
        success = bool(told["success"])
        observation = self._observe() if look or success or cut_off else self._feel()
        return observation, float(success), success, bool(cut_off), self._info(success)

    def labels(self) -> Array:
        """Return where the task's first object and its goal are in the picture, float32 [6].

        For each u, v in 0..1 (0.5 where not visible) and whether it lies inside the picture. Privileged: the
        simulator gives them for free, training may use them, a policy never sees them.
        """
        numbers: list[float] = []
        for point in (self._raw[SEEN : SEEN + 3], self._running().env._target_pos):
            u, v, visible = self._in_picture(point)
            numbers += [u, v, 1.0] if visible else [0.5, 0.5, 0.0]
        return np.array(numbers, dtype=np.float32)

    def other_labels(self) -> None:
        """Return nothing: each of Meta-World's scenes knows one task."""

    def expert(self) -> Policy:
        """Return Meta-World's scripted policies, which see everything."""
        return Expert(self)

    def render(self) -> Image:
        """Return what the camera sees, without noise."""
        return self._picture()

    def close(self) -> None:
        """Free the camera and the simulators."""
        self._cameras.close()
        for stage in self._stages.values():
            stage.env.close()
        self._stages.clear()
        self._stage = None

    def _running(self) -> _Stage:
        if self._stage is None:
            raise SaysoError(NO_EPISODE)
        return self._stage

    def _asked(self, family: str, options: Mapping[str, Any]) -> MetaWorldTask:
        wording = known("wording", options.get("wording", WORDINGS[0]), WORDINGS)
        asked = TASKS[family]
        sentence = asked.instruction if wording == "train" else str(self.np_random.choice(asked.heldout))
        return MetaWorldTask(family=family, instruction=str(options.get("instruction", sentence)))

    def _enter(self, family: str) -> None:
        """Make a task's simulator the running one."""
        if family not in self._stages:
            self._stages[family] = _build(family, self._lerobot)
        stage = self._stages[family]
        if stage is not self._stage:
            self._stage = stage
            if not self._lerobot:
                stage.env.model.vis.quality.offsamples = 0
            self._cameras.load(stage.env.model)

    def _set_up(self, options: Mapping[str, Any]) -> None:
        """Put camera and lights where the episode wants them."""
        stage = self._running()
        model, turn = stage.env.model, quat_about_z(math.radians(float(options.get("camera_turn_deg", 0.0))))
        model.cam_pos[stage.camera] = np.add(CAMERA_M, options.get("camera_shift_m", (0.0, 0.0, 0.0)))
        mujoco.mju_mulQuat(model.cam_quat[stage.camera], turn, stage.camera_quat)
        stage.lamps.shine(model, float(options.get("light", 1.0)))

    def _place(self, seed: int) -> None:
        """Draw the places, the way LeRobot does, and see to it that everything is there."""
        env = self._running().env
        env.seed(seed)
        self._raw, _ = env.reset(seed=seed)
        if not self._lerobot:
            mujoco.mj_forward(env.model, env.data)
            now = env._get_curr_obs_combined_no_goal()
            env._prev_obs = now
            self._raw = np.hstack([now, now, env._get_pos_goal()])

    def _observe(self) -> Observation:
        picture = self._picture()
        if self._noise:
            # One stream per step, so that looking less often shows the same.
            rng = np.random.default_rng([_NOISE_STREAM, self._places, self._running().env.curr_path_length])
            noisy = picture + rng.normal(0.0, self._noise, picture.shape)
            picture = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return {image_key(CAMERA): picture} | self._feel()

    def _feel(self) -> Observation:
        return {STATE: self._raw[:SEEN].astype(np.float32), TASK: self.task.instruction}

    def _picture(self) -> Image:
        drawn = self._cameras.picture(self._running().env.data, CAMERA)[::-1, ::-1]
        if self._draw_px == self._size_px:
            return np.ascontiguousarray(drawn)
        size = (self._size_px, self._size_px)
        return np.asarray(Pillow.fromarray(drawn).resize(size, Pillow.Resampling.BOX))

    def _in_picture(self, point_m: Vector) -> tuple[float, float, bool]:
        """Project a point into the picture, which is upside down in the camera and turned for the policy."""
        env = self._running().env
        view, fovy = env.data.camera(CAMERA), math.radians(env.model.camera(CAMERA).fovy[0])
        u, v, visible = project(point_m, view.xpos, view.xmat.reshape(3, 3), fovy)
        return 1.0 - u, 1.0 - v, visible

    def _info(self, success: bool) -> dict[str, Any]:
        return {"family": self.task.family, "conditions": {CONDITION: success}, "is_success": success}


class Expert:
    """Let Meta-World's scripted policy of the running task act, one step at a time."""

    def __init__(self, world: MetaWorld) -> None:
        """Watch a world."""
        self._world = world
        self._scripts: dict[str, Any] = {}

    def reset(self) -> None:
        """Do nothing: a script decides on the present state alone."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next action, whatever the observation: it looks into the simulator."""
        family = self._world.task.family
        if family not in self._scripts:
            _, scripts = _packages()
            self._scripts[family] = scripts.ENV_POLICY_MAP[f"{family}-v3"]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says of itself that its actions leave -1..1
            action = self._scripts[family].get_action(self._world.raw)
        return Chunk(np.clip(action, -1.0, 1.0, dtype=np.float32)[None])


def features(size_px: int = SIZE_PX) -> Features:
    """Return what the robot shows and accepts. An action of 1 moves the hand's target by 1 cm."""
    numbers = [f"{CAMERA}.{point}.{n}" for point in ("object", "place") for n in ("u", "v", "visible")]
    return Features(
        robot_type="metaworld_sawyer",
        fps=FPS,
        state=(
            *(Dimension(name=f"hand.{axis}", unit="m") for axis in "xyz"),
            Dimension(name="gripper.opening", unit="share"),
        ),
        action=(
            *(Dimension(name=f"hand.{axis}.vel", unit="share") for axis in "xyz"),
            Dimension(name="gripper.effort", unit="effort"),
        ),
        cameras={CAMERA: (size_px, size_px)},
        points=tuple(numbers),
    )


def _packages() -> tuple[Any, Any]:
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


def _build(family: str, lerobot: bool) -> _Stage:
    """Build a task's simulator with its goal observable, as in the multi-task benchmarks."""
    metaworld, _ = _packages()
    name = f"{family}-v3"
    env = metaworld.ALL_V3_ENVIRONMENTS[name]()
    camera = env.model.camera(CAMERA).id
    env.model.cam_pos[camera] = CAMERA_M
    if lerobot:
        env.set_task(metaworld.MT1(name, seed=LEROBOT_SEED).train_tasks[0])
        env.reset()
    else:
        env._partially_observable, env._set_task_called = False, True
        del env.sawyer_observation_space  # cached, and it differs where the goal can be seen
    env._freeze_rand_vec, env.seeded_rand_vec = False, True
    return _Stage(env, camera, env.model.cam_quat[camera].copy(), _Lamps.of(env.model))


def _lights(model: mujoco.MjModel) -> tuple[tuple[Vector, ...], tuple[Vector, ...]]:
    head = model.vis.headlight
    return (
        (head.ambient, head.diffuse, head.specular),
        (model.light_ambient, model.light_diffuse, model.light_specular),
    )


def _observation_space(size_px: int) -> spaces.Dict:
    return spaces.Dict(
        {
            image_key(CAMERA): spaces.Box(0, 255, (size_px, size_px, 3), np.uint8),
            STATE: spaces.Box(-np.inf, np.inf, (SEEN,), np.float32),
            TASK: spaces.Text(MAX_INSTRUCTION, min_length=0, charset=LETTERS),
        }
    )
