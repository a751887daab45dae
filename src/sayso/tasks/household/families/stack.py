"""Stacking tasks: a thing on a block or a cylinder."""

from __future__ import annotations

from sayso.sim.scene import TABLETOP
from sayso.tasks.household import success
from sayso.tasks.household.motions import transfer
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.vocabulary import Sentences

VARIANTS = (
    Variant(
        family="stack",
        name="on",
        skill=transfer.SKILL,
        horizons={TABLETOP: 240},
        success=success.stacked,
        placed=success.on_top,
        preposition="on",
        precise=True,
        builds=True,
        sentences=Sentences(
            ability="stack a thing on a block or a cylinder",
            places=("block", "cylinder"),
            objects=("block", "cylinder", "can"),
            relations=("on",),
            heard=("bring", "transfer", "fetch", "rest"),
            train=(
                "{stack} {object} {atop} {place}",
                "{pick} {object} and {stack} it {atop} {place}",
                "{pick} {object}, then {put} it {atop} {place}",
                "{put} {object} {atop} {place}",
                "{atop} {place}, {stack} {object}",
                "move {object} {atop} {place}",
                "get {object} {atop} {place}",
                "take {object} and {stack} it {atop} {place}",
                "build a tower with {object} {atop} {place}",
                "i want {object} {atop} {place}",
                "i would like you to {stack} {object} {atop} {place}",
                "{object} goes {atop} {place}",
                "could you {stack} {object} {atop} {place}",
                "can you {put} {object} {atop} {place}",
            ),
            heldout=(
                "{object} belongs {atop} {place}",
                "make a pile with {object} {atop} {place}",
                "would you kindly {stack} {object} {atop} {place}",
                "{object} has to end up {atop} {place}",
                "{pick} {object} and let go of it {atop} {place}",
                "i wish to have {object} {atop} {place}",
            ),
        ),
    ),
)
