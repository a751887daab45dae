"""Long-horizon tasks: several instructions in a row, each with its own conditions of success.

    text --decompose--> intents --> for each: what it needs first, the step itself, once more if it failed
                                 |
                                 go back to the table; open the drawer

The planner is a list one can read: every `Step` says what was asked of the policy, why, and how it ended. It
never moves the robot itself and knows no more of it than a person in the room would: what was done last,
and whether a condition of a task holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sayso.evaluation.rollout import rollout
from sayso.spec import EXECUTE, Array, Episode, Observation, Outcome, Policy
from sayso.tasks.contract import World
from sayso.tasks.household.draw import called
from sayso.tasks.household.variants import BACK, row_of
from sayso.tasks.household.words.language import Intent, Place, plain
from sayso.tasks.household.words.own import spoken
from sayso.tasks.household.words.plan import Decomposer, decompose

Reason = Literal["asked", "needed", "again"]
BROKEN_OFF = Intent("", "", None, Place("", "table"))
"""Stands for what was done last where that did not come to its end: nobody knows where it left the robot."""


class Room(World, Protocol):
    """World that can be told what to do next without starting over."""

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

    def conditions(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a plan, and how it went."""

    intent: Intent
    instruction: str
    """What was said to the policy."""
    reason: Reason
    """Whether a person asked for it, or a later step needed it, or it is another attempt."""
    episode: Episode
    already: bool = False
    """Whether it was so before anything moved."""


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """Plan that was carried out."""

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
    def already(self) -> bool:
        """Tell whether all that was done was so before."""
        return self.success and all(step.already for step in self.steps)

    @property
    def last(self) -> Intent:
        """Return what was done last, as far as the next plan can build on it."""
        step = self.steps[-1]
        return step.intent if step.episode.success else BROKEN_OFF


class Here:
    """World whose reset changes nothing, so that an episode begins where the last one ended."""

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
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action."""
        return self._room.step(action, render=render)


def carry_out(
    room: Room,
    policy: Policy,
    text: str,
    seed: int,
    *,
    decomposer: Decomposer = decompose,
    attempts: int = 2,
    execute: int = EXECUTE,
    act: Callable[[str], Episode] | None = None,
    last: Intent | None = None,
    own_words: bool = False,
) -> PlanReport:
    """Divide an instruction into steps and carry them out one after the other.

    A step that fails is tried again, from the table where there is one to drive back to. The plan ends at
    the first step that fails for good, and at once if something crashes.

    Args:
        room: a world in which an episode has begun.
        policy: who acts.
        text: one instruction or several.
        seed: of the room, for the report.
        decomposer: what divides the text; the grammar by default.
        attempts: how often a step may be tried.
        execute: how many actions of a chunk to apply before looking again.
        act: what carries out one sentence instead of `policy`, to watch or film it.
        last: what was done last in this room, as `PlanReport.last` has it; None if the robot stands at its
            start, `BROKEN_OFF` if somebody stopped it.
        own_words: whether the policy learned many words: it then hears one step as it was said, and else the
            grammar's plainest sentence.

    Raises:
        NotUnderstoodError: if the text or a part of it is not understood. Nothing has moved then.
    """
    asked = decomposer(text, room.task.things.values(), room.families)
    act = act or (lambda sentence: _rollout(room, policy, sentence, seed, execute))
    steps: list[Step] = []

    def take(intent: Intent, reason: Reason, sentence: str = "") -> bool:
        nonlocal last
        sentence, last, already = sentence or plain(called(intent)), intent, room.holds(intent)
        episode = act(sentence)
        steps.append(
            Step(intent=intent, instruction=sentence, reason=reason, episode=episode, already=already)
        )
        return episode.success

    def manage(intent: Intent, sentence: str) -> bool:
        for attempt in range(attempts):
            failed = attempt > 0
            ready = all(take(need, "needed") for need in needs(room, intent, last, failed=failed))
            if ready and take(intent, "again" if failed else "asked", sentence):
                return True
            if steps[-1].episode.outcome is Outcome.INVALID:  # a crash would only be repeated
                return False
        return False

    for step in zip(asked, spoken(text, asked, room.families, own_words=own_words), strict=True):
        if not manage(*step):
            break
    return PlanReport(asked=asked, steps=tuple(steps))


def as_it_is(text: str, act: Callable[[str], Episode]) -> PlanReport:
    """Carry out one sentence without dividing it, where a world has one task a scene, and report."""
    step = Step(intent=BROKEN_OFF, instruction=text, reason="asked", episode=act(text))
    return PlanReport(asked=(BROKEN_OFF,), steps=(step,))


def needs(room: Room, intent: Intent, last: Intent | None, *, failed: bool = False) -> list[Intent]:
    """Return what must be done before a step.

    Whatever begins at the table needs the robot there, unless it just worked there; filling the drawer needs
    it open. After what was broken off, the room is asked where the robot is.
    """
    row = row_of(intent)
    first: list[Intent] = []
    if row.needs_first is not None and not room.holds(row.needs_first):
        first = [*needs(room, row.needs_first, last, failed=failed), row.needs_first]
        last = row.needs_first
    if BACK.family in room.families and not row.starts_anywhere and (failed or _away(room, last)):
        first.append(BACK)
    return first


def _away(room: Room, last: Intent | None) -> bool:
    if last is BROKEN_OFF:
        return not room.holds(BACK)
    return last is not None and row_of(last).ends_at(last) != BACK.place.kind


def _rollout(room: Room, policy: Policy, sentence: str, seed: int, execute: int) -> Episode:
    return rollout(Here(room, room.instruct(sentence)), policy, seed, execute=execute)
