"""Jaws of the SO-101: how far apart its pads are at each angle of the gripper, and the other way round."""

from __future__ import annotations

from functools import cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.robots import arm_spec, gripper_rad

Vector = NDArray[np.float64]
STEPS_PERCENT = np.arange(0.0, 101.0, 5.0)


def percent_for(opening_m: Vector) -> Vector:
    """Return how far the gripper must be open, 0 to 100, for its pads to be so far apart, ``[N]``."""
    percent: Vector = np.interp(opening_m, _openings(), STEPS_PERCENT)
    return percent


@cache
def _openings() -> Vector:
    """Return the distance of the pads, beyond that of the shut jaws, at each of `STEPS_PERCENT`."""
    model = arm_spec().compile()
    data, found = mujoco.MjData(model), []
    pads = [model.geom(f"{jaw}_jaw_pad").id for jaw in ("fixed", "moving")]
    for percent in STEPS_PERCENT:
        data.qpos[5] = gripper_rad(float(percent))
        mujoco.mj_kinematics(model, data)
        fixed, moving = data.geom_xpos[pads]
        found.append(float(np.linalg.norm(fixed - moving)))
    return np.maximum.accumulate(np.array(found)) - min(found)
