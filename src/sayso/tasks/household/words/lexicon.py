"""Lexicon of the household's language: which words there are, and a sentence as tokens with a role each."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words import synonyms, taught
from sayso.tasks.household.words.kinds import COLOURS, KINDS, LANDMARKS, SIZES
from sayso.tasks.household.words.participles import participle
from sayso.tasks.household.words.vocabulary import COURTESIES, PRONOUNS, SLOTS

Row = tuple[str, str]
"""Family and variant."""
_PREPOSITIONS: Mapping[str, str] = {"in": "i", "on": "o", "atop": "o", "onto": "o", "by": "b", "beside": "b"}
_MEANINGS: Mapping[str, str] = {"i": "in", "o": "on", "b": "beside", "t": "to", "r": "for"}


@dataclass(frozen=True)
class Token:
    """Word or fixed phrase, its role (one letter, see `lexicon`) and what it stands for."""

    role: str
    meaning: str
    text: str


@functools.cache
def lexicon() -> Mapping[str, tuple[str, str]]:
    """Map every word to its role and meaning: those of the grammar and, where it has none, those of `taught`.

    Roles: c colour, s size, n noun, p "one" for a noun, l landmark, i "in", o "on", b "by", t "to", r "for",
    v verb (and other words that not every sentence may have, such as "it"), f filler, a article.
    """
    lexicon = {word: ("f" if word in synonyms.FILLERS else "v", word) for word in _words(_SAID)}
    lexicon |= {word: ("v", word) for row in SENTENCES.values() for word in row.heard}
    lexicon |= {word: ("v", word) for word in synonyms.WISHES | synonyms.HELPERS}
    # Courtesies count as wholes: "if you don't mind" is harmless, "don't" is not.
    lexicon |= {words: ("f", words) for words in (*_around(*COURTESIES.train, *COURTESIES.heldout),)}
    lexicon |= {words: ("f", words) for words in synonyms.FILLERS}
    for slot, row in SLOTS.items():
        for words in row.train + row.heldout:
            lexicon |= {word: ("v", word) for word in words.split() if slot not in _PREPOSITIONS}
    for slot, row in SLOTS.items():
        role = _PREPOSITIONS.get(slot, "v")
        lexicon |= {word: (role, _MEANINGS.get(role, word)) for word in row.train + row.heldout}
    lexicon |= {"to": ("t", "to"), "at": ("b", "beside"), "within": ("i", "in"), "for": ("r", "for")}
    lexicon |= {word: ("a", word) for word in synonyms.ARTICLES}
    lexicon |= {word: ("s", word) for word in SIZES} | {word: ("c", word) for word in COLOURS}
    for name, kind in KINDS.items():
        lexicon |= dict.fromkeys(kind.words.train + kind.words.heldout, (_role(name), name))
    # "can" is a thing, except where somebody asks politely; "up" goes with many verbs.
    lexicon |= {"can you": ("f", "can you"), "up": ("f", "up"), "one": ("p", "one")}
    more = {
        words: what
        for words, what in _taught().items()
        if what[0] != "v" or not set(words.split()) <= lexicon.keys()
    }
    return more | lexicon


def _taught() -> dict[str, tuple[str, str]]:
    """Return the words that policies are taught beside those of the grammar, and what each stands for."""
    found = {word: ("v", word) for word in _words(_TAUGHT) if word not in _TURNING}
    found |= {word: ("v", word) for verbs in taught.VERBS.values() for verb in verbs for word in _forms(verb)}
    # "For me" is a courtesy or where to, and no filler.
    around = _around(*taught.COURTESIES, *taught.REQUESTS)
    found |= {words: ("f", words) for words in around if PRONOUNS.isdisjoint(words.split())}
    for slot, more in taught.PREPOSITIONS.items():
        role = _PREPOSITIONS[slot]
        found |= {words: (role, _MEANINGS[role]) for words in more if words.split()[0] not in _TURNING}
    colours = {colour: colour for colour in COLOURS}
    colours |= {name: colour for colour, names in taught.COLOURS.items() for name in names}
    for name, colour in colours.items():
        found |= dict.fromkeys((name, f"{name} coloured", f"{name} colored"), ("c", colour))
    for kind, names in taught.NOUNS.items():
        found |= {name.replace("-", " "): (_role(kind), kind) for name in names}
    return {word: as_what for word, as_what in found.items() if word not in synonyms.REFUSALS}


_TURNING = frozenset({"over", "up", "out"})
"""Words that say too little alone: they begin prepositions, and end verbs ("bring it over to me")."""
_SAID = tuple(one for row in SENTENCES.values() for one in row.train + row.heldout)
_TAUGHT = tuple(one for rows in (taught.IMPERATIVES, taught.WISHES) for many in rows.values() for one in many)


def _role(kind: str) -> str:
    return "l" if kind in LANDMARKS else "n"


def _words(sentences: Iterable[str]) -> list[str]:
    """Return the words that stand in sentences, beside what they leave open."""
    return re.findall(r"[a-z']+", re.sub(r"{\w*}", " ", " ".join(sentences)))


def _forms(verb: str) -> Iterator[str]:
    """Yield a verb and its participle, with "it" inside, too: a particle such as "out" is none by itself."""
    for form in (verb, participle(verb)):
        first, *particles = form.split()
        yield from (form, first, " ".join((first, "it", *particles)))


def _around(*templates: str) -> Iterator[str]:
    """Yield what stands before or behind the sentence that a template has a place for."""
    for template in templates:
        yield from filter(None, (" ".join(re.findall(r"[a-z']+", part)) for part in template.split("{}")))


def _asking(slots: Iterable[str]) -> set[str]:
    """Return the verbs of slots of the vocabulary, in all forms; prepositions are none."""
    verbs = (
        verb
        for slot in set(slots) & set(taught.VERBS)
        for verb in SLOTS[slot].train + SLOTS[slot].heldout + taught.VERBS[slot]
    )
    return {form for verb in verbs for form in (*_forms(verb), *verb.split())}


@functools.cache
def verbs_of(row: Row) -> frozenset[str]:
    """Return every verb that may stand in a sentence of a row."""
    sentences, more = SENTENCES[row], taught.IMPERATIVES[row] + taught.WISHES[row]
    slots = set(re.findall(r"{(\w+?)(?:_done)?}", " ".join(sentences.train + sentences.heldout + more)))
    # Where the grammar says "go" to furniture it says "come" to the person.
    slots |= {"come"} if "go" in slots else set()
    verbs = _asking(slots)
    verbs |= {*_words(sentences.train + sentences.heldout), *sentences.heard}
    # "I do not need the drawer open, so close it" is taught, but who says both means two things.
    verbs |= {*_words(more)} - _asking(taught.VERBS)
    verbs |= {*synonyms.WISHES, *synonyms.HELPERS, *synonyms.FILLERS}
    return frozenset(
        verb
        for verb, (role, _) in lexicon().items()
        if role == "v" and (verb in verbs or verbs.issuperset(verb.split()))
    )


@functools.cache
def _scanner() -> re.Pattern[str]:
    entries = sorted(lexicon(), key=len, reverse=True)
    return re.compile(rf"({'|'.join(map(re.escape, entries))})(?!\S)|(\S+)")


@functools.cache
def _rewriter() -> re.Pattern[str]:
    entries = sorted(synonyms.ALSO_HEARD, key=len, reverse=True)
    return re.compile(rf"(?<!\S)({'|'.join(map(re.escape, entries))})(?!\S)")


def tokenize(sentence: str) -> list[Token]:
    """Split a sentence into tokens without articles; words that are not in the lexicon get the role "?"."""
    text = sentence.lower().replace("\u2019", "'")
    text = re.sub(synonyms.PICTURES, r" \g<0> ", text)
    text = " ".join(re.sub(rf"(?!{synonyms.PICTURES})[^\w']|(?<!\w)'|'(?!\w)", " ", text).split())
    text = _rewriter().sub(lambda match: synonyms.ALSO_HEARD[match.group()], text)
    found = (match.group() for match in _scanner().finditer(" ".join(text.split())))
    tokens = [Token(*lexicon().get(word, ("?", word)), word) for word in found]
    for place in range(3, len(tokens)):  # "the block that is red" is the red block
        if [token.text for token in tokens[place - 2 : place]] == ["that", "is"]:
            noun, colour = tokens[place - 3], tokens[place]
            if (noun.role, colour.role) == ("n", "c"):
                tokens[place - 3 : place + 1] = [colour, noun, tokens[place - 2], tokens[place - 2]]
    return [token for token in tokens if token.role != "a"]
