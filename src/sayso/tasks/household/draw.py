"""Task sampling: a scene, something that may be asked in it, and words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sayso.sim.scene import Layout
from sayso.spec import SaysoError, known
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.layout import OBJECTS, Demand, NoRoomError, moves
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.variants import row_of
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import as_called, phrase
from sayso.tasks.household.words.vocabulary import Intent


def draw_task(
    world: str,
    family: str,
    rng: np.random.Generator,
    wording: str = "train",
    *,
    objects: str = "train",
    swappable: bool = False,
) -> HouseholdTask:
    """Draw a scene, one of the things that may be asked in it, and words for it.

    Args:
        world: which world.
        family: which of its families of tasks.
        rng: source of everything drawn.
        wording: ``train`` or ``heldout`` words.
        objects: which things may be asked for, a name of `OBJECTS`.
        swappable: draw what something else could be asked for instead of; see `alternatives`.

    Raises:
        UnknownNameError: if there is no such world, or no such family in it.
        SaysoError: if a hundred scenes had nothing feasible to ask.
    """
    setting = TASKS[known("world", world, TASKS)]
    rows = setting.families[known(f"family of tasks in the world {world!r}", family, setting.families)]
    known("objects", objects, OBJECTS)
    if swappable:  # there is but one drawer to open
        rows = tuple(row for row in rows if row.sentences.objects) or rows
    if objects not in ("train", "heldout"):  # only where there are such things
        rows = tuple(row for row in rows if moves(row, objects))
        if not rows:
            raise SaysoError(f"{family!r} moves nothing of what {objects!r} is, which training never shows")
    row = rows[rng.choice(len(rows))]
    demand = Demand(row, objects)
    for _ in range(100):
        try:
            layout, things = setting.layout(rng, demand)
        except NoRoomError:  # large things, all at once
            continue
        choices = [i for i in intents(demand, layout, things) if row.feasible(layout, i)]
        if not choices:
            continue
        intent = choices[rng.integers(len(choices))]
        task = make_task(world, intent, say(intent, rng, wording), layout, things)
        if not swappable or alternatives(task):
            return task
    raise SaysoError(f"found no scene for {family!r}, variant {row.name!r}, in the world {world!r}")


def say(intent: Intent, rng: np.random.Generator, wording: str = "train") -> str:
    """Word an intent the way worlds do."""
    return phrase(called(intent), rng, wording)


def called(intent: Intent) -> Intent:
    """Return an intent with its place as worlds call it."""
    return replace(intent, place=as_called(intent.place)) if isinstance(intent.place, Place) else intent


def make_task(
    world: str, intent: Intent, instruction: str, layout: Layout, things: Mapping[str, Thing]
) -> HouseholdTask:
    """Put an intent that was understood into a scene."""
    row = row_of(intent)
    return HouseholdTask(
        world=world,
        row=row,
        intent=intent,
        instruction=instruction,
        horizon=row.horizons[world],
        layout=layout,
        things=things,
    )


def alternatives(task: HouseholdTask) -> list[Intent]:
    """Return what could be asked instead in the same scene: another object or, without one, another place."""
    found = [i for i in _nameable(task, task.row) if task.row.feasible(task.layout, i)]
    if task.intent.object is None:
        return [i for i in found if i.place != task.intent.place]
    others = [i for i in found if i.object != task.intent.object]
    return [i for i in others if i.place == task.intent.place] or others


def askable(task: HouseholdTask) -> list[Intent]:
    """Return whatever else its world's families could name in a task's scene, feasible or not."""
    rows = [row for rows in TASKS[task.world].families.values() for row in rows]
    found = [intent for row in rows for intent in _nameable(task, row)]
    own = (task.intent.object, task.intent.place)
    return [intent for intent in found if (intent.object, intent.place) != own]


def _nameable(task: HouseholdTask, row: Variant) -> list[Intent]:
    """Return every intent of a row that names what stands in a task's scene."""
    return intents(Demand(row, "any"), task.layout, task.things)


def intents(demand: Demand, layout: Layout, things: Mapping[str, Thing]) -> list[Intent]:
    """Return everything that may be asked in a scene."""
    row = demand.row
    places = [thing for thing in things.values() if thing.kind in demand.places]
    shown = [thing for thing in things.values() if thing.kind in demand.objects and demand.shows(thing)]
    objects: list[Thing | None] = [*shown] if demand.objects else [None]
    pairs = [(thing, place) for thing in objects for place in places if thing != place]
    found = [Intent(row.family, row.name, thing, place) for thing, place in pairs]
    return [intent for intent in found if row.makes_sense(layout, intent)]
