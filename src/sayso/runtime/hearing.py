"""Instruction check: what a policy can read of what is asked for, before a robot moves."""

from __future__ import annotations

from sayso.models.words import Reading
from sayso.spec import Policy, SaysoError


class NotHeardError(SaysoError):
    """An instruction of which a policy understands next to nothing."""


def reading_of(policy: Policy, instruction: str) -> Reading | None:
    """Return what of an instruction a policy reads; None if it is one that does not tell."""
    hear = getattr(policy, "hear", None)
    reading: Reading | None = hear(instruction) if hear is not None else None
    return reading


def not_heard(policy: Policy, instruction: str, *, moves: bool = True) -> tuple[str, ...]:
    """Return a sentence for each thing of an instruction that a policy will not understand.

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
    return reading.faults
