"""Carry out several instructions in a row, each with its own conditions of success.

    text --split--> intents --> for each: what it needs first, the step itself, once more if it failed
                                 |
                                 go back to the table; open the drawer

The planner is a list one can read: every `Step` says what was asked of the policy, why, and how it ended. It
never moves the robot itself and knows no more of it than a person in the room would: what was done last,
and whether a condition of a task holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from sayso.rollout import rollout
from sayso.spec import EXECUTE, Array, Episode, Observation, Outcome, Policy
from sayso.tasks.contract import World
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import called
from sayso.tasks.household.stations import STATIONS
from sayso.tasks.household.success import DRAWER_SHUT_M
from sayso.tasks.household.words.language import Intent, Place, Thing, plain
from sayso.tasks.household.words.plan import Splitter, split
from sayso.tasks.household.words.vocabulary import TEMPLATES

Reason = Literal["asked", "needed", "again"]
BROKEN_OFF = Intent("", "", None, Place("", "table"))
"""Stands for what was done last where that did not come to its end: nobody knows where it left the robot."""
BACK = Intent("goto", "to", None, Place("", "table"))


class Room(World, Protocol):
    """Be a world that can be told what to do next without starting over."""

    @property
    def task(self) -> Any:
        """Return the task of the present step, with its scene."""
        ...

    def instruct(self, sentence: str) -> Observation:
        """Ask for something in the scene as it is now, or raise `NotUnderstoodError`."""
        ...

    def holds(self, intent: Intent) -> bool:
        """Tell whether what an intent asks for is already so."""
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """Report one step of a plan."""

    intent: Intent
    instruction: str
    """What was said to the policy."""
    reason: Reason
    """Whether a person asked for it, or a later step needed it, or it is another attempt."""
    episode: Episode


@dataclass(frozen=True, kw_only=True)
class Report:
    """Report a plan that was carried out."""

    asked: tuple[Intent, ...]
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        """Return how many of the intents were carried out, in order, before one could not be."""
        return sum(step.reason != "needed" and step.episode.success for step in self.steps)

    @property
    def success(self) -> bool:
        """Tell whether everything that was asked for succeeded."""
        return self.done == len(self.asked)

    @property
    def last(self) -> Intent:
        """Return what was done last, as far as the next plan can build on it."""
        step = self.steps[-1]
        return step.intent if step.episode.success else BROKEN_OFF


class Here:
    """Be a world whose reset changes nothing, so that an episode begins where the last one ended."""

    def __init__(self, room: Room, begin: Observation) -> None:
        """Stand in for a room whose present observation is `begin`."""
        self._room, self._begin = room, begin

    def __getattr__(self, name: str) -> Any:
        """Be the room itself in everything else."""
        return getattr(self._room, name)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Return what is seen now."""
        return self._begin, {}

    def step(
        self, action: Array, *, look: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action."""
        return self._room.step(action, look=look)


def carry_out(
    room: Room,
    policy: Policy,
    text: str,
    seed: int,
    *,
    splitter: Splitter = split,
    attempts: int = 2,
    execute: int = EXECUTE,
    act: Callable[[str], Episode] | None = None,
    last: Intent | None = None,
) -> Report:
    """Divide an instruction into steps and carry them out one after the other.

    A step that fails is tried again, from the table where there is one to drive back to. The plan ends at
    the first step that fails for good, and at once if something crashes.

    Args:
        room: a world in which an episode has begun.
        policy: who acts.
        text: one instruction or several.
        seed: of the room, for the report.
        splitter: what divides the text; the grammar by default.
        attempts: how often a step may be tried.
        execute: how many actions of a chunk to apply before looking again.
        act: what carries out one sentence instead of `policy`, to watch or film it.
        last: what was done last in this room, as `Report.last` has it; None if the robot stands at its
            start, `BROKEN_OFF` if somebody stopped it.

    Raises:
        NotUnderstoodError: if the text or a part of it is not understood. Nothing has moved then.
    """
    asked = splitter(text, room.task.things.values(), room.families)
    act = act or (lambda sentence: _rollout(room, policy, sentence, seed, execute))
    steps: list[Step] = []

    def take(intent: Intent, reason: Reason) -> bool:
        nonlocal last
        sentence, last = plain(called(intent)), intent
        episode = act(sentence)
        steps.append(Step(intent=intent, instruction=sentence, reason=reason, episode=episode))
        return episode.success

    def manage(intent: Intent) -> bool:
        for attempt in range(attempts):
            failed = attempt > 0
            ready = all(take(need, "needed") for need in needs(room, intent, last, failed=failed))
            if ready and take(intent, "again" if failed else "asked"):
                return True
            if steps[-1].episode.outcome is Outcome.INVALID:  # a crash would only be repeated
                return False
        return False

    for intent in asked:
        if not manage(intent):
            break
    return Report(asked=asked, steps=tuple(steps))


def needs(room: Room, intent: Intent, last: Intent | None, *, failed: bool = False) -> list[Intent]:
    """Return what must be done before a step.

    Whatever begins at the table needs the robot there, unless it just worked there; filling the drawer needs
    it open. After what was broken off, the room is asked where the robot is.
    """
    drawer_open = Intent("drawer", "open", None, Place("", "drawer"))
    first: list[Intent] = []
    if intent.family == "drawer" and intent.manner == "in" and not room.holds(drawer_open):
        first = [*needs(room, drawer_open, last, failed=failed), drawer_open]
        last = drawer_open
    if "goto" in room.families and intent.family != "goto" and (failed or _away(room, last)):
        first.append(BACK)
    return first


def _away(room: Room, last: Intent | None) -> bool:
    if last is BROKEN_OFF:
        return not room.holds(BACK)
    return last is not None and last.family != "put" and last != BACK


def _rollout(room: Room, policy: Policy, sentence: str, seed: int, execute: int) -> Episode:
    return rollout(Here(room, room.instruct(sentence)), policy, seed, execute=execute)


ATTEMPTS = 20
"""How often to begin anew when the first things thought of leave nothing else to do."""


def errands(room: Room, count: int, rng: np.random.Generator) -> list[Intent]:
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


def _intents(room: Room, family: str) -> list[Intent]:
    """Return all that a family could ask for among the things of a room as it was laid out."""
    things, setting = list(room.task.things.values()), TASKS[room.name]
    found = []
    for manner in setting.families[family].manners:
        row = TEMPLATES[family, manner]
        objects = [thing for thing in things if thing.kind in row.objects] if row.objects else [None]
        places = [thing for thing in things if thing.kind in row.places]
        found += [Intent(family, manner, o, place) for o in objects for place in places if o != place]
    return [intent for intent in found if setting.feasible(room.task.layout, intent)]


class _Outlook:
    """Foresee what is worth asking for in a room after some steps, should they succeed."""

    def __init__(self, room: Room) -> None:
        self._is_open, self._at = room.task.layout.drawer_m > DRAWER_SHUT_M, "table"
        self._moved: set[Thing] = set()
        self._full: set[Thing] = set()
        """What holds something, and what was put where nothing more should be put."""

    def offers(self, intent: Intent) -> bool:
        """Tell whether a step changes something and does not get in the way of those before."""
        if intent.family == "goto":
            return STATIONS[intent.place.kind] != STATIONS.get(self._at)
        if intent.family == "drawer" and self._is_open is (intent.manner == "open"):
            return False
        if intent.object is None:
            return True
        # A thing on a mat can still be built upon, but is not where a way beside it was looked for.
        taken = self._full if intent.family == "stack" else self._full | self._moved
        return intent.object not in self._full | self._moved and intent.place not in taken

    def follow(self, intent: Intent) -> None:
        """Take a step as done."""
        self._is_open = {"open": True, "close": False}.get(intent.manner, self._is_open)
        self._at = "table" if intent.family == "put" else intent.place.kind
        if intent.object is not None:
            self._moved.add(intent.object)
            self._full |= {intent.place} if intent.manner == "onto" else {intent.place, intent.object}
