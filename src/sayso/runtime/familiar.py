"""Out-of-distribution check before the first motion: where a robot stands, and what its cameras show.

::

    joint    beyond all that was shown and a margin, or three standard deviations from its mean    --> a line
    camera   black; darker, paler or of another colour than all that was shown; like another camera's
             pictures, or its own upside down                                                      --> a line

What a policy does there nobody has shown it: a robot that can break does not begin where it stands so
(``--start``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sayso.data.appearance import NUMBERS, appearance, recoloured, turned
from sayso.data.statistics import Stats
from sayso.runtime.limits import MARGIN
from sayso.runtime.standing import is_speed
from sayso.spec import STATE, Array, Features, Observation, image_key

FAR = 3.0
"""Standard deviations from the mean that are far."""
LEAST: Mapping[str, float] = {"deg": 2.0, "rad": np.radians(2), "m": 0.01, "%": 2.0, "normalized": 2.0}
"""By how much a number may lie beside what was shown in any case, where a joint hardly moved."""
NEAR = 2.0
"""Standard deviations from the mean within which a robot is brought back."""
LIGHT = 0.15
"""How much a camera's light and colours, of 1, may lie beside all that was shown."""
DARK = 0.02
"""Mean of a picture, of 1, that is black."""
UNLIKE, ALIKE = 0.06, 0.5
"""How far a picture must be beyond its own camera's, of 1, before it is compared with others; and what
share of that the distance to another's must be at most."""
Start = Literal["familiar", "slowly", "anywhere"]
WHY_NOT_TO_BEGIN = (
    "it stands where the demonstrations never did, and has not moved. Put it where they begin; or say "
    "--start slowly, which moves it to the nearest such place first, or --start anywhere"
)
SLOWLY, SETTLED_S = 0.1, 2.0
"""Share of its speed at which a robot moves to where it may begin, and how long it may take to arrive."""


def unfamiliar(features: Features, stats: Mapping[str, Stats], state: Array) -> list[str]:
    """Return a line for each number of a state, ``[S]``, far from all demonstrations; none without stats."""
    if not (found := _far(features, stats, state)).any():
        return []
    shown = stats[STATE]
    return [
        f"{d.name} stands at {state[i]:g}{f' {d.unit}' if d.unit else ''}; the demonstrations had "
        f"{shown.min[i]:g} to {shown.max[i]:g}, usually {shown.mean[i]:g} +- {shown.std[i]:.3g}"
        for i, d in enumerate(features.state)
        if found[i]
    ]


def brought_back(features: Features, stats: Mapping[str, Stats], state: Array, last: Array) -> Array:
    """Return the action, ``[A]``, that brings each far joint to the nearest place where it usually was.

    Args:
        features: of the policy.
        stats: of the demonstrations.
        state: where the robot stands, ``[S]``.
        last: the action that leaves it there, ``[A]``.
    """
    target = last.copy()
    if STATE not in stats:
        return target
    shown = stats[STATE]
    for i in np.flatnonzero(_far(features, stats, state)):
        if (name := features.state_names[i]) in features.action_names:
            low = max(shown.min[i], shown.mean[i] - NEAR * shown.std[i])
            high = min(shown.max[i], shown.mean[i] + NEAR * shown.std[i])
            target[features.action_names.index(name)] = np.clip(state[i], low, high)
    return target


def _far(features: Features, stats: Mapping[str, Stats], state: Array) -> NDArray[np.bool_]:
    """Tell which numbers of a state lie far from all demonstrations; speeds never do."""
    if STATE not in stats or len(stats[STATE].mean) != len(state):
        return np.zeros(len(state), bool)
    shown = {name: np.array(values) for name, values in vars(stats[STATE]).items()}
    least = np.array([LEAST.get(d.unit, 0.0) for d in features.state])
    margin = np.maximum(least, MARGIN * (shown["max"] - shown["min"])) + 1e-3 * np.abs(shown["mean"]) + 1e-6
    outside = (state < shown["min"] - margin) | (state > shown["max"] + margin)
    # Where episodes begin may be far from where they spend their time, and was shown all the same.
    seldom = (state < shown["q01"] - least) | (state > shown["q99"] + least)
    rare = seldom & (np.abs(state - shown["mean"]) > FAR * shown["std"] + least + 1e-6)
    places = np.array([not is_speed(d) for d in features.state], bool)
    found: NDArray[np.bool_] = (outside | rare) & places
    return found


def unlike(features: Features, stats: Mapping[str, Stats], observation: Observation) -> list[str]:
    """Return a line for each camera that shows something else than it did in the demonstrations.

    Nothing is said where a policy has no statistics of pictures, as those trained before there were any.
    """
    known = {camera: stats[image_key(camera)] for camera in features.cameras if image_key(camera) in stats}
    known = {camera: one for camera, one in known.items() if len(one.mean) == NUMBERS}
    looks = {camera: appearance(observation[image_key(camera)]) for camera in known}
    lines = []
    for camera, look in looks.items():
        if why := _why_unlike(camera, look, known):
            lines.append(f"camera {camera} {why}")
    return lines


def _why_unlike(camera: str, look: Array, known: Mapping[str, Stats]) -> str:
    own = known[camera]
    if look.mean() < DARK and np.mean(own.mean) > 2 * DARK:
        return "is black: is its cap on, or its light off?"
    away = _distance(look, own)
    if away > UNLIKE:
        others = {name: _distance(look, stats) for name, stats in known.items() if name != camera}
        nearest = min(others, key=lambda name: others[name], default="")
        if nearest and others[nearest] < ALIKE * away:
            return f"shows what camera {nearest} showed in the demonstrations: are they swapped?"
        if _distance(turned(look), own) < ALIKE * away:
            return "shows what it did in the demonstrations upside down: is it turned?"
        if _distance(recoloured(look), own) < ALIKE * away:
            return "shows red for blue: are its colours in the other order (RGB, BGR)?"
    now, usual = look.mean(), np.mean(own.mean)
    if not np.mean(own.min) - LIGHT <= now <= np.mean(own.max) + LIGHT:
        much = "darker" if now < usual else "brighter"
        return f"is {much} than ever in the demonstrations: {now:.0%} of white, usually {usual:.0%}"
    if away > 2 * UNLIKE:
        return f"shows something else than in the demonstrations ({away:.0%} off): where does it look?"
    return ""


def _distance(look: Array, stats: Stats) -> float:
    """Return how far a picture lies beyond all that a camera showed, mean over its fields, of 1."""
    beyond = np.maximum(look - np.array(stats.q99), np.array(stats.q01) - look)
    return float(np.maximum(beyond, 0).mean())
