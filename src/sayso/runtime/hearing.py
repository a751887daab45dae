"""Instruction check: what a policy can read of what is asked for, and whether it learned the like."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sayso.models.words import Reading, nearest
from sayso.spec import Policy, SaysoError

MOST_TOLD = 3
"""Instructions of which is said at most that they were never learned, where there are several."""


class NotHeardError(SaysoError):
    """An instruction of which a policy understands next to nothing."""


def reading_of(policy: Policy, instruction: str) -> Reading | None:
    """Return what of an instruction a policy reads; None if it is one that does not tell."""
    hear = getattr(policy, "hear", None)
    reading: Reading | None = hear(instruction) if hear is not None else None
    return reading


def knows_words(policy: Policy) -> bool:
    """Tell whether a policy learned many words for what it can do, so that people may use their own."""
    return bool(getattr(policy, "words", ""))


def not_heard(policy: Policy, instruction: str, *, moves: bool = True) -> tuple[str, ...]:
    """Return a sentence for each thing of an instruction that a policy will not understand, or never learned.

    Args:
        policy: who is to act on it.
        instruction: what is asked for.
        moves: whether something moves that can break; what it then does that nobody asked for, nobody knows.

    Raises:
        NotHeardError: if it says nothing, or something is to move and most words cannot be read.
    """
    reading = reading_of(policy, instruction)
    if reading is None:
        return ()
    if not reading.words or (moves and reading.is_foreign):
        raise NotHeardError(". ".join(reading.faults))
    return (*reading.faults, *not_learned(getattr(policy, "sentences", ()), [instruction]))


def not_learned(learned: Collection[str], instructions: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each instruction that is none of those which a policy learned: the nearest one.

    Args:
        learned: the instructions of its demonstrations; empty where it does not name them.
        instructions: what it is asked to do.
    """
    known = {Reading.of(sentence).ids for sentence in learned}  # upper case and accents do not count
    new = [one for one in instructions if known and Reading.of(one).ids not in known]
    many = f"none of the {len(learned)} instructions" if len(learned) > 1 else "not the one instruction"
    for one in new[:MOST_TOLD]:
        yield f"{one!r} is {many} that the policy learned; nearest is {nearest(one, learned)!r}"
    if len(new) > MOST_TOLD:
        yield f"and {len(new) - MOST_TOLD} more instructions that it never learned"
