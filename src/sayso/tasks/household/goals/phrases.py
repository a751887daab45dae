"""Words of descriptions: relations, verbs and numbers, beside colours and kinds of the house's lexicon."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping

from sayso.tasks.household.goals.goal import NUMBERS, Superlative
from sayso.tasks.household.words.lexicon import Token, lexicon
from sayso.tasks.household.words.references import NotUnderstoodError

_SAID: Mapping[str, tuple[str, ...]] = {
    "to the left of": ("left of", "to the left of", "on the left of", "on the left side of"),
    "to the right of": ("right of", "to the right of", "on the right of", "on the right side of"),
    "in front of": ("in front of", "in the front of", "before"),
    "behind": ("behind", "in back of", "at the back of"),
    "between": ("between", "in between", "in the middle of", "in the middle between"),
    "off": ("off", "off of", "out of", "from"),
    "far from": ("far from", "far away from", "away from"),
    "beside": ("beside", "next to", "near", "near to", "close to", "right next to", "by"),
    "on": ("on", "onto", "upon", "on top of", "atop"),
    "in": ("in", "into", "inside", "within", "inside of"),
}  # fmt: skip
_STATES: Mapping[str, tuple[str, ...]] = {
    "in a row": ("in a row", "in a line", "in line", "into a row", "into a line", "lined up"),
    "upright": ("upright", "up right", "standing up"),
    "open": ("open", "opened"),
    "shut": ("shut", "closed"),
    "held": ("held", "in the hand", "in hand", "lifted", "in the air"),
}
_DOING: Mapping[str, tuple[str, ...]] = {
    "in a row": ("line up", "align", "arrange in a row"),
    "open": ("open", "pull open"),
    "shut": ("shut", "close"),
    "held": ("lift", "lift up", "hold", "hold up", "pick up", "grab", "raise"),
    "at": ("drive to", "go to", "drive over to", "go over to", "drive back to", "go back to", "return to"),
}
"""Verbs that say all of what shall be."""
OPENING = ("open", "shut")
_PUSHING = ("push", "slide", "shove", "nudge", "sweep")
_MOVING = (
    *("put", "place", "set", "move", "bring", "take", "get", "carry", "stack", "pile", "drop", "lay"),
    *("deposit", "arrange", "stand", "fetch", "make sure", "make", "i want", "we need", "keep", "leave"),
    *("remove", "transfer", "throw", "toss", "hand", "give", "have", "let"),
)  # fmt: skip
_EMPTYING = ("clear", "empty", "clear off", "empty out")
_FILLERS = (
    *("please", "is", "are", "be", "that", "should", "must", "to", "so", "now", "up", "there", "stands"),
    *("stand", "lies", "lie", "ends up", "end up", "robot", "it is", "they are", "down", "over", "first"),
)  # fmt: skip
_THEN = (
    "then",
    "and then",
    "after that",
    "and after that",
    "afterwards",
    "and afterwards",
    "finally",
    "and finally",
)
WITH_INSIDE = ("inside", "in it", "in there", "within")
_NOTHING = ("nothing left", "nothing is left", "nothing remains", "nothing")
_QUANTIFIERS: Mapping[str, tuple[str, ...]] = {
    "all": ("all", "all of", "every", "each", "both", "both of"),
    "any": ("any", "a", "an", "some", "any one", "any of", "one of", "either", "either of"),
    "the": ("the", "this", "my", "your"),
}
_EVERYTHING = ("everything", "all things", "every thing", "all of it", "everything else")
_IT = ("it", "something", "them", "they")
SUPERLATIVES: Mapping[str, Superlative] = {
    "tallest": "tallest", "highest": "tallest", "shortest": "shortest", "lowest": "shortest",
    "biggest": "biggest", "largest": "biggest", "smallest": "smallest", "littlest": "smallest",
}  # fmt: skip
_THINGS = ("thing", "things", "object", "objects", "stuff", "one", "ones")


@functools.cache
def _words() -> Mapping[str, tuple[str, str]]:
    """Map every word and fixed phrase to its role and meaning; a later row counts more."""
    found: dict[str, tuple[str, str]] = {}
    for word, (role, meaning) in lexicon().items():
        if role in "csnl":
            found[word] = (role, meaning)
            if role == "n" and meaning != "person":
                found[_plural(word)] = ("N", meaning)
    rows: list[tuple[str, str, tuple[str, ...]]] = [
        ("f", "", _FILLERS),
        *(("r", name, words) for name, words in _SAID.items()),
        *(("q", name, words) for name, words in _QUANTIFIERS.items()),
        *(("u", name, words) for name, words in _STATES.items()),
        *(("d", name, words) for name, words in _DOING.items()),
        ("p", "", _PUSHING), ("m", "", _MOVING), ("e", "", _EMPTYING), ("t", "", _THEN), ("z", "", _NOTHING),
        ("x", "", _EVERYTHING), ("i", "", _IT), ("g", "", _THINGS), ("w", "", ("with",)),
        ("a", "", ("and", ",")),
    ]  # fmt: skip
    for role, meaning, words in rows:
        found |= dict.fromkeys(words, (role, meaning))
    found |= {word: ("h", name) for word, name in SUPERLATIVES.items()}
    found |= {word: ("#", str(number)) for number, word in enumerate(NUMBERS) if number > 1}
    return found | {
        "me": ("n", "person"),
        "opened": ("u", "open"),
        "open": ("d", "open"),
        "shut": ("d", "shut"),
    }


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "sh", "ch")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


@functools.cache
def _scanner() -> re.Pattern[str]:
    entries = sorted(_words(), key=len, reverse=True)
    return re.compile(rf"({'|'.join(map(re.escape, entries))})(?!\S)|(\S+)")


def tokens(text: str) -> list[Token]:
    """Split a description into words and fixed phrases, without those that say nothing.

    Raises:
        NotUnderstoodError: if a word is not known, with the nearest that is.
    """
    plain = re.sub(r"[^\w', ]", " ", text.lower().replace("\u2019", "'")).replace(",", " , ")
    found = []
    for match in _scanner().finditer(" ".join(plain.split())):
        if match[1] is None:
            near = difflib.get_close_matches(match[2], _words(), n=1)
            raise NotUnderstoodError(
                f"I do not know the word {match[2]!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
            )
        found.append(Token(*_words()[match[1]], match[1]))
    return [token for token in found if token.role != "f"]
