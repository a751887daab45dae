"""Moment of a run, as the loop tells it to whoever watches: what was seen, what is planned, what was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sayso.runtime.chunking import Plan
from sayso.spec import Actor, Array, Observation


@dataclass(frozen=True, eq=False)
class Tick:
    """Moment of the control loop, after its step was taken."""

    seconds: float
    """Since the loop began."""
    observation: Observation | None
    """What was seen, at the size that the policy sees; None if nothing was."""
    plan: Plan
    """What is planned by now: the newest chunk, as it was joined to the one before."""
    step: int
    """Which step of the plan this was."""
    sent: Array
    """Float32 ``[A]``, what the robot took last."""
    held: int
    """Steps in which the robot was held until now."""
    actor: Actor | None = None
    """Who acted in this step; None if nobody did, and it was held."""


Watch = Callable[[Tick], None]
"""What is called after every step, in the loop's own time: it must not wait for anything."""


def unwatched(_: Tick) -> None:
    """Watch nothing."""
