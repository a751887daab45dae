"""Motion of LIBERO's arm under experts: a pose, a command, and one bounded step from the one to the other.

An expert is, as in the household, a list of phases without memory: the first whose entry condition holds on
the present state decides. What is different is the arm. It takes displacements of its hand (operational space
control), so a command needs no kinematics: where the hand should go and how it should be turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sayso.geometry import Vector, cross, limit_norm, wrap_angle

Rotation = NDArray[np.float64]
S = TypeVar("S")

OPEN, SHUT = -1.0, 1.0
"""What the gripper is told; it knows nothing in between."""
MOVE_M, TURN_RAD = 0.05, 0.5
"""What an action of 1 stands for: how far ahead of the hand its target lies, along and about each axis."""
GAIN = 1.8
"""How much farther ahead than its goal the hand is pulled; 1 is critically damped and slow to arrive."""
SLOW_STEP_M = 0.02
"""How far ahead its target lies where the hand should be careful."""
DOWN: Vector = np.array([0.0, 0.0, -1.0])
ACROSS_RAD = math.pi / 2
"""Heading along which the jaws close when the arm is at rest."""
WRIST_M = (0.088, 0.21)
"""How far inward of the hand, and how far above it, the wrist is while the hand points down."""
STRETCHED_M, FAR_M = 0.685, 0.75
"""Distance of the wrist from the shoulder at which the elbow is nearly straight, and of the hand, level, from
which on reaching is awkward."""
HAND_SITE = "gripper0_grip_site"
FINGERS = ("gripper0_finger_joint1", "gripper0_finger_joint2")


@dataclass(frozen=True)
class Pose:
    """How the hand stands, in the world, metres."""

    hand: Vector
    """Point between the fingertips, [3]."""
    rotation: Rotation
    """World from hand, [3, 3]: x is the axis along which the jaws close, z points out of the hand."""
    opening_m: float
    """Distance between the fingers."""
    closing_m_s: float
    """Speed at which they close; negative while they open."""

    @property
    def closing_rad(self) -> float:
        """Return the heading along which the jaws close, or would if the hand were put upright."""
        across, ahead = self.rotation[:, 0], self.rotation[:, 2]
        axis, cosine = cross(ahead, DOWN), max(-0.99, float(ahead @ DOWN))
        turned = cross(axis, across)
        upright = across + turned + cross(axis, turned) / (1 + cosine)
        return math.atan2(upright[1], upright[0])


@dataclass(frozen=True)
class Command:
    """Where the hand should go next, how it should be turned, and whether the jaws should be open."""

    hand: Vector
    rotation: Rotation
    gripper: float
    step_m: float = MOVE_M
    """How far ahead of the hand its target may lie."""
    turn_rad: float = TURN_RAD


@dataclass(frozen=True)
class Phase(Generic[S]):
    """Entry condition and what to do while it holds."""

    name: str
    enters: Callable[[S], bool]
    do: Callable[[S], Command]


def read_pose(model: Any, data: Any) -> Pose:
    """Return how the hand stands in a MuJoCo model and its data."""
    site = data.site(HAND_SITE)
    joints = [model.joint(name) for name in FINGERS]
    first, second = (float(data.qpos[joint.qposadr[0]]) for joint in joints)
    speeds = [float(data.qvel[joint.dofadr[0]]) for joint in joints]
    return Pose(
        hand=np.array(site.xpos),
        rotation=np.array(site.xmat).reshape(3, 3),
        opening_m=first - second,
        closing_m_s=speeds[1] - speeds[0],
    )


def pointing(approach: Vector, closing: Vector) -> Rotation:
    """Return the rotation of a hand that points along one direction and closes along another, [3] each."""
    ahead = approach / np.linalg.norm(approach)
    across = closing - ahead * float(closing @ ahead)
    across = across / np.linalg.norm(across)
    return np.stack([across, cross(ahead, across), ahead], axis=1)


def downward(closing_rad: float) -> Rotation:
    """Return the rotation of a hand that points down and closes along a heading."""
    return pointing(DOWN, np.array([math.cos(closing_rad), math.sin(closing_rad), 0.0]))


def nearest_closing(present_rad: float, heading_rad: float) -> float:
    """Return the heading that closes along the same line and is the better of two to turn to.

    The wrist turns a quarter to either side of where it rests, and a little more; near that limit the present
    heading decides.
    """
    ahead = wrap_angle(heading_rad - ACROSS_RAD)
    choices = [wrap_angle(ahead + turn) for turn in (0.0, math.pi)]
    now = wrap_angle(present_rad - ACROSS_RAD)
    best = min(choices, key=lambda turn: 5.0 * max(0.0, abs(turn) - 1.75) + 0.1 * abs(turn) + abs(turn - now))
    return ACROSS_RAD + best


def over(point: Vector, height_m: float) -> Vector:
    """Return the point above or below another, at a height."""
    return np.array([point[0], point[1], height_m])


def within_reach(point: Vector, shoulder: Vector) -> Vector:
    """Return a point for a hand that points down, drawn in as far as the elbow would be straight.

    A straight elbow is a trap: no force on the hand bends it again.
    """
    away = (point - shoulder)[:2]
    far = float(np.hypot(*away))
    wrist_m = far - WRIST_M[0]
    up_m = float(point[2] + WRIST_M[1] - shoulder[2])
    allowed_m = math.sqrt(max(0.01, STRETCHED_M**2 - up_m**2))
    if wrist_m <= allowed_m:
        return point
    return np.array([*(shoulder[:2] + away * (allowed_m + WRIST_M[0]) / far), point[2]])


def pace(off_m: float, slow_m: float = SLOW_STEP_M) -> float:
    """Return how far ahead of the hand its target may lie: the slower, the nearer to the goal."""
    return float(np.interp(off_m, (0.01, 0.06), (slow_m, MOVE_M)))


def rotation_vector(rotation: Rotation) -> Vector:
    """Return axis times angle of a rotation, radians [3]."""
    cosine = float(np.clip((np.trace(rotation) - 1) / 2, -1.0, 1.0))
    angle = math.acos(cosine)
    axis: Vector = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    length = float(np.linalg.norm(axis))
    if length > 1e-6:
        return np.asarray(axis * (angle / length))
    if cosine > 0:
        return np.zeros(3)
    column = int(np.argmax(np.diag(rotation)))  # half a turn: any column of R + 1 lies along the axis
    axis = rotation[:, column] + np.eye(3)[column]
    return np.asarray(axis * (math.pi / float(np.linalg.norm(axis))))


def off_rad(pose: Pose, rotation: Rotation) -> float:
    """Return by how much a hand is turned away from a rotation."""
    return float(np.linalg.norm(rotation_vector(rotation @ pose.rotation.T)))


def act(pose: Pose, command: Command) -> NDArray[np.float32]:
    """Turn a command into an action, float32 [7] in -1..1: displacement, rotation, gripper."""
    move = limit_norm(GAIN * (command.hand - pose.hand), command.step_m) / MOVE_M
    turn = rotation_vector(command.rotation @ pose.rotation.T)
    turn = limit_norm(GAIN * turn, command.turn_rad) / TURN_RAD
    return np.asarray(np.clip([*move, *turn, command.gripper], -1.0, 1.0), np.float32)
