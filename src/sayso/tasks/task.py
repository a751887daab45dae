"""State the contract of a task, and keep the one table of them.

A task is a frozen value: a scene, an instruction, a horizon, and success as a conjunction of named
conditions, so that a failure says why it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.spec import known
from sayso.tasks import home, tabletop
from sayso.tasks.language import KINDS, Intent, Place, Thing, as_called, phrase

AT_REST_M_S = 0.03


@dataclass(frozen=True, kw_only=True)
class Family:
    """Describe one family of tasks in one world: a row of `TASKS`."""

    horizon: int
    """Steps of 1/20 s after which the episode is cut off."""
    places: tuple[str, ...]
    """Kinds of place that an object is brought to."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Say how the scenes of one world are laid out, and what is asked there."""

    layout: Callable[[np.random.Generator], tuple[Layout, Mapping[str, Thing]]]
    families: Mapping[str, Family]


TASKS: Mapping[str, Setting] = {
    "tabletop": Setting(
        layout=tabletop.layout,
        families={"put": Family(horizon=240, places=("tray", "bowl"))},
    ),
    "home": Setting(
        layout=home.layout,
        families={
            "put": Family(horizon=360, places=("tray", "bowl")),
            "fetch": Family(horizon=480, places=("bin",)),
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Say what is asked in one episode, of which scene, and how long it may take."""

    world: str
    family: str
    intent: Intent
    instruction: str
    horizon: int
    layout: Layout
    things: Mapping[str, Thing]
    """Every thing in the scene, by its name there."""

    @property
    def object_name(self) -> str:
        """Return the scene's name of the thing to move."""
        return self.intent.object.name

    @property
    def place_name(self) -> str:
        """Return the scene's name of where it should go."""
        return self.intent.place.name

    def conditions(self, simulation: Simulation) -> dict[str, bool]:
        """Return the named conditions of success, all of which must hold at once."""
        return {
            "object_in_place": simulation.inside(self.object_name, self.place_name),
            "gripper_released": not simulation.touching(self.object_name),
            "object_at_rest": simulation.speed(self.object_name) < AT_REST_M_S,
        }


def draw_task(world: str, family: str, rng: np.random.Generator, wording: str = "train") -> Task:
    """Draw a scene, one of the things that may be asked in it, and words for it.

    Raises:
        UnknownNameError: if there is no such world, or no such family in it.
    """
    row = TASKS[known("world", world, TASKS)]
    known(f"family of tasks in the world {world!r}", family, row.families)
    layout, things = row.layout(rng)
    choices = intents(family, row.families[family], things)
    intent = choices[rng.integers(len(choices))]
    return make_task(world, intent, say(intent, rng, wording), layout, things)


def say(intent: Intent, rng: np.random.Generator, wording: str = "train") -> str:
    """Word an intent the way worlds do."""
    return phrase(replace(intent, place=as_called(intent.place)), rng, wording)


def make_task(
    world: str, intent: Intent, instruction: str, layout: Layout, things: Mapping[str, Thing]
) -> Task:
    """Put an intent that was understood into a scene."""
    return Task(
        world=world,
        family=intent.family,
        intent=intent,
        instruction=instruction,
        horizon=TASKS[world].families[intent.family].horizon,
        layout=layout,
        things=things,
    )


def intents(family: str, row: Family, things: Mapping[str, Thing]) -> list[Intent]:
    """Return everything that may be asked of a family in a scene."""
    objects = [thing for thing in things.values() if not KINDS[thing.kind].holds]
    places = [thing for thing in things.values() if isinstance(thing, Place) and thing.kind in row.places]
    return [Intent(family, thing, place) for thing in objects for place in places]
