"""End-effector actions in seven numbers, as most vision-language-action models have them, and back.

    dx, dy, dz             metres, seen from the arm's foot
    droll, dpitch, dyaw    an axis as long as the angle, radians
    gripper                0 closed to 1 open

The SO-101 has five joints before its gripper, so a turn is followed as far as they reach; a base stands.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from sayso.robots import JOINTS
from sayso.sim.kinematics import ArmKinematics
from sayso.spec import Array, Features

HAND_MOVE = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")
LONGEST_SHIFT_M, LARGEST_TURN_RAD = 0.05, 0.25
"""What a hand moves in one step at most; a model that has learned nothing asks for anything."""


def arm_of(features: Features) -> list[int]:
    """Return where the six joints of an SO-101 stand in an action; empty if the robot has no such arm."""
    names = [name.removeprefix("arm_").removesuffix(".pos") for name in features.action_names]
    return [names.index(joint) for joint in JOINTS] if set(JOINTS) <= set(names) else []


def action_of(move: Array, reading: Mapping[str, Any], features: Features) -> Array:
    """Return what a robot is told, ``[A]`` in its units, to move its hand from where it is felt."""
    arm, names = arm_of(features), features.action_names
    joints = np.radians([reading[names[k]] for k in arm[:-1]])
    numbers = move.astype(float)
    shift = np.clip(numbers[:3], -LONGEST_SHIFT_M, LONGEST_SHIFT_M)
    turn = np.clip(numbers[3:6], -LARGEST_TURN_RAD, LARGEST_TURN_RAD)
    action = np.zeros(len(names), np.float32)
    action[arm[:-1]] = np.degrees(_kinematics().moved(joints, shift, turn))
    action[arm[-1]] = 100 * np.clip(numbers[6], 0, 1)
    return action


def move_of(action: Array, reading: Mapping[str, Any], features: Features) -> Array:
    """Return the move of the hand, float32 [7], that an action ``[A]`` makes from where it is felt."""
    arm, names = arm_of(features), features.action_names
    before, hand = _kinematics().forward(np.radians([reading[names[k]] for k in arm[:-1]]))
    after, turned = _kinematics().forward(np.radians(action[arm[:-1]].astype(float)))
    quaternion, turn = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, (turned @ hand.T).flatten())
    mujoco.mju_quat2Vel(turn, quaternion, 1.0)
    return np.array([*(after - before), *turn, action[arm[-1]] / 100], dtype=np.float32)


@functools.cache
def _kinematics() -> ArmKinematics:
    return ArmKinematics()
