"""Reference resolution: the things of a scene that an instruction means by "the can", if there is but one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sayso import spec
from sayso.tasks.household.words.kinds import MOVABLE, Place, Thing


class NotUnderstoodError(spec.SaysoError):
    """What in an instruction was not understood, and what could be asked instead."""


def resolve(thing: Thing | None, place: Thing, scene: Sequence[Thing] | None) -> tuple[Thing | None, Thing]:
    """Find the things of the scene that an instruction means; without a scene return them as they were said.

    Raises:
        NotUnderstoodError: if a reference fits nothing in the scene, or more than one thing.
    """
    if scene is None:
        return thing, place
    places = _matching(place, scene)
    if thing is None:
        return None, _only(place, places)
    pairs = [(o, p) for o in _matching(thing, scene) for p in places if o != p]
    if not pairs:
        raise NotUnderstoodError(f"The {thing.name} and the {place.name} are the same here.")
    moved, goals = (list(dict.fromkeys(side)) for side in zip(*pairs, strict=True))
    return _only(thing, moved), _only(place, goals)


def _matching(said: Thing, scene: Sequence[Thing]) -> list[Thing]:
    """Return everything in the scene that a reference could mean, at least one thing."""
    things = dict.fromkeys(as_place(thing) for thing in scene)
    matching = [thing for thing in things if _means(said, thing)]
    if not matching:
        raise NotUnderstoodError(f"There is no {said.name} here, only {names(scene)}.")
    return matching


def _only(said: Thing, matching: Sequence[Thing]) -> Thing:
    if len(matching) > 1:
        raise NotUnderstoodError(f"Which {said.name}? There is {names(matching)}.")
    return matching[0]


def _means(said: Thing, thing: Thing) -> bool:
    landmark = getattr(said, "landmark", "")
    return (
        said.kind == thing.kind
        and said.colour in ("", thing.colour)
        and landmark in ("", getattr(thing, "landmark", ""))
    )


def as_place(thing: Thing) -> Thing:
    """Return a thing that is not movable as a place, others as they are."""
    fixed = thing.kind not in MOVABLE and not isinstance(thing, Place)
    return Place(thing.colour, thing.kind) if fixed else thing


def names(things: Iterable[Thing]) -> str:
    """Return a list of things for a person to read."""
    return ", ".join(f"the {thing.name}" for thing in things) or "nothing"
