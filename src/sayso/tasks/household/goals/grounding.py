"""Grounding: which things of a scene a goal means, and whether what it asks of them is so.

`Asked` is one relation between named things of a scene. Of "any one can" there are several ways to have it,
of which one is enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sayso.sim.objects import SHAPES
from sayso.sim.simulation import Simulation
from sayso.spec import SaysoError
from sayso.tasks.household.goals.goal import Atom, Goal, Reference
from sayso.tasks.household.goals.relations import RELATIONS, fallen, lifted
from sayso.tasks.household.success import AT_REST_M_S
from sayso.tasks.household.words.kinds import Thing

MARGIN_M = 0.004
"""By how much the tallest must be taller than the next, to be called so."""
LIFTED_COST_M = 0.05
"""What it counts to have lifted what should be pushed, or dropped what should stay, in metres missing."""


class NoSuchThingError(SaysoError):
    """Reference that fits nothing in a scene, or too much."""


@dataclass(frozen=True)
class Asked:
    """Relation that shall hold between things of a scene, in one of several ways."""

    atom: Atom
    ways: tuple[tuple[str, ...], ...]
    """Names in the scene, subject first; one of these is enough."""

    def distance(self, simulation: Simulation) -> float:
        """Return how many metres are missing, of the way that misses least; 0.0 if it holds."""
        return min(self.missing(simulation, way) for way in self.ways)

    def missing(self, simulation: Simulation, way: tuple[str, ...]) -> float:
        """Return how many metres are missing, of one way to have it."""
        found = RELATIONS[self.atom.relation].missing(simulation, way)
        subjects = self.subjects(way)
        if self.atom.pushed:
            found += LIFTED_COST_M * sum(lifted(simulation, name) for name in subjects)
        if RELATIONS[self.atom.relation].flat:
            found += LIFTED_COST_M * sum(fallen(simulation, name) for name in subjects)
        return found

    def subjects(self, way: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of those of a way that are moved for it."""
        relation = RELATIONS[self.atom.relation]
        return way if relation.together else way[:1] if relation.moves else ()

    def holds(self, simulation: Simulation) -> bool:
        """Tell whether it is so, whoever still touches it."""
        return self.distance(simulation) <= 0.0

    def left_alone(self, simulation: Simulation) -> bool:
        """Tell whether what it is about lies still, and the robot has let go of it."""
        if self.atom.relation == "held":
            return True
        way = min(self.ways, key=lambda one: self.missing(simulation, one))
        names = self.subjects(way) or tuple(name for name in way if name == "drawer")
        if self.atom.relation == "at":
            return simulation.base_speed < AT_REST_M_S
        return all(not simulation.touching(name) and simulation.speed(name) < AT_REST_M_S for name in names)

    def called(self) -> str:
        """Return it as a condition is called: ``red can in blue bowl``."""
        first, *rest = self.ways[0]
        more = f" {' and '.join(rest)}" if rest else ""
        either = "or another " if len(self.ways) > 1 else ""
        return f"{either}{first} {self.atom.relation}{more}"


def conditions(asked: Sequence[Asked], simulation: Simulation) -> dict[str, bool]:
    """Return, by name, whether each relation holds and everything was left alone."""
    found = {one.called(): one.holds(simulation) for one in asked}
    return found | {"left_alone": all(one.left_alone(simulation) for one in asked)}


def distance(asked: Sequence[Asked], simulation: Simulation) -> float:
    """Return how many metres are missing for everything that is asked; 0.0 if all of it holds."""
    return sum(one.distance(simulation) for one in asked)


def ground(goal: Goal, things: Mapping[str, Thing], scales: Mapping[str, float]) -> list[list[Asked]]:
    """Find the things that a goal means, stage by stage.

    Args:
        goal: what is asked.
        things: everything in the scene, by its name there.
        scales: how large each is, relative to its kind's; what is not named is as large as that.

    Raises:
        NoSuchThingError: if a reference fits nothing, or too much.
    """
    return [[one for atom in stage for one in _asked(atom, things, scales)] for stage in goal.stages]


def _asked(atom: Atom, things: Mapping[str, Thing], scales: Mapping[str, float]) -> list[Asked]:
    relation = RELATIONS[atom.relation]
    others = [meant(one, things, scales) for one in atom.others]
    subjects = [meant(one, things, scales) for one in atom.subjects]
    if relation.together:
        return [Asked(atom, (tuple(dict.fromkeys(itertools.chain(*subjects))),))]
    if not subjects:
        return [Asked(atom, tuple(("robot", *rest) for rest in itertools.product(*others)))]
    found = []
    for reference, names in zip(atom.subjects, subjects, strict=True):
        ways = [(name, *rest) for name in names for rest in itertools.product(*others) if name not in rest]
        ways = [way for way in ways if len(set(way)) == len(way)]
        if not ways:
            raise NoSuchThingError(f"the {reference.plain()} and what it is related to are the same here")
        each = reference.quantifier == "all"
        groups = [[way for way in ways if way[0] == name] for name in names] if each else [ways]
        found += [Asked(atom, tuple(group)) for group in groups if group]
    return found


def meant(reference: Reference, things: Mapping[str, Thing], scales: Mapping[str, float]) -> list[str]:
    """Return the names of the things of a scene that a reference means.

    Raises:
        NoSuchThingError: if it fits nothing, or too much.
    """
    names = [name for name, thing in things.items() if fits(reference, thing)]
    if reference.superlative and names:
        names = _most(reference, names, things, scales)
    said = reference.plain()
    if not names:
        raise NoSuchThingError(f"there is nothing here that is {said}")
    if reference.quantifier == "the" and len(names) > 1:
        raise NoSuchThingError(f"there is more than one thing here that is {said}: {', '.join(names)}")
    if reference.count and reference.quantifier == "all" and len(names) != reference.count:
        raise NoSuchThingError(f"there are {len(names)} here of {said}")
    return names


def fits(reference: Reference, thing: Thing) -> bool:
    """Tell whether a thing is of the kind and colour, and at the place, that a reference names."""
    kind = (
        SHAPES[thing.kind].movable
        if not reference.kind and thing.kind in SHAPES
        else (thing.kind == reference.kind)
    )
    landmark = getattr(thing, "landmark", "")
    return kind and reference.colour in ("", thing.colour) and reference.landmark in ("", landmark)


def _most(
    reference: Reference, names: list[str], things: Mapping[str, Thing], scales: Mapping[str, float]
) -> list[str]:
    shapes = {name: SHAPES[things[name].kind] for name in names}
    tall = reference.superlative in ("tallest", "shortest")
    sizes = {
        name: scales.get(name, 1.0) * (shape.height_m if tall else shape.radius_m)
        for name, shape in shapes.items()
    }
    sign = -1 if reference.superlative in ("tallest", "biggest") else 1
    order = sorted(names, key=lambda name: sign * sizes[name])
    if len(order) > 1 and abs(sizes[order[0]] - sizes[order[1]]) < MARGIN_M:
        raise NoSuchThingError(f"two things here are alike where one is {reference.plain()}")
    return order[:1]
