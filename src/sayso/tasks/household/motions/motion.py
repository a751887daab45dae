"""Motion primitives with privileged sight: what all experts share.

An expert is a list of phases. Each has an entry condition on the present state alone, and the first phase
whose condition holds decides the action. Nothing is remembered, so an expert can be asked what to do in any
state, also one that it would never have reached: that makes recovery data and DAgger possible, and it is what
a policy without memory can imitate.

A phase answers with a `Command`: where the hand should go, how the jaws should stand, how the base should
move. `act` turns it into one small step of joint targets and base velocity.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sayso.geometry import limit_norm, rotate_z, wrap_angle
from sayso.sim.kinematics import PAN_AXIS_X_M, ArmKinematics
from sayso.sim.robots import gripper_percent, gripper_rad, to_robot_units
from sayso.sim.scene import TABLE_EDGE_X_M, TABLE_WIDTH_M
from sayso.sim.simulation import Simulation

Vector = NDArray[np.float64]
S = TypeVar("S")

OPEN, SHUT = 52.0, 0.0
"""Per cent of the gripper's travel; 52 leaves 7 cm between the pads."""
HAND_STEP_M, SLOW_STEP_M, JOINT_STEP_RAD = 0.020, 0.012, 0.16
"""How far ahead of the arm its next target may lie; the arm covers about 70 % of that in a step."""
RISE_FIRST_M = 0.03
"""How far a hand may be below its funnel and still move sideways a little."""
TILT_STEP_RAD = 0.12
"""How far the hand may lean over in a step; more than the arm can follow lets the hand dip on the way."""
TILT_RAD = 0.25
"""How far the hand leans outward; straight down runs into the wrist's limit close to the arm."""
READY_M = np.array([PAN_AXIS_X_M + 0.165, 0.0, 0.11])
CARRY_M = np.array([PAN_AXIS_X_M + 0.165, 0.0, 0.14])
"""Where the hand waits while the base drives, without and with a thing in it, in the frame of the arm."""
CLOSING_AT_REST_RAD = -math.pi / 2
"""Heading along which the jaws close then: sideways, with the wrist camera on the inner side, looking out."""

STATION_M = 0.31
"""Distance from the chassis to what the arm shall reach, straight ahead."""
DRIVE_SPEED_M_S, TURN_SPEED_RAD_S = 0.26, 1.0
DRIVE_GAIN, TURN_GAIN = 1.6, 2.0
LANE_X_M = TABLE_EDGE_X_M - 0.30
"""Behind this line the base may drive sideways without meeting the table, the bins or the drawer."""
LANE_EDGE_M = 0.08
"""From how far ahead of that line on it does not drive sideways at all."""
LANE_ASIDE_M = (0.10, 0.25)
"""How far aside a goal lies if the base drives straight to it, and if it takes the lane."""


@dataclass(frozen=True)
class Pose:
    """How the robot stands. Points are in the frame of the arm's base, metres."""

    joints: Vector
    """Six angles, radians."""
    hand: Vector
    """The tool centre point."""
    rotation: NDArray[np.float64]
    """Of the hand in the frame of the arm's base: x is the closing axis, -z the approach."""
    gripper: float
    """Per cent."""
    base: Vector
    """x, y and heading of the chassis in the world."""
    mobile: bool

    @property
    def closing_rad(self) -> float:
        """Return the heading along which the jaws close."""
        return math.atan2(self.rotation[1, 0], self.rotation[0, 0])

    @property
    def tilt_rad(self) -> float:
        """Return how far the hand leans outward from straight down."""
        ahead, aside, up = -self.rotation[:, 2]
        bearing = math.atan2(self.hand[1], self.hand[0] - PAN_AXIS_X_M)
        return math.atan2(ahead * math.cos(bearing) + aside * math.sin(bearing), -up)

    def at_station(self, station: Vector, folded_hand_m: Vector) -> bool:
        """Tell whether the base may stop; an arm already at work tolerates more than one still folded."""
        if not self.mobile:
            return True
        dx, dy, turn = station - self.base
        slack = 2.0 if float(np.linalg.norm(self.hand - folded_hand_m)) > 0.05 else 1.0
        return math.hypot(dx, dy) < 0.025 * slack and abs(wrap_angle(turn)) < 0.08 * slack


@dataclass(frozen=True)
class Command:
    """Where the hand should go next, how the jaws should stand, and how the base should move."""

    hand: Vector
    gripper: float
    step_m: float = HAND_STEP_M
    closing_rad: float | None = None
    """Heading to close along; None keeps the present one, or the one at rest while driving."""
    tilt_rad: float = TILT_RAD
    base: Vector | None = None
    """Body velocity, m/s, m/s, rad/s; None stands still."""


@dataclass(frozen=True)
class Phase(Generic[S]):
    """Entry condition and what to do while it holds."""

    name: str
    enters: Callable[[S], bool]
    do: Callable[[S], Command]


@dataclass(frozen=True)
class Skill(Generic[S]):
    """State machine without memory: what an expert looks at, and its phases, the most advanced one first."""

    observe: Callable[[Simulation, Any], S]
    """Read physics and task into a situation, which has the robot's `Pose` as ``pose``."""
    phases: tuple[Phase[S], ...]


def read_pose(simulation: Simulation) -> Pose:
    """Return how a robot stands."""
    point, rotation = simulation.tcp()
    base, joints = simulation.base_pose, simulation.joints_rad
    turn = np.array([rotate_z(axis, -base[2]) for axis in rotation.T]).T
    return Pose(
        joints=joints,
        hand=simulation.arm_from_world(point),
        rotation=turn,
        gripper=gripper_percent(joints[5]),
        base=base,
        mobile=simulation.kind.mobile,
    )


def station_before(point_world_m: Vector, distance_m: float = STATION_M) -> Vector:
    """Return the base pose (x, y, heading) from which the arm reaches a point straight ahead."""
    return np.array([point_world_m[0] - distance_m, point_world_m[1], 0.0])


def drive(pose: Pose, station: Vector) -> Vector:
    """Return the body velocity (m/s, rad/s) towards a station: back to the lane, along it, and ahead.

    One course passes gradually into the next, for the reason that `funnel` gives.
    """
    ahead_m, aside_m = station[:2] - pose.base[:2]
    outside_m = max(abs(station[1]), abs(pose.base[1])) - TABLE_WIDTH_M / 2
    by_lane = np.interp(abs(aside_m), LANE_ASIDE_M, (0, 1)) * np.interp(outside_m, (0.0, 0.1), (0, 1))
    # Ahead of the lane it would brush along what stands beside.
    to_lane_m = min(LANE_X_M - pose.base[0], ahead_m)
    in_lane = np.interp(-to_lane_m, (0.0, LANE_EDGE_M), (1, 0))
    error = np.array([by_lane * to_lane_m + (1 - by_lane) * ahead_m, (1 - by_lane * (1 - in_lane)) * aside_m])
    velocity = limit_norm(DRIVE_GAIN * rotate_z(error, -pose.base[2]), DRIVE_SPEED_M_S)
    turn = TURN_GAIN * wrap_angle(station[2] - pose.base[2])
    return np.array([*velocity, np.clip(turn, -TURN_SPEED_RAD_S, TURN_SPEED_RAD_S)])


def over(point: Vector, height_m: float) -> Vector:
    """Return the point above another, at a height in the same frame."""
    return np.array([point[0], point[1], height_m])


def funnel(hand: Vector, goal: Vector, height_m: float) -> Vector:
    """Return where the hand goes next on its way down a funnel to a goal: at that height above it.

    A hand that is lower than that rises before it moves sideways. Height and course change gradually with how
    far the hand is off. With a threshold instead (lower if aligned, else rise), a policy that sees a few
    millimetres less than the expert hovers where one answer turns into the other.
    """
    missing_m = goal[2] + height_m - hand[2]
    share = float(np.clip(1.2 - missing_m / RISE_FIRST_M, 0.0, 1.0))
    return np.array([*(hand[:2] + share * (goal - hand)[:2]), goal[2] + height_m])


def pace(off_m: float) -> float:
    """Return how far ahead of the hand its next target may lie: the slower, the nearer to the goal."""
    return float(np.interp(off_m, (0.01, 0.05), (SLOW_STEP_M, HAND_STEP_M)))


def nearest_heading(pose: Pose, heading_rad: float, symmetry: int) -> float:
    """Return the closing heading equal to `heading_rad` up to a symmetry that is nearest to the present."""
    step = 2 * math.pi / symmetry
    return pose.closing_rad + (heading_rad - pose.closing_rad + step / 2) % step - step / 2


def act(pose: Pose, command: Command) -> NDArray[np.float32]:
    """Turn a command into an action [A] in robot units, one small step from where the arm is."""
    target = pose.hand + limit_norm(command.hand - pose.hand, command.step_m)
    closing = pose.closing_rad if command.closing_rad is None else command.closing_rad
    if command.closing_rad is None and command.base is not None:
        closing = CLOSING_AT_REST_RAD
    turn = 0.3 / math.cos(command.tilt_rad) ** 2  # the more the hand leans, the less a heading turns it
    closing = pose.closing_rad + np.clip(wrap_angle(closing - pose.closing_rad), -turn, turn)
    tilt = pose.tilt_rad + np.clip(command.tilt_rad - pose.tilt_rad, -TILT_STEP_RAD, TILT_STEP_RAD)
    joints = _kinematics().solve(pose.joints, target, tilt, closing)
    joints = pose.joints[:5] + np.clip(joints - pose.joints[:5], -JOINT_STEP_RAD, JOINT_STEP_RAD)
    base = (np.zeros(3) if command.base is None else command.base) if pose.mobile else None
    return to_robot_units(np.array([*joints, gripper_rad(command.gripper)]), base)


@functools.cache
def _kinematics() -> ArmKinematics:
    return ArmKinematics()
