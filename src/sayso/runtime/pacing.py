"""Pace of a plan: played slower than it was meant, by stretching it; places lie between, speeds are a share.

plan      a0        a1        a2                  pace 1
played    a0  a0.5  a1  a1.5  a2                  pace 1/2, each speed halved
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sayso.runtime.standing import is_speed
from sayso.spec import Array, Features

SLOWEST = 0.125
"""A plan that is played more slowly than this is none any more."""


def at_full_pace() -> float:
    """Return that plans are played as they are meant."""
    return 1.0


def paced(at: Callable[[int], Array | None], moment: float, pace: float, features: Features) -> Array | None:
    """Return the action of a moment between two steps of a plan, float32 ``[A]``; None if it has none.

    Args:
        at: returns the action of a step, or None.
        moment: in steps of the plan, counted from the same as theirs.
        pace: share of the speed that the plan means.
        features: of the robot, to know which numbers are speeds.
    """
    step = math.floor(moment)
    before = at(step)
    if before is None or (pace >= 1 and step == moment):
        return before
    after, share = at(step + 1), moment - step
    between = before if after is None else (1 - share) * before + share * after
    speeds = np.array([is_speed(d) for d in features.action])
    return np.where(speeds, pace * between, between).astype(np.float32)
