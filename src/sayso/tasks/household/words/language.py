"""Instruction grammar, read in both directions: to speak and to understand.

    Intent --phrase--> "could you put the red cube into the blue tray, please" --parse--> Intent

`phrase` draws among templates, synonyms and courtesies; each of those tables keeps a held-out part that
training never hears. `parse` is the inverse for everything `phrase` can say and for much else people type.
It is tolerant of form (case, punctuation, articles, word order) and strict about content: a sentence with a
word it does not know is refused, because a robot that acts on half an instruction does the other half wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words.kinds import COLOURS, KINDS, OBJECT_COLOURS, Place, Thing, with_colour
from sayso.tasks.household.words.parser import named, understand
from sayso.tasks.household.words.references import NotUnderstoodError, as_place
from sayso.tasks.household.words.vocabulary import COURTESIES, PRONOUNS, SLOTS, Intent

__all__ = [
    "COLOURS",
    "KINDS",
    "OBJECT_COLOURS",
    "Intent",
    "NotUnderstoodError",
    "Place",
    "Thing",
    "abilities",
    "as_called",
    "clause",
    "examples",
    "parse",
    "phrase",
    "pick",
    "plain",
    "things",
]


def phrase(intent: Intent, rng: np.random.Generator, wording: str = "train") -> str:
    """Say an intent in one of many ways; ``wording="heldout"`` uses only wordings that training never hears.

    A bin with both a colour and a landmark is called by one of the two.

    Raises:
        UnknownNameError: if there is no such wording.
    """
    sentence = clause(intent, rng, wording)
    return pick(COURTESIES.of(wording), rng).format(sentence) if rng.random() < 0.25 else sentence


def clause(intent: Intent, rng: np.random.Generator, wording: str = "train") -> str:
    """Say an intent as `phrase` does, but without courtesies, so that clauses can be strung together."""

    def noun(thing: Thing, colour: str) -> str:
        return _with_article(colour, pick(KINDS[thing.kind].words.of(wording), rng))

    words = {slot: pick(row.of(wording), rng) for slot, row in SLOTS.items()}
    if intent.object is not None:
        words["object"] = noun(intent.object, intent.object.colour)
    place, landmark = intent.place, getattr(intent.place, "landmark", "")
    if landmark and (not place.colour or rng.random() < 0.5):
        words["place"] = f"{noun(place, '')} {words['by']} {noun(Thing('', landmark), '')}"
    else:
        words["place"] = noun(place, place.colour)
    words["into"] = words[pick(KINDS[place.kind].prepositions, rng)]
    return _fill(pick(SENTENCES[intent.family, intent.variant].of(wording), rng), intent, words)


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    """Draw one of some words."""
    return options[int(rng.integers(len(options)))]


def plain(intent: Intent) -> str:
    """Say an intent in the plainest way: ``put the red block in the blue tray``."""
    words = {slot: row.train[0] for slot, row in SLOTS.items()}
    words["object"] = f"the {intent.object.name}" if intent.object else ""
    person = intent.place.kind == "person"
    words["place"] = KINDS["person"].words.train[0] if person else f"the {intent.place.name}"
    words["into"] = words[KINDS[intent.place.kind].prepositions[0]]
    return _fill(SENTENCES[intent.family, intent.variant].train[0], intent, words)


def as_called(place: Place) -> Place:
    """Return a place as worlds call it: a bin by its landmark alone, for its colour may be out of sight."""
    return Place("", place.kind, place.landmark) if place.landmark else place


def _with_article(colour: str, noun: str) -> str:
    return noun if noun in PRONOUNS else f"the {with_colour(colour, noun)}"


def _fill(template: str, intent: Intent, words: Mapping[str, str]) -> str:
    to_speaker = {"go": words["come"]} if intent.place.kind == "person" else {}
    return " ".join(template.format_map({**words, **to_speaker}).split())


def parse(
    sentence: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
) -> Intent:
    """Understand a sentence, with the things of the scene (`known`) if they are given.

    With `known`, references are completed from it: a colour may be left out where only one thing fits, and
    ``the blue bin`` becomes the bin by the sofa. Without, the intent holds exactly what was said. With
    `families`, only they are understood.

    Raises:
        NotUnderstoodError: if a word, a thing or the sentence is not understood, or nothing of that name is
            in the scene. The message says which, and gives an example of what would be.
    """
    scene = None if known is None else tuple(known)
    try:
        return understand(sentence, scene, families)
    except NotUnderstoodError as error:
        raise NotUnderstoodError(f"{error} {abilities(scene, families)}") from None


def things(names: Iterable[str]) -> tuple[Thing, ...]:
    """Read plain names back into things: the inverse of `Thing.name`, for ``world.describe()``.

    Raises:
        NotUnderstoodError: if something is not the name of exactly one thing.
    """
    return tuple(named(name) for name in names)


def abilities(known: Iterable[Thing] | None = None, families: Collection[str] | None = None) -> str:
    """Tell in plain words what can be asked for, by an example of everything that the scene allows."""
    quoted = [f'"{example}"' for example in examples(known, families)]
    return f"I can: {', '.join(quoted)}." if quoted else "There is nothing here that I could move."


def examples(
    known: Iterable[Thing] | None = None, families: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return one plain sentence for every variant of every family that the scene allows."""
    scene = [as_place(thing) for thing in (_DEMO_SCENE if known is None else known)]
    found: list[str] = []
    for (family, variant), row in SENTENCES.items():
        places = [thing for thing in scene if thing.kind in row.places]
        objects = [thing for thing in scene if thing.kind in row.objects] if row.objects else [None]
        # Start at another object each time, so that the examples differ.
        turned = [objects[(len(found) + i) % len(objects)] for i in range(len(objects))]
        pairs = [(thing, place) for place in places for thing in turned if thing != place]
        if pairs and (families is None or family in families):
            thing, place = pairs[0]
            called = as_called(place) if isinstance(place, Place) else place
            found.append(plain(Intent(family, variant, thing, called)))
    return tuple(found)


_DEMO_SCENE = (
    Thing("red", "block"),
    Thing("green", "block"),
    Place("blue", "tray"),
    Place("yellow", "mat"),
    Place("", "bin", "sofa"),
    Place("", "drawer"),
    Place("", "person"),
)
