"""Observations and actions of LIBERO's robot: a Panda with two cameras, told how its hand should move.

The protocol is LeRobot's: ``agentview`` looks at the table from the other side, ``wrist`` (robosuite's
``robot0_eye_in_hand``) past the fingers; eight numbers of the hand's own; seven of what it should do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from sayso.geometry import Vector
from sayso.sim.physics import Eye
from sayso.spec import Dimension, Features, point_names, square_cameras

AGENT, WRIST = "agentview", "wrist"
EYES: Mapping[str, Eye] = {AGENT: Eye(name=AGENT), WRIST: Eye(name="robot0_eye_in_hand")}
SIZES_PX: Mapping[str, int] = {AGENT: 128, WRIST: 128}
"""Height and width of each picture that a policy gets."""
FPS = 20
MOVE_M, TURN_RAD = 0.05, 0.5
"""How far an action of 1 moves and turns the hand's target."""


def features(sizes_px: Mapping[str, int] = SIZES_PX) -> Features:
    """Return what the robot shows and accepts.

    Raises:
        ValueError: if the size of a picture is missing or is no number of pixels.
    """
    return Features(
        robot_type="libero_panda",
        fps=FPS,
        state=(
            *(Dimension(name=f"hand.{axis}", unit="m") for axis in "xyz"),
            *(Dimension(name=f"hand.turn.{axis}", unit="rad") for axis in "xyz"),
            *(Dimension(name=f"finger.{side}", unit="m") for side in ("left", "right")),
        ),
        action=(
            *(Dimension(name=f"hand.{axis}.vel", unit="share") for axis in "xyz"),
            *(Dimension(name=f"hand.turn.{axis}.vel", unit="share") for axis in "xyz"),
            Dimension(name="gripper.effort", unit="effort"),
        ),
        cameras=square_cameras(sizes_px, SIZES_PX),
        points=point_names((AGENT, WRIST)),
    )


def axis_angle(quaternion: ArrayLike) -> Vector:
    """Return a rotation as its axis times its angle, radians [3], from a quaternion [4], ``wxyz``.

    As LeRobot has it, the angle is 0 to 2 pi, not the shorter way round: a hand that points down stays near
    pi.
    """
    w, x, y, z = np.asarray(quaternion, float)
    w = float(np.clip(w, -1.0, 1.0))
    sine = math.sqrt(1.0 - w * w)
    if sine < 1e-10:
        return np.zeros(3)
    return np.array([x, y, z]) * (2.0 * math.acos(w) / sine)
