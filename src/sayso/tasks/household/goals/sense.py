"""Sense of a goal: whether anything at all could make it so, said before a scene is drawn."""

from __future__ import annotations

from sayso.sim.objects import SHAPES
from sayso.sim.scene import HOME
from sayso.spec import SaysoError
from sayso.tasks.household.goals.goal import Atom, Goal, Reference
from sayso.tasks.household.goals.relations import RELATIONS
from sayso.tasks.household.stations import STATIONS
from sayso.tasks.household.words.kinds import KINDS

ONLY_AT_HOME = ("drawer", "person", "sofa", "cabinet", "table", "bin")
"""Kinds that no tabletop has."""
MOST_THINGS = 5
"""How many movable things a scene can hold."""


class ImpossibleError(SaysoError):
    """Description that cannot come true, and why."""


def refuse_senseless(goal: Goal, world: str) -> None:
    """Do nothing if a goal could come true in a world.

    Raises:
        ImpossibleError: if not, saying why and what to ask instead.
    """
    for said in goal.references:
        if said.kind in ONLY_AT_HOME and world != HOME:
            raise ImpossibleError(f"there is no {said.kind} in the world {world!r}; give --world {HOME}")
        if said.kind == "mat" and world == HOME:
            raise ImpossibleError(f"there is no mat in the world {HOME!r}; give --world tabletop")
    for atom in goal.atoms:
        _refuse(atom, world)
    for stage in goal.stages:
        for i, one in enumerate(stage):
            for other in stage[:i]:
                _refuse_together(one, other)


def _refuse(atom: Atom, world: str) -> None:
    relation = RELATIONS[atom.relation]
    if relation.moves:
        for one in atom.subjects:
            if not one.movable:
                raise ImpossibleError(f"I cannot move {one.plain()}: it is too large for the hand")
    for one in atom.others:
        _refuse_place(atom, one)
    if atom.relation in ("open", "shut"):
        for one in atom.subjects:
            if one.kind != "drawer":
                raise ImpossibleError(f"{one.plain()} cannot be {atom.relation}: only the drawer can")
    if atom.relation == "at":
        if world != HOME:
            raise ImpossibleError(f"the arm in the world {world!r} does not drive; give --world {HOME}")
        if atom.others[0].kind not in STATIONS:
            raise ImpossibleError(f"I can drive to {', '.join(STATIONS)}, not to {atom.others[0].plain()}")
    if relation.together:
        count = sum(one.count or (2 if one.quantifier == "all" else 1) for one in atom.subjects)
        if (len(atom.subjects) == 1 and atom.subjects[0].quantifier != "all") or count < 2:
            raise ImpossibleError(f"one thing alone cannot be {atom.relation}")
    if any(one.count > MOST_THINGS for one in atom.subjects):
        raise ImpossibleError(f"no more than {MOST_THINGS} things fit in reach")


def _refuse_place(atom: Atom, one: Reference) -> None:
    if atom.relation == "in" and (one.movable or not KINDS[one.kind].holds):
        raise ImpossibleError(f"nothing goes into {one.plain()}: it is solid, or too small for anything here")
    if atom.relation == "on" and one.kind and one.movable and not SHAPES[one.kind].flat_top:
        flat = " or a ".join(kind for kind, shape in SHAPES.items() if shape.flat_top)
        raise ImpossibleError(f"nothing stays on {one.plain()}: only the top of a {flat} is flat")
    if atom.relation == "on" and one.kind in ("sofa", "cabinet", "table"):
        raise ImpossibleError(f"I can put nothing on {one.plain()}")


_NEVER_BOTH = (
    {"to the left of", "to the right of"}, {"in front of", "behind"}, {"in", "off"}, {"on", "off"},
    {"beside", "far from"}, {"open", "shut"}, {"on", "beside"}, {"in", "beside"}, {"on", "in front of"},
    {"on", "behind"}, {"on", "to the left of"}, {"on", "to the right of"}, {"on", "far from"},
    {"in", "far from"}, {"to the left of", "far from"}, {"to the right of", "far from"},
    {"in front of", "far from"}, {"behind", "far from"},
)  # fmt: skip
"""Relations of the same two things that exclude each other."""
_ONE_WAY = ("on", "in", "to the left of", "to the right of", "in front of", "behind")
"""Relations that two things cannot have to each other both ways round."""


def _refuse_together(one: Atom, other: Atom) -> None:
    both = f"{one.plain()} and {other.plain()}"
    shared = set(one.subjects) & set(other.subjects)
    if shared and one.others == other.others and {one.relation, other.relation} in _NEVER_BOTH:
        raise ImpossibleError(f"it cannot be that {both}, at the same time")
    swapped = set(one.subjects) & set(other.others) and set(one.others) & set(other.subjects)
    if swapped and one.relation == other.relation and one.relation in _ONE_WAY:
        raise ImpossibleError(f"it cannot be that {both}, at the same time")
    if shared and one.relation == other.relation == "in" and one.others != other.others:
        raise ImpossibleError(f"it cannot be that {both}: one thing is in one place at a time")
