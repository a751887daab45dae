"""Meta-World's fifty tasks behind our contracts, seen and asked for as LeRobot does.

The episode is that of LeRobot 0.6.1: camera ``corner2`` moved to [0.75, 0.075, 0.7] and its picture turned by
180 degrees; a state of four numbers, the hand's place and the gripper's opening, and nothing else of what the
simulator knows; LeRobot's sentence; places that follow the seed; 500 steps; success at any step.

What differs from LeRobot, and what ``lerobot=True`` therefore undoes:

- after a reset, what hangs on the drawn places (markers, fixtures) is put there before the first look.
  LeRobot's first picture still shows them where they were in the episode before;
- the picture is drawn without shadows, mirrors and multisampling, which is ten times as fast without a GPU;
- it has 320 x 320 pixels instead of 480 x 480;
- the fifty goals that Meta-World draws when LeRobot builds a task are not drawn; free placing never uses
  them.

Either way a policy gets two views cut out of that one picture (`sayso.tasks.sawyer`), of the same size.

A world that has succeeded waits for its `reset`, where LeRobot's calls it by itself; that changes no episode.
Drawing never goes through Gymnasium's renderer, which mixes up two worlds in one process.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sayso.geometry import Vector, project
from sayso.sim.dynamics import Dynamics, Motors
from sayso.sim.physics import Physics
from sayso.sim.render import Cameras
from sayso.spec import (
    STATE,
    TASK,
    Array,
    Chunk,
    Image,
    Observation,
    Policy,
    image_key,
    known,
)
from sayso.tasks.departing import disturbance_of, dynamics_of, optics_of, upwards
from sayso.tasks.episodic import EpisodicWorld, OneTaskScenes, begun
from sayso.tasks.mt50 import TASKS, task_of
from sayso.tasks.mt50_paraphrases import PARAPHRASES
from sayso.tasks.sawyer import CAMERA, EYES, FPS, HORIZON, MOVE_M, SIZES_PX, features, squares, views
from sayso.tasks.simulators import Look, TaskSimulator, build, packages
from sayso.tasks.wordings import WORDINGS, typed

DRAW_PX = 320
"""As large as the view of the hand can use: its square then has about as many pixels as the view."""
LEROBOT_PX = 480
PLAIN, LEROBOT = "metaworld", "metaworld-lerobot"
"""Names by which the world and its variant that is drawn as LeRobot does are made."""
SEEN = 4
"""How many numbers of Meta-World's observation a policy gets: those of the robot itself."""
CONDITION = "task_solved"
_WORDING_STREAM, _PAINT_STREAM, _START_STREAM = 0x0482, 0x048B, 0x048C
"""Keep these independent of all else that a seed decides."""
BACKDROPS = ("background", "patterns", "photographs")


@dataclass(frozen=True, kw_only=True)
class MetaWorldTask:
    """What is asked for in one episode."""

    family: str
    instruction: str
    horizon: int = HORIZON


class MetaWorld(OneTaskScenes, EpisodicWorld[MetaWorldTask]):
    """Gymnasium environment: one of Meta-World's tasks per episode, with a simulated Sawyer arm.

    A family of tasks is one of the fifty; its simulator is built when it is first asked for and kept (20 MB
    each). The reward is 1 on success and 0 before.

    Of the options of `EpisodicWorld`, an ``instruction`` may be empty here, and ``wording`` is ``"heldout"``
    for one of three sentences that training never hears, ``"wrong"`` for the sentence of another task. There
    are besides ``background``, ``patterns`` and ``photographs``, as in the household.
    """

    options = (*EpisodicWorld.options, *BACKDROPS)

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self,
        *,
        family: str | None = None,
        sizes_px: Mapping[str, int] = SIZES_PX,
        draw_px: int | None = None,
        lerobot: bool = False,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Open the camera.

        Args:
            family: the task of every episode; by default each seed draws one.
            sizes_px: height and width of each view that a policy gets.
            draw_px: height and width of the picture they are cut from; 320, or 480 with `lerobot`.
            lerobot: take LeRobot's first look and render settings (see the module).
            render_mode: Gymnasium's; pictures are always arrays.

        Raises:
            UnknownNameError: if there is no such task.
            ValueError: if a size is no number of pixels, or one is missing.
            SaysoError: if Meta-World is not installed.
        """
        packages()
        self._lerobot = lerobot
        self._sizes_px = dict(sizes_px)
        ones = np.ones(4, np.float32)
        super().__init__(
            LEROBOT if lerobot else PLAIN,
            tuple(TASKS),
            features(self._sizes_px),
            (-ones, ones),
            family=family,
            render_mode=render_mode,
        )
        draw_px = (LEROBOT_PX if lerobot else DRAW_PX) if draw_px is None else draw_px
        if draw_px < 1:
            raise ValueError(f"a picture has at least one pixel, but got draw_px={draw_px}")
        self._cameras = Cameras(draw_px, draw_px, plain=not lerobot)
        self._simulators: dict[str, TaskSimulator] = {}
        self._simulator: TaskSimulator | None = None
        self._motors: Motors | None = None

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
        options, family = self.begin(seed, options)
        self._places = int(self.np_random.integers(2**31)) if seed is None else seed
        self._task = ask(known("task", family, self.families), self._places, options)
        simulator, stream = self._enter(family), (_number(family), self._places)
        simulator.disturber.show(disturbance_of(options, *stream))
        self._optics, dynamics = optics_of(options, *stream), dynamics_of(options, *stream)
        simulator.matter.change(dynamics or Dynamics())
        self._motors = Motors(dynamics, 1 / FPS) if dynamics else None
        if simulator.backdrop.show(_look(options), np.random.default_rng([_PAINT_STREAM, *stream])):
            self._cameras.load(simulator.env.model)
        start_m = float(options.get("start_beyond_m", 0.0))
        self._raw = simulator.place(self._places, start_m * upwards(_START_STREAM, *stream))
        return self.observe(), self._info(False)

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action (float32 [4], clipped to -1..1) for 1/80 s.

        Without `render` the picture is drawn only if the episode ends here.
        """
        action = np.clip(self.checked(action), -1.0, 1.0)
        if self._motors:
            action = self._motors.follow(action.astype(np.float64)).astype(np.float32)
        self._raw, _, _, cut_off, told = self._running().env.step(action)
        success = bool(told["success"])
        observation = self.observe() if render or success or cut_off else self._feel()
        return observation, float(success), success, bool(cut_off), self._info(success)

    def observe(self) -> Observation:
        """Return what is seen and felt now, and the instruction."""
        feels = self._feel()
        cut = views(self._picture(), feels[STATE], self._sizes_px)
        seen = self.photographed(cut, self._places, self._running().env.curr_path_length)
        return {image_key(name): view for name, view in seen.items()} | feels

    def labels(self) -> Array:
        """Return where the task's first object and its goal are in each view, float32 [12].

        For each u, v in 0..1 (0.5 where not visible) and whether it lies inside the view. Privileged: the
        simulator gives them for free, training may use them, a policy never sees them.
        """
        goal_m = self._running().goal_m
        points = [self._in_picture(point_m) for point_m in (self._raw[SEEN : SEEN + 3], goal_m)]
        numbers: list[float] = []
        for square in squares(self._raw).values():
            for u, v, in_picture in points:
                across, down, inside = square.within(u, v)
                numbers += [across, down, 1.0] if in_picture and inside else [0.5, 0.5, 0.0]
        return np.array(numbers, dtype=np.float32)

    def other_labels(self) -> None:
        """Return nothing: each of Meta-World's scenes knows one task."""

    def expert(self) -> Policy:
        """Return Meta-World's scripted policies, which see everything."""
        return Expert(self)

    def asking(self, sentence: str) -> dict[str, Any]:
        """Return the options of `reset` with which a sentence is asked for, in those very words.

        Raises:
            UnknownNameError: if it is no sentence of any task, with the nearest that is.
        """
        return {"family": task_of(sentence), "instruction": sentence}

    def sentences(self) -> tuple[str, ...]:
        """Return what can be asked, once each."""
        return tuple(dict.fromkeys(asked.instruction for asked in TASKS.values()))

    def physics(self) -> Physics:
        """Return model and state of the running episode, and the one camera of both views."""
        env = self._running().env
        return Physics(model=env.model, data=env.data, eyes=EYES)

    def path_m(self, actions: Array, hz: float) -> Vector:
        """Return where actions, [K, 4], would bring what the hand is pulled towards, metres [K, 3]."""
        moves = np.clip(actions[:, :3], -1.0, 1.0) * MOVE_M
        return np.asarray(self._raw[:3] + np.cumsum(moves, axis=0))

    def render(self) -> Image:
        """Return the whole picture, uint8 [draw_px, draw_px, 3], upright and without noise."""
        return self._picture()

    def close(self) -> None:
        """Free the camera and the simulators."""
        self._cameras.close()
        for simulator in self._simulators.values():
            simulator.env.close()
        self._simulators.clear()
        self._simulator = None

    def _running(self) -> TaskSimulator:
        return begun(self._simulator)

    def _enter(self, family: str) -> TaskSimulator:
        """Make a task's simulator the running one and return it."""
        if family not in self._simulators:
            self._simulators[family] = build(family, lerobot=self._lerobot)
        simulator = self._simulators[family]
        if simulator is not self._simulator:
            self._simulator = simulator
            self._cameras.load(simulator.env.model)
        return simulator

    def _feel(self) -> Observation:
        return {STATE: self._raw[:SEEN].astype(np.float32), TASK: self.task.instruction}

    def _picture(self) -> Image:
        drawn = self._cameras.picture(self._running().env.data, CAMERA)
        return np.ascontiguousarray(drawn[::-1, ::-1])

    def _in_picture(self, point_m: Vector) -> tuple[float, float, bool]:
        """Project a point into the picture, which is upside down in the camera and turned for the policy."""
        env = self._running().env
        view, fovy = env.data.camera(CAMERA), math.radians(env.model.camera(CAMERA).fovy[0])
        u, v, visible = project(point_m, view.xpos, view.xmat.reshape(3, 3), fovy)
        return 1.0 - u, 1.0 - v, visible

    def _info(self, success: bool) -> dict[str, Any]:
        return {"family": self.task.family, "conditions": {CONDITION: success}, "is_success": success}


class Expert:
    """Scripted expert: Meta-World's own policy of the running task, one step at a time."""

    sees_pictures = False
    """So that `rollout` has none drawn for it."""

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
            _, scripts = packages()
            self._scripts[family] = scripts.ENV_POLICY_MAP[f"{family}-v3"]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says of itself that its actions leave -1..1
            action = self._scripts[family].get_action(self._world.raw)
        return Chunk(np.clip(action, -1.0, 1.0, dtype=np.float32)[None])


def ask(family: str, seed: int, options: Mapping[str, Any]) -> MetaWorldTask:
    """Return what is asked for in an episode, in the words that the options of its `reset` want.

    Held-out sentences take turns from seed to seed. Which wrong sentence is said follows task and seed, so
    that a few seeds are enough to hear many.
    """
    asked, wording = TASKS[family], known("wording", options.get("wording", WORDINGS[0]), WORDINGS)
    sentence, rng = asked.instruction, np.random.default_rng([_WORDING_STREAM, _number(family), seed])
    if wording == "heldout":
        sentence = asked.heldout[(seed + _number(family)) % len(asked.heldout)]
    elif wording == "free":
        sentence = PARAPHRASES[family][seed % len(PARAPHRASES[family])]
    elif wording == "typed":
        sentence = typed(sentence, rng)
    elif wording == "blank":
        sentence = ""
    elif wording == "wrong":
        wrong = sorted({other.instruction for other in TASKS.values()} - {asked.instruction})
        sentence = wrong[rng.integers(len(wrong))]
    return MetaWorldTask(family=family, instruction=str(options.get("instruction", sentence)))


def _number(family: str) -> int:
    return list(TASKS).index(family)


def _look(options: Mapping[str, Any]) -> Look:
    """Return how table, floor and wall should look by the options of a reset."""
    return Look(
        paint=float(options.get("background", 0.0)),
        patterns=bool(options.get("patterns")),
        photographs=float(options.get("photographs", 0.0)),
    )
