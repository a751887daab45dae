"""Pick-and-place skill: grasp, carry, let go. Put, stack, fetch and filling the drawer are this.

    reach -> close -> bring -> release -> retreat
      ^______ (lost the object) ______|

At home the base drives before the arm works, and again while the thing is in the hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.kinematics import PAN_AXIS_X_M
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions.motion import (
    CARRY_M,
    CLOSING_AT_REST_RAD,
    OPEN,
    READY_M,
    SHUT,
    Command,
    Phase,
    Pose,
    Skill,
    Vector,
    drive,
    funnel,
    nearest_heading,
    over,
    pace,
    read_pose,
    station_before,
)
from sayso.tasks.household.task import HouseholdTask

SLOPE = 3.0
"""How steep the funnels are in which the hand comes down: metres up per metre off."""
HOVER_M, OVER_M = 0.065, 0.05
"""How high their rims are above the grasp point and above the place."""
TRAVEL_M = 0.04
"""What is added to that while the hand is far, so that it passes over tall things."""
FIXED_JAW_ROOM_M = 0.0145
"""Half width of the thing that fits between the tool centre point and the fixed jaw with 5 mm to spare."""
SLACK_M, CLOSE_M = 0.010, 0.012
"""How far off the hand may be and still come all the way down, and close. The jaws forgive 8 mm (28 of 30
grasps) and mostly 12 (24 of 30). A policy that sees the thing less surely than this hovers over it."""
DROP_ROOM_M, STACK_ROOM_M = 0.018, 0.004
"""How far above its place a thing is let go."""


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step. Points are in the frame of the arm's base, metres."""

    pose: Pose
    closing_rad: float
    """Heading along which to close on the thing."""
    grasp: Vector
    """Where the hand closes."""
    drop: Vector
    """Where the hand lets go."""
    held: bool
    placed: bool
    precise: bool
    """Whether it must be put down gently and exactly, as on a stack."""
    keep: bool
    """Whether it stays in the hand."""
    over_m: float
    """How high above the place the rim of its funnel is."""
    station: Vector
    """Pose (x, y, heading) of the base from which the arm reaches what it has to reach next."""

    @property
    def off_grasp_m(self) -> float:
        """Return how far the hand is from being above the grasp point."""
        return float(np.hypot(*(self.pose.hand - self.grasp)[:2]))

    @property
    def above_m(self) -> float:
        """Return how far the hand is above the grasp point."""
        return float(self.pose.hand[2] - self.grasp[2])

    @property
    def off_drop_m(self) -> float:
        """Return how far the hand is from being above the drop point."""
        return float(np.hypot(*(self.pose.hand - self.drop)[:2]))

    @property
    def above_drop_m(self) -> float:
        """Return how far the hand is above the drop point."""
        return float(self.pose.hand[2] - self.drop[2])

    @property
    def at_station(self) -> bool:
        """Tell whether the base may stop."""
        return self.pose.at_station(self.station, CARRY_M if self.held else READY_M)


@dataclass(frozen=True, kw_only=True)
class Carry:
    """Thing that is to be carried, and where to; points are in the world, metres."""

    name: str
    foot: Vector
    """Point over which its foot is let go, [3]."""
    room_m: float
    """How far above that point."""
    place: Vector
    """Point that the base drives to with it, [3]."""
    placed: bool
    """Whether it is where it should be, whoever holds it."""
    precise: bool = True
    """Whether it must be put down gently and exactly."""
    keep: bool = False
    """Whether it stays in the hand."""
    over_m: float = OVER_M
    """How high it passes over what stands before its place."""


def observe(simulation: Simulation, task: HouseholdTask) -> Situation:
    """Read the state that decides the phase."""
    precise, place = task.row.precise, task.place_name
    carry = Carry(
        name=task.object_name,
        foot=bottom(simulation, place),
        room_m=simulation.shape(place).height_m + (STACK_ROOM_M if precise else DROP_ROOM_M),
        place=simulation.position(place),
        placed=task.placed(simulation),
        precise=precise,
    )
    return situation(simulation, carry)


def situation(simulation: Simulation, carry: Carry) -> Situation:
    """Read the state that decides the phase, of anything that is carried anywhere."""
    sim, pose, shape = simulation, read_pose(simulation), simulation.shape(carry.name)
    body = sim.data.body(carry.name)
    low = sim.arm_from_world(body.xpos)
    middle = sim.arm_from_world(body.xpos + body.xmat.reshape(3, 3) @ [0, 0, shape.grasp_m])
    held = sim.held(carry.name)
    closing = (
        nearest_heading(pose, sim.yaw(carry.name) - pose.base[2], shape.symmetry)
        if shape.symmetry
        else CLOSING_AT_REST_RAD + math.atan2(middle[1], middle[0] - PAN_AXIS_X_M)
    )
    beside = max(0.0, shape.width_m / 2 - FIXED_JAW_ROOM_M)
    carried = pose.hand - low if held else np.array([0.0, 0.0, shape.grasp_m])
    goal = carry.place if held or carry.placed else body.xpos
    return Situation(
        pose=pose,
        closing_rad=wrap_angle(closing),
        grasp=middle - beside * np.array([math.cos(closing), math.sin(closing), 0.0]),
        drop=sim.arm_from_world(carry.foot) + carried + [0, 0, carry.room_m],
        held=held,
        placed=carry.placed,
        precise=carry.precise,
        keep=carry.keep,
        over_m=carry.over_m,
        station=station_before(goal),
    )


def bottom(sim: Simulation, place: str) -> Vector:
    """Return where the foot of a place is: the foot of a thing to stack on, the floor of a container."""
    return np.array(sim.data.body(place).xpos) if sim.shape(place).movable else sim.position(place)


def _reach(s: Situation) -> Command:
    """Come down on the thing as in a funnel."""
    far = min(1.0, s.off_grasp_m / 0.10)
    height_m = float(np.clip(SLOPE * (s.off_grasp_m - SLACK_M), 0.0, HOVER_M)) + far * TRAVEL_M
    hand = funnel(s.pose.hand, s.grasp - [0, 0, 0.004], height_m)
    return Command(hand, OPEN, pace(s.off_grasp_m), closing_rad=s.closing_rad)


def _bring(s: Situation) -> Command:
    """Come down on the place in the same way."""
    height_m = float(np.clip(SLOPE * (s.off_drop_m - (0.004 if s.precise else 0.010)), 0.0, s.over_m))
    return Command(funnel(s.pose.hand, s.drop - [0, 0, 0.006], height_m), SHUT, pace(s.off_drop_m))


PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "retreat",
        lambda s: s.placed and not s.held,
        lambda s: Command(over(s.pose.hand, s.drop[2] + 0.08), OPEN, base=np.zeros(3)),
    ),
    Phase(
        "release",
        lambda s: (
            s.held
            and not s.keep
            and s.at_station
            and s.off_drop_m < (0.008 if s.precise else 0.018)
            and s.above_drop_m < (0.006 if s.precise else 0.012)
        ),
        lambda s: Command(s.pose.hand, OPEN),
    ),
    Phase("bring", lambda s: s.held and s.at_station, _bring),
    Phase(
        "rise",
        lambda s: s.held and s.pose.hand[2] < 0.075,
        lambda s: Command(over(s.pose.hand, CARRY_M[2]), SHUT),
    ),
    Phase(
        "drive_loaded",
        lambda s: s.held,
        lambda s: Command(CARRY_M, SHUT, base=drive(s.pose, s.station)),
    ),
    Phase(
        "drive",
        lambda s: not s.at_station,
        lambda s: Command(READY_M, OPEN, base=drive(s.pose, s.station)),
    ),
    Phase(
        "close",
        lambda s: s.off_grasp_m < (CLOSE_M if s.pose.gripper > 45 else 0.025) and s.above_m < 0.010,
        lambda s: Command(s.pose.hand, SHUT),
    ),
    Phase("reach", lambda s: True, _reach),
)
SKILL = Skill(observe=observe, phases=PHASES)
