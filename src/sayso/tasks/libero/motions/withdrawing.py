"""Withdrawing: a hand that lies level around something comes out backwards before it does anything else."""

from __future__ import annotations

import math

import numpy as np

from sayso.tasks.libero.motions.motion import DOWN, OPEN, Command, Pose
from sayso.tasks.libero.motions.things import Array, Things

LEANING_RAD = 0.6
"""A hand that leans less than this comes out upwards."""
BACK_M = 0.06


def _around() -> Array:
    """Return points of the space between and before the fingers, in the frame of the hand, [P, 3]."""
    return np.array(
        [
            (across, aside, ahead)
            for across in np.linspace(-0.06, 0.06, 9)
            for aside in (-0.015, 0.0, 0.015)
            for ahead in np.arange(-0.03, 0.085, 0.012)
        ]
    )


AROUND = _around()


def engaged(things: Things, pose: Pose) -> bool:
    """Tell whether a hand lies level and has something between or close before its fingers."""
    if math.acos(np.clip(float(pose.rotation[:, 2] @ DOWN), -1.0, 1.0)) < LEANING_RAD:
        return False
    points = AROUND @ pose.rotation.T + pose.hand
    return bool(things.boxes(things.others()).inside(points).any())


def command(pose: Pose) -> Command:
    """Return the way out."""
    return Command(pose.hand - BACK_M * pose.rotation[:, 2], pose.rotation, OPEN)
