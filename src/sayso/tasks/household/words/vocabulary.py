"""List the words of instructions: what can be asked, verbs, prepositions and whole sentences.

Everything has a part that training hears and a held-out part that it never does. A new wording is one row
here; `sayso.tasks.household.words.language` speaks and understands it from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.tasks.household.words.kinds import MOVABLE, Thing, Words


@dataclass(frozen=True)
class Intent:
    """Say what an instruction asks for: a row of `TEMPLATES`, what to move (if anything) and where."""

    family: str
    manner: str
    object: Thing | None
    """None where nothing is moved."""
    place: Thing


@dataclass(frozen=True, kw_only=True)
class Templates(Words):
    """Hold the sentences of one manner of one family of tasks, and the kinds of thing it is asked of."""

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


PUSHABLE = ("block", "cylinder", "can", "mug")
"""Kinds that slide over a table instead of rolling or toppling."""
TOSSES = ("throw", "toss", "pop", "stick")

TEMPLATES: Mapping[tuple[str, str], Templates] = {
    ("put", "in"): Templates(
        ability="put a thing in a tray, a bowl or a basket or on a plate",
        places=("tray", "bowl", "basket", "plate"),
        relations=("in", "on", "to"),
        heard=("drop", "dump", "carry", "bring", "go", "drive", "lift", "fetch", "stand", *TOSSES),
        train=(
            "{put} {object} {into} {place}",
            "{pick} {object} and {put} it {into} {place}",
            "{pick} {object}, then {put} it {into} {place}",
            "{into} {place}, {put} {object}",
            "move {object} {into} {place}",
            "get {object} {into} {place}",
            "{take} {object} and {put} it {into} {place}",
            "find {object} and {put} it {into} {place}",
            "i want {object} {into} {place}",
            "we need {object} {into} {place}",
            "i would like you to {put} {object} {into} {place}",
            "{object} goes {into} {place}",
            "could you {put} {object} {into} {place}",
            "can you {pick} {object} and {put} it {into} {place}",
        ),
        heldout=(
            "{object} belongs {into} {place}",
            "transfer {object} {into} {place}",
            "would you kindly {put} {object} {into} {place}",
            "{object} has to end up {into} {place}",
            "{pick} {object} and let go of it {into} {place}",
            "i wish to have {object} {into} {place}",
        ),
    ),
    ("stack", "on"): Templates(
        ability="stack a thing on a block or a cylinder",
        places=("block", "cylinder"),
        objects=("block", "cylinder", "can"),
        relations=("on",),
        heard=("bring", "transfer", "fetch", "rest"),
        train=(
            "{stack} {object} {atop} {place}",
            "{pick} {object} and {stack} it {atop} {place}",
            "{pick} {object}, then {put} it {atop} {place}",
            "{put} {object} {atop} {place}",
            "{atop} {place}, {stack} {object}",
            "move {object} {atop} {place}",
            "get {object} {atop} {place}",
            "take {object} and {stack} it {atop} {place}",
            "build a tower with {object} {atop} {place}",
            "i want {object} {atop} {place}",
            "i would like you to {stack} {object} {atop} {place}",
            "{object} goes {atop} {place}",
            "could you {stack} {object} {atop} {place}",
            "can you {put} {object} {atop} {place}",
        ),
        heldout=(
            "{object} belongs {atop} {place}",
            "make a pile with {object} {atop} {place}",
            "would you kindly {stack} {object} {atop} {place}",
            "{object} has to end up {atop} {place}",
            "{pick} {object} and let go of it {atop} {place}",
            "i wish to have {object} {atop} {place}",
        ),
    ),
    ("push", "onto"): Templates(
        ability="push a thing onto a mat",
        places=("mat",),
        objects=PUSHABLE,
        relations=("on", "to"),
        heard=("shift",),
        train=(
            "{push} {object} onto {place}",
            "{push} {object} over to {place}",
            "{push} {object} to {place}",
            "{push} {object} until it is on {place}",
            "onto {place}, {push} {object}",
            "go ahead and {push} {object} onto {place}",
            "move {object} onto {place} without lifting it",
            "i want you to {push} {object} onto {place}",
            "i would like you to {push} {object} onto {place}",
            "could you {push} {object} onto {place}",
            "can you {push} {object} to {place}",
        ),
        heldout=(
            "{push} {object} all the way onto {place}",
            "{push} {object} along until it rests on {place}",
            "would you kindly {push} {object} onto {place}",
            "{push} {object} so that it ends up on {place}",
            "i wish you would {push} {object} over onto {place}",
        ),
    ),
    ("push", "beside"): Templates(
        ability="push a thing next to another",
        places=MOVABLE,
        objects=PUSHABLE,
        relations=("beside", "to"),
        heard=("shift",),
        train=(
            "{push} {object} {beside} {place}",
            "{push} {object} over to {place}",
            "{push} {object} until it is {beside} {place}",
            "{push} {object} so it is {beside} {place}",
            "{beside} {place}, {push} {object}",
            "go ahead and {push} {object} {beside} {place}",
            "move {object} {beside} {place} without lifting it",
            "i want you to {push} {object} {beside} {place}",
            "i would like you to {push} {object} {beside} {place}",
            "could you {push} {object} {beside} {place}",
            "can you {push} {object} {beside} {place}",
        ),
        heldout=(
            "{push} {object} all the way over {beside} {place}",
            "{push} {object} along until it rests {beside} {place}",
            "would you kindly {push} {object} {beside} {place}",
            "{push} {object} so that it ends up {beside} {place}",
            "i wish you would {push} {object} {beside} {place}",
        ),
    ),
    ("drawer", "open"): Templates(
        ability="open the drawer",
        decisive=("open", "pull", "pull open", "slide open"),
        places=("drawer",),
        objects=(),
        relations=("", "to"),
        train=(
            "{open} {place}",
            "pull {place} open",
            "pull {place} open for me",
            "go and {open} {place}",
            "go to {place} and open it",
            "drive to {place} and pull it open",
            "i want {place} open",
            "we need {place} open",
            "i would like you to {open} {place}",
            "could you {open} {place}",
            "can you {open} {place}",
            "{open} {place} for me",
        ),
        heldout=(
            "would you kindly {open} {place}",
            "slide {place} open",
            "{place} should be open",
            "get {place} open",
            "pull the handle of {place}",
            "roll over to {place} and slide it open",
        ),
    ),
    ("drawer", "close"): Templates(
        ability="close the drawer",
        decisive=("close", "closed", "push", "shut", "slide shut"),
        places=("drawer",),
        objects=(),
        relations=("", "to"),
        train=(
            "{close} {place}",
            "push {place} shut",
            "push {place} closed",
            "go and {close} {place}",
            "go to {place} and {close} it",
            "drive to {place} and push it shut",
            "i want {place} closed",
            "we need {place} shut",
            "i would like you to {close} {place}",
            "could you {close} {place}",
            "can you {close} {place}",
            "{close} {place} for me",
        ),
        heldout=(
            "would you kindly {close} {place}",
            "slide {place} shut",
            "{place} should be closed",
            "get {place} closed",
            "make sure {place} is shut",
            "roll over to {place} and slide it shut",
        ),
    ),
    ("drawer", "in"): Templates(
        ability="put a thing in the open drawer",
        places=("drawer",),
        relations=("in", "to"),
        heard=("carry", "bring", "transport", "lift", "fetch", "store", "stash", *TOSSES),
        train=(
            "{put} {object} {in} {place}",
            "{pick} {object} and {put} it {in} {place}",
            "{pick} {object}, then {drop} it {in} {place}",
            "{in} {place}, {put} {object}",
            "move {object} {in} {place}",
            "get {object} {in} {place}",
            "{take} {object} and {put} it {in} {place}",
            "go to {object}, grab it and {put} it {in} {place}",
            "find {object} and {put} it {in} {place}",
            "i want {object} {in} {place}",
            "i would like you to {put} {object} {in} {place}",
            "{object} goes {in} {place}",
            "could you {put} {object} {in} {place}",
        ),
        heldout=(
            "{object} belongs {in} {place}",
            "would you kindly {put} {object} {in} {place}",
            "{object} has to end up {in} {place}",
            "{pick} {object} and let go of it {in} {place}",
            "roll over to {object}, {pick} it and {put} it {in} {place}",
            "i wish to have {object} {in} {place}",
        ),
    ),
    ("fetch", "to"): Templates(
        ability="take a thing to a bin on the floor",
        places=("bin",),
        relations=("in", "on", "to"),
        heard=("set", "lay", "get", *TOSSES),
        train=(
            "{take} {object} to {place}",
            "{pick} {object} and {take} it to {place}",
            "{pick} {object} and {drop} it {in} {place}",
            "{drop} {object} {in} {place}",
            "go to {object}, grab it and {take} it to {place}",
            "drive to {object} and {take} it to {place}",
            "go and get {object}, then {drop} it {in} {place}",
            "move {object} to {place}",
            "fetch {object} and {take} it over to {place}",
            "find {object} and {take} it to {place}",
            "to {place}, {take} {object}",
            "{object} goes {in} {place}",
            "i want {object} {in} {place}",
            "i would like you to {take} {object} to {place}",
            "could you {take} {object} to {place}",
        ),
        heldout=(
            "{take} {object} all the way to {place}",
            "would you kindly {take} {object} to {place}",
            "{object} has to end up {in} {place}",
            "roll over to {object}, {pick} it and {drop} it {in} {place}",
            "{pick} {object} and let go of it {in} {place}",
            "{object} belongs {in} {place}",
        ),
    ),
    ("fetch", "bring"): Templates(
        ability="bring you a thing",
        places=("person",),
        relations=("", "to", "for"),
        heard=("take", "carry", "deliver", "transport", "drive", "move"),
        train=(
            "{bring} {place} {object}",
            "{bring} {object} to {place}",
            "{pick} {object} and {bring} it to {place}",
            "fetch {object} for {place}",
            "fetch {place} {object}",
            "get {place} {object}",
            "get {object} for {place}",
            "go and get {object} for {place}",
            "go to {object}, grab it and bring it to {place}",
            "find {object} and {bring} it to {place}",
            "i want you to {bring} {place} {object}",
            "i would like you to {bring} {place} {object}",
            "could you {bring} {place} {object}",
            "can you {bring} {object} to {place}",
        ),
        heldout=(
            "would you kindly {bring} {place} {object}",
            "{bring} {object} all the way over to {place}",
            "roll over to {object}, {pick} it and {bring} it to {place}",
            "i wish to have {object} brought to {place}",
            "return to {place} with {object}",
            "{pick} {object} for {place} and come back",
        ),
    ),
    ("goto", "to"): Templates(
        ability="drive to the furniture or to you",
        heard=("walk", "run", "get", "navigate", "stand", "park"),
        places=("sofa", "cabinet", "table", "drawer", "person"),
        objects=(),
        relations=("to", "beside"),
        train=(
            "{go} to {place}",
            "{go} over to {place}",
            "{go} back to {place}",
            "now {go} to {place}",
            "{go} straight to {place}",
            "i want you to {go} to {place}",
            "i would like you to {go} to {place}",
            "could you {go} to {place}",
            "can you {go} over to {place}",
            "you should {go} to {place}",
            "{go} to {place} and stop there",
        ),
        heldout=(
            "would you kindly {go} to {place}",
            "{go} all the way to {place}",
            "make your way to {place}",
            "i wish you would {go} to {place}",
            "{go} up to {place} and wait there",
            "return to {place}",
        ),
    ),
}
"""Family and manner -> its sentences. All columns of a row decide whether a sentence belongs to it."""

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
