"""Drawer tasks: open it, close it, and put things in."""

from __future__ import annotations

from sayso.sim.scene import HOME
from sayso.sim.simulation import Simulation, Vector
from sayso.tasks.household import success
from sayso.tasks.household.motions import drawers, transfer
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import Place
from sayso.tasks.household.words.vocabulary import TOSSES, Intent, Sentences

OPEN_DRAWER = Intent("drawer", "open", None, Place("", "drawer"))
HORIZONS = {HOME: 480}


def _handle(simulation: Simulation, place: str) -> Vector:
    return simulation.handle()


VARIANTS = (
    Variant(
        family="drawer",
        name="open",
        skill=drawers.OPEN_SKILL,
        horizons=HORIZONS,
        success=success.drawer_open,
        place_point=_handle,
        drawer="shut",
        opens=True,
        sentences=Sentences(
            ability="open the drawer",
            decisive=("open", "pull", "pull open", "slide open"),
            places=("drawer",),
            objects=(),
            relations=("", "to"),
            train=(
                "{open} {place}",
                "pull {place} open",
                "pull {place} open for me",
                "go and {open} {place}",
                "go to {place} and open it",
                "drive to {place} and pull it open",
                "i want {place} open",
                "we need {place} open",
                "i would like you to {open} {place}",
                "could you {open} {place}",
                "can you {open} {place}",
                "{open} {place} for me",
            ),
            heldout=(
                "would you kindly {open} {place}",
                "slide {place} open",
                "{place} should be open",
                "get {place} open",
                "pull the handle of {place}",
                "roll over to {place} and slide it open",
            ),
        ),
    ),
    Variant(
        family="drawer",
        name="close",
        skill=drawers.CLOSE_SKILL,
        horizons=HORIZONS,
        success=success.drawer_closed,
        place_point=_handle,
        drawer="open",
        opens=False,
        sentences=Sentences(
            ability="close the drawer",
            decisive=("close", "closed", "push", "shut", "slide shut"),
            places=("drawer",),
            objects=(),
            relations=("", "to"),
            train=(
                "{close} {place}",
                "push {place} shut",
                "push {place} closed",
                "go and {close} {place}",
                "go to {place} and {close} it",
                "drive to {place} and push it shut",
                "i want {place} closed",
                "we need {place} shut",
                "i would like you to {close} {place}",
                "could you {close} {place}",
                "can you {close} {place}",
                "{close} {place} for me",
            ),
            heldout=(
                "would you kindly {close} {place}",
                "slide {place} shut",
                "{place} should be closed",
                "get {place} closed",
                "make sure {place} is shut",
                "roll over to {place} and slide it shut",
            ),
        ),
    ),
    Variant(
        family="drawer",
        name="in",
        skill=transfer.SKILL,
        horizons=HORIZONS,
        success=success.in_place,
        placed=success.inside,
        drawer="open",
        needs_first=OPEN_DRAWER,
        sentences=Sentences(
            ability="put a thing in the open drawer",
            places=("drawer",),
            relations=("in", "to"),
            heard=("carry", "bring", "transport", "lift", "fetch", "store", "stash", *TOSSES),
            train=(
                "{put} {object} {in} {place}",
                "{pick} {object} and {put} it {in} {place}",
                "{pick} {object}, then {drop} it {in} {place}",
                "{in} {place}, {put} {object}",
                "move {object} {in} {place}",
                "get {object} {in} {place}",
                "{take} {object} and {put} it {in} {place}",
                "go to {object}, grab it and {put} it {in} {place}",
                "find {object} and {put} it {in} {place}",
                "i want {object} {in} {place}",
                "i would like you to {put} {object} {in} {place}",
                "{object} goes {in} {place}",
                "could you {put} {object} {in} {place}",
            ),
            heldout=(
                "{object} belongs {in} {place}",
                "would you kindly {put} {object} {in} {place}",
                "{object} has to end up {in} {place}",
                "{pick} {object} and let go of it {in} {place}",
                "roll over to {object}, {pick} it and {put} it {in} {place}",
                "i wish to have {object} {in} {place}",
            ),
        ),
    ),
)
