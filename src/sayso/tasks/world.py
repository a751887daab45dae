"""Be the Gymnasium world: one robot, one scene and one task per episode, seen through cameras.

    reset(seed) --> observation --> policy --> step(action) x execute --> observation ...

The seed decides everything: the scene, the thing that is asked for, and the words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

from sayso.sim.render import Cameras
from sayso.sim.robots import CAMERAS, FPS
from sayso.sim.scene import SHAPES, SPECS
from sayso.sim.simulation import Simulation
from sayso.spec import STATE, TASK, Array, Features, Image, Observation, Policy, SaysoError, image_key, known
from sayso.tasks.experts import Expert
from sayso.tasks.home import start_pose
from sayso.tasks.language import as_called, parse, plain
from sayso.tasks.task import TASKS, Task, draw_task, intents, make_task, say

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'\"-_()")
MAX_INSTRUCTION = 300
FILM_PX = 240
OPTIONS = ("family", "instruction", "wording", "swap")
NO_EPISODE = "this world has no episode yet: call reset(seed=...) first"


class World(gymnasium.Env[Observation, Array]):
    """Carry out one instruction per episode with a simulated robot.

    Observations are a dict with LeRobot's names; states and actions are in robot units (see `Features`).
    The reward is 1 on success and 0 before; an episode ends on success and is cut off at the task's horizon.

    ``reset`` takes in ``options``:

    - ``family``: which family of tasks; drawn from the seed when absent;
    - ``instruction``: a sentence of one's own about the scene of that seed, instead of the drawn one;
    - ``wording``: ``"heldout"`` for templates and synonyms that training never hears;
    - ``swap``: keep the scene, ask for another object; ``info["went_for"]`` then tells which one was taken.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self,
        world: str,
        *,
        family: str | None = None,
        size_px: int = 128,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Open the cameras. `family` fixes the family of tasks; by default each seed draws one.

        Raises:
            UnknownNameError: if there is no such world or family.
        """
        self.name = known("world", world, TASKS)
        self.families = tuple(TASKS[world].families)
        self.render_mode = render_mode
        self._family = family if family is None else known("family of tasks", family, self.families)
        self.features: Features = SPECS[world][0].features(size_px)
        self.observation_space = _observation_space(self.features)
        self.action_space: spaces.Box = _action_space(world)  # type: ignore[assignment]
        self._cameras = Cameras(size_px, size_px)
        self._film: Cameras | None = None
        self._filmed: Simulation | None = None
        self._simulation: Simulation | None = None
        self._task: Task | None = None

    @property
    def task(self) -> Task:
        """Return what is asked in the running episode.

        Raises:
            SaysoError: before the first reset.
        """
        if self._task is None:
            raise SaysoError(NO_EPISODE)
        return self._task

    @property
    def simulation(self) -> Simulation:
        """Return the physics of the running episode, which experts and labels may look into.

        Raises:
            SaysoError: before the first reset.
        """
        if self._simulation is None:
            raise SaysoError(NO_EPISODE)
        return self._simulation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a scene and an instruction from the seed, and return the first look and its info."""
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            known("reset option", name, OPTIONS)
        family = options.get("family") or self._family or str(self.np_random.choice(self.families))
        task = draw_task(self.name, family, self.np_random, options.get("wording", "train"))
        self.original_object = task.object_name
        if options.get("swap"):
            task = self._ask_for_another(task)
        if options.get("instruction"):
            task = self._understood(str(options["instruction"]), task)
        self._task = task
        self._simulation = Simulation(self.name, task.layout)
        self._cameras.load(self._simulation.model)
        self._start_episode()
        return self._observe(), self._info()

    def instruct(self, sentence: str) -> Observation:
        """Ask for something else in the running scene; things stay where they are, the robot starts anew.

        Raises:
            NotUnderstoodError: if the sentence is not understood. Nothing has moved then.
        """
        self._task = self._understood(sentence, self.task)
        mobile = self.simulation.kind.mobile
        self.simulation.place_robot(start_pose(self.np_random) if mobile else (0.0, 0.0, 0.0))
        self.original_object = self.task.object_name
        self._start_episode()
        return self._observe()

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action (float32 [A], robot units, clipped to the robot's limits) for 1/20 s."""
        action = np.asarray(action, dtype=np.float32)
        if action.shape != self.action_space.shape:
            names = ", ".join(self.features.action_names)
            raise ValueError(f"an action here is [{names}], but got shape {action.shape}")
        self.simulation.apply(action)
        self._steps += 1
        self._note_grasp()
        info = self._info()
        success = bool(info["is_success"])
        return self._observe(), float(success), success, self._steps >= self.task.horizon, info

    def conditions(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now."""
        return self.task.conditions(self.simulation)

    def labels(self) -> Array:
        """Return where the named object and place are in every picture, float32 [len(features.points)].

        Per camera and referent: u, v in 0..1 (0.5 where not visible) and visible, 0 or 1. Privileged: the
        simulator gives them for free, training may use them, a policy never sees them.
        """
        numbers = []
        for camera in CAMERAS:
            for name in (self.task.object_name, self.task.place_name):
                u, v, visible = self.simulation.in_image(camera, self.simulation.position(name))
                numbers += [u, v, 1.0] if visible else [0.5, 0.5, 0.0]
        return np.array(numbers, dtype=np.float32)

    def expert(self) -> Policy:
        """Return the scripted expert of the running task, which sees the simulator's state."""
        return Expert(self)

    def describe(self) -> list[str]:
        """Return the names of everything in the scene."""
        return list(self.task.things)

    def render(self) -> Image:
        """Return the scene from outside, uint8 [240, 240, 3]."""
        if self._film is None:
            self._film = Cameras(FILM_PX, FILM_PX)
        if self._filmed is not self.simulation:
            self._filmed = self.simulation
            self._film.load(self.simulation.model)
        return self._film.picture(self.simulation.data, self._outside_view())

    def close(self) -> None:
        """Free the cameras."""
        self._cameras.close()
        if self._film is not None:
            self._film.close()

    def _outside_view(self) -> mujoco.MjvCamera:
        view = mujoco.MjvCamera()
        mobile = self.simulation.kind.mobile
        view.lookat[:] = (0.45, 0.0, 0.1) if mobile else (0.2, 0.0, 0.05)
        view.distance, view.azimuth, view.elevation = (2.5, 148, -42) if mobile else (0.9, 140, -30)
        return view

    def _understood(self, sentence: str, task: Task) -> Task:
        """Return the task that a sentence asks for in a task's scene.

        What a sentence leaves to the scene ("the can", where there is one; "the blue bin", which may be out
        of sight later) is said in full to the policy; a sentence that says it all is handed on as it is.
        """
        intent, said = parse(sentence, task.things.values()), parse(sentence)
        in_full = said.object == intent.object and as_called(said.place) == as_called(intent.place)
        words = sentence if in_full else plain(replace(intent, place=as_called(intent.place)))
        return make_task(self.name, intent, words, task.layout, task.things)

    def _ask_for_another(self, task: Task) -> Task:
        row = TASKS[self.name].families[task.family]
        same_place = [i for i in intents(task.family, row, task.things) if i.place == task.intent.place]
        others = [i for i in same_place if i.object != task.intent.object]
        intent = others[self.np_random.integers(len(others))]
        return make_task(self.name, intent, say(intent, self.np_random), task.layout, task.things)

    def _start_episode(self) -> None:
        self._steps, self._taken = 0, ""

    def _note_grasp(self) -> None:
        """Remember the first thing that was grasped."""
        for item in () if self._taken else self.task.layout.items:
            if SHAPES[item.kind].movable and self.simulation.held(item.name):
                self._taken = item.name

    def _observe(self) -> Observation:
        pictures = self.simulation.pictures(self._cameras)
        observation: Observation = {image_key(name): image for name, image in pictures.items()}
        observation[STATE] = self.simulation.state()
        observation[TASK] = self.task.instruction
        return observation

    def _info(self) -> dict[str, Any]:
        conditions = self.conditions()
        went_for = None
        if self._taken:
            names = {self.original_object: "original", self.task.object_name: "named"}
            went_for = names.get(self._taken, "other")
        return {
            "family": self.task.family,
            "conditions": conditions,
            "is_success": all(conditions.values()),
            "went_for": went_for,
        }


def _observation_space(features: Features) -> spaces.Dict:
    entries: dict[str, spaces.Space[Any]] = {
        image_key(name): spaces.Box(0, 255, (*size, 3), np.uint8) for name, size in features.cameras.items()
    }
    entries[STATE] = spaces.Box(-np.inf, np.inf, (len(features.state),), np.float32)
    entries[TASK] = spaces.Text(MAX_INSTRUCTION, min_length=0, charset=LETTERS)
    return spaces.Dict(entries)


def _action_space(world: str) -> spaces.Box:
    low, high = SPECS[world][0].action_limits()
    return spaces.Box(low, high, dtype=np.float32)


def make_world(name: str, family: str | None = None, **options: Any) -> World:
    """Return a world by its short name: ``tabletop`` or ``home``."""
    return World(known("world", name, TASKS), family=family, **options)
