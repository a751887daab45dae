"""Contract of an operator: asked at every step of the loop, it gives an action or keeps its hands off.

step k ──> person:  an action?   yes ──> sent; the policy is told that somebody else acts
              | no
              v
           policy:  an action?   yes ──> sent
              | no
              v
           the robot is held
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sayso.runtime.clock import Clock
from sayso.runtime.stopping import Stop
from sayso.spec import Actor, Array, Observation


@dataclass(frozen=True, eq=False)
class Moment:
    """What an operator is asked about: one step of the control loop."""

    now: float
    """Seconds, of the loop's clock."""
    period: float
    """Seconds until the next step."""
    observation: Observation | None
    """What is seen, at the size that a policy sees; None if nothing was: then nobody is to act."""
    last: Array
    """Float32 ``[A]``, what the robot took last."""


class Operator(Protocol):
    """Who gives a robot its actions, step by step."""

    @property
    def actor(self) -> Actor:
        """Return what the episodes that it drives are said to be driven by."""
        ...

    def begin(self, observation: Observation, stop: Stop, clock: Clock, period: float) -> None:
        """Get ready before the first step, for as long as that takes or until there is a reason to stop."""
        ...

    def act(self, moment: Moment) -> Array | None:
        """Return the action of a step, float32 ``[A]``; None if it leaves the robot to others."""
        ...

    def stand_aside(self, moment: Moment) -> None:
        """Take note of a step in which somebody else acts."""
        ...

    def close(self) -> None:
        """Close what runs beside the loop."""
        ...
