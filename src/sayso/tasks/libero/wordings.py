"""Wordings of LIBERO's tasks: its own, three that training never hears, LIBERO-PRO's, and wrong ones.

The three held-out sentences of each task are ours and are for measuring alone. The free paraphrases are those
of LIBERO-PRO's ``lan`` suites, by other authors, and are read from its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sayso.spec import known
from sayso.tasks.libero.heldout import HELDOUT
from sayso.tasks.libero.simulators import sentence_of
from sayso.tasks.libero.suites import FAMILIES, place_of, said
from sayso.tasks.wordings import WORDINGS, typed

_STREAM = 0x04A1
"""Keeps the choice of words independent of all else that a seed decides."""


def worded(family: str, seed: int, options: Mapping[str, Any], sentence: str) -> str:
    """Return a task's sentence in the words that the options of a reset want.

    Held-out sentences take turns from seed to seed. LIBERO-PRO's tasks, whose sentences are changed already,
    have no others than a mistyped one, a wrong one and none.
    """
    wording = known("wording", options.get("wording", WORDINGS[0]), WORDINGS)
    suite, number = place_of(family)
    rng = np.random.default_rng([_STREAM, *family.encode(), seed])
    if wording == "typed":
        return typed(sentence, rng)
    if wording == "blank":
        return ""
    if wording == "wrong":
        wrong = [other for other in map(said, FAMILIES) if other != sentence]
        return wrong[int(rng.integers(len(wrong)))]
    if suite.perturbed:
        return sentence
    if wording == "heldout":
        ways = HELDOUT[sentence if sentence in HELDOUT else said(family)]
        return ways[(seed + number) % len(ways)]
    if wording == "free":
        name = family.rpartition("-")[0]
        return sentence_of(f"{name}_lan-{number}")
    return sentence
