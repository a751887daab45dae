"""Fetching tasks: take a thing to a bin on the floor, or to the person."""

from __future__ import annotations

from sayso.sim.scene import HOME
from sayso.tasks.household import success
from sayso.tasks.household.motions import transfer
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.vocabulary import TOSSES, Sentences

HORIZONS = {HOME: 480}

VARIANTS = (
    Variant(
        family="fetch",
        name="to",
        skill=transfer.SKILL,
        horizons=HORIZONS,
        success=success.in_place,
        placed=success.inside,
        sentences=Sentences(
            ability="take a thing to a bin on the floor",
            places=("bin",),
            relations=("in", "on", "to"),
            heard=("set", "lay", "get", *TOSSES),
            train=(
                "{take} {object} to {place}",
                "{pick} {object} and {take} it to {place}",
                "{pick} {object} and {drop} it {in} {place}",
                "{drop} {object} {in} {place}",
                "go to {object}, grab it and {take} it to {place}",
                "drive to {object} and {take} it to {place}",
                "go and get {object}, then {drop} it {in} {place}",
                "move {object} to {place}",
                "fetch {object} and {take} it over to {place}",
                "find {object} and {take} it to {place}",
                "to {place}, {take} {object}",
                "{object} goes {in} {place}",
                "i want {object} {in} {place}",
                "i would like you to {take} {object} to {place}",
                "could you {take} {object} to {place}",
            ),
            heldout=(
                "{take} {object} all the way to {place}",
                "would you kindly {take} {object} to {place}",
                "{object} has to end up {in} {place}",
                "roll over to {object}, {pick} it and {drop} it {in} {place}",
                "{pick} {object} and let go of it {in} {place}",
                "{object} belongs {in} {place}",
            ),
        ),
    ),
    Variant(
        family="fetch",
        name="bring",
        skill=transfer.SKILL,
        horizons=HORIZONS,
        success=success.in_place,
        placed=success.inside,
        sentences=Sentences(
            ability="bring you a thing",
            places=("person",),
            relations=("", "to", "for"),
            heard=("take", "carry", "deliver", "transport", "drive", "move"),
            train=(
                "{bring} {place} {object}",
                "{bring} {object} to {place}",
                "{pick} {object} and {bring} it to {place}",
                "fetch {object} for {place}",
                "fetch {place} {object}",
                "get {place} {object}",
                "get {object} for {place}",
                "go and get {object} for {place}",
                "go to {object}, grab it and bring it to {place}",
                "find {object} and {bring} it to {place}",
                "i want you to {bring} {place} {object}",
                "i would like you to {bring} {place} {object}",
                "could you {bring} {place} {object}",
                "can you {bring} {object} to {place}",
            ),
            heldout=(
                "would you kindly {bring} {place} {object}",
                "{bring} {object} all the way over to {place}",
                "roll over to {object}, {pick} it and {bring} it to {place}",
                "i wish to have {object} brought to {place}",
                "return to {place} with {object}",
                "{pick} {object} for {place} and come back",
            ),
        ),
    ),
)
