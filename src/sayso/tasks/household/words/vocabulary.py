"""Vocabulary that sentences leave open, verbs and prepositions, and what a sentence is.

Everything has a part that training hears and a held-out part that it never does. A new wording is one row
here, or one line of a family in `families/`; `language` speaks and understands it from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.tasks.household.words.kinds import MOVABLE, Thing, Words


@dataclass(frozen=True)
class Intent:
    """What an instruction asks for: family of tasks, variant, what to move (if anything) and where."""

    family: str
    variant: str
    object: Thing | None
    """None where nothing is moved."""
    place: Thing


@dataclass(frozen=True, kw_only=True)
class Sentences(Words):
    """Sentences of one variant of one family of tasks, and the kinds of thing it is asked of."""

    ability: str
    places: tuple[str, ...]
    objects: tuple[str, ...] = MOVABLE
    """() where nothing is moved."""
    relations: tuple[str, ...]
    """How the place may be joined on: "in", "on", "to", "for", "beside", or "" for no preposition."""
    heard: tuple[str, ...] = ()
    """More verbs that `parse` takes."""
    decisive: tuple[str, ...] = ()
    """Verbs of which one must be said; () where any will do that does not only lead up to something."""
    travels: bool = False
    """Verbs that only lead up to something elsewhere are what is asked here."""


TOSSES = ("throw", "toss", "pop", "stick")

SLOTS: Mapping[str, Words] = {
    "put": Words(train=("put", "place", "set"), heldout=("deposit", "lay")),
    "pick": Words(train=("pick up", "grab"), heldout=("grip", "lift")),
    "take": Words(train=("take", "bring", "carry"), heldout=("deliver", "transport")),
    "drop": Words(train=("drop", "put", "place"), heldout=("dump", "deposit")),
    "stack": Words(train=("stack", "pile"), heldout=("balance",)),
    "push": Words(train=("push", "slide"), heldout=("shove", "nudge")),
    "open": Words(train=("open", "pull open"), heldout=("slide open",)),
    "close": Words(train=("close", "shut"), heldout=("slide shut",)),
    "bring": Words(train=("bring", "hand", "give"), heldout=("pass",)),
    "go": Words(train=("drive", "go", "move"), heldout=("head", "travel")),
    "come": Words(train=("come", "drive"), heldout=("roll", "travel")),
    "in": Words(train=("in", "into"), heldout=("inside",)),
    "on": Words(train=("on", "onto"), heldout=("upon",)),
    "atop": Words(train=("on", "on top of", "onto"), heldout=("upon", "atop")),
    "by": Words(train=("by", "next to", "near"), heldout=("beside", "close to")),
    "beside": Words(train=("next to", "near", "right next to"), heldout=("beside", "close to")),
}
"""Verbs and prepositions that templates leave open. "into" stands for "in" or "on", as the place wants it;
"come" takes the place of "go" where the person is the goal."""

COURTESIES = Words(
    train=("please {}", "{}, please", "robot, {}", "ok, {}"),
    heldout=("if you don't mind, {}", "{}, thanks"),
)
PRONOUNS = frozenset({"me", "us"})
"""Nouns that take no article."""
