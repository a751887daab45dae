"""Out-of-distribution check: where a robot stands as it never stood in the demonstrations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sayso.data.statistics import Stats
from sayso.runtime.standing import is_speed
from sayso.spec import STATE, Array, Features

FAR = 3.0
"""Standard deviations from the mean that are far; also far is what lies outside of all that was shown."""
SLACK = 0.02
"""By what share of what was shown a number may lie outside of it."""


def unfamiliar(features: Features, stats: Mapping[str, Stats], state: Array) -> list[str]:
    """Return a line for each number of a state, ``[S]``, far from all demonstrations; none without stats.

    What a policy does there nobody has shown it. It may well come back, or go on in the wrong direction.
    """
    if STATE not in stats or len(stats[STATE].mean) != len(state):
        return []
    shown = {name: np.array(values) for name, values in vars(stats[STATE]).items()}
    slack = SLACK * (shown["max"] - shown["min"]) + 1e-3 * np.abs(shown["mean"]) + 1e-6
    outside = (state < shown["min"] - slack) | (state > shown["max"] + slack)
    rare = np.abs(state - shown["mean"]) > FAR * shown["std"] + slack
    return [
        f"{d.name} stands at {state[i]:g}{f' {d.unit}' if d.unit else ''}; the demonstrations had "
        f"{shown['min'][i]:g} to {shown['max'][i]:g}, usually {shown['mean'][i]:g} +- {shown['std'][i]:.3g}"
        for i, d in enumerate(features.state)
        if (outside | rare)[i] and not is_speed(d)
    ]
