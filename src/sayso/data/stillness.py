r"""Stillness: when a robot gets nowhere, by what its own joints and wheels say.

::

    joint   ~~~~~\_______           it stands
            ~~~~~\/\/\/\/\          it sways, and every place is one where it was before
            ~~~~~\_____/~~~~~       it moves on
                 |  |  |
              before  now           every state of now is near one of before

One definition for all who ask: evaluation counts failures that end so, and a policy that recovers notices it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sayso.spec import Features

NEAR = {
    "deg": 4.0, "rad": 0.07, "normalized": 4.0, "%": 8.0, "m": 0.01, "share": 0.08,
    "m/s": 0.02, "deg/s": 3.0, "rad/s": 0.05,
}  # fmt: skip
"""Unit of a number of the state -> how far apart two are that are the same place. Of a speed, how fast the
wheel of a robot may turn that stands."""
OTHERWISE = 0.02
"""The same of a unit that is not named."""
FAILED_STILL_S = 3.0
"""Seconds at the end of a failed episode, of which the later half shows no place that the earlier had not."""


def stands_still(states: ArrayLike, features: Features) -> bool:
    """Tell whether some successive states ``[N, S]`` get nowhere; False of a robot without a state.

    All numbers must be as before at once, the gripper's too: who comes back with a thing in the hand has got
    somewhere. A wheel that turns leads to a new place, whatever the arm does.
    """
    seen = np.asarray(states, np.float64)
    if len(seen) < 2 or not features.state:
        return False
    near, speeds = _near(features)
    if (np.abs(seen[:, speeds]) > near[speeds]).any():
        return False
    before, now = np.split(seen, [len(seen) // 2])
    return all(was_there(state, before, features) for state in now)


def was_there(state: ArrayLike, places: ArrayLike, features: Features) -> bool:
    """Tell whether a state ``[S]`` is the same place as one of others ``[N, S]``; speeds are no places."""
    near, speeds = _near(features)
    apart = np.abs(np.asarray(places, np.float64).reshape(-1, len(near)) - np.asarray(state, np.float64))
    return bool((apart <= near)[:, ~speeds].all(-1).any())


def _near(features: Features) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return for each number of the state how near is near, and whether it is a speed."""
    units = [dimension.unit for dimension in features.state]
    near = np.array([NEAR.get(unit, OTHERWISE) for unit in units])
    return near, np.array([unit.endswith("/s") for unit in units], bool)
