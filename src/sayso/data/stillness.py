r"""Stillness: when a robot counts as standing still, by what its own joints and wheels say.

::

    joint   ~~~~~\_______/~~~~\______________
                  1 s               2 s       what a failure that stands still ends with
                  the gripper works there: moving

One definition for all who ask: evaluation counts failures that end so, and a policy that recovers notices it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sayso.spec import Features

STILL_WITHIN = {
    "deg": 1.5, "rad": 0.026, "normalized": 1.5, "%": 3.0, "m": 0.005, "share": 0.03,
    "m/s": 0.02, "deg/s": 3.0, "rad/s": 0.05,
}  # fmt: skip
"""Unit of a number of the state -> how far apart its values may lie while it stands still. Of a speed, how
fast it may be."""
OTHERWISE = 0.02
"""The same of a unit that is not named."""
FAILED_STILL_S = 2.0
"""Seconds at the end of a failed episode without motion, for it to be a failure that stands still."""


def stands_still(states: ArrayLike, features: Features) -> bool:
    """Tell whether nothing moved in some successive states ``[N, S]``; False of a robot without a state.

    How fast a thing turns or drives may be zero while the arm moves, and the arm may rest while it drives:
    all numbers must rest, the gripper's too.
    """
    seen = np.asarray(states, np.float64).reshape(-1, len(features.state))
    if not seen.size or len(seen) < 2:
        return False
    units = [dimension.unit for dimension in features.state]
    within = np.array([STILL_WITHIN.get(unit, OTHERWISE) for unit in units])
    speeds = np.array([unit.endswith("/s") for unit in units])
    amount = np.where(speeds, np.abs(seen).max(0), np.ptp(seen, axis=0))
    return bool((amount <= within).all())
