"""Pushing skill (non-prehensile): a thing over the table, onto a mat, or beside another thing.

The jaws stand slightly open as a fork across the way, low, behind the thing. Two fingers hold its course
where one would let it slip away to the side::

    reach -> push -> back_off -> retreat
      ^___ (the thing slipped off) |

Everything here is in the frame of the arm's base, which on the tabletop is that of the world; metres.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.kinematics import PAN_AXIS_X_M
from sayso.sim.objects import Item, Shape, shape_of
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions.motion import (
    READY_M,
    SLOW_STEP_M,
    TILT_RAD,
    Command,
    Phase,
    Pose,
    Skill,
    Vector,
    funnel,
    over,
    pace,
    read_pose,
)
from sayso.tasks.household.task import HouseholdTask

FORK = 18.0
"""Per cent of the gripper's travel at which the pads stand 16 mm apart, less than any thing is wide."""
FORK_OFFSET_M = 0.012
"""How far the middle between the fingers is then from the tool centre point, against the closing axis."""
FINGER_M = 0.009
"""Half the depth of a finger, along the way of the push."""
LOW_M, HOVER_M = 0.015, 0.12
"""Heights of the tool centre point: pushing, with the fingers' ends 4 mm over the table, and passing over."""
SLOPE, ASKEW_M = 4.0, 0.15
"""The funnel in which the hand comes down: metres up per metre off, and per radian askew."""
PUSH_STEP_M = 0.010
"""How far ahead of the arm its next target may lie while it pushes; cans fall over when pushed faster."""
WRIST_RAD, WRIST_ROOM_RAD = math.radians(155), math.radians(30)
"""How far the closing axis turns to either side of straight outward, and what of it a push may need."""
BEHIND_M = 0.018
"""Free space between thing and fingers where the hand comes down, and again before it rises."""
OFF_LINE_M = 0.014
"""How far beside the line to the goal the fingers may push; the thing slips off soon after."""
BESIDE_M = 0.008
"""Gap to leave between two things that shall lie beside each other."""
ARRIVED_M = 0.008
"""How near the goal a thing is left alone while it is being pushed."""
STAYS_M = 0.012
"""How near it is left alone once the hand is clear of it."""
LEAN_RADII_M = (0.12, 0.16, 0.20, 0.25, 0.28, 0.31)
LOW_LEAN_RAD = (-0.20, -0.20, -0.20, 0.00, 0.22, 0.40)
HIGH_LEAN_RAD = (0.50, 0.30, 0.25, 0.30, 0.45, 0.60)
"""Least outward lean of the hand that the wrist can hold over the table and at `HOVER_M`, by distance from
the pan axis. Asked for less, the inverse kinematics miss the point by centimetres."""
ARM_RING_M, ARM_SIDE_RAD = (0.13, 0.28), math.radians(62)
"""Where the fingers reach the table, from the pan axis."""
FLAT_M = 0.003
"""Lower than this, a thing is no obstacle."""
PUSH_M = (0.05, 0.16)
"""Shortest and longest push that is asked for."""
FORK_WIDTH_M, SPARE_M = 0.040, 0.012
"""Of the two fingers side by side, and free space on either side of what moves."""


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step."""

    pose: Pose
    thing: Vector
    """Middle of the thing, [2]."""
    way: Vector
    """Unit vector from there to the goal, [2]."""
    left_m: float
    """Length of the way that is left; below zero when past the goal of a push beside."""
    radius_m: float
    """Of the circle around the thing."""

    @property
    def fork(self) -> Vector:
        """Return the middle between the finger tips, [2]."""
        return fork_of(self.pose)

    @property
    def lag_m(self) -> float:
        """Return how far the fork is behind the thing's middle."""
        return float((self.thing - self.fork) @ self.way)

    @property
    def off_line_m(self) -> float:
        """Return how far the fork is to the left of the line through thing and goal."""
        right = np.array([self.way[1], -self.way[0]])
        return float((self.thing - self.fork) @ right)

    @property
    def reach_m(self) -> float:
        """Return how far the fork's middle is from the thing's when the fingers touch it."""
        return self.radius_m + FINGER_M

    @property
    def start(self) -> Vector:
        """Return where the fork comes down, [2]."""
        return self.thing - (self.reach_m + BEHIND_M) * self.way

    @property
    def off_start_m(self) -> float:
        """Return how far the fork is from being above there."""
        return float(np.linalg.norm(self.fork - self.start))

    @property
    def above_m(self) -> float:
        """Return how far the hand is above the height at which it pushes."""
        return float(self.pose.hand[2] - LOW_M)

    @property
    def near(self) -> bool:
        """Tell whether the fingers are so close that rising might drag the thing along."""
        apart = float(np.linalg.norm(self.fork - self.thing))
        return self.above_m < 0.03 and apart < self.reach_m + BEHIND_M - 0.006

    @property
    def behind(self) -> bool:
        """Tell whether the fingers are low and on the line, so that ahead is where the thing should go."""
        on_line = abs(self.off_line_m) < OFF_LINE_M
        return self.above_m < 0.012 and on_line and 0 < self.lag_m < self.reach_m + BEHIND_M + 0.01

    @property
    def askew_rad(self) -> float:
        """Return how far the jaws are from standing across the way."""
        return abs(wrap_angle(_closing(self) - self.pose.closing_rad))

    @property
    def arrived(self) -> bool:
        """Tell whether the thing may stay where it is."""
        return self.left_m < (ARRIVED_M if self.near else STAYS_M)


def fork_of(pose: Pose) -> Vector:
    """Return the middle between the finger tips, [2], when the jaws stand as a fork."""
    return np.asarray(pose.hand[:2] - FORK_OFFSET_M * pose.rotation[:2, 0])


def gap_m(simulation: Simulation, first: str, second: str) -> float:
    """Return the smallest distance between the solid parts of two things, metres; below zero they overlap."""
    model = simulation.model
    solid = [
        np.flatnonzero((model.geom_bodyid == model.body(name).id) & (model.geom_contype != 0))
        for name in (first, second)
    ]
    pairs = itertools.product(*solid)
    return min(float(mujoco.mj_geomDistance(model, simulation.data, a, b, 1.0, None)) for a, b in pairs)


def observe(simulation: Simulation, task: HouseholdTask) -> Situation:
    """Read the state that decides the phase."""
    thing, place = task.object_name, task.place_name
    left_m = gap_m(simulation, thing, place) - BESIDE_M if task.row.preposition == "beside" else None
    return situation(simulation, thing, simulation.position(place), left_m)


def situation(
    simulation: Simulation, name: str, goal_world: Vector, left_m: float | None = None
) -> Situation:
    """Read the state that decides the phase, of anything that is pushed anywhere.

    Args:
        simulation: as it is now.
        name: what is pushed.
        goal_world: where to, metres [3].
        left_m: what is left of the way, where that ends before its goal.
    """
    thing = simulation.arm_from_world(simulation.position(name))[:2]
    goal = simulation.arm_from_world(goal_world)[:2]
    distance = float(np.linalg.norm(goal - thing))
    return Situation(
        pose=read_pose(simulation),
        thing=thing,
        way=(goal - thing) / max(distance, 1e-6),
        left_m=distance if left_m is None else left_m,
        radius_m=simulation.shape(name).radius_m,
    )


def _closing(s: Situation) -> float:
    """Return the heading across the way, of the two the one nearer to the present, if the wrist reaches it.

    High up it chooses one that leaves room to turn on during the push.
    """
    bearing = _bearing(s.pose.hand)
    present = wrap_angle(s.pose.closing_rad - bearing)
    across = math.atan2(s.way[1], s.way[0]) + math.pi / 2 - bearing
    turned = present + (across - present + math.pi / 2) % math.pi - math.pi / 2
    if abs(turned) > float(np.interp(s.above_m, (0.02, 0.04), (WRIST_RAD, WRIST_RAD - WRIST_ROOM_RAD))):
        turned -= math.copysign(math.pi, turned)
    return bearing + float(np.clip(turned, present - 1.5, present + 1.5))  # back through the middle


def _tilt(s: Situation) -> float:
    """Return a lean with the finger tips leading, so that they and not the jaws above meet the thing.

    High up and far out the wrist has no way but to lean outward.
    """
    bearing = _bearing(s.pose.hand)
    outward = float(s.way @ [math.cos(bearing), math.sin(bearing)])
    radius = math.hypot(s.pose.hand[0] - PAN_AXIS_X_M, s.pose.hand[1])
    low = max(TILT_RAD * outward, float(np.interp(radius, LEAN_RADII_M, LOW_LEAN_RAD)))
    high = float(np.interp(radius, LEAN_RADII_M, HIGH_LEAN_RAD))
    return float(np.interp(s.above_m, (0.02, 0.08), (low, max(low, high))))


def _bearing(point: Vector) -> float:
    return math.atan2(point[1], point[0] - PAN_AXIS_X_M)


def _fork_to(s: Situation, fork: Vector, height_m: float, step_m: float, *, turn: bool = True) -> Command:
    """Move so that the fork comes to a point, across the way."""
    closing = _closing(s) if turn else s.pose.closing_rad
    hand = np.array([*(fork + s.pose.hand[:2] - s.fork), height_m])
    return Command(hand, FORK, step_m, closing_rad=closing, tilt_rad=_tilt(s))


def _reach(s: Situation) -> Command:
    """Come down behind the thing as in a funnel, and only with the jaws as a fork across the way."""
    open_wide = max(0.0, s.pose.gripper - FORK - 6.0)
    height_m = SLOPE * (s.off_start_m - 0.006) + ASKEW_M * max(0.0, s.askew_rad - 0.25) + 0.002 * open_wide
    fork = np.array([*s.fork, s.pose.hand[2]])
    goal = np.array([*s.start, LOW_M])
    down = funnel(fork, goal, float(np.clip(height_m, 0.0, HOVER_M - LOW_M)))
    return _fork_to(s, down[:2], float(down[2]), pace(s.off_start_m))


def _push(s: Situation) -> Command:
    """Go on along the way, slower near its end, and not with fingers askew or so high as to tip the thing."""
    free_m = max(0.0, s.lag_m - s.reach_m)
    step_m = float(np.clip(0.7 * (s.left_m + free_m), 0.005, PUSH_STEP_M))
    level = np.interp(s.above_m, (-0.002, 0, 0.003, 0.012), (0, 1, 1, 0))
    share = float(level * np.interp(s.askew_rad, (0.15, 0.35), (1, 0)))
    height_m = LOW_M + 3 * max(0.0, -s.above_m)  # fingers that rub on the table stick to it
    return _fork_to(s, s.fork + 2 * share * step_m * s.way, height_m, step_m)


def _back_off(s: Situation) -> Command:
    away = (s.fork - s.thing) / max(float(np.linalg.norm(s.fork - s.thing)), 1e-6)
    return _fork_to(s, s.fork + 0.03 * away, LOW_M + 0.004, SLOW_STEP_M, turn=False)


def _rise(s: Situation) -> Command:
    return Command(over(s.pose.hand, HOVER_M), FORK, tilt_rad=_tilt(s))


def _retreat(s: Situation) -> Command:
    return Command(READY_M, FORK) if s.pose.hand[2] > READY_M[2] - 0.02 else _rise(s)


PHASES: tuple[Phase[Situation], ...] = (
    Phase("back_off", lambda s: s.arrived and s.near, _back_off),
    Phase("retreat", lambda s: s.arrived, _retreat),
    Phase("push", lambda s: s.behind, _push),
    Phase("step_back", lambda s: s.near, _back_off),
    Phase("reach", lambda s: True, _reach),
)
SKILL: Skill[Situation] = Skill(observe=observe, phases=PHASES)


def feasible(items: Sequence[Item], object_name: str, place_name: str, *, beside: bool) -> bool:
    """Tell whether one of a scene's things can be pushed onto or beside another.

    It must be of a kind that slides, the way neither too short nor too long, the fingers must reach the table
    from where they come down to where they stop, and nothing may stand in the way.

    Args:
        items: everything on the table, in the frame of the arm's base.
        object_name: what is pushed.
        place_name: a flat place, or the thing beside which it should lie.
        beside: whether it should lie beside that thing, instead of on that place.
    """
    by_name = {item.name: item for item in items}
    item, place = by_name[object_name], by_name[place_name]
    shape = shape_of(item)
    thing, middle = np.array(item.position_m[:2]), np.array(place.position_m[:2])
    short_m = shape.radius_m + shape_of(place).radius_m + BESIDE_M if beside else 0.0
    length = float(np.linalg.norm(middle - thing)) - short_m
    if not (shape.pushable and PUSH_M[0] <= length <= PUSH_M[1]):
        return False
    way = (middle - thing) / np.linalg.norm(middle - thing)
    return _way_is_free(items, shape, thing, thing + length * way, {object_name, place_name})


def feasible_to(items: Sequence[Item], object_name: str, goal: Vector) -> bool:
    """Tell whether one of a scene's things can be pushed to a point [2], as `feasible` does."""
    (item,) = (item for item in items if item.name == object_name)
    shape, thing = shape_of(item), np.array(item.position_m[:2])
    length = float(np.linalg.norm(goal - thing))
    return shape.pushable and length <= PUSH_M[1] and _way_is_free(items, shape, thing, goal, {object_name})


def _way_is_free(items: Sequence[Item], shape: Shape, thing: Vector, stop: Vector, but: set[str]) -> bool:
    """Tell whether the fingers reach from behind a thing to where it shall stop, with nothing in the way."""
    way = (stop - thing) / max(float(np.linalg.norm(stop - thing)), 1e-6)
    behind_m = shape.radius_m + FINGER_M
    start = thing - (behind_m + BEHIND_M) * way
    others = [other for other in items if other.name not in but and not _flat(other)]
    half_width = max(shape.radius_m, FORK_WIDTH_M / 2) + SPARE_M
    return all(_reached(point) for point in (start, stop - behind_m * way)) and all(
        _distance_to_line(np.array(other.position_m[:2]), start, stop) > shape_of(other).radius_m + half_width
        for other in others
    )


def _flat(item: Item) -> bool:
    """Tell whether things can be pushed over an item."""
    return shape_of(item).height_m < FLAT_M


def _reached(point: Vector) -> bool:
    """Tell whether the fingers reach a point [2] of the table."""
    near, far = ARM_RING_M
    radius = math.hypot(point[0] - PAN_AXIS_X_M, point[1])
    return near <= radius <= far and abs(_bearing(point)) <= ARM_SIDE_RAD


def _distance_to_line(point: Vector, start: Vector, stop: Vector) -> float:
    """Return how far a point [2] is from the nearest one of a straight line between two others."""
    along = stop - start
    share = np.clip((point - start) @ along / (along @ along), 0.0, 1.0)
    return float(np.linalg.norm(point - start - share * along))
