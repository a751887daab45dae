"""Speak and understand instructions: one grammar, read in both directions.

    Intent --phrase--> "could you put the red cube into the blue tray, please" --parse--> Intent

`phrase` draws among templates, synonyms and courtesies; each of those tables keeps a held-out part that
training never hears. `parse` is the inverse for everything `phrase` can say and for much else people type.
It is tolerant of form (case, punctuation, articles, word order) and strict about content: a sentence with a
word it does not know is refused, because a robot that acts on half an instruction does the other half wrong.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sayso import spec
from sayso.tasks.vocabulary import (
    ALSO_HEARD,
    ARTICLES,
    COLOURS,
    COURTESIES,
    FILLERS,
    KINDS,
    LANDMARKS,
    OBJECT_COLOURS,
    SLOTS,
    TEMPLATES,
    Intent,
    Place,
    Thing,
)

__all__ = [
    "COLOURS",
    "KINDS",
    "OBJECT_COLOURS",
    "Intent",
    "NotUnderstoodError",
    "Place",
    "Thing",
    "abilities",
    "parse",
    "phrase",
    "plain",
    "things",
]


class NotUnderstoodError(spec.SaysoError):
    """Report what in an instruction was not understood, and what could be asked instead."""


def phrase(intent: Intent, rng: np.random.Generator, split: str = "train") -> str:
    """Say an intent in one of many ways; ``split="heldout"`` uses only wordings that training never hears.

    A bin with both a colour and a landmark is called by one of the two.
    """

    def draw(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    words = {slot: draw(row.of(split)) for slot, row in SLOTS.items()}
    by_landmark = bool(intent.place.landmark) and (not intent.place.colour or rng.random() < 0.5)
    words["object"] = f"the {intent.object.colour} {draw(KINDS[intent.object.kind].words.of(split))}"
    container = draw(KINDS[intent.place.kind].words.of(split))
    if by_landmark:
        landmark = draw(LANDMARKS[intent.place.landmark].of(split))
        words["place"] = f"the {container} {words['by']} the {landmark}"
    else:
        words["place"] = f"the {intent.place.colour} {container}"
    sentence = _fill(draw(TEMPLATES[intent.family].of(split)), words)
    return draw(COURTESIES.of(split)).format(sentence) if rng.random() < 0.25 else sentence


def plain(intent: Intent) -> str:
    """Say an intent in the plainest way: ``put the red block in the blue tray``."""
    words = {slot: row.train[0] for slot, row in SLOTS.items()}
    words |= {"object": f"the {intent.object.name}", "place": f"the {intent.place.name}"}
    return _fill(TEMPLATES[intent.family].train[0], words)


def as_called(place: Place) -> Place:
    """Return a place as worlds call it: a bin by its landmark alone, for its colour may be out of sight."""
    return Place("", place.kind, place.landmark) if place.landmark else place


def _fill(template: str, words: Mapping[str, str]) -> str:
    return " ".join(template.format(**words).split())


def parse(sentence: str, known: Iterable[Thing] | None = None) -> Intent:
    """Understand a sentence, with the things of the scene (`known`) if they are given.

    With `known`, references are completed from it: a colour may be left out where only one thing fits, and
    ``the blue bin`` becomes the bin by the sofa. Without, the intent holds exactly what was said.

    Raises:
        NotUnderstoodError: if a word, a thing or the sentence is not understood, or nothing of that name is
            in the scene. The message says which, and gives an example of what would be.
    """
    scene = None if known is None else tuple(known)
    try:
        return _understand(sentence, scene)
    except NotUnderstoodError as error:
        raise NotUnderstoodError(f"{error} {abilities(scene)}") from None


def things(names: Iterable[str]) -> tuple[Thing, ...]:
    """Read plain names back into things: the inverse of `Thing.name`, for ``world.describe()``.

    Raises:
        NotUnderstoodError: if something is not the name of exactly one thing.
    """
    found = []
    for name in names:
        tokens = _tokens(name)
        match = _NOUN_PHRASE.fullmatch("".join(token.role for token in tokens))
        if match is None or match["to"]:
            raise NotUnderstoodError(f"{name!r} is not the name of a thing, such as 'red block'.")
        found.append(_reference(match, tokens))
    return tuple(found)


def abilities(known: Iterable[Thing] | None = None) -> str:
    """Tell in plain words what can be asked for, with an example for each family the scene allows."""
    scene = _DEMO_SCENE if known is None else tuple(known)
    objects = [thing for thing in scene if not KINDS[thing.kind].holds]
    offers: list[str] = []
    for family, row in TEMPLATES.items():
        places = [_as_place(thing) for thing in scene if thing.kind in row.places]
        if objects and places:
            example = plain(Intent(family, objects[len(offers) % len(objects)], as_called(places[0])))
            offers.append(f'{row.ability} ("{example}")')
    return f"I can {' or '.join(offers)}." if offers else "There is nothing here that I could move."


_DEMO_SCENE = (
    Thing("red", "block"),
    Thing("green", "block"),
    Place("blue", "tray"),
    Place("", "bin", "sofa"),
)


@dataclass(frozen=True)
class _Token:
    """Hold one word or fixed phrase, its role (one letter, see `_lexicon`) and what it stands for."""

    role: str
    meaning: str
    text: str


# One letter per token makes a noun phrase a regular expression over roles:
#   "into the blue bin by the sofa" -> i c n b l      "to the sofa bin" -> t l n
_NOUN_PHRASE = re.compile(r"(?P<to>[it]?)(?P<colour>c?)(?P<before>l?)(?P<noun>n)(?:b(?P<after>l))?")


@functools.cache
def _lexicon() -> Mapping[str, tuple[str, str]]:
    """Map every word of the grammar to its role and meaning, derived from the tables above.

    Roles: c colour, n noun, l landmark, b "by", i "into", t "to", v verb, f filler, a article.
    """
    sentences = " ".join(t for row in TEMPLATES.values() for t in row.train + row.heldout)
    literal = re.findall(r"[a-z']+", re.sub(r"{\w*}", " ", sentences))
    lexicon = {word: ("f" if word in FILLERS else "v", word) for word in literal}
    # Courtesies count as wholes: "if you don't mind" is harmless, "don't" is not.
    courteous = (c.replace("{}", "").strip(" ,") for c in COURTESIES.train + COURTESIES.heldout)
    lexicon |= {words: ("f", words) for words in (*courteous, *FILLERS)}
    for slot, row in SLOTS.items():
        role = {"in": "i", "by": "b"}.get(slot, "v")
        lexicon |= dict.fromkeys(row.train + row.heldout, (role, slot))
    lexicon |= {"to": ("t", "to"), "pick": ("v", "pick"), "at": ("b", "by")}
    lexicon |= {"on": ("i", "in"), "onto": ("i", "in"), "within": ("i", "in")}
    lexicon |= {word: ("a", word) for word in ARTICLES}
    lexicon |= {word: ("c", word) for word in COLOURS} | {word: ("c", c) for word, c in ALSO_HEARD.items()}
    lexicon |= {word: ("l", mark) for mark, row in LANDMARKS.items() for word in row.train + row.heldout}
    lexicon |= {w: ("n", kind) for kind, row in KINDS.items() for w in row.words.train + row.words.heldout}
    # "can" is a thing, except where somebody asks politely.
    return lexicon | {"can you": ("f", "can you")}


@functools.cache
def _scanner() -> re.Pattern[str]:
    entries = sorted(_lexicon(), key=len, reverse=True)
    return re.compile(rf"({'|'.join(map(re.escape, entries))})(?!\S)|(\S+)")


def _tokens(sentence: str) -> list[_Token]:
    """Split a sentence into tokens without articles; words that are not in the lexicon get the role "?"."""
    text = re.sub(r"[^\w']+", " ", sentence.lower().replace("\u2019", "'"))
    found = (match.group() for match in _scanner().finditer(text))
    tokens = [_Token(*_lexicon().get(word, ("?", word)), word) for word in found]
    return [token for token in tokens if token.role != "a"]


def _understand(sentence: str, scene: tuple[Thing, ...] | None) -> Intent:
    tokens = _tokens(sentence)
    if not tokens:
        raise NotUnderstoodError("Nothing was said.")
    _refuse_unknown_words(sentence, tokens, scene)
    roles = "".join(token.role for token in tokens)
    mentions = [(match["to"], _reference(match, tokens)) for match in _NOUN_PHRASE.finditer(roles)]
    _refuse_loose_ends(tokens, roles)
    thing = _only([m for _, m in mentions if not KINDS[m.kind].holds], "to move", scene)
    place = _as_place(_only([m for _, m in mentions if KINDS[m.kind].holds], "to put it", scene))
    _refuse_wrong_roles(mentions)
    if "v" not in roles:
        raise NotUnderstoodError("It has no verb that says what to do.")
    thing, place = _resolve(thing, scene), _as_place(_resolve(place, scene))
    family = next(name for name, row in TEMPLATES.items() if place.kind in row.places)
    return Intent(family, thing, place)


def _reference(match: re.Match[str], tokens: Sequence[_Token]) -> Thing:
    """Turn a noun phrase found in the roles into the thing it names."""

    def meaning(part: str) -> str:
        return tokens[match.start(part)].meaning if match[part] else ""

    kind, landmark = meaning("noun"), meaning("before") or meaning("after")
    if KINDS[kind].holds:
        return Place(meaning("colour"), kind, landmark)
    if landmark:
        raise NotUnderstoodError(f"I tell bins apart by the {landmark}, but not a {kind}.")
    return Thing(meaning("colour"), kind)


def _refuse_unknown_words(sentence: str, tokens: Sequence[_Token], scene: tuple[Thing, ...] | None) -> None:
    """Name the words that are not in the lexicon, and the corrected sentence if there is a sensible one."""
    unknown = [token.text for token in tokens if token.role == "?"]
    if not unknown:
        return
    reason = f"I did not understand {', '.join(map(repr, unknown))} in {sentence.strip()!r}."
    corrected = sentence.lower()
    for word in filter(lambda word: len(word) > 2, unknown):
        for near in difflib.get_close_matches(word, _lexicon(), n=1, cutoff=0.6):
            corrected = re.sub(rf"\b{re.escape(word)}\b", near, corrected)
    try:
        if corrected != sentence.lower():
            _understand(corrected, scene)
            reason += f' Did you mean "{corrected.strip()}"?'
    except NotUnderstoodError:
        pass  # the correction makes no sense either, so it is no help
    raise NotUnderstoodError(reason)


def _refuse_loose_ends(tokens: Sequence[_Token], roles: str) -> None:
    """Refuse a colour, preposition or landmark that belongs to no thing: nothing said may be ignored."""
    rest = _NOUN_PHRASE.sub(lambda match: "." * len(match.group()), roles)
    loose = [token.text for token, role in zip(tokens, rest, strict=True) if role in "clbi"]
    if loose:
        raise NotUnderstoodError(f"I cannot tell what {', '.join(map(repr, loose))} belongs to.")


def _only(mentions: Sequence[Thing], purpose: str, scene: tuple[Thing, ...] | None) -> Thing:
    """Return the one thing mentioned for a purpose; mentioning it twice is fine."""
    distinct = list(dict.fromkeys(mentions))
    if len(distinct) == 1:
        return distinct[0]
    if distinct:
        names = " and ".join(f"the {thing.name}" for thing in distinct)
        raise NotUnderstoodError(f"It names {names}, and I do one thing at a time.")
    holds = purpose != "to move"
    candidates = None if scene is None else _names(t for t in scene if KINDS[t.kind].holds is holds)
    listing = f" There is {candidates}." if candidates else ""
    raise NotUnderstoodError(f"It does not say {'where' if holds else 'what'} {purpose}.{listing}")


def _refuse_wrong_roles(mentions: Sequence[tuple[str, Thing]]) -> None:
    """Refuse "put the tray in the block": word order is free, but what goes into what is not."""
    for preposition, thing in mentions:
        if preposition == "i" and not KINDS[thing.kind].holds:
            raise NotUnderstoodError(f"Nothing goes into a {thing.kind}.")
    if not any(preposition and KINDS[thing.kind].holds for preposition, thing in mentions):
        raise NotUnderstoodError("It does not say what goes into what.")


def _resolve(said: Thing, scene: tuple[Thing, ...] | None) -> Thing:
    """Find the one thing of the scene that a reference fits; without a scene return the reference."""
    if scene is None:
        return said
    fitting = [thing for thing in dict.fromkeys(scene) if _fits(said, thing)]
    if not fitting:
        raise NotUnderstoodError(f"There is no {said.name} here, only {_names(scene)}.")
    if len(fitting) > 1:
        raise NotUnderstoodError(f"Which {said.name}? There is {_names(fitting)}.")
    return fitting[0]


def _fits(said: Thing, thing: Thing) -> bool:
    landmark = getattr(said, "landmark", "")
    return (
        said.kind == thing.kind
        and said.colour in ("", thing.colour)
        and landmark in ("", getattr(thing, "landmark", ""))
    )


def _as_place(thing: Thing) -> Place:
    return thing if isinstance(thing, Place) else Place(thing.colour, thing.kind)


def _names(things: Iterable[Thing]) -> str:
    return ", ".join(f"the {thing.name}" for thing in things) or "nothing"
