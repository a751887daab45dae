"""Drawer skills (articulated objects): open it by its handle, and push it shut.

    open    rise -> drive -> reach -> insert -> grip -> pull -> release -> retreat
    close   rise -> drive -> aim -> push -> retreat

The handle is a level bar: one jaw goes under it and one above. The base pulls and pushes, the arm only holds
its posture, so that the hand moves as far as the drawer has to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.drawer import DRAWER, HANDLE_Z_M
from sayso.sim.robots import MOUNT_M
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions.motion import (
    OPEN,
    READY_M,
    SHUT,
    SLOW_STEP_M,
    Command,
    Phase,
    Pose,
    Skill,
    Vector,
    drive,
    over,
    pace,
    read_pose,
    station_before,
)
from sayso.tasks.household.task import HouseholdTask

REACH_M = 0.36
"""Distance from the chassis to the handle at which the arm can point its hand at it."""
FORWARD_RAD, UPRIGHT_RAD = 1.1, 0.0
"""How the hand leans and how its jaws close to hold a level bar: pointing ahead, one jaw above the other."""
BAR_TO_HAND_M = 0.009
"""How far above the bar the tool centre point is, so that the fixed jaw passes 7 mm below it."""
HOLD_M = np.array([REACH_M, 0.0, HANDLE_Z_M + BAR_TO_HAND_M]) - MOUNT_M
"""Where the hand holds the bar from the right distance, in the frame of the arm."""
BEFORE_M = 0.07
"""Distance in front of the bar from which the open jaws go around it."""
LOW_M = 0.05
"""Below this height in the frame of the arm, the hand does not travel."""
NEAR_M = 0.12
"""How far from its station the base may be while the hand stays pointed at the handle."""
OPEN_M, ENOUGH_M, CLOSED_M = 0.150, 0.115, 0.005
"""Openings at which pulling ends, at which a drawer that was let go counts as open, at which pushing ends.
The first and the last are close to where the slide stops, where also a policy can tell them."""
SLOPE = 4.0
"""How steep the funnel in front of the bar is: metres back per metre beside it."""
PULL_M_S, PUSH_M_S, RETREAT_M_S = 0.18, 0.18, 0.15
PUSH_M = np.array([0.34, 0.0, HANDLE_Z_M + 0.026]) - MOUNT_M
"""Where the shut jaws push, in the frame of the arm: at the front's upper half, above the bar."""
PUSH_GAP_M = 0.06
"""What is left free in front of the shut jaws when the arm takes that posture."""


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step. Points are in the frame of the arm's base, metres."""

    pose: Pose
    opening_m: float
    handle: Vector
    handle_world: Vector
    gripped: bool
    """Whether both pads press on the handle."""

    @property
    def grasp(self) -> Vector:
        """Return where the hand closes."""
        return self.handle + [0.0, 0.0, BAR_TO_HAND_M]

    @property
    def short_m(self) -> float:
        """Return how far the hand still is from the grasp point, straight ahead."""
        return float(self.grasp[0] - self.pose.hand[0])

    @property
    def beside_m(self) -> float:
        """Return how far the hand misses the grasp point, sideways and in height; a bar forgives sideways."""
        across, up = (self.pose.hand - self.grasp)[1:]
        return math.hypot(0.4 * across, up)

    @property
    def points_ahead(self) -> bool:
        """Tell whether the hand points at the front of the drawer."""
        approach = -self.pose.rotation[:, 2]
        return math.acos(np.clip(approach[0], -1, 1)) < math.pi / 2 - FORWARD_RAD + 0.25

    @property
    def upright(self) -> bool:
        """Tell whether the jaws close up and down."""
        return self.points_ahead and self.pose.rotation[2, 0] > 0.8


def observe(simulation: Simulation, task: HouseholdTask) -> Situation:
    """Read the state that decides the phase."""
    return look(simulation)


def look(simulation: Simulation) -> Situation:
    """Read the state that decides the phase, whatever was asked."""
    sim = simulation
    pose, handle = read_pose(sim), sim.handle()
    in_arm = sim.arm_from_world(handle)
    near = float(np.linalg.norm(pose.hand - in_arm)) < 0.035
    return Situation(
        pose=pose,
        opening_m=sim.drawer_m,
        handle=in_arm,
        handle_world=handle,
        gripped=near and sim.held(DRAWER),
    )


def _straight(s: Situation, speed_m_s: float) -> Vector:
    """Return a body velocity straight along the slide, in line with the handle and with heading 0."""
    beside, turn = s.handle_world[1] - s.pose.base[1], -s.pose.base[2]
    return np.array([speed_m_s, np.clip(1.5 * beside, -0.1, 0.1), np.clip(2.0 * wrap_angle(turn), -0.5, 0.5)])


def _upright(
    hand: Vector, gripper: float, base: Vector | None = None, step_m: float = SLOW_STEP_M
) -> Command:
    return Command(hand, gripper, step_m, closing_rad=UPRIGHT_RAD, tilt_rad=FORWARD_RAD, base=base)


def _reach(s: Situation) -> Command:
    """Come in on the bar as in a funnel (see `motion.funnel`), the jaws upright before they are around it."""
    askew = 0.0 if s.upright else BEFORE_M
    short_m = float(np.clip(SLOPE * (s.beside_m - 0.004), askew, BEFORE_M))
    return _upright(s.grasp + [0.006 - short_m, 0.0, 0.0], OPEN, step_m=pace(short_m))


def _open_station(s: Situation) -> Vector:
    return station_before(s.handle_world, REACH_M)


def _off(s: Situation, station: Vector) -> float:
    return float(np.linalg.norm((station - s.pose.base)[:2]))


def _close_station(s: Situation) -> Vector:
    return station_before(s.handle_world, PUSH_M[0] + MOUNT_M[0] + PUSH_GAP_M)


def _go(station: Callable[[Situation], Vector], gripper: float) -> tuple[Phase[Situation], ...]:
    """Return the phases that bring the base to a station, the arm folded."""

    def away(s: Situation) -> bool:
        return not s.pose.at_station(station(s), READY_M)

    return (
        Phase(
            "rise",  # a hand left low, over the table or in a bin, comes up before the base drives
            lambda s: away(s) and s.pose.hand[2] < LOW_M and _off(s, station(s)) > NEAR_M,
            lambda s: Command(over(s.pose.hand, READY_M[2]), gripper, base=np.zeros(3)),
        ),
        Phase("drive", away, lambda s: Command(READY_M, gripper, base=drive(s.pose, station(s)))),
    )


OPEN_SKILL: Skill[Situation] = Skill(
    observe=observe,
    phases=(
        Phase(
            "retreat",
            lambda s: s.opening_m > ENOUGH_M and not s.gripped,
            lambda s: _upright(s.grasp - [BEFORE_M, 0.0, 0.0], OPEN, _straight(s, -RETREAT_M_S)),
        ),
        Phase(
            "release",
            lambda s: s.opening_m > OPEN_M,
            lambda s: _upright(s.pose.hand, OPEN),
        ),
        Phase(
            "pull",
            lambda s: s.gripped,
            lambda s: _upright(HOLD_M, SHUT, _straight(s, -PULL_M_S)),
        ),
        Phase(
            "back_out",
            lambda s: not s.pose.at_station(_open_station(s), READY_M) and s.short_m < 0.5 * BEFORE_M,
            lambda s: _upright(s.pose.hand - [BEFORE_M, 0.0, 0.0], OPEN),
        ),
        Phase(
            "adjust",  # what a jolt of the base takes, it gives back without folding the arm
            lambda s: (
                s.points_ahead
                and not s.pose.at_station(_open_station(s), READY_M)
                and _off(s, _open_station(s)) < NEAR_M
            ),
            lambda s: _upright(HOLD_M - [BEFORE_M, 0.0, 0.0], OPEN, drive(s.pose, _open_station(s))),
        ),
        *_go(_open_station, OPEN),
        Phase(
            "grip",
            lambda s: (
                s.upright and s.short_m < 0.008 and s.beside_m < (0.010 if s.pose.gripper > 45 else 0.03)
            ),
            lambda s: _upright(s.grasp, SHUT),
        ),
        Phase("reach", lambda s: True, _reach),
    ),
)

CLOSE_SKILL: Skill[Situation] = Skill(
    observe=observe,
    phases=(
        Phase(
            "retreat",
            lambda s: s.opening_m < CLOSED_M,
            lambda s: Command(PUSH_M, SHUT, tilt_rad=FORWARD_RAD, base=_straight(s, -RETREAT_M_S)),
        ),
        Phase(
            "push",
            lambda s: (
                s.points_ahead
                and float(np.linalg.norm(s.pose.hand - PUSH_M)) < 0.04
                and abs(s.handle_world[1] - s.pose.base[1]) < 0.05
            ),
            lambda s: Command(PUSH_M, SHUT, tilt_rad=FORWARD_RAD, base=_straight(s, PUSH_M_S)),
        ),
        *_go(_close_station, SHUT),
        Phase(
            "aim",
            lambda s: True,
            lambda s: Command(PUSH_M, SHUT, tilt_rad=FORWARD_RAD, base=np.zeros(3)),
        ),
    ),
)
