"""Standing still: which action makes a robot hold its position; places are kept, speeds are zero.

::

    unit known       deg, rad, %, normalized, m    a place      m/s, deg/s, rad/s, share    a speed
    unit unknown     named ...pos                  a place      named ...vel                a speed
    neither          as it is felt, where the state has the same names; else such a robot is not driven
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sayso.data.statistics import Stats
from sayso.spec import ACTION, Array, Dimension, FeatureMismatchError, Features

SPEEDS = ("m/s", "rad/s", "deg/s", "share")
"""Units of actions that are speeds, which are zero at rest."""
SPEED_NAMES = (".vel", "_vel", "velocity", "speed")
"""How the names of speeds end where their unit is unknown."""
PLACE_NAMES = (".pos", "_pos", "position")
EFFORT = "effort"
"""Unit of a force, which is kept lest something drops, and is zero before anything was told."""


def is_speed(dimension: Dimension) -> bool:
    """Tell whether a number is one that is zero at rest, by its unit or else by its name."""
    return dimension.unit in SPEEDS or (not dimension.unit and dimension.name.endswith(SPEED_NAMES))


def is_place(dimension: Dimension) -> bool:
    """Tell whether a number is surely one that is kept at rest; of an unknown unit its name must say so."""
    return not is_speed(dimension) and (bool(dimension.unit) or dimension.name.endswith(PLACE_NAMES))


def why_not_to_stand(features: Features) -> str:
    """Return why nobody can tell which action makes a robot stand still; nothing if it is clear."""
    felt, named = features.state_names, [d.name for d in features.action if not d.name.isdecimal()]
    unclear = [
        d.name
        for d in features.action
        if not (is_speed(d) or is_place(d) or (d.name in felt and d.name in named))
    ]
    unfelt = [d.name for d in features.action if is_place(d) and d.unit != EFFORT and d.name not in felt]
    if not unclear and not unfelt:
        return ""
    wrong = "may be a place or a speed" if unclear else "is a place that is not felt"
    return (
        f"nobody can tell how this robot stands still: {', '.join(unclear or unfelt)} {wrong}. Record "
        "with names such as shoulder_pan.pos for places and x.vel for speeds, the same for state and action"
    )


def hold(features: Features, last: Array, state: Array | None = None) -> Array:
    """Return the action that stands still, float32 ``[A]``: places as in the `last` one, speeds 0.

    What may be either, as nobody knows its unit, is as it was felt in the `state`, where that is known.
    """
    felt = dict(zip(features.state_names, state, strict=True)) if state is not None else {}
    chosen = [
        0.0 if is_speed(d) else told if is_place(d) else felt.get(d.name, told)
        for d, told in zip(features.action, last, strict=True)
    ]
    return np.array(chosen, dtype=np.float32)


def amid(features: Features, stats: Mapping[str, Stats]) -> Array:
    """Return the mean action of the demonstrations, float32 ``[A]``; zeros where nothing is known of them."""
    return np.array(stats[ACTION].mean if ACTION in stats else [0.0] * len(features.action), np.float32)


def stand(features: Features, state: Array, last: Array | None = None) -> Array:
    """Return the action that stops where the robot is, float32 ``[A]``.

    Joints stay where they were felt and speeds are 0. What is not felt, and the gripper, keep what they were
    told `last`, lest it drop what it holds; before anything was told, the gripper stays as it was felt too.

    Raises:
        FeatureMismatchError: if nobody knows where something is that should stay there.
    """
    felt = dict(zip(features.state_names, state, strict=True))
    told = dict(zip(features.action_names, last, strict=True)) if last is not None else {}
    chosen = []
    for d in features.action:
        known = (told, felt) if d.unit == "%" or "gripper" in d.name else (felt, told)
        where = [0.0] if is_speed(d) else [found[d.name] for found in known if d.name in found]
        where = where or ([0.0] if d.unit == EFFORT else [])
        if not where:
            raise FeatureMismatchError(f"{d.name} is neither felt nor told, so it cannot be kept where it is")
        chosen.append(where[0])
    return np.array(chosen, dtype=np.float32)
