"""Errands, to be asked for one after the other in a room: each changes something and spoils nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.stations import STATIONS
from sayso.tasks.household.success import DRAWER_SHUT_M
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.variants import row_of
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.vocabulary import Intent


class Furnished(Protocol):
    """A world of the household in which an episode has begun."""

    @property
    def name(self) -> str:
        """Return the name of the world."""
        ...

    @property
    def families(self) -> Sequence[str]:
        """Return the families of tasks that are asked here."""
        ...

    @property
    def task(self) -> HouseholdTask:
        """Return the task of the present step, with its scene."""
        ...


ATTEMPTS = 20
"""How often to begin anew when the first things thought of leave nothing else to do."""


def errands(room: Furnished, count: int, rng: np.random.Generator) -> list[Intent]:
    """Think of things to ask for one after the other in a room in which nothing was moved yet.

    Families take turns, things move but once, and nothing is piled on what another step put down. Fewer than
    `count` come back if the room has no more to offer.
    """
    possible = {family: _intents(room, family) for family in room.families}
    best: list[Intent] = []
    for _ in range(ATTEMPTS):
        found = _errands(possible, _Outlook(room), count, rng)
        if len(found) == count:
            return found
        best = max(best, found, key=len)
    return best


def _errands(
    possible: Mapping[str, Sequence[Intent]], outlook: _Outlook, count: int, rng: np.random.Generator
) -> list[Intent]:
    families = [str(family) for family in rng.permutation(list(possible))]
    found: list[Intent] = []
    for turn in range(count * len(families)):
        options = [intent for intent in possible[families[turn % len(families)]] if outlook.offers(intent)]
        if options and len(found) < count:
            found.append(options[rng.integers(len(options))])
            outlook.follow(found[-1])
    return found


def _intents(room: Furnished, family: str) -> list[Intent]:
    """Return all that a family could ask for among the things of a room as it was laid out."""
    things, found = list(room.task.things.values()), []
    for row in TASKS[room.name].families[family]:
        asked = row.sentences
        objects = [thing for thing in things if thing.kind in asked.objects] if asked.objects else [None]
        places = [thing for thing in things if thing.kind in asked.places]
        pairs = [(thing, place) for thing in objects for place in places if thing != place]
        intents = [Intent(family, row.name, thing, place) for thing, place in pairs]
        found += [intent for intent in intents if row.feasible(room.task.layout, intent)]
    return found


class _Outlook:
    """Forecast of what is worth asking for in a room after some steps, should they succeed."""

    def __init__(self, room: Furnished) -> None:
        self._is_open, self._at = room.task.layout.drawer_m > DRAWER_SHUT_M, "table"
        self._moved: set[Thing] = set()
        self._full: set[Thing] = set()
        """What holds something, and what was put where nothing more should be put."""

    def offers(self, intent: Intent) -> bool:
        """Tell whether a step changes something and does not get in the way of those before."""
        row = row_of(intent)
        if row.opens is self._is_open or (row.needs_first is not None and not self._is_open):
            return False
        if intent.object is None:
            return row.opens is not None or STATIONS[intent.place.kind] != STATIONS.get(self._at)
        # A thing on a mat can still be built upon, but is not where a way beside it was looked for.
        taken = self._full if row.builds else self._full | self._moved
        return intent.object not in self._full | self._moved and intent.place not in taken

    def follow(self, intent: Intent) -> None:
        """Take a step as done."""
        row = row_of(intent)
        self._is_open = self._is_open if row.opens is None else row.opens
        self._at = row.ends_at(intent)
        if intent.object is not None:
            self._moved.add(intent.object)
            self._full |= {intent.place} if row.may_be_built_on else {intent.place, intent.object}
