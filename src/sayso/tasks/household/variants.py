"""Table of everything that can be asked: all rows of all families, in the order they are offered in."""

from __future__ import annotations

from collections.abc import Mapping

from sayso.tasks.household.families import drawer, fetch, goto, push, put, stack
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.vocabulary import Intent, Sentences

VARIANTS: Mapping[tuple[str, str], Variant] = {
    (row.family, row.name): row
    for family in (put, stack, push, drawer, fetch, goto)
    for row in family.VARIANTS
}
"""Family and variant -> its row."""
SENTENCES: Mapping[tuple[str, str], Sentences] = {key: row.sentences for key, row in VARIANTS.items()}
"""Family and variant -> its sentences. All columns decide whether a sentence belongs to one."""
BACK = goto.BACK_TO_TABLE
"""Asks for the robot to come back to where all else begins."""


def row_of(intent: Intent) -> Variant:
    """Return the row of what an intent asks for."""
    return VARIANTS[intent.family, intent.variant]
