"""Carry out several instructions in a row, each with its own conditions of success.

    text --split--> intents --> for each: what it needs first, the step itself, once more if it failed
                                 |
                                 go back to the table; open the drawer

The planner is a list one can read: every `Step` says what was asked of the policy, why, and how it ended. It
never moves the robot itself and knows no more of it than a person in the room would: what was done last,
and whether a condition of a task holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from sayso.rollout import World, rollout
from sayso.spec import Array, Episode, Observation, Outcome, Policy
from sayso.tasks.language import KINDS, Intent, Place, Thing, plain
from sayso.tasks.plan import Splitter, split
from sayso.tasks.task import TASKS, called
from sayso.tasks.vocabulary import TEMPLATES

Reason = Literal["asked", "needed", "again"]


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
        return len({step.intent for step in self.steps if step.reason != "needed" and step.episode.success})

    @property
    def success(self) -> bool:
        """Tell whether everything that was asked for succeeded."""
        return self.done == len(set(self.asked))


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

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action."""
        return self._room.step(action)


def carry_out(
    room: Room,
    policy: Policy,
    text: str,
    seed: int,
    *,
    splitter: Splitter = split,
    attempts: int = 2,
    execute: int = 8,
    act: Callable[[str], Episode] | None = None,
    last: Intent | None = None,
) -> Report:
    """Divide an instruction into steps and carry them out one after the other.

    A step that fails is tried again, from the table where there is one to drive back to. The plan ends at
    the first step that fails for good.

    Args:
        room: a world in which an episode has begun.
        policy: who acts.
        text: one instruction or several.
        seed: of the room, for the report.
        splitter: what divides the text; the grammar by default.
        attempts: how often a step may be tried.
        execute: how many actions of a chunk to apply before looking again.
        act: what carries out one sentence instead of `policy`, to watch or film it.
        last: what was done last in this room; None if the robot stands at its start.

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

    for intent in asked:
        for attempt in range(attempts):
            failed = attempt > 0
            if not all(take(need, "needed") for need in needs(room, intent, last, failed=failed)):
                continue
            if take(intent, "again" if failed else "asked"):
                break
        else:
            break
        if steps[-1].episode.outcome is Outcome.INVALID:
            break
    return Report(asked=asked, steps=tuple(steps))


def needs(room: Room, intent: Intent, last: Intent | None, *, failed: bool = False) -> list[Intent]:
    """Return what must be done before a step.

    Whatever begins at the table needs the robot there, unless it just worked there; filling the drawer needs
    it open.
    """
    drawer_open = Intent("drawer", "open", None, Place("", "drawer"))
    back = Intent("goto", "to", None, Place("", "table"))
    first: list[Intent] = []
    if intent.family == "drawer" and intent.manner == "in" and not room.holds(drawer_open):
        first = [*needs(room, drawer_open, last, failed=failed), drawer_open]
        last = drawer_open
    mobile = "goto" in room.families
    away = last is not None and last.family != "put" and last != back
    if mobile and intent.family != "goto" and (away or failed):
        first.append(back)
    return first


def _rollout(room: Room, policy: Policy, sentence: str, seed: int, execute: int) -> Episode:
    return rollout(Here(room, room.instruct(sentence)), policy, seed, execute=execute)


def errands(room: Room, count: int, rng: np.random.Generator) -> list[Intent]:
    """Think of things to ask for one after the other in a room: families take turns, objects move but once.

    Fewer than `count` come back if the room has no more to offer.
    """
    layout, setting = room.task.layout, TASKS[room.name]
    families = [str(family) for family in rng.permutation(room.families)]
    used: set[Thing | None] = set()
    is_open, at = layout.drawer_m > 0, "table"
    found: list[Intent] = []
    for turn in range(4 * count):
        if len(found) == count:
            break
        family = families[turn % len(families)]
        options = [
            intent
            for manner in setting.families[family].manners
            for intent in _intents(family, manner, room.task.things.values())
            if not used & _moved(intent)
            and _is_news(intent, is_open=is_open, at=at)
            and setting.feasible(layout, intent)
        ]
        if options:
            intent = options[rng.integers(len(options))]
            found.append(intent)
            used |= _moved(intent)
            is_open = {"open": True, "close": False}.get(intent.manner, is_open)
            at = "table" if family == "put" else intent.place.kind
    return found


def _intents(family: str, manner: str, things: Iterable[Thing]) -> list[Intent]:
    """Return all that a family could ask for among things."""
    row, present = TEMPLATES[family, manner], list(things)
    objects = [thing for thing in present if thing.kind in row.objects] if row.objects else [None]
    places = [thing for thing in present if thing.kind in row.places]
    return [Intent(family, manner, thing, place) for thing in objects for place in places if thing != place]


def _moved(intent: Intent) -> set[Thing | None]:
    """Return the movable things that a step touches, which are no longer where the scene says after it."""
    return {thing for thing in (intent.object, intent.place) if thing and KINDS[thing.kind].movable}


def _is_news(intent: Intent, *, is_open: bool, at: str) -> bool:
    """Tell whether a step changes anything: nobody closes a closed drawer or goes where they are."""
    if intent.family == "goto":
        return intent.place.kind != at
    return is_open is (intent.manner != "open") if intent.family == "drawer" else True
