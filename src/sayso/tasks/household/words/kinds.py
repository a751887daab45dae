"""Names of the things that worlds hold: colours, kinds, what training never shows, and how one is called.

A new kind of thing is one row of `KINDS` (and one of `sayso.sim.objects`, which gives it a shape). Kinds
from meshes are called what the file of their set says (`sayso.sim.libero`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso import spec
from sayso.sim.objects import MESHES

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

OBJECT_COLOURS: tuple[str, ...] = (
    *("red", "orange", "yellow", "green", "cyan"),
    *("blue", "purple", "pink", "white", "black"),
)
"""Colours that the things in a scene are drawn from."""

WORDINGS = ("train", "heldout")


@dataclass(frozen=True, kw_only=True)
class Words:
    """Interchangeable words, those of training and those it never hears; the first is the plain one."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]

    def of(self, wording: str) -> tuple[str, ...]:
        """Return the words of ``train`` or ``heldout``."""
        return {"train": self.train, "heldout": self.heldout}[spec.known("wording", wording, WORDINGS)]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Kind of thing: what people call it, and what part it can play in an instruction."""

    words: Words
    movable: bool = False
    """The robot can grasp it."""
    holds: bool = False
    """Other things are put into it or onto it. What is neither movable nor holds is only driven to."""
    prepositions: tuple[str, ...] = ("in",)
    """Things go "in" it or "on" it: the first is the plain way to say it."""


def _movable(*train: str, heldout: str) -> Kind:
    return Kind(words=Words(train=train, heldout=(heldout,)), movable=True)


def _holds(*train: str, heldout: str, prepositions: tuple[str, ...] = ("in",)) -> Kind:
    return Kind(words=Words(train=train, heldout=(heldout,)), holds=True, prepositions=prepositions)


def _landmark(*train: str, heldout: str) -> Kind:
    return Kind(words=Words(train=train, heldout=(heldout,)))


KINDS: Mapping[str, Kind] = {
    "block": _movable("block", "cube", heldout="brick"),
    "cylinder": _movable("cylinder", "column", heldout="pillar"),
    "ball": _movable("ball", "sphere", heldout="orb"),
    "can": _movable("can", "tin", heldout="canister"),
    "bottle": _movable("bottle", heldout="flask"),
    "mug": _movable("mug", "cup", heldout="beaker"),
    "apple": _movable("apple", heldout="toy apple"),
    "banana": _movable("banana", heldout="plantain"),
    "small bowl": _movable("small bowl", "little bowl", heldout="tiny bowl"),
    "tray": _holds("tray", heldout="platter", prepositions=("in", "on")),
    "bowl": _holds("bowl", heldout="basin"),
    "basket": _holds("basket", heldout="hamper"),
    "plate": _holds("plate", "dish", heldout="saucer", prepositions=("on",)),
    "mat": _holds("mat", "pad", heldout="square", prepositions=("on",)),
    "bin": _holds("bin", "trash bin", heldout="bucket"),
    "drawer": _holds("drawer", heldout="cabinet drawer"),
    "person": _holds("me", "person", heldout="us"),
    "sofa": _landmark("sofa", "couch", heldout="settee"),
    "cabinet": _landmark("cabinet", "cupboard", heldout="dresser"),
    "table": _landmark("table", heldout="desk"),
    **{name: _movable(name, *kind.called[:-1], heldout=kind.called[-1]) for name, kind in MESHES.items()},
}
MOVABLE: tuple[str, ...] = tuple(name for name, kind in KINDS.items() if kind.movable)
EVERYDAY: tuple[str, ...] = tuple(name for name in MOVABLE if name not in MESHES)
"""Movable kinds in colours; one from a mesh has its own look, and no training set shows it."""
SIZES = frozenset({"small", "little", "tiny"})
"""Words that stand before the colour: "the small red bowl"."""
LANDMARKS: tuple[str, ...] = ("sofa", "cabinet")
"""Furniture that tells two bins apart."""

HELD_OUT_KINDS: tuple[str, ...] = ("apple", "small bowl")
"""Movable kinds that no training set shows."""
HELD_OUT_PAIRS: tuple[tuple[str, str], ...] = (
    ("orange", "mug"),
    ("yellow", "block"),
    ("green", "can"),
    ("cyan", "ball"),
    ("blue", "bottle"),
    ("purple", "cylinder"),
    ("pink", "block"),
    ("black", "mug"),
)
"""Colour and kind of movable things that no training set shows, though it shows that colour and that kind."""


@dataclass(frozen=True)
class Thing:
    """Thing by colour and kind; an empty colour means that none was said."""

    colour: str
    kind: str

    def __post_init__(self) -> None:
        """Refuse colours and kinds that are not in the tables."""
        spec.known("kind of thing", self.kind, KINDS)
        spec.known("colour", self.colour, ("", *COLOURS))

    @property
    def name(self) -> str:
        """Return the plain name: ``red block``, ``small red bowl``, ``drawer``."""
        return with_colour(self.colour, self.kind)


def as_drawn(colour: str, kind: str) -> Thing:
    """Return a thing of a kind, in a colour if it comes in colours."""
    return Thing("" if kind in MESHES else colour, kind)


def with_colour(colour: str, noun: str) -> str:
    """Put a colour before a noun, but after a word of size: ``small red bowl``."""
    size, _, rest = noun.partition(" ")
    words = (size, colour, rest) if size in SIZES else (colour, noun)
    return " ".join(filter(None, words))


@dataclass(frozen=True)
class Place(Thing):
    """Thing that things are brought to or that is driven to; a bin also goes by its landmark."""

    landmark: str = ""

    def __post_init__(self) -> None:
        """Refuse things that are only moved and landmarks that are not in the table."""
        super().__post_init__()
        spec.known("kind of place", self.kind, (kind for kind in KINDS if kind not in MOVABLE))
        spec.known("landmark", self.landmark, ("", *LANDMARKS))

    @property
    def name(self) -> str:
        """Return the plain name: ``blue tray``, ``grey bin by the sofa``, ``person``."""
        return f"{super().name} by the {self.landmark}" if self.landmark else super().name
