"""WordPiece tokenizer as BERT's, in Python that TorchScript can compile.

::

    "Heb den BLÖCK!" --letters--> "heb den block ! " --words--> heb, den, block, ! --pieces--> 2002, 2497, ...

TorchScript has no tokenizer and no Unicode: to it a string is bytes of UTF-8. So what BERT's tokenizer makes
of each letter (lower case, accents taken off, signs set apart) is asked of it once and kept in a table.

Sources: Wu et al. 2016, arXiv:1609.08144 (word pieces); Devlin et al. 2019, arXiv:1810.04805 (BERT).
"""

from __future__ import annotations

import functools
import unicodedata

import torch
from torch import nn

from sayso.models.words import MAX_WORDS, bert_tokenizer

IDEOGRAPHS = (
    ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\U00020000", "\U0002a6df"), ("\U0002a700", "\U0002b73f"),
    ("\U0002b740", "\U0002b81f"), ("\U0002b920", "\U0002ceaf"),
)  # fmt: skip
"""Signs that are words of their own, first and last of each range: too many for a table."""
VARIANTS = (("\uf900", "\ufaff"), ("\U0002f800", "\U0002fa1f"))
"""Other forms of such signs, which become those; here places that nobody has filled yet count as well."""
PRIVATE = (("\ue000", "\uf8ff"), ("\U000f0000", "\U000ffffd"), ("\U00100000", "\U0010fffd"))
"""Letters that mean nothing to anybody else, and are left out."""
LONGEST_WORD = 100
"""Letters of a word; a longer one is unknown, as it is to BERT's tokenizer."""


class WordPiece(nn.Module):
    """WordPiece tokenizer: ids of a sentence's pieces, [CLS] and [SEP] around them, at most `max_words`.

    The same code runs in Python and, compiled, in TorchScript.
    """

    def __init__(self, max_words: int = MAX_WORDS) -> None:
        """Read the vocabulary and what becomes of each letter; takes half a second, once in a process."""
        super().__init__()
        self.vocabulary = bert_tokenizer(max_words).get_vocab()
        self.becomes = letters()
        self.ideographs, self.private = list(IDEOGRAPHS), list(PRIVATE)
        self.max_words, self.longest = max_words, LONGEST_WORD

    def forward(self, sentence: str) -> list[int]:
        """Return the ids of one sentence; what is too long loses its end."""
        ids = [self.vocabulary["[CLS]"]]
        for word in self.words(sentence):
            ids.extend(self.pieces(word))
        ids = ids[: self.max_words - 1]
        ids.append(self.vocabulary["[SEP]"])
        return ids

    def words(self, sentence: str) -> list[str]:
        """Return the words and signs of a sentence, cleaned."""
        read = [""]
        for letter in characters(sentence):
            if among(letter, self.ideographs):
                read.append(" " + letter + " ")
            elif not among(letter, self.private):
                read.append(self.becomes.get(letter, letter))
        words: list[str] = []
        for word in "".join(read).split(" "):
            if len(word) > 0:
                words.append(word)
        return words

    def pieces(self, word: str) -> list[int]:
        """Return the longest pieces that a word is made of, from its beginning on; [UNK] if it is of none."""
        unknown = [self.vocabulary["[UNK]"]]
        left = characters(word)
        if len(left) > self.longest:
            return unknown
        ids: list[int] = []
        while len(left) > 0:
            found, length = -1, len(left)
            while length > 0 and found < 0:
                piece = "".join(left[:length])
                found = self.vocabulary.get(piece if len(ids) == 0 else "##" + piece, -1)
                length -= 1
            if found < 0:
                return unknown
            ids.append(found)
            left = left[length + 1 :]
        return ids


def characters(text: str) -> list[str]:
    """Return the letters of a text, each a string."""
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        return list(text)
    found: list[str] = []
    start = 0
    for end in range(1, len(text) + 1):
        # A byte 10xxxxxx goes on with the letter that the bytes before it began.
        if end == len(text) or ord(text[end]) // 64 != 2:
            found.append(text[start:end])
            start = end
    return found


def among(letter: str, ranges: list[tuple[str, str]]) -> bool:
    """Tell whether a letter lies in one of the ranges; bytes of UTF-8 are in the order of Unicode."""
    found = False
    for first, last in ranges:
        found = found or (first <= letter and letter <= last)
    return found


@functools.cache
def letters() -> dict[str, str]:
    """Return what BERT's tokenizer makes of each letter that it does not leave as it is.

    Spaces in it part words: those around a sign, and what any kind of space becomes.
    """
    tokenizer = bert_tokenizer(MAX_WORDS)
    normalise, divide = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    table = {}
    for number in range(0x110000):
        letter = chr(number)
        nothing = unicodedata.category(letter) in ("Cn", "Co", "Cs") and not among(letter, list(VARIANTS))
        if nothing or among(letter, list(IDEOGRAPHS)):
            continue
        between = " ".join(part for part, _ in divide(normalise(f"a{letter}a")))[1:-1]
        if between != letter:
            table[letter] = between
    return table
