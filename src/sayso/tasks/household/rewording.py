"""Rewording of a task's sentence: the same task, asked for freely, carelessly, wrongly or not at all."""

from __future__ import annotations

import numpy as np

from sayso.spec import SaysoError
from sayso.tasks.household.draw import askable, say
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.words.kinds import WORDINGS as OF_THE_GRAMMAR
from sayso.tasks.household.words.paraphrases import paraphrase
from sayso.tasks.wordings import typed

_STREAM = 0x07E7  # keeps it independent of the scene drawn from the seed


def drawn_as(wording: str) -> str:
    """Return in which of the grammar's wordings a sentence is drawn that may be reworded afterwards."""
    return wording if wording in OF_THE_GRAMMAR else OF_THE_GRAMMAR[0]


def reworded(task: HouseholdTask, wording: str, seed: int) -> str:
    """Return what is said for a task whose sentence was drawn from the grammar.

    Raises:
        SaysoError: if a wrong sentence is wanted where nothing else can be asked for.
    """
    rng = np.random.default_rng([_STREAM, seed])
    if wording == "free":
        return paraphrase(task.intent, rng)
    if wording == "typed":
        return typed(task.instruction, rng)
    if wording == "wrong":
        others = askable(task)
        if not others:
            raise SaysoError(f"nothing else can be asked for in the scene of seed {seed}")
        return say(others[int(rng.integers(len(others)))], rng)
    return "" if wording == "blank" else task.instruction
