"""Wide wording of an intent: verb, nouns, preposition and form each drawn on its own, for training alone.

    "put the red block in the blue tray" --parse--> Intent --wide--> "hey robot, the place for that scarlet
                                                                      cubic block is down in my tea tray"

Colours and kinds are always named, for a policy must learn them sharply. `taught` says which words there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256

import numpy as np

from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words import taught
from sayso.tasks.household.words.kinds import KINDS, Thing, with_colour
from sayso.tasks.household.words.language import NotUnderstoodError, parse, pick, plain
from sayso.tasks.household.words.participles import participle
from sayso.tasks.household.words.vocabulary import COURTESIES, SLOTS, Intent

ARTICLES = ("the", "the", "the", "the", "that", "this", "my", "our")
"""What stands before a noun, drawn evenly."""
IN_REQUEST, IN_COURTESY = 0.35, 0.3
"""Shares of imperatives with a request around them, and of sentences with a courtesy."""
AS_IN_GRAMMAR, AS_WISH = 0.3, 0.25
"""Shares of sentences of the grammar's own form, and of those that wish."""
ALIKE_COLOUR, COLOURED, RELATIVE = 0.3, 0.1, 0.06
"""Shares of colours by another name, of "red coloured", and of "the block that is red"."""
SPEAKER = 0.5
"""Share of "me" for the one who speaks."""


def other_wordings(sentence: str, count: int) -> Sequence[str]:
    """Return so many other wordings of a sentence of the grammar, always the same; none of what it is not.

    Sentences that mean the same have the same ones.
    """
    try:
        intent = parse(sentence)
    except NotUnderstoodError:
        return ()
    return _wordings(intent, count)


@cache
def _wordings(intent: Intent, count: int) -> tuple[str, ...]:
    number = int.from_bytes(sha256(plain(intent).encode()).digest()[:8], "little")
    rng = np.random.default_rng(number)
    return tuple(wide(intent, rng) for _ in range(count))


def wide(intent: Intent, rng: np.random.Generator) -> str:
    """Say an intent in one of very many ways, in words that are taught."""
    words = _words(intent, rng)
    row, form = (intent.family, intent.variant), rng.random()
    if form < AS_IN_GRAMMAR:
        sentence = pick(SENTENCES[row].train, rng)
    elif form < AS_IN_GRAMMAR + AS_WISH:
        sentence = pick(taught.WISHES[row], rng)
    else:
        sentence = pick(taught.IMPERATIVES[row], rng)
        if rng.random() < IN_REQUEST and _BEGINS_WITH_VERB.match(sentence):
            sentence = pick(taught.REQUESTS, rng).replace("{}", sentence)
    sentence = _VERB_IT.sub(r"{\1_it}", sentence)
    said = _TWICE.sub(r"\1", " ".join(sentence.format_map(words).split()))
    return (
        pick((*taught.COURTESIES, *COURTESIES.train), rng).format(said)
        if rng.random() < IN_COURTESY
        else said
    )


_SLOT = "|".join(taught.VERBS)
_BEGINS_WITH_VERB = re.compile(
    rf"{{(?:{_SLOT})}}|(?:build|close|come|drive|find|get|give|go|pull|push|set|take)\b"
)
_VERB_IT = re.compile(rf"{{({_SLOT})}} it\b")
_TWICE = re.compile(r"\b(\w+) \1\b")
"""A word said twice, where a verb and a preposition bring the same one: "set up up on"."""


def _words(intent: Intent, rng: np.random.Generator) -> Mapping[str, str]:
    """Draw a word for whatever a sentence of an intent leaves open."""
    more = {**taught.VERBS, **taught.PREPOSITIONS}
    slots = {
        name: (*(SLOTS[name].train if name in SLOTS else ()), *more.get(name, ()))
        for name in {**SLOTS, **more}
    }
    words = {name: pick(said, rng) for name, said in slots.items()}
    if intent.place.kind == "person":
        words["go"] = words["come"]
    words |= {f"{name}_done": participle(words[name]) for name in taught.VERBS}
    words |= {f"{name}_it": _with_it(words[name]) for name in taught.VERBS}
    words["into"] = words[pick(KINDS[intent.place.kind].prepositions, rng)]
    words["object"] = "" if intent.object is None else _thing(intent.object, rng)
    words["place"] = _place(intent.place, words["by"], rng)
    return words


def _with_it(verb: str) -> str:
    """Say "it" where it belongs: "pull it out"."""
    first, *rest = verb.split()
    return " ".join((first, "it", *rest))


def _place(place: Thing, by: str, rng: np.random.Generator) -> str:
    """Name a place: a bin with both a colour and a landmark by one of the two."""
    landmark = getattr(place, "landmark", "")
    if not landmark or (place.colour and rng.random() < 0.5):
        return _thing(place, rng)
    return f"{_thing(Thing('', place.kind), rng)} {by} {_thing(Thing('', landmark), rng)}"


def _thing(thing: Thing, rng: np.random.Generator) -> str:
    """Name a thing by its colour and kind."""
    known, more = KINDS[thing.kind].words.train, taught.NOUNS.get(thing.kind, ())
    if thing.kind in taught.WITHOUT_ARTICLE:
        return known[0] if rng.random() < SPEAKER else pick(more, rng)
    noun, article = pick((*known, *more), rng), pick(ARTICLES, rng)
    colour, form = thing.colour, rng.random()
    if colour and rng.random() < ALIKE_COLOUR:
        colour = pick((colour, *taught.COLOURS.get(colour, ())), rng)
    if colour and form < RELATIVE:
        return f"{article} {noun} that is {colour}"
    return (
        f"{article} {with_colour(f'{colour} coloured' if colour and form > 1 - COLOURED else colour, noun)}"
    )
