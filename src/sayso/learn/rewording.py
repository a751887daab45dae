"""Rewording of windows: each time a window is drawn, it may be asked for in other words that mean the same.

::

    window -- recorded sentence --> its other wordings -- one of them, at a share --> what the policy hears

How many other wordings there are is bounded, for a frozen encoder reads each of them once (about 6 ms) and
remembers it: a window then costs what it did before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sayso.learn.wordings import others_of, refuse_unknown_wordings
from sayso.models.words import SHORT_WORDS, Reading
from sayso.spec import SaysoError

MOST = 20_000
"""Other wordings of all sentences together, about: they are read once, in a few minutes of one core."""
FEWEST, ENOUGH = 4, 200
"""Other wordings of one sentence, where they are drawn: at least, and at most."""


@dataclass(frozen=True, kw_only=True)
class Rewording:
    """Other wordings of recorded sentences, and how often they are said."""

    named: str
    """As it was asked for: words of a world, or a file."""
    share: float
    others: Mapping[str, Sequence[str]]
    """A recorded sentence -> its other wordings; what has none is said as it was recorded."""
    sentences: int
    """How many sentences were recorded."""

    @classmethod
    def of(cls, named: str, share: float, sentences: Iterable[str]) -> Self:
        """Return the other wordings of recorded sentences.

        Raises:
            SaysoError: if there are no wordings of that name, or of none of the sentences.
        """
        refuse_unknown_wordings(named)
        recorded = list(dict.fromkeys(sentences))
        count = min(max(FEWEST, MOST // max(len(recorded), 1)), ENOUGH)
        found = others_of(named, recorded, count)
        others = {sentence: _short(many) for sentence, many in found.items() if many}
        if not others:
            raise SaysoError(
                f"--wordings {named} has no other words for any of the {len(recorded)} instructions of the "
                f"demonstrations, such as {recorded[0]!r}: name a file that has them, or leave it out"
            )
        return cls(named=named, share=share, others=others, sentences=len(recorded))

    def heard(self, sentences: Sequence[str], draws: NDArray[np.float64]) -> list[str]:
        """Return what is said for recorded sentences.

        Args:
            sentences: B of them.
            draws: numbers in [0, 1) that decide, ``[B, 2]``: whether it is another wording, and which.
        """
        return [self._one(*each) for each in zip(sentences, draws, strict=True)]

    def _one(self, sentence: str, draws: NDArray[np.float64]) -> str:
        others = self.others.get(sentence)
        return others[int(draws[1] * len(others))] if others and draws[0] < self.share else sentence

    @property
    def digest(self) -> str:
        """Return a digest of everything that may be said."""
        return sha256(json.dumps(self.others, sort_keys=True).encode()).hexdigest()

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what a policy's folder says of it."""
        said = len({other for many in self.others.values() for other in many})
        counts = {"reworded": len(self.others), "instructions": self.sentences, "wordings": said}
        return {"share": self.share, **counts, "sha256": self.digest}

    def __str__(self) -> str:
        """Return it in words."""
        facts = self.facts
        return (
            f"{self.share:.0%} of windows are asked for in other words ({self.named}): {facts['wordings']} "
            f"wordings of {facts['reworded']} of {self.sentences} instructions"
        )


def _short(sentences: Sequence[str]) -> Sequence[str]:
    """Leave out those for which a whole batch would be padded to the longest that a policy reads."""
    return [one for one in sentences if len(Reading.of(one).ids) <= SHORT_WORDS] or sentences
