"""Draw a task: a scene, something that may be asked in it, and words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sayso.sim.scene import Layout
from sayso.spec import SaysoError, known
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.layout import Draw, NoRoomError
from sayso.tasks.household.stations import is_away
from sayso.tasks.household.task import Task
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import as_called, phrase
from sayso.tasks.household.words.vocabulary import TEMPLATES, Intent


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
    return Task(
        world=world,
        intent=intent,
        instruction=instruction,
        horizon=TASKS[world].families[intent.family].horizon,
        layout=layout,
        things=things,
    )


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
            if draw.family != "goto" or is_away(layout, place.name)
        ]
    objects = [thing for thing in things.values() if thing.kind in draw.objects and draw.shows(thing)]
    return [
        Intent(draw.family, draw.manner, thing, place)
        for thing in objects
        for place in places
        if thing != place
    ]
