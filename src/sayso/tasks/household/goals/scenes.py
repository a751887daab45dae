"""Scenes for a goal: all that it names is there, it is not so yet, and there is room for it to become so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sayso.sim.objects import SHAPES, Item
from sayso.sim.scene import HOME, Layout
from sayso.sim.simulation import Simulation
from sayso.spec import SaysoError
from sayso.tasks.household import home
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.goals.goal import Goal, Reference
from sayso.tasks.household.goals.grounding import Asked, NoSuchThingError, distance, fits, ground, meant
from sayso.tasks.household.goals.imagination import arranged
from sayso.tasks.household.goals.relations import RELATIONS
from sayso.tasks.household.layout import Demand, NoRoomError, held_out
from sayso.tasks.household.motions import driving
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import EVERYDAY, KINDS, OBJECT_COLOURS, Place, Thing
from sayso.tasks.household.words.vocabulary import Sentences

TRIES = 60
"""How many scenes are drawn until one will do."""
MOVABLE_THINGS, PLACES = 3, 2
"""How many things a scene has at least, as those of training have."""
APART_M = 0.026
"""How far from the middle of a place two things on it stand."""
_FLOOR_M = 0.006


class NoSceneError(SaysoError):
    """Goal for which no scene was found, and what was wrong with those that were drawn."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Layout in which a goal is asked, and what it means there."""

    layout: Layout
    things: Mapping[str, Thing]
    asked: list[list[Asked]]
    """What is asked of which things, stage by stage."""


def draw_scene(world: str, goal: Goal, rng: np.random.Generator) -> Scene:
    """Draw a scene for a goal.

    Raises:
        NoSceneError: if none was found, with what was most often wrong.
    """
    wrong: dict[str, int] = {}
    for _ in range(TRIES):
        try:
            found = _drawn(world, goal, rng)
        except (NoRoomError, NoSuchThingError) as error:
            why = str(error)
        else:
            if not (why := _unfit(world, found)):
                return found
        wrong[why] = wrong.get(why, 0) + 1
    most = max(wrong, key=lambda why: wrong[why])
    raise NoSceneError(f"in none of {TRIES} scenes could it become so that {goal.plain()}: mostly, {most}")


def _unfit(world: str, scene: Scene) -> str:
    """Say why a goal cannot be asked in a scene; nothing if it can."""
    simulation = Simulation(world, scene.layout)
    if distance(scene.asked[-1], simulation) <= 0.0:
        return "it is so from the start"
    simulation.watch_heights()
    for stage in scene.asked:
        if short := arranged(simulation, stage):
            return f"there is no room for this: {short[0].called()}"
        if len(stage) > 1 and (broken := [one for one in stage if _undone(one, simulation)]):
            return f"when the rest is so, this no longer is: {broken[0].called()}"
    return ""


def _undone(asked: Asked, simulation: Simulation) -> bool:
    """Tell whether what was arranged is no longer so; what cannot be imagined is let pass."""
    return (
        RELATIONS[asked.atom.relation].pointed
        and RELATIONS[asked.atom.relation].missing(simulation, asked.ways[0]) > 0.03
        and not any(asked.missing(simulation, way) <= 0.03 for way in asked.ways)
    )


def _drawn(world: str, goal: Goal, rng: np.random.Generator) -> Scene:
    mobile = world == HOME
    chosen = _things(goal, rng, mobile=mobile)
    row = replace(DESCRIBED, drawer="open" if rng.random() < 0.5 else "shut")
    layout, things = TASKS[world].layout(rng, Demand(row), chosen)
    if len(things) < len(chosen):
        raise NoSuchThingError("two things were drawn alike")
    layout = _as_it_begins(goal, layout, things, rng)
    scales = {item.name: item.scale for item in layout.items}
    return Scene(layout=layout, things=things, asked=ground(goal, things, scales))


DESCRIBED = Variant(
    family="described",
    name="described",
    sentences=Sentences(train=(), heldout=(), ability="", places=(), relations=()),
    skill=driving.SKILL,  # nobody asks for it: who acts is `recipe.Practised`
    horizons={},
    success=lambda simulation, name, place: {},
    pushed=True,  # a mat is bare unless something is asked to be taken off it
)


def _things(goal: Goal, rng: np.random.Generator, *, mobile: bool) -> list[Thing]:
    """Draw what stands in a scene: all that is named, and others up to the usual number."""
    pushed = any(atom.pushed for atom in goal.atoms)
    found: list[Thing] = []
    for reference in goal.references:
        fixed = mobile and reference.kind in (*home.FIXTURES, "bin")
        many = reference.quantifier == "all" and (reference.kind or reference.colour or reference.count)
        count = reference.count or (int(rng.integers(1, 3)) if many else 1)
        count = max(count, 2) if _together(goal, reference) or reference.superlative else count
        there = [thing for thing in found if fits(reference, thing)]
        if fixed or (reference.quantifier == "all" and not many) or not (reference.kind or reference.colour):
            continue
        for _ in range(count - len(there)):
            found.append(_one(reference, found, rng, pushed=pushed))
    anything = max((_count(goal), MOVABLE_THINGS))
    while sum(KINDS[thing.kind].movable for thing in found) < anything:
        found.append(_one(Reference(), found, rng, pushed=pushed))
    kinds = [
        str(kind) for kind in rng.permutation(home.CONTAINERS) if kind not in [one.kind for one in found]
    ]
    while sum(not KINDS[thing.kind].movable for thing in found) < PLACES and kinds:
        found.append(_one(Reference(kind=kinds.pop()), found, rng, pushed=pushed))
    if mobile:
        colours = rng.permutation(OBJECT_COLOURS)
        found += [Place(str(c), "bin", mark) for c, mark in zip(colours, home.BINS_M, strict=False)]
        found += [Place("", kind) for kind in home.FIXTURES]
    return found


def _together(goal: Goal, reference: Reference) -> bool:
    return any(
        RELATIONS[atom.relation].together and len(atom.subjects) == 1 and reference in atom.subjects
        for atom in goal.atoms
    ) or any(atom.others.count(reference) > 1 for atom in goal.atoms)


def _count(goal: Goal) -> int:
    """Return how many things without a kind a goal wants."""
    return max((one.count for one in goal.references if not one.kind), default=0)


def _one(reference: Reference, there: Sequence[Thing], rng: np.random.Generator, *, pushed: bool) -> Thing:
    """Draw a thing that a reference means and that is not there yet."""
    kinds = (reference.kind,) if reference.kind else [k for k in EVERYDAY if SHAPES[k].pushable or not pushed]
    colours = (reference.colour,) if reference.colour else OBJECT_COLOURS
    taken = {thing.colour for thing in there if thing.kind not in EVERYDAY or rng.random() < 0.75}
    for strict in (True, False):
        pairs = [(c, k) for c in colours for k in kinds if not (strict and c in taken)]
        things = [Place(c, k) if k not in EVERYDAY and KINDS[k].holds else Thing(c, k) for c, k in pairs]
        names = {thing.name for thing in there}
        allowed = [one for one in things if one.name not in names and (reference.kind or not held_out(one))]
        usual = [one for one in allowed if not held_out(one)] or allowed
        if usual:
            return usual[int(rng.integers(len(usual)))]
    raise NoSuchThingError(f"there are not so many different things that are {reference.plain()}")


def _as_it_begins(
    goal: Goal, layout: Layout, things: Mapping[str, Thing], rng: np.random.Generator
) -> Layout:
    """Stand on a place, or in it, what shall be off it."""
    items = {item.name: item for item in layout.items}
    for atom in goal.stages[0]:
        if atom.relation != "off":
            continue
        (place,) = meant(atom.others[0], things, {})[:1]
        if place not in items or items[place].kind in EVERYDAY:
            continue
        names = [
            name
            for one in atom.subjects
            for name in meant(one, things, {})
            if name in items and name != place
        ]
        roomy = 2 if items[place].kind in ("mat", "tray") and rng.random() < 0.5 else 1
        names = [str(name) for name in rng.permutation(names)[:roomy]]
        angle = float(rng.uniform(-np.pi, np.pi))
        for i, name in enumerate(names):
            apart = APART_M * (len(names) > 1) + 0.01 * float(rng.random())
            turn = angle + np.pi * i
            items[name] = _standing(items[name], items[place], apart * np.cos(turn), apart * np.sin(turn))
    return replace(layout, items=tuple(items.values()))


def _standing(item: Item, place: Item, across_m: float, along_m: float) -> Item:
    x, y, z = place.position_m
    floor = 0.0 if SHAPES[place.kind].height_m < 0.003 else _FLOOR_M
    return replace(item, position_m=(x + float(across_m), y + float(along_m), z + floor))
