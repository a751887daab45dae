"""List the words of instructions: colours, kinds of things, landmarks, verbs and whole sentences.

Everything has a part that training hears and a held-out part that it never does. A new kind of thing or a new
wording is one row here; `sayso.tasks.language` speaks and understands it from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso import spec

COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.85, 0.08, 0.08),
    "orange": (1.00, 0.48, 0.02),
    "yellow": (0.98, 0.88, 0.10),
    "green": (0.10, 0.60, 0.15),
    "cyan": (0.10, 0.85, 0.88),
    "blue": (0.08, 0.20, 0.85),
    "purple": (0.45, 0.10, 0.62),
    "pink": (1.00, 0.50, 0.72),
    "brown": (0.40, 0.22, 0.09),
    "white": (0.95, 0.95, 0.95),
    "black": (0.05, 0.05, 0.05),
    "grey": (0.50, 0.50, 0.50),
}
"""Colour name -> red, green, blue in 0..1."""

OBJECT_COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
"""Colours that neither furniture nor robot wears, so that a coloured spot in an image means a thing."""


WORDINGS = ("train", "heldout")


@dataclass(frozen=True, kw_only=True)
class Words:
    """Hold interchangeable words, those of training and those it never hears; the first is the plain one."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]

    def of(self, split: str) -> tuple[str, ...]:
        """Return the words of ``train`` or ``heldout``."""
        return {"train": self.train, "heldout": self.heldout}[spec.known("wording", split, WORDINGS)]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Describe a kind of thing: what people call it, and whether other things are put into it."""

    words: Words
    holds: bool = False


KINDS: Mapping[str, Kind] = {
    "block": Kind(words=Words(train=("block", "cube"), heldout=("brick",))),
    "can": Kind(words=Words(train=("can", "tin"), heldout=("cylinder",))),
    "tray": Kind(words=Words(train=("tray",), heldout=("platter",)), holds=True),
    "bowl": Kind(words=Words(train=("bowl",), heldout=("basin",)), holds=True),
    "bin": Kind(words=Words(train=("bin", "basket"), heldout=("bucket",)), holds=True),
}

LANDMARKS: Mapping[str, Words] = {
    "sofa": Words(train=("sofa", "couch"), heldout=("settee",)),
    "cabinet": Words(train=("cabinet", "cupboard"), heldout=("dresser",)),
}
"""Furniture that tells two bins apart."""


@dataclass(frozen=True)
class Thing:
    """Name a thing by colour and kind; an empty colour means that none was said."""

    colour: str
    kind: str

    def __post_init__(self) -> None:
        """Refuse colours and kinds that are not in the tables."""
        spec.known("kind of thing", self.kind, KINDS)
        spec.known("colour", self.colour, ("", *COLOURS))

    @property
    def name(self) -> str:
        """Return the plain name: ``red block``."""
        return f"{self.colour} {self.kind}".strip()


@dataclass(frozen=True)
class Place(Thing):
    """Name a thing that other things go into; bins also go by a landmark: ``the bin by the sofa``."""

    landmark: str = ""

    def __post_init__(self) -> None:
        """Refuse things that hold nothing and landmarks that are not in the table."""
        super().__post_init__()
        spec.known("kind of container", self.kind, (k for k in KINDS if KINDS[k].holds))
        spec.known("landmark", self.landmark, ("", *LANDMARKS))

    @property
    def name(self) -> str:
        """Return the plain name: ``blue tray``, ``grey bin by the sofa``."""
        return f"{super().name} by the {self.landmark}" if self.landmark else super().name


@dataclass(frozen=True)
class Intent:
    """Say what an instruction asks for: bring the object into the place, in the manner of a family."""

    family: str
    object: Thing
    place: Place


@dataclass(frozen=True, kw_only=True)
class Templates(Words):
    """Hold the sentences of one family of tasks, and the kinds of place that tell it from the others."""

    ability: str
    places: tuple[str, ...]


TEMPLATES: Mapping[str, Templates] = {
    "put": Templates(
        ability="put a thing into a tray or a bowl",
        places=("tray", "bowl"),
        train=(
            "{put} {object} {in} {place}",
            "{pick} {object} and {put} it {in} {place}",
            "{pick} {object}, then {put} it {in} {place}",
            "{in} {place}, {put} {object}",
            "move {object} {in} {place}",
            "get {object} {in} {place}",
            "{take} {object} and {put} it {in} {place}",
            "find {object} and {put} it {in} {place}",
            "i want {object} {in} {place}",
            "we need {object} {in} {place}",
            "i would like you to {put} {object} {in} {place}",
            "{object} goes {in} {place}",
            "could you {put} {object} {in} {place}",
            "can you {pick} {object} and {put} it {in} {place}",
        ),
        heldout=(
            "{object} belongs {in} {place}",
            "transfer {object} {in} {place}",
            "would you kindly {put} {object} {in} {place}",
            "{object} has to end up {in} {place}",
            "{pick} {object} and let go of it {in} {place}",
            "i wish to have {object} {in} {place}",
        ),
    ),
    "fetch": Templates(
        ability="take a thing to a bin on the floor",
        places=("bin",),
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
}

SLOTS: Mapping[str, Words] = {
    "put": Words(train=("put", "place", "set"), heldout=("deposit", "lay")),
    "pick": Words(train=("pick up", "grab"), heldout=("grip", "lift")),
    "take": Words(train=("take", "bring", "carry"), heldout=("deliver", "transport")),
    "drop": Words(train=("drop", "put", "place"), heldout=("dump", "deposit")),
    "in": Words(train=("in", "into"), heldout=("inside",)),
    "by": Words(train=("by", "next to", "near"), heldout=("beside", "close to")),
}
"""Verbs and prepositions that templates leave open."""

COURTESIES = Words(
    train=("please {}", "{}, please", "robot, {}", "ok, {}"),
    heldout=("if you don't mind, {}", "{}, thanks"),
)
ARTICLES = frozenset({"the", "a", "an", "that", "this", "my", "your"})
FILLERS = frozenset(
    {"it", "up", "over", "all", "way", "and", "then", "so", "now", "of", "hey"}
    | {"i", "we", "you", "would", "could", "can", "kindly"}
)
ALSO_HEARD: Mapping[str, str] = {"gray": "grey", "violet": "purple", "turquoise": "cyan", "magenta": "pink"}
"""Colour words that `parse` takes and `phrase` never says."""
