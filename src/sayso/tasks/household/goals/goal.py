"""Goal language: relations between things that are referred to, all at once or one after the other.

A `Goal` says nothing of any scene; `grounding` finds the things that it means in one, `relations` says when
each relation holds and how much is missing, and `grammar` reads a goal from a description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sayso.tasks.household.words.kinds import KINDS, with_colour

Quantifier = Literal["the", "any", "all"]
Superlative = Literal["", "tallest", "shortest", "biggest", "smallest"]
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Things that are meant: by kind, colour, size against the others, and how many of them."""

    kind: str = ""
    """Name of a kind; "" is anything that can be moved."""
    colour: str = ""
    landmark: str = ""
    """Furniture beside which a bin stands."""
    superlative: Superlative = ""
    quantifier: Quantifier = "the"
    count: int = 0
    """How many there must be; 0 leaves that open."""

    def plain(self) -> str:
        """Return it in plain words: ``all red things``, ``the tallest can``, ``the two blocks``."""
        if self.kind == "person":
            return "you"
        many = self.quantifier == "all"
        noun = f"{self.kind or 'thing'}{'s' if many else ''}"
        named = " ".join(filter(None, (self.superlative, with_colour(self.colour, noun))))
        by = f" by the {self.landmark}" if self.landmark else ""
        if self.quantifier == "any":
            return f"any one {named}{by}"
        if not many:
            return f"the {named}{by}"
        return f"all {NUMBERS[self.count]} {named}{by}" if self.count else f"all {named}{by}"

    @property
    def movable(self) -> bool:
        """Tell whether what is meant can be moved."""
        return not self.kind or KINDS[self.kind].movable


@dataclass(frozen=True, kw_only=True)
class Atom:
    """Relation that shall hold between things."""

    relation: str
    """A name of `relations.RELATIONS`."""
    subjects: tuple[Reference, ...]
    """None where it is the robot that shall be somewhere."""
    others: tuple[Reference, ...] = ()
    pushed: bool = False
    """Whether what is moved for it must never be lifted."""

    def plain(self) -> str:
        """Return it in plain words: ``all red things are in the bowl``."""
        who = _listed(self.subjects) or "the robot"
        many = len(self.subjects) > 1 or any(one.quantifier == "all" for one in self.subjects)
        verb = "are" if many or who == "you" else "is"
        where = f" {_listed(self.others)}" if self.others else ""
        how = ", pushed and never lifted" if self.pushed else ""
        return f"{who} {verb} {self.relation}{where}{how}"


@dataclass(frozen=True)
class Goal:
    """Stages that must come to hold in turn, each a conjunction; the last must hold in the end."""

    stages: tuple[tuple[Atom, ...], ...]
    said: str = ""
    """The description it was read from."""

    def plain(self) -> str:
        """Return it in plain words."""
        return "; and after that: ".join(
            ", and ".join(atom.plain() for atom in stage) for stage in self.stages
        )

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """Return the relations of all stages."""
        return tuple(atom for stage in self.stages for atom in stage)

    @property
    def references(self) -> tuple[Reference, ...]:
        """Return everything that is referred to, each once."""
        said = (one for atom in self.atoms for one in (*atom.subjects, *atom.others))
        return tuple(dict.fromkeys(said))


def _listed(references: tuple[Reference, ...]) -> str:
    return " and ".join(one.plain() for one in references)
