"""State the contract of a task, and keep the one table of them.

A task is a frozen value: a scene, an instruction, a horizon, and success as a conjunction of named
conditions, so that a failure says why it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.spec import SaysoError, known
from sayso.tasks import home, tabletop
from sayso.tasks.driving import station_of
from sayso.tasks.language import Intent, Place, Thing, as_called, phrase
from sayso.tasks.layout import Draw, NoRoomError
from sayso.tasks.vocabulary import TEMPLATES

AT_REST_M_S = 0.03
DRAWER_OPEN_M, DRAWER_SHUT_M = 0.10, 0.012
STACK_OFF_M, STACK_GAP_M = 0.018, 0.008
"""How far a stacked thing's middle may be from the one below, and how far its foot from the other's top."""
BESIDE_M = 0.03
"""Largest gap between the footprints of two things that stand next to each other."""
LIFTED_M = 0.015
NEAR_M, AHEAD_RAD = 0.12, 0.35
"""How far from its station, and how far turned, a base may stop."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Describe one family of tasks in one world: a row of `TASKS`."""

    horizon: int
    """Steps of 1/20 s after which the episode is cut off."""
    manners: tuple[str, ...]
    """What may be asked of it, each equally often; see `Intent`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Say how the scenes of one world are laid out, and what is asked there."""

    layout: Callable[[np.random.Generator, Draw], tuple[Layout, Mapping[str, Thing]]]
    things: Callable[[np.random.Generator, Draw], Sequence[Thing]]
    """Draws what `layout` draws first: what stands in a scene, but not where."""
    families: Mapping[str, Family]
    feasible: Callable[[Layout, Intent], bool] = lambda layout, intent: True
    """Whether an intent can be carried out in a scene; scenes are drawn until one can."""


TASKS: Mapping[str, Setting] = {
    "tabletop": Setting(
        layout=tabletop.layout,
        things=tabletop.things,
        feasible=tabletop.feasible,
        families={
            "put": Family(horizon=240, manners=("in",)),
            "stack": Family(horizon=240, manners=("on",)),
            "push": Family(horizon=240, manners=("onto", "beside")),
        },
    ),
    "home": Setting(
        layout=home.layout,
        things=home.things,
        families={
            "put": Family(horizon=360, manners=("in",)),
            "drawer": Family(horizon=480, manners=("open", "close", "in")),
            "fetch": Family(horizon=480, manners=("to", "bring")),
            "goto": Family(horizon=300, manners=("to",)),
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Say what is asked in one episode, of which scene, and how long it may take."""

    world: str
    intent: Intent
    instruction: str
    layout: Layout
    things: Mapping[str, Thing]
    """Every thing in the scene, by its name there."""

    @property
    def family(self) -> str:
        """Return the family of tasks."""
        return self.intent.family

    @property
    def horizon(self) -> int:
        """Return the number of steps after which the episode is cut off."""
        return TASKS[self.world].families[self.family].horizon

    @property
    def object_name(self) -> str:
        """Return the scene's name of the thing to move; empty if nothing is to be moved."""
        return self.intent.object.name if self.intent.object else ""

    @property
    def place_name(self) -> str:
        """Return the scene's name of where it should go, or of what is acted on."""
        return self.intent.place.name

    def conditions(self, simulation: Simulation) -> dict[str, bool]:
        """Return the named conditions of success, all of which must hold at once."""
        name = self.object_name
        if self.family == "goto":
            return _standing_at(simulation, self.place_name)
        if not name:
            opened = {"drawer_open": simulation.drawer_m >= DRAWER_OPEN_M}
            shut = {"drawer_closed": simulation.drawer_m <= DRAWER_SHUT_M}
            return (opened if self.intent.manner == "open" else shut) | {
                "gripper_released": not simulation.touching(self.place_name),
                "drawer_at_rest": simulation.speed(self.place_name) < AT_REST_M_S,
            }
        goal = {"on": "object_on_top", "beside": "object_beside"}.get(self.intent.manner, "object_in_place")
        lifted = {"never_lifted": simulation.highest(name) < LIFTED_M} if self.family == "push" else {}
        return {
            goal: self.placed(simulation),
            "gripper_released": not simulation.touching(name),
            "object_at_rest": simulation.speed(name) < AT_REST_M_S,
        } | lifted

    def placed(self, simulation: Simulation) -> bool:
        """Tell whether the object is where it should be, whoever still holds it."""
        name, place = self.object_name, self.place_name
        if self.intent.manner == "on":
            return _on_top(simulation, name, place)
        if self.intent.manner == "beside":
            across, along, _ = simulation.position(name) - simulation.position(place)
            reach = simulation.shape(name).radius_m + simulation.shape(place).radius_m
            return bool(np.hypot(across, along) < reach + BESIDE_M)
        return simulation.inside(name, place)


def _on_top(simulation: Simulation, name: str, place: str) -> bool:
    foot, below = simulation.data.body(name).xpos, simulation.data.body(place).xpos
    gap = foot[2] - below[2] - simulation.shape(place).height_m
    return bool(np.hypot(*(foot - below)[:2]) < STACK_OFF_M and abs(gap) < STACK_GAP_M)


def _standing_at(simulation: Simulation, place: str) -> dict[str, bool]:
    dx, dy, turn = station_of(place) - simulation.base_pose
    return {
        "near_place": bool(np.hypot(dx, dy) < NEAR_M),
        "facing_ahead": abs(wrap_angle(turn)) < AHEAD_RAD,
        "stopped": simulation.base_speed < AT_REST_M_S,
    }


def draw_task(
    world: str,
    family: str,
    rng: np.random.Generator,
    wording: str = "train",
    *,
    objects: str = "train",
    swappable: bool = False,
) -> Task:
    """Draw a scene, one of the things that may be asked in it, and words for it.

    Args:
        world: which world.
        family: which of its families of tasks.
        rng: source of everything drawn.
        wording: ``train`` or ``heldout`` words.
        objects: ``heldout`` asks for things of a kind or pair of colour and kind that no training set shows.
        swappable: draw what something else could be asked for instead of; see `alternatives`.

    Raises:
        UnknownNameError: if there is no such world, or no such family in it.
        SaysoError: if a hundred scenes had nothing feasible to ask.
    """
    row = TASKS[known("world", world, TASKS)]
    manners = row.families[known(f"family of tasks in the world {world!r}", family, row.families)].manners
    if swappable:  # there is but one drawer to open
        manners = tuple(m for m in manners if TEMPLATES[family, m].objects) or manners
    manner = str(rng.choice(manners))
    templates = TEMPLATES[family, manner]
    draw = Draw(family, manner, templates.objects, templates.places, known("objects", objects, OBJECTS))
    for _ in range(100):
        try:
            layout, things = row.layout(rng, draw)
        except NoRoomError:  # large things, all at once
            continue
        choices = [i for i in intents(draw, layout, things) if row.feasible(layout, i)]
        if not choices:
            continue
        intent = choices[rng.integers(len(choices))]
        task = make_task(world, intent, say(intent, rng, wording), layout, things)
        if not swappable or alternatives(task):
            return task
    raise SaysoError(f"found no scene for the family {family!r}, manner {manner!r}, in the world {world!r}")


OBJECTS = ("train", "heldout")


def say(intent: Intent, rng: np.random.Generator, wording: str = "train") -> str:
    """Word an intent the way worlds do."""
    return phrase(called(intent), rng, wording)


def called(intent: Intent) -> Intent:
    """Return an intent with its place as worlds call it."""
    return replace(intent, place=as_called(intent.place)) if isinstance(intent.place, Place) else intent


def make_task(
    world: str, intent: Intent, instruction: str, layout: Layout, things: Mapping[str, Thing]
) -> Task:
    """Put an intent that was understood into a scene."""
    return Task(world=world, intent=intent, instruction=instruction, layout=layout, things=things)


def alternatives(task: Task) -> list[Intent]:
    """Return what could be asked instead in the same scene: another object or, without one, another place."""
    feasible = TASKS[task.world].feasible
    found = [i for i in _nameable(task, task.family, task.intent.manner) if feasible(task.layout, i)]
    if task.intent.object is None:
        return [i for i in found if i.place != task.intent.place]
    others = [i for i in found if i.object != task.intent.object]
    return [i for i in others if i.place == task.intent.place] or others


def askable(task: Task) -> list[Intent]:
    """Return whatever else its world's families could name in a task's scene, feasible or not."""
    rows = [row for row in TEMPLATES if row[0] in TASKS[task.world].families]
    found = [intent for family, manner in rows for intent in _nameable(task, family, manner)]
    own = (task.intent.object, task.intent.place)
    return [intent for intent in found if (intent.object, intent.place) != own]


def _nameable(task: Task, family: str, manner: str) -> list[Intent]:
    """Return every intent of a family and manner that names what stands in a task's scene."""
    row = TEMPLATES[family, manner]
    return intents(Draw(family, manner, row.objects, row.places, "train"), task.layout, task.things)


def intents(draw: Draw, layout: Layout, things: Mapping[str, Thing]) -> list[Intent]:
    """Return everything that may be asked in a scene."""
    places = [thing for thing in things.values() if thing.kind in draw.places]
    if not draw.objects:
        return [
            Intent(draw.family, draw.manner, None, place)
            for place in places
            if draw.family != "goto" or home.is_away(layout, place.name)
        ]
    objects = [thing for thing in things.values() if thing.kind in draw.objects and draw.shows(thing)]
    return [
        Intent(draw.family, draw.manner, thing, place)
        for thing in objects
        for place in places
        if thing != place
    ]
