"""Wordings of an instruction: training's, in other words, carelessly typed, another task's, or none."""

from __future__ import annotations

import re

import numpy as np

WORDINGS = ("train", "heldout", "free", "typed", "wrong", "blank")
"""Training's own; held-out sentences and synonyms; free paraphrases, by other authors; training's sentence
with typing errors and in another form; the sentence of another task; nothing."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORD = re.compile(r"[A-Za-z]{4,}")
TURN = re.compile(r"^(?P<first>.+?) (?P<last>(?:in|into|on|onto|to|next to|near|from|over|at|with|by) .+)$")
POLITE = (
    "hey, {} if that is alright",
    "hello robot! {}, many thanks",
    "so, er, {} when you get a moment",
    "{} - cheers",
    "be so good as to {}",
    "might i ask you to {}?",
)
"""Courtesies that training does not have."""


def typed(sentence: str, rng: np.random.Generator) -> str:
    """Return a sentence as somebody types it in a hurry: always with a typing error, and otherwise in form.

    That is one of: in capitals, with its end first, more politely, or with a second error.
    """
    found = mistyped(sentence, rng)
    form = int(rng.integers(4))
    if form == 0:
        return found.upper()
    if form == 1 and (turned := TURN.match(found)):
        return f"{turned['last']} {turned['first']}"
    if form == 2:
        return POLITE[int(rng.integers(len(POLITE)))].format(found)
    twice = mistyped(found, rng)
    return found if twice == sentence else twice  # the second slip may undo the first


def mistyped(sentence: str, rng: np.random.Generator) -> str:
    """Return a sentence with a letter of one longer word left out, doubled, swapped with the next, or wrong.

    A word keeps its first letter, as most who mistype do. A sentence without such a word is left as it is.
    """
    words = list(WORD.finditer(sentence))
    if not words:
        return sentence
    word = words[int(rng.integers(len(words)))]
    text, slip = word.group(), int(rng.integers(4))
    at = int(rng.integers(1, len(text) - 1))
    other = LETTERS[int(rng.integers(len(LETTERS) - 1))]
    wrong = other if other != text[at].lower() else LETTERS[-1]
    if slip == 2 and text[at] == text[at + 1]:  # to swap equal letters is no error
        slip = 0
    slipped = (
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        text[:at] + wrong + text[at + 1 :],
    )[slip]
    return sentence[: word.start()] + slipped + sentence[word.end() :]
