"""Report of a run: why it ended, how well time was kept, what had to be cut."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

KEPT = 200_000
"""How many ticks and answers the times in a report are of: the last hours of a run that has no end."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Spread of numbers: half of them lie below `p50`, 99 % below `p99`, all below `max`."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, numbers: Collection[float]) -> Self | None:
        """Return the spread of some numbers; None of none."""
        if not numbers:
            return None
        p50, p99, most = (float(q) for q in np.percentile(list(numbers), [50, 99, 100]))
        return cls(p50=p50, p99=p99, max=most)

    def __str__(self) -> str:
        """Return the three numbers for a person."""
        return f"{self.p50:.1f} (99 % below {self.p99:.1f}, at most {self.max:.1f})"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What there is to say about one run.

    Spreads are those of the last `KEPT` ticks and answers.
    """

    robot_type: str
    instruction: str
    config: Mapping[str, Any]
    hz: float
    stopped: str
    """Why it ended."""
    fault: bool
    """Whether it ended because something went wrong."""
    at_rest: bool
    """Whether the robot took the last commands, which stop it."""
    ticks: int
    seconds: float
    """From the first tick to the last."""
    missed: int
    """Ticks that were not over when the next was due."""
    late_ms: Spread | None
    """How long after its time a tick began: the jitter."""
    work_ms: Spread | None
    """How long a tick took."""
    policy_ms: Spread | None
    """How long the policy took for an answer."""
    answers: int
    delay_steps: Spread | None
    """Control steps between a question and its answer."""
    held: int
    """Ticks for which there was no action, or none fresh enough."""
    watchdog: int
    """How often the watchdog began to hold the robot."""
    clipped: Mapping[str, int]
    """What was cut off (``elbow_flex.pos range``, ``hand workspace``, ``driver``: by it) -> ticks."""
    failures: Mapping[str, int]
    """What the robot did not show or take, in the driver's words -> ticks, for which it was held."""

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain

    def __str__(self) -> str:
        """Return a few lines for a person."""
        lines = [f"stopped: {self.stopped}" + ("" if self.at_rest else "; it did not take the last command")]
        if self.ticks:
            pace = f"{self.hz:g} Hz in {self.seconds:.1f} s"
            lines += [
                f"{self.ticks} steps at {pace}; {self.missed} took too long (deadlines missed)",
                f"a step began so many ms late: {self.late_ms}; it took ms: {self.work_ms}",
                f"the robot was held still for {self.held} steps, for want of a new answer"
                + (f"; {self.watchdog} times by the watchdog" if self.watchdog else ""),
            ]
        if self.answers:
            lines.append(
                f"the policy answered {self.answers} times; an answer took ms: {self.policy_ms}, "
                f"which is steps: {self.delay_steps}"
            )
        if self.clipped:
            cut = ", ".join(f"{name} {ticks}" for name, ticks in self.clipped.items())
            lines.append(f"steps in which a target was cut to the limits: {cut}")
        if self.failures:
            failed = ", ".join(f"{what} {ticks}" for what, ticks in self.failures.items())
            lines.append(f"steps in which the robot failed: {failed}")
        return "\n".join(lines)
