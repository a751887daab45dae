"""LIBERO's tasks behind our contracts, seen, asked for and counted as LeRobot does.

The episode is that of LeRobot 0.6.1: two cameras; a state of eight numbers, the hand's place and turn and how
far each finger is open; an action of seven, moves of the hand's target and the gripper; ten steps in which
nothing is done while things come to rest; an end after 280, 280, 300 or 520 steps; success when LIBERO says
so, at any step. Seeds of the test split begin in the benchmark's own 50 states, in turn; all others lay the
scene out at random.

What differs from LeRobot, and what ``lerobot=True`` therefore undoes:

- meshes that are only drawn are thinned, and textures shrunk to 512 pixels;
- nothing is mirrored in anything, and a picture is drawn without multisampling, of 256 pixels instead of 360;
- pictures are upright. LeRobot's own policies are given them mirrored; ours never are.

Besides, LIBERO-PRO's sentences are those of its files; LeRobot would say what the unchanged task is called
(``in_file=False``). Physics and state are theirs to the bit, drawn in either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as Pillow

from sayso.geometry import Vector, project
from sayso.sim.disturbance import Disturber
from sayso.sim.dynamics import Matter, Motors
from sayso.sim.physics import Physics
from sayso.sim.render import Cameras
from sayso.spec import (
    SPLITS,
    STATE,
    TASK,
    Array,
    Image,
    Observation,
    Policy,
    image_key,
    known,
)
from sayso.tasks.departing import disturbance_of, dynamics_of, optics_of, upwards
from sayso.tasks.episodic import EpisodicWorld, OneTaskScenes, begun
from sayso.tasks.libero.panda import AGENT, EYES, FPS, MOVE_M, SIZES_PX, features
from sayso.tasks.libero.plan import next_goal
from sayso.tasks.libero.simulators import WAIT, Simulator, build, packages, sentence_of
from sayso.tasks.libero.suites import FAMILIES, PRO_FAMILIES, place_of, task_of
from sayso.tasks.libero.wordings import worded

DRAW_PX, LEROBOT_PX = 256, 360
"""Height and width of what is drawn; pictures are averaged down from it."""
PLAIN, LEROBOT, PRO = "libero", "libero-lerobot", "libero-pro"
"""Names by which the world, the one drawn as LeRobot does, and that of LIBERO-PRO's tasks are made."""


@dataclass(frozen=True, kw_only=True)
class LiberoTask:
    """What is asked for in one episode."""

    family: str
    instruction: str
    horizon: int


class Libero(OneTaskScenes, EpisodicWorld[LiberoTask]):
    """Gymnasium environment: one of LIBERO's tasks per episode, with a simulated Panda arm.

    A family of tasks is one of the forty (`sayso.tasks.libero.suites`), or one of LIBERO-PRO's. The reward is
    1 on success and 0 before.

    Of the options of `EpisodicWorld`, an ``instruction`` may be empty here, and ``wording`` is ``"heldout"``
    for a sentence that training never hears, ``"wrong"`` for that of another task. There is besides
    ``official``: which of the benchmark's own 50 states the episode begins in; -1 for none, whatever the
    seed's split.
    """

    options = (*EpisodicWorld.options, "official")

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self,
        *,
        family: str | None = None,
        pro: bool = False,
        sizes_px: Mapping[str, int] = SIZES_PX,
        draw_px: int | None = None,
        lerobot: bool = False,
        in_file: bool | None = None,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Open the cameras.

        Args:
            family: the task of every episode, LIBERO's or LIBERO-PRO's; by default each seed draws one.
            pro: draw from LIBERO-PRO's tasks and not from the forty.
            sizes_px: height and width of each picture that a policy gets.
            draw_px: height and width of what is drawn for it; 256, or 360 with `lerobot`.
            lerobot: draw as LeRobot does (see the module).
            in_file: say the sentences of LIBERO's files, or those by which tasks are called; by default the
                former of LIBERO-PRO's tasks, the latter of the forty.
            render_mode: Gymnasium's; pictures are always arrays.

        Raises:
            UnknownNameError: if there is no such task.
            ValueError: if a size is no number of pixels, or one is missing.
            SaysoError: if LIBERO is not installed.
        """
        packages()
        self._lerobot, self._in_file = lerobot, in_file
        self._sizes_px = dict(sizes_px)
        pro = pro or family in PRO_FAMILIES
        ones = np.ones(7, np.float32)
        super().__init__(
            PRO if pro else LEROBOT if lerobot else PLAIN,
            PRO_FAMILIES if pro else FAMILIES,
            features(self._sizes_px),
            (-ones, ones),
            family=family,
            render_mode=render_mode,
        )
        draw_px = (LEROBOT_PX if lerobot else DRAW_PX) if draw_px is None else draw_px
        if draw_px < 1:
            raise ValueError(f"a picture has at least one pixel, but got draw_px={draw_px}")
        self._cameras = Cameras(draw_px, draw_px, plain=not lerobot)
        self._simulator: Simulator | None = None
        self._disturber: Disturber | None = None
        self._motors: Motors | None = None

    @property
    def simulator(self) -> Simulator:
        """Return the running task's simulator, for experts and labels only.

        Raises:
            SaysoError: before the first reset.
        """
        return begun(self._simulator)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Lay the scene out as the seed says, and return the first look and its info."""
        options, family = self.begin(seed, options)
        self._places = int(self.np_random.integers(SPLITS["train"].stop)) if seed is None else seed
        self._task = self._ask(known("task", family, self.families), options)
        simulator, stream = self._enter(family), (_number(family), self._places)
        start_m = float(options.get("start_beyond_m", 0.0))
        aside_m = start_m * upwards(_START_STREAM, *stream)
        simulator.lay_out(self._places, _official(self._places, options), aside_m)
        assert self._disturber is not None
        self._disturber.show(disturbance_of(options, *stream))
        self._optics, dynamics = optics_of(options, *stream), dynamics_of(options, *stream)
        if dynamics:
            Matter(simulator.model, _things(simulator)).change(dynamics)
        self._motors = Motors(dynamics, 1 / FPS) if dynamics else None
        if self._motors:
            self._motors.rest_at(WAIT)
        self._steps = 0
        return self.observe(), self._info()

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action (float32 [7], clipped to -1..1) for 1/20 s.

        Without `render` pictures are drawn only if the episode ends here.
        """
        action = np.clip(self.checked(action), -1.0, 1.0)
        if self._motors:
            action = self._motors.follow(action.astype(np.float64)).astype(np.float32)
        self.simulator.step(action.astype(np.float64))
        self._steps += 1
        info = self._info()
        success, cut_off = info["is_success"], self._steps >= self.task.horizon
        observation = self.observe() if render or success or cut_off else self._feel()
        return observation, float(success), success, cut_off, info

    def observe(self) -> Observation:
        """Return what is seen and felt, and the instruction."""
        feels = self._feel()
        drawn = {name: self._picture(name, size) for name, size in self._sizes_px.items()}
        seen = self.photographed(drawn, self._places, self._steps)
        return {image_key(name): view for name, view in seen.items()} | feels

    def labels(self) -> Array:
        """Return where the next goal's thing and its place are in each picture, float32 [12].

        For each u, v in 0..1 (0.5 where not visible) and whether it lies inside the picture. Privileged: the
        simulator gives them for free, training may use them, a policy never sees them.
        """
        simulator = self.simulator
        return self._points(next_goal(simulator.goals, simulator.holds))

    def other_labels(self) -> tuple[str, Array] | None:
        """Return another task of the suite that these very things allow, and its labels, if there is one."""
        from sayso.tasks.libero.others import others

        self._feel()
        found = others(self.simulator, self.task.family)
        if not found:
            return None
        rng = np.random.default_rng([_OTHER_STREAM, self._places, self._steps])
        sentence, goal = found[int(rng.integers(len(found)))]
        return sentence, self._points(goal)

    def expert(self) -> Policy:
        """Return the scripted expert, which sees everything."""
        from sayso.tasks.libero.experts import Expert

        return Expert(self)

    def asking(self, sentence: str) -> dict[str, Any]:
        """Return the options of `reset` with which a sentence is asked for, in those very words.

        Raises:
            UnknownNameError: if it is no sentence of any task, with the nearest that is.
        """
        return {"family": task_of(sentence), "instruction": sentence}

    def sentences(self) -> tuple[str, ...]:
        """Return what can be asked, once each."""
        return tuple(dict.fromkeys(sentence_of(family) for family in self.families))

    def physics(self) -> Physics:
        """Return model and state of what is drawn of the running episode, and the cameras in it."""
        simulator = self.simulator
        return Physics(model=simulator.drawn, data=simulator.shown, eyes=EYES)

    def path_m(self, actions: Array, hz: float) -> Vector:
        """Return where actions, [K, 7], would bring what the hand is pulled towards, metres [K, 3]."""
        moves = np.clip(actions[:, :3], -1.0, 1.0) * MOVE_M
        return np.asarray(self._feel()[STATE][:3] + np.cumsum(moves, axis=0))

    def render(self) -> Image:
        """Return what the first camera sees, uint8 [draw_px, draw_px, 3], without noise."""
        self._feel()
        return self._cameras.picture(self.simulator.shown, EYES[AGENT].name)

    def close(self) -> None:
        """Free the cameras and the simulator."""
        self._cameras.close()
        if self._simulator:
            self._simulator.close()
        self._simulator = None

    def _ask(self, family: str, options: Mapping[str, Any]) -> LiberoTask:
        suite, _ = place_of(family)
        sentence = worded(family, self._places, options, sentence_of(family, in_file=self._in_file))
        return LiberoTask(
            family=family, instruction=str(options.get("instruction", sentence)), horizon=suite.steps
        )

    def _enter(self, family: str) -> Simulator:
        """Make a task's simulator the running one and return it."""
        if self._simulator is None or self._simulator.family != family:
            if self._simulator:
                self._simulator.close()
            self._simulator = simulator = build(family, lerobot=self._lerobot)
            self._disturber = Disturber(Physics(model=simulator.drawn, data=simulator.shown, eyes=EYES))
            self._cameras.load(simulator.drawn)
        return self._simulator

    def _feel(self) -> Observation:
        """Return what is felt; what is seen stands ready to be drawn afterwards."""
        return {STATE: self.simulator.look().astype(np.float32), TASK: self.task.instruction}

    def _picture(self, name: str, size_px: int) -> Image:
        drawn = self._cameras.picture(self.simulator.shown, EYES[name].name)
        if len(drawn) == size_px:
            return drawn
        return np.asarray(Pillow.fromarray(drawn).resize((size_px, size_px), Pillow.Resampling.BOX))

    def _points(self, goal: Sequence[str]) -> Array:
        """Return where the thing of a predicate and its place, or itself, are in each picture, [12]."""
        self._feel()
        places_m = [self.simulator.place_m(name) for name in (goal[1], goal[-1])]
        numbers: list[float] = []
        for eye in EYES.values():
            view = self.simulator.shown.camera(eye.name)
            fovy = math.radians(float(self.simulator.drawn.camera(eye.name).fovy[0]))
            for place_m in places_m:
                u, v, inside = project(place_m, view.xpos, view.xmat.reshape(3, 3), fovy)
                numbers += [u, v, 1.0] if inside else [0.5, 0.5, 0.0]
        return np.array(numbers, dtype=np.float32)

    def _info(self) -> dict[str, Any]:
        simulator = self.simulator
        held = {"_".join(goal): simulator.holds(goal) for goal in simulator.goals}
        return {"family": self.task.family, "conditions": held, "is_success": simulator.solved()}


_OTHER_STREAM, _START_STREAM = 0x04A2, 0x04A3
"""Keep these independent of all else that a seed decides."""


def _official(seed: int, options: Mapping[str, Any]) -> int | None:
    """Return which of the benchmark's states an episode begins in; None lays it out at random."""
    first = SPLITS["test"].start
    state = int(options.get("official", seed - first if seed >= first else -1))
    return None if state < 0 else state


def _number(family: str) -> int:
    return (*FAMILIES, *PRO_FAMILIES).index(family)


def _things(simulator: Simulator) -> list[int]:
    """Return the bodies that can be carried."""
    return [int(simulator.env.obj_body_id[name]) for name in simulator.env.objects_dict]
