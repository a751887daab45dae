"""Navigation tasks: drive to the furniture or to the person."""

from __future__ import annotations

from sayso.sim.scene import HOME
from sayso.tasks.household import success
from sayso.tasks.household.motions import driving
from sayso.tasks.household.stations import is_away
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import Place
from sayso.tasks.household.words.vocabulary import Intent, Sentences

BACK_TO_TABLE = Intent("goto", "to", None, Place("", "table"))

VARIANTS = (
    Variant(
        family="goto",
        name="to",
        skill=driving.SKILL,
        horizons={HOME: 300},
        success=success.standing_at,
        makes_sense=lambda layout, intent: is_away(layout, intent.place.name),
        starts_anywhere=True,
        sentences=Sentences(
            ability="drive to the furniture or to you",
            heard=("walk", "run", "get", "navigate", "stand", "park"),
            travels=True,
            places=("sofa", "cabinet", "table", "drawer", "person"),
            objects=(),
            relations=("to", "beside"),
            train=(
                "{go} to {place}",
                "{go} over to {place}",
                "{go} back to {place}",
                "now {go} to {place}",
                "{go} straight to {place}",
                "i want you to {go} to {place}",
                "i would like you to {go} to {place}",
                "could you {go} to {place}",
                "can you {go} over to {place}",
                "you should {go} to {place}",
                "{go} to {place} and stop there",
            ),
            heldout=(
                "would you kindly {go} to {place}",
                "{go} all the way to {place}",
                "make your way to {place}",
                "i wish you would {go} to {place}",
                "{go} up to {place} and wait there",
                "return to {place}",
            ),
        ),
    ),
)
