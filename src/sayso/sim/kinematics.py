"""Inverse kinematics of the arm by damped least squares (Wampler 1986; Nakamura and Hanafusa 1986).

The SO-101 has five joints before the gripper, so a full pose is out of reach: position comes first, then the
direction in which the hand approaches, then the heading along which the jaws close.
"""

from __future__ import annotations

import math
import threading
from functools import cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.geometry import cross, rotate_z
from sayso.robots import JOINT_RANGE_RAD
from sayso.sim.robots import MOUNT_M, arm_spec, from_robot_units
from sayso.spec import Array

Vector = NDArray[np.float64]
APPROACH_WEIGHT_M, CLOSING_WEIGHT_M = 0.08, 0.03
"""What a radian of wrong direction costs, in metres of wrong position."""
DAMPING, ITERATIONS, MAX_STEP_RAD = 1e-5, 12, 0.25


class ArmKinematics:
    """Forward and inverse kinematics: where the hand is, which joints bring it there; from the arm's base."""

    def __init__(self) -> None:
        """Take the arm alone, with a state of its own."""
        self._model = _arm_alone()
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site("tcp").id
        self._body = self._model.body("gripper").id
        self._low, self._high = np.array(JOINT_RANGE_RAD)[:5].T
        self._jacobian = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))

    def forward(self, joints_rad: Vector) -> tuple[Vector, NDArray[np.float64]]:
        """Return the tool centre point [3] and the hand's rotation [3, 3] for joint angles [5] or [6]."""
        self._data.qpos[:5] = joints_rad[:5]
        mujoco.mj_kinematics(self._model, self._data)
        return self._data.site_xpos[self._site].copy(), self._data.xmat[self._body].reshape(3, 3).copy()

    def solve(
        self,
        start_rad: Vector,
        target_m: Vector,
        tilt_rad: float,
        closing_rad: float,
        iterations: int = ITERATIONS,
    ) -> Vector:
        """Return joints [5] that bring the tool centre point to a target, from a nearby start.

        Args:
            start_rad: joints to start from, [5] or [6].
            target_m: where the tool centre point should be, [3].
            tilt_rad: how far the approach leans outward from straight down.
            closing_rad: heading of the axis along which the jaws close, seen from above.
            iterations: how often to come nearer, at most; a target a step away needs few.
        """
        joints = np.array(start_rad[:5], dtype=float)
        bearing = math.atan2(target_m[1], target_m[0] - PAN_AXIS_X_M)
        approach = np.array(
            [
                math.sin(tilt_rad) * math.cos(bearing),
                math.sin(tilt_rad) * math.sin(bearing),
                -math.cos(tilt_rad),
            ]
        )
        closing = np.array([math.cos(closing_rad), math.sin(closing_rad), 0.0])
        closing -= approach * (closing @ approach)
        closing /= np.linalg.norm(closing)
        for _ in range(iterations):
            error, jacobian = self._error(joints, target_m, approach, closing)
            step = self._step(joints, error, jacobian)
            joints = np.clip(joints + np.clip(step, -MAX_STEP_RAD, MAX_STEP_RAD), self._low, self._high)
            if np.abs(step).max() < 1e-4:
                break
        return joints

    def moved(self, joints_rad: Vector, shift_m: Vector, turn_rad: Vector) -> Vector:
        """Return joints [5] after a small move of the hand, as near as five joints come: position first.

        Args:
            joints_rad: joints to move from, [5] or [6].
            shift_m: how far the tool centre point goes, [3].
            turn_rad: axis about which the hand turns, as long as the angle, [3].
        """
        joints = np.array(joints_rad[:5], dtype=float)
        self.forward(joints)
        mujoco.mj_comPos(self._model, self._data)
        linear, angular = self._jacobian
        mujoco.mj_jacSite(self._model, self._data, linear, angular, self._site)
        jacobian = np.concatenate([linear[:, :5], APPROACH_WEIGHT_M * angular[:, :5]])
        step = self._step(joints, np.concatenate([shift_m, APPROACH_WEIGHT_M * turn_rad]), jacobian)
        joints += np.clip(step, -MAX_STEP_RAD, MAX_STEP_RAD)
        return joints.clip(self._low, self._high)

    def _step(self, joints: Vector, error: Vector, jacobian: Vector) -> Vector:
        """Return the damped least-squares step of the joints that are free to take it.

        A joint that would run into its limit is held there and the others solve again: clipping alone
        stalls far from the best pose, since the limited joint keeps claiming its share of the error.
        """
        free = np.ones(len(joints), dtype=bool)
        step = np.zeros(len(joints))
        for _ in range(len(joints)):
            part = jacobian[:, free]
            step[free] = np.linalg.solve(part.T @ part + DAMPING * np.eye(int(free.sum())), part.T @ error)
            blocked = free & (((joints >= self._high) & (step > 0)) | ((joints <= self._low) & (step < 0)))
            if not blocked.any():
                break
            step[blocked], free = 0.0, free & ~blocked
        return step

    def _error(
        self, joints: Vector, target_m: Vector, approach: Vector, closing: Vector
    ) -> tuple[Vector, Vector]:
        """Return the stacked error [9] and its Jacobian [9, 5]."""
        position, hand = self.forward(joints)
        mujoco.mj_comPos(self._model, self._data)
        linear, angular = self._jacobian
        mujoco.mj_jacSite(self._model, self._data, linear, angular, self._site)
        turn_approach = APPROACH_WEIGHT_M * cross(-hand[:, 2], approach)
        turn_closing = CLOSING_WEIGHT_M * cross(hand[:, 0], closing)
        along = np.outer(approach, approach)  # turning about the approach is the only way to turn the jaws
        error = np.concatenate([target_m - position, turn_approach, along @ turn_closing])
        turning = angular[:, :5]
        jacobian = np.concatenate(
            [linear[:, :5], APPROACH_WEIGHT_M * turning, CLOSING_WEIGHT_M * along @ turning]
        )
        return error, jacobian


@cache
def _arm_alone() -> mujoco.MjModel:
    """Compile the arm, once in a process: nobody changes it."""
    return arm_spec().compile()


PAN_AXIS_X_M = 0.0388
"""How far in front of the arm's base its first joint stands."""


def path_of(actions: Array, pose: Vector, *, mobile: bool, hz: float) -> Vector:
    """Return where actions, ``[K, A]``, bring the tool centre point, ``[K, 3]`` in the world.

    Args:
        actions: in robot units.
        pose: of the chassis at the first of them: x, y in metres and heading in radians.
        mobile: whether the arm stands on a chassis that drives.
        hz: actions per second.
    """
    points = []
    x, y, yaw = (float(number) for number in pose)
    with _ONE_AT_A_TIME:
        for action in actions:
            joints, velocity = from_robot_units(action)
            hand, _ = _arm().forward(joints)
            points.append(rotate_z(hand + (MOUNT_M if mobile else 0.0), yaw) + [x, y, 0.0])
            along, across, _ = rotate_z(velocity, yaw) / hz
            x, y, yaw = x + along, y + across, yaw + velocity[2] / hz
    return np.array(points)


_ONE_AT_A_TIME = threading.Lock()
"""The thread of a policy asks for its path while another may ask for its own."""


@cache
def _arm() -> ArmKinematics:
    return ArmKinematics()
