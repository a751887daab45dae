"""Clock of the control loop: it never runs backwards, and the interpreter pauses seldom."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from typing import Protocol

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter from another; Python's own 5 ms would be felt as jitter."""


class Clock(Protocol):
    """Time that never runs backwards."""

    def now(self) -> float:
        """Return seconds since some moment."""
        ...

    def sleep_until(self, moment: float) -> None:
        """Return at a moment, or at once if it has passed."""
        ...


class MonotonicClock:
    """The system's own clock."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """Sleep until a moment. Spinning at the end would be sharper, at the cost of the policy's thread."""
        while (left := moment - time.monotonic()) > 0:
            time.sleep(left)


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """Keep the interpreter's own pauses short: switch threads sooner, collect only new garbage."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
