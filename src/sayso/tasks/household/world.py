"""Gymnasium environment: one robot, one scene and one task per episode, seen through cameras.

    reset(seed) --> observation --> policy --> step(action) x execute --> observation ...

The seed decides everything: the scene, the thing that is asked for, and the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from sayso.sim.disturbance import Disturber
from sayso.sim.domain import Domain
from sayso.sim.domains import DOMAINS
from sayso.sim.objects import SHAPES
from sayso.sim.physics import Physics
from sayso.sim.render import Cameras
from sayso.sim.robots import CAMERAS, FPS
from sayso.sim.scene import SPECS, Layout
from sayso.sim.simulation import Simulation
from sayso.sim.simulation import Vector as Point
from sayso.spec import (
    CHOSEN_OBJECT,
    STATE,
    TASK,
    WHY,
    Array,
    Image,
    Observation,
    Policy,
    image_key,
    known,
)
from sayso.tasks.departing import DISTURBANCES, disturbance_of, optics_of
from sayso.tasks.episodic import EpisodicWorld, begun
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.clutter import USUAL_GAP_M, cluttered
from sayso.tasks.household.draw import alternatives, askable, called, draw_task, make_task, say
from sayso.tasks.household.experts import Expert
from sayso.tasks.household.failures import why_not
from sayso.tasks.household.layout import require
from sayso.tasks.household.rewording import drawn_as, reworded
from sayso.tasks.household.scenery import built
from sayso.tasks.household.scenes import objects_for, scenes_with
from sayso.tasks.household.starts import started_beyond
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.variants import row_of
from sayso.tasks.household.words.language import Intent, parse, plain
from sayso.tasks.wordings import WORDINGS

FILM_PX = 240
PUSHED_M = 0.02
"""From how far on a thing counts as the one that was chosen to be pushed."""
OTHERS = 4
"""How many other instructions a recorded episode is labelled with."""
_OTHERS_STREAM, _DOMAIN_STREAM = 0x07E5, 0x07EC  # keep them independent of the scene drawn from the seed


class HouseholdWorld(EpisodicWorld[HouseholdTask]):
    """Gymnasium environment: one instruction per episode, carried out by a simulated robot.

    Observations are a dict with LeRobot's names; states and actions are in robot units (see `Features`).
    The reward is 1 on success and 0 before; an episode ends on success and is cut off at the task's horizon.

    ``reset`` takes in ``options`` beside those of `EpisodicWorld`:

    - ``objects``: ``"heldout"`` to ask for kinds and pairs of colour and kind that training never shows,
      ``"kinds"`` or ``"pairs"`` for either of them, ``"meshes"`` for real things (extra ``meshes``), and
      ``"meshes alone"`` to have nothing else to grasp there;
    - ``background``: by how much table, floor and walls are painted otherwise, of 1; ``patterns``: whether
      they are covered with patterns, ``photographs``: with photographs, of how much contrast of 1;
    - ``distractors``: how many more things lie there, and ``gap_m``: how close to the one that is named;
    - ``swap``: keep the scene, ask for another object; ``info["chosen_object"]`` tells which was taken.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (Gymnasium's own type)
    options = (
        *EpisodicWorld.options,
        *("objects", "background", "patterns", "photographs", "distractors", "gap_m", "swap"),
    )

    def __init__(
        self,
        world: str,
        *,
        family: str | None = None,
        render_mode: str | None = "rgb_array",
        domain: str = "",
    ) -> None:
        """Open the cameras. `family` fixes the family of tasks; by default each seed draws one.

        Args:
            world: tabletop or home.
            family: kind of task.
            render_mode: Gymnasium's.
            domain: name of what else differs from training, in `DOMAINS`; empty is nothing.

        Raises:
            UnknownNameError: if there is no such world, family or domain.
            SaysoError: if the domain cannot be drawn here.
        """
        kind = SPECS[known("world", world, TASKS)][0]
        super().__init__(
            world,
            TASKS[world].families,
            kind.features(),
            kind.action_limits(),
            family=family,
            render_mode=render_mode,
        )
        heights, widths = zip(*self.features.cameras.values(), strict=True)
        self._domain: Domain | None = DOMAINS[domain] if domain else None
        if self._domain:
            self._domain.needs()
        opens = self._domain.opens if self._domain else Cameras
        self._cameras = opens(max(heights), max(widths))
        self._film: Cameras | None = None
        self._filmed: Simulation | None = None
        self._simulation: Simulation | None = None
        self._others: list[tuple[str, Intent]] | None = None

    @property
    def simulation(self) -> Simulation:
        """Return the physics of the running episode, which experts and labels may look into.

        Raises:
            SaysoError: before the first reset.
        """
        return begun(self._simulation)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a scene and an instruction from the seed, and return the first look and its info.

        Raises:
            MissingMeshesError: if things are to be there that are not installed.
        """
        options, family = self.begin(seed, options)
        wording = known("wording", options.get("wording", WORDINGS[0]), WORDINGS)
        objects = options.get("objects", "train")
        require(objects)
        task = self._drawn(family, drawn_as(wording), objects, swappable=bool(options.get("swap")))
        self.original_object = task.object_name
        if options.get("swap"):
            task = self._ask_for_another(task)
        if options.get("instruction"):
            task = self._understood(str(options["instruction"]), task)
        self._task = task = self._departed(task, options)
        stream = self.families.index(task.family), self.np_random_seed
        self._simulation = built(self.name, task.layout, options, self._domain, stream)
        self._optics = optics_of(options, *stream)
        if not options.keys().isdisjoint(DISTURBANCES):
            Disturber(self.physics()).show(disturbance_of(options, *stream))
        self._cameras.load(self._simulation.model)
        self._start_episode()
        return self.observe(), self._info()

    def instruct(self, sentence: str) -> Observation:
        """Ask for something else in the running scene; robot and things stay where they are.

        Raises:
            NotUnderstoodError: if the sentence is not understood.
        """
        self._task = self._understood(sentence, self.task)
        self.original_object = self.task.object_name
        self._start_episode()
        return self.observe()

    def asking(self, sentence: str) -> dict[str, Any]:
        """Return the options of `reset` with which a sentence is asked for.

        Raises:
            NotUnderstoodError: if it is not understood.
        """
        intent = parse(sentence, families=self.families)
        return {"family": intent.family, "instruction": sentence, "objects": objects_for(intent)}

    def scenes(self, sentence: str, seeds: Iterable[int]) -> Iterator[int]:
        """Yield the seeds, among some, of scenes that have all that a sentence names, and room to do it."""
        return scenes_with(self.name, parse(sentence, families=self.families), seeds)

    def feasible(self) -> bool:
        """Tell whether there is room to do what is asked."""
        return self.task.feasible()

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action (float32 [A], robot units, clipped to the robot's limits) for 1/20 s.

        Without `render` pictures are drawn only if the episode ends here.
        """
        self.simulation.apply(self.checked(action))
        self._steps += 1
        self._note_choice()
        info = self._info()
        success, late = bool(info["is_success"]), self._steps >= self.task.horizon
        if late and not success:
            info[WHY] = self.why_not()
        observation = self.observe() if render or success or late else self._feel()
        return observation, float(success), success, late, info

    def observe(self) -> Observation:
        """Return what is seen and felt now, and the instruction."""
        pictures = self.simulation.pictures(self._cameras)
        if self._domain:
            rng = np.random.default_rng([_DOMAIN_STREAM, self.np_random_seed, self._steps])
            pictures = self._domain.camera.taken(pictures, self._steps / FPS, rng)
        pictures = self.photographed(pictures, self.np_random_seed, self._steps)
        return {image_key(name): image for name, image in pictures.items()} | self._feel()

    def in_short(self) -> str:
        """Return the shortest sentence for the present task."""
        return plain(called(self.task.intent))

    def holds(self, intent: Intent) -> bool:
        """Tell whether what an intent asks for is already so."""
        asked = make_task(self.name, intent, "", self.task.layout, self.task.things)
        return all(asked.conditions(self.simulation).values())

    def conditions(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now."""
        return self.task.conditions(self.simulation)

    def why_not(self) -> str:
        """Return in words what is missing for success, such as ``it fell off the table``; empty if done."""
        return why_not(self.task, self.simulation, self._began, self._taken)

    def labels(self) -> Array:
        """Return where the named object and place are in every picture, float32 [len(features.points)].

        Per camera and referent: u, v in 0..1 (0.5 where not visible) and visible, 0 or 1. Privileged: the
        simulator gives them for free, training may use them, a policy never sees them.
        """
        return self._points(self.task.intent)

    def other_labels(self) -> tuple[str, Array] | None:
        """Return something else that could be asked now and its `labels`, or None if there is nothing.

        Up to `OTHERS` such instructions, drawn from the seed, take turns from step to step. Training asks for
        them to be pointed at: with one sentence per scene, what it names can be learned by heart.
        """
        if self._others is None:
            rng = np.random.default_rng([_OTHERS_STREAM, self.np_random_seed])
            found = askable(self.task)
            chosen = rng.permutation(len(found))[:OTHERS]
            self._others = [(say(found[k], rng), found[k]) for k in chosen]
        if not self._others:
            return None
        sentence, intent = self._others[self._steps % len(self._others)]
        return sentence, self._points(intent)

    def _points(self, intent: Intent) -> Array:
        return self._where_to_point(self._object_point(intent), self._place_point(intent))

    def _where_to_point(self, *points: Point | None) -> Array:
        """Return the labels of what is moved and of where to, each a point of the world or nothing."""
        numbers = []
        for camera in CAMERAS:
            for point in points:
                u, v, visible = (
                    (0.5, 0.5, False) if point is None else self.simulation.in_image(camera, point)
                )
                if self._domain:
                    u, v = self._domain.camera.lens.place(u, v)
                numbers += [u, v, 1.0] if visible else [0.5, 0.5, 0.0]
        return np.array(numbers, dtype=np.float32)

    def expert(self) -> Policy:
        """Return the scripted expert of the running task, which sees the simulator's state."""
        return Expert(self)

    def physics(self) -> Physics:
        """Return model and state of the running episode, and the cameras in it."""
        return self.simulation.physics()

    def path_m(self, actions: Array, hz: float) -> Point:
        """Return where actions, [K, A] at so many a second, would bring the hand from here, metres [K, 3]."""
        return self.simulation.path_m(actions, hz)

    def body(self) -> Simulation:
        """Return the robot alone, in an empty room."""
        return Simulation(self.name, Layout(items=()))

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
        view.lookat[:] = (0.5, 0.15, 0.2) if mobile else (0.2, 0.0, 0.05)
        view.distance, view.azimuth, view.elevation = (3.2, -6, -42) if mobile else (0.9, 140, -30)
        return view

    def _drawn(self, family: str, wording: str, objects: str, *, swappable: bool) -> HouseholdTask:
        """Draw what is asked in an episode from its seed."""
        return draw_task(self.name, family, self.np_random, wording, objects=objects, swappable=swappable)

    def _object_point(self, intent: Intent) -> Point | None:
        return self.simulation.position(intent.object.name) if intent.object else None

    def _place_point(self, intent: Intent) -> Point:
        return row_of(intent).place_point(self.simulation, intent.place.name)

    def _understood(self, sentence: str, task: HouseholdTask) -> HouseholdTask:
        """Return the task that a sentence asks for in a task's scene.

        What a sentence leaves to the scene ("the can", where there is one; "the blue bin", which may be out
        of sight later) is said in full to the policy; a sentence that says it all is handed on as it is.
        """
        intent = parse(sentence, task.things.values(), self.families)
        said = parse(sentence, families=self.families)
        words = sentence if called(said) == called(intent) else plain(called(intent))
        return make_task(self.name, intent, words, task.layout, task.things)

    def _departed(self, task: HouseholdTask, options: dict[str, Any]) -> HouseholdTask:
        """Return a task in a scene, from a pose and in words that the options of a reset want."""
        seed = self.np_random_seed
        if count := int(options.get("distractors", 0)):
            task = cluttered(task, count, float(options.get("gap_m", USUAL_GAP_M)), seed)
        if beyond_m := float(options.get("start_beyond_m", 0.0)):
            task = started_beyond(task, beyond_m, seed)
        return replace(task, instruction=reworded(task, options.get("wording", WORDINGS[0]), seed))

    def _ask_for_another(self, task: HouseholdTask) -> HouseholdTask:
        others = alternatives(task)
        intent: Intent = others[self.np_random.integers(len(others))]
        return make_task(self.name, intent, say(intent, self.np_random), task.layout, task.things)

    def _start_episode(self) -> None:
        self._steps, self._taken = 0, ""
        self._others = None
        self.simulation.watch_heights()
        movable = [item.name for item in self.task.layout.items if SHAPES[item.kind].movable]
        self._began = {name: self.simulation.position(name) for name in movable}

    def _note_choice(self) -> None:
        """Remember the first thing that was grasped or, where things are pushed, moved."""
        pushing = self.task.row.pushed
        for name, began in () if self._taken else self._began.items():
            moved = float(np.linalg.norm(self.simulation.position(name) - began))
            if moved > PUSHED_M if pushing else self.simulation.held(name):
                self._taken = name

    def _feel(self) -> Observation:
        return {STATE: self.simulation.state(), TASK: self.task.instruction}

    def _info(self) -> dict[str, Any]:
        conditions = self.conditions()
        info = {
            "family": self.task.family,
            "conditions": conditions,
            "is_success": all(conditions.values()),
        }
        if not self.task.object_name:
            return info
        names = {"": None, self.original_object: "original", self.task.object_name: "named"}
        return info | {CHOSEN_OBJECT: names.get(self._taken, "other")}
