"""Show how it is done: scripted experts that see the simulator's state.

An expert is a list of phases. Each has an entry condition on the present state alone, and the first phase
whose condition holds decides the action. Nothing is remembered, so an expert can be asked what to do in any
state, also one that it would never have reached: that makes recovery data and DAgger possible, and it is what
a policy without memory can imitate.

    approach -> descend -> close -> lift -> carry -> lower -> release -> retreat
       ^______________ (lost the object) ______________|
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sayso.geometry import limit_norm, rotate_z, wrap_angle
from sayso.sim.kinematics import PAN_AXIS_X_M, ArmKinematics
from sayso.sim.robots import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, to_robot_units
from sayso.sim.scene import SHAPES, TABLE_EDGE_X_M, TABLE_WIDTH_M
from sayso.spec import Chunk, Observation

if TYPE_CHECKING:
    from sayso.tasks.world import World

Vector = NDArray[np.float64]

OPEN, SHUT = 52.0, 0.0
"""Per cent of the gripper's travel; 52 leaves 7 cm between the pads."""
HAND_STEP_M, SLOW_STEP_M, JOINT_STEP_RAD = 0.020, 0.012, 0.16
"""How far ahead of the arm its next target may lie; the arm covers about 70 % of that in a step."""
HOVER_M = 0.065
"""Height above the grasp point from which the hand descends."""
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
CLEAR_OF_TABLE_X_M = TABLE_EDGE_X_M - 0.30
CLEAR_OF_TABLE_Y_M = TABLE_WIDTH_M / 2 + 0.16
"""Where the base may pass the table: farther back than x, or farther out than y."""


@dataclass(frozen=True)
class Situation:
    """Hold what an expert looks at in one step. Points are in the frame of the arm's base, metres."""

    joints: Vector
    hand: Vector
    closing_rad: float
    gripper: float
    object_yaw: float
    symmetry: int
    grasp: Vector
    drop: Vector
    held: bool
    inside: bool
    base: Vector
    object_world: Vector
    place_world: Vector
    to_bin: bool
    mobile: bool

    @property
    def off_axis_m(self) -> float:
        """Return how far the hand is from being above the grasp point."""
        return float(np.hypot(*(self.hand - self.grasp)[:2]))

    @property
    def above_m(self) -> float:
        """Return how far the hand is above the grasp point."""
        return float(self.hand[2] - self.grasp[2])

    @property
    def off_drop_m(self) -> float:
        """Return how far the hand is from being above the drop point."""
        return float(np.hypot(*(self.hand - self.drop)[:2]))

    @property
    def station(self) -> Vector:
        """Return the pose (x, y, heading) from which the arm reaches what it has to reach next."""
        goal = self.place_world if self.held or self.inside else self.object_world
        return np.array([goal[0] - STATION_M, goal[1], 0.0])

    @property
    def at_station(self) -> bool:
        """Tell whether the base may stop; an arm already at work tolerates more than one still folded."""
        if not self.mobile:
            return True
        dx, dy, turn = self.station - self.base
        working = float(np.linalg.norm(self.hand - (CARRY_M if self.held else READY_M))) > 0.05
        slack = 2.0 if working else 1.0
        return math.hypot(dx, dy) < 0.025 * slack and abs(wrap_angle(turn)) < 0.08 * slack


@dataclass(frozen=True)
class Command:
    """Say where the hand should go next, how the jaws should stand, and how the base should move."""

    hand: Vector
    gripper: float
    step_m: float = HAND_STEP_M
    closing_rad: float | None = None
    base: Vector | None = None


@dataclass(frozen=True)
class Phase:
    """Pair an entry condition with what to do while it holds."""

    name: str
    enters: Callable[[Situation], bool]
    do: Callable[[Situation], Command]


class Expert:
    """Carry out the running task of a world with privileged sight. Acts one step at a time."""

    def __init__(self, world: World) -> None:
        """Watch a world; which task it is may change between episodes."""
        self._world = world
        self.phase = ""

    def reset(self) -> None:
        """Have nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next action, [1, A] in robot units. The observation is not needed."""
        situation = observe(self._world)
        phase = next(phase for phase in PHASES if phase.enters(situation))
        self.phase = phase.name
        return Chunk(_action(situation, phase.do(situation))[None])


def observe(world: World) -> Situation:
    """Read the state that decides the phase."""
    sim, task = world.simulation, world.task
    kind, vessel = task.intent.object.kind, task.intent.place.kind
    hand, rotation = sim.tcp()
    base = sim.base_pose
    thing, place = sim.position(task.object_name), sim.position(task.place_name)
    hand, thing_arm, place_arm = (sim.arm_from_world(point) for point in (hand, thing, place))
    joints = sim.joints_rad
    shape = SHAPES[kind]
    held = sim.held(task.object_name)
    offset = hand - thing_arm if held else np.zeros(3)
    grasp_lift = -0.002 if kind == "block" else 0.0
    drop = (
        place_arm
        + [0, 0, SHAPES[vessel].height_m + shape.height_m / 2 + 0.018]
        + np.array([*offset[:2], 0.0])
    )
    return Situation(
        joints=joints,
        hand=hand,
        closing_rad=wrap_angle(math.atan2(rotation[1, 0], rotation[0, 0]) - base[2]),
        gripper=100 * (joints[5] - GRIPPER_CLOSED_RAD) / (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD),
        object_yaw=wrap_angle(sim.yaw(task.object_name) - base[2]),
        symmetry=shape.symmetry,
        grasp=thing_arm + [0, 0, grasp_lift],
        drop=drop,
        held=held,
        inside=sim.inside(task.object_name, task.place_name),
        base=base,
        object_world=thing,
        place_world=place,
        to_bin=vessel == "bin",
        mobile=sim.kind.mobile,
    )


def _drive(s: Situation) -> Vector:
    """Return the body velocity (m/s, rad/s) towards the station, around the table's corner if need be."""
    goal = s.station
    around = s.held and s.to_bin and abs(s.base[1]) < CLEAR_OF_TABLE_Y_M
    if around:
        goal = np.array([min(s.base[0], CLEAR_OF_TABLE_X_M), goal[1], 0.0])
    elif (
        not s.held and not s.inside and abs(s.base[1]) > TABLE_WIDTH_M / 2 and s.base[0] > CLEAR_OF_TABLE_X_M
    ):
        goal = np.array([CLEAR_OF_TABLE_X_M - 0.05, s.base[1], 0.0])
    error = rotate_z(goal[:2] - s.base[:2], -s.base[2])
    velocity = limit_norm(DRIVE_GAIN * error, DRIVE_SPEED_M_S)
    turn = np.clip(TURN_GAIN * wrap_angle(goal[2] - s.base[2]), -TURN_SPEED_RAD_S, TURN_SPEED_RAD_S)
    return np.array([*velocity, turn])


def _closing(s: Situation) -> float:
    """Return the heading along which to close: the object's face nearest to where the jaws stand."""
    if s.symmetry == 0:
        return CLOSING_AT_REST_RAD + math.atan2(s.grasp[1], s.grasp[0] - PAN_AXIS_X_M)
    step = 2 * math.pi / s.symmetry
    return s.closing_rad + (s.object_yaw - s.closing_rad + step / 2) % step - step / 2


def _over(point: Vector, height_m: float) -> Vector:
    return np.array([point[0], point[1], height_m])


def _approach(s: Situation) -> Command:
    low = (
        s.above_m < HOVER_M * 0.6 and s.off_axis_m > 0.03
    )  # rise first, so as not to sweep things off the table
    target = s.hand + [0, 0, HOVER_M] if low else s.grasp + [0, 0, HOVER_M]
    return Command(target, OPEN, closing_rad=_closing(s))


PHASES: tuple[Phase, ...] = (
    Phase(
        "retreat",
        lambda s: s.inside and not s.held,
        lambda s: Command(_over(s.hand, s.drop[2] + 0.08), OPEN, base=np.zeros(3)),
    ),
    Phase(
        "release",
        lambda s: s.held and s.at_station and s.off_drop_m < 0.018 and s.hand[2] < s.drop[2] + 0.012,
        lambda s: Command(s.hand, OPEN),
    ),
    Phase(
        "lower",
        lambda s: s.held and s.at_station and s.off_drop_m < 0.012 + 0.2 * max(0.0, s.hand[2] - s.drop[2]),
        lambda s: Command(s.drop, SHUT, SLOW_STEP_M),
    ),
    Phase(
        "carry",
        lambda s: s.held and s.at_station and s.hand[2] > s.drop[2] + 0.02,
        lambda s: Command(_over(s.drop, max(s.drop[2] + 0.035, s.hand[2] - 0.02)), SHUT),
    ),
    Phase(
        "lift",
        lambda s: s.held and s.at_station,
        lambda s: Command(_over(s.hand, s.drop[2] + 0.06), SHUT),
    ),
    Phase(
        "rise",
        lambda s: s.held and s.hand[2] < 0.075,
        lambda s: Command(_over(s.hand, CARRY_M[2]), SHUT),
    ),
    Phase(
        "drive_loaded",
        lambda s: s.held,
        lambda s: Command(CARRY_M, SHUT, base=_drive(s)),
    ),
    Phase(
        "drive",
        lambda s: not s.at_station,
        lambda s: Command(READY_M, OPEN, base=_drive(s)),
    ),
    Phase(
        "close",
        lambda s: s.off_axis_m < (0.007 if s.gripper > 45 else 0.018) and s.above_m < 0.010,
        lambda s: Command(s.hand, SHUT),
    ),
    Phase(
        "descend",
        lambda s: s.off_axis_m < 0.006 + 0.25 * max(0.0, s.above_m - 0.01) and s.above_m < HOVER_M + 0.02,
        lambda s: Command(s.grasp - [0, 0, 0.004], OPEN, SLOW_STEP_M, closing_rad=_closing(s)),
    ),
    Phase("approach", lambda s: True, _approach),
)


@functools.cache
def _kinematics() -> ArmKinematics:
    return ArmKinematics()


def _action(s: Situation, command: Command) -> NDArray[np.float32]:
    """Turn a command into joint targets and base velocity, one small step from where the arm is."""
    target = s.hand + limit_norm(command.hand - s.hand, command.step_m)
    closing = s.closing_rad if command.closing_rad is None else command.closing_rad
    if command.closing_rad is None and command.base is not None:
        closing = CLOSING_AT_REST_RAD
    closing = s.closing_rad + np.clip(wrap_angle(closing - s.closing_rad), -0.3, 0.3)
    joints = _kinematics().solve(s.joints, target, TILT_RAD, closing)
    joints = s.joints[:5] + np.clip(joints - s.joints[:5], -JOINT_STEP_RAD, JOINT_STEP_RAD)
    opening = GRIPPER_CLOSED_RAD + command.gripper / 100 * (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD)
    base = (np.zeros(3) if command.base is None else command.base) if s.mobile else None
    return to_robot_units(np.array([*joints, opening]), base)
