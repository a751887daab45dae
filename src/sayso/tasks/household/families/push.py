"""Pushing tasks: a thing over the table, onto a mat, or beside another thing."""

from __future__ import annotations

from sayso.sim.scene import TABLETOP, Layout
from sayso.tasks.household import success
from sayso.tasks.household.motions import pushing
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import MOVABLE
from sayso.tasks.household.words.vocabulary import Intent, Sentences

PUSHABLE = ("block", "cylinder", "can", "mug")
"""Kinds that slide over a table instead of rolling or toppling."""
HORIZONS = {TABLETOP: 240}


def _onto(layout: Layout, intent: Intent) -> bool:
    thing = intent.object
    return thing is None or pushing.feasible(layout.items, thing.name, intent.place.name, beside=False)


def _beside(layout: Layout, intent: Intent) -> bool:
    thing = intent.object
    return thing is None or pushing.feasible(layout.items, thing.name, intent.place.name, beside=True)


VARIANTS = (
    Variant(
        family="push",
        name="onto",
        skill=pushing.SKILL,
        horizons=HORIZONS,
        success=success.pushed_onto,
        placed=success.inside,
        preposition="on",
        feasible=_onto,
        pushed=True,
        may_be_built_on=True,
        sentences=Sentences(
            ability="push a thing onto a mat",
            places=("mat",),
            objects=PUSHABLE,
            relations=("on", "to"),
            heard=("shift",),
            train=(
                "{push} {object} onto {place}",
                "{push} {object} over to {place}",
                "{push} {object} to {place}",
                "{push} {object} until it is on {place}",
                "onto {place}, {push} {object}",
                "go ahead and {push} {object} onto {place}",
                "move {object} onto {place} without lifting it",
                "i want you to {push} {object} onto {place}",
                "i would like you to {push} {object} onto {place}",
                "could you {push} {object} onto {place}",
                "can you {push} {object} to {place}",
            ),
            heldout=(
                "{push} {object} all the way onto {place}",
                "{push} {object} along until it rests on {place}",
                "would you kindly {push} {object} onto {place}",
                "{push} {object} so that it ends up on {place}",
                "i wish you would {push} {object} over onto {place}",
            ),
        ),
    ),
    Variant(
        family="push",
        name="beside",
        skill=pushing.SKILL,
        horizons=HORIZONS,
        success=success.pushed_beside,
        placed=success.beside,
        preposition="beside",
        feasible=_beside,
        pushed=True,
        sentences=Sentences(
            ability="push a thing next to another",
            places=MOVABLE,
            objects=PUSHABLE,
            relations=("beside", "to"),
            heard=("shift",),
            train=(
                "{push} {object} {beside} {place}",
                "{push} {object} over to {place}",
                "{push} {object} until it is {beside} {place}",
                "{push} {object} so it is {beside} {place}",
                "{beside} {place}, {push} {object}",
                "go ahead and {push} {object} {beside} {place}",
                "move {object} {beside} {place} without lifting it",
                "i want you to {push} {object} {beside} {place}",
                "i would like you to {push} {object} {beside} {place}",
                "could you {push} {object} {beside} {place}",
                "can you {push} {object} {beside} {place}",
            ),
            heldout=(
                "{push} {object} all the way over {beside} {place}",
                "{push} {object} along until it rests {beside} {place}",
                "would you kindly {push} {object} {beside} {place}",
                "{push} {object} so that it ends up {beside} {place}",
                "i wish you would {push} {object} {beside} {place}",
            ),
        ),
    ),
)
