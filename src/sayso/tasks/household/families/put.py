"""Placing tasks: a thing into a container or onto a plate, at the table."""

from __future__ import annotations

from sayso.sim.scene import HOME, TABLETOP
from sayso.tasks.household import success
from sayso.tasks.household.motions import transfer
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.vocabulary import TOSSES, Sentences

VARIANTS = (
    Variant(
        family="put",
        name="in",
        skill=transfer.SKILL,
        horizons={TABLETOP: 240, HOME: 360},
        success=success.in_place,
        placed=success.inside,
        drawer="open",
        ends_at_table=True,
        sentences=Sentences(
            ability="put a thing in a tray, a bowl or a basket or on a plate",
            places=("tray", "bowl", "basket", "plate"),
            relations=("in", "on", "to"),
            heard=("drop", "dump", "carry", "bring", "go", "drive", "lift", "fetch", "stand", *TOSSES),
            train=(
                "{put} {object} {into} {place}",
                "{pick} {object} and {put} it {into} {place}",
                "{pick} {object}, then {put} it {into} {place}",
                "{into} {place}, {put} {object}",
                "move {object} {into} {place}",
                "get {object} {into} {place}",
                "{take} {object} and {put} it {into} {place}",
                "find {object} and {put} it {into} {place}",
                "i want {object} {into} {place}",
                "we need {object} {into} {place}",
                "i would like you to {put} {object} {into} {place}",
                "{object} goes {into} {place}",
                "could you {put} {object} {into} {place}",
                "can you {pick} {object} and {put} it {into} {place}",
            ),
            heldout=(
                "{object} belongs {into} {place}",
                "transfer {object} {into} {place}",
                "would you kindly {put} {object} {into} {place}",
                "{object} has to end up {into} {place}",
                "{pick} {object} and let go of it {into} {place}",
                "i wish to have {object} {into} {place}",
            ),
        ),
    ),
)
