"""Shelving skill: take a thing by what it has in front, with a level hand, and put it into a niche.

    reach -> close -> lift -> insert -> release -> (withdraw)

A hand from above does not fit under the niche's ceiling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector, cross
from sayso.tasks.libero.motions.carrying import (
    EMPTY_M,
    FIRM_M_S,
    OVER_M,
    STILL_M_S,
    WIDE_M,
    WIDE_OPEN_M,
    funnel,
)
from sayso.tasks.libero.motions.motion import (
    DOWN,
    OPEN,
    SHUT,
    Command,
    Phase,
    Pose,
    Rotation,
    off_rad,
    over,
    pace,
    pointing,
)
from sayso.tasks.libero.motions.things import Boxes, Things

LEAN_RAD = math.radians(60)
"""How far the hand leans from straight down towards the niche."""
BEFORE_M = 0.09
"""Distance from which the open jaws go around the handle."""
NEAR_M = 0.03
"""How far beside the line to it the hand may be and come closer."""
LIFT_M = 0.012
"""How high above the niche's floor the thing is brought in."""
STAGE_M = 0.17
"""How far before its place the thing is brought to that height."""
HANDLE_M, NARROW_M, INWARD_M = 0.03, 0.005, 0.006
"""How far a handle reaches back from its front, how far aside its parts are, and how far inside its corner
it is held."""
AIM_RAD = 0.2
SLOPE = 3.0


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step, metres."""

    pose: Pose
    handle: Vector
    """Where the hand closes."""
    outward: Vector
    """Level direction out of the niche."""
    drop: Vector
    """Where the hand lets go."""
    held: bool
    placed: bool
    rests: bool
    """Whether it touches anything but the robot."""
    rim_m: float

    @property
    def grip(self) -> Rotation:
        """Return how the hand is turned: pointing into the niche, its jaws side by side."""
        ahead = math.cos(LEAN_RAD) * DOWN - math.sin(LEAN_RAD) * self.outward
        rotation = pointing(ahead, cross(DOWN, self.outward))
        other = rotation * np.array([-1.0, -1.0, 1.0])
        return min((rotation, other), key=lambda turned: off_rad(self.pose, turned))

    @property
    def back(self) -> Vector:
        """Return the direction from which the hand comes to the handle."""
        return math.sin(LEAN_RAD) * self.outward - math.cos(LEAN_RAD) * DOWN

    def ahead_m(self, point: Vector, direction: Vector) -> float:
        """Return how far from a point the hand is in a direction."""
        return float((self.pose.hand - point) @ direction)

    def beside_m(self, point: Vector, direction: Vector) -> float:
        """Return how far beside the line in that direction it is."""
        return float(np.linalg.norm(self.pose.hand - point - self.ahead_m(point, direction) * direction))


def observe(
    things: Things, pose: Pose, name: str, origin: Vector, floor_m: float, outward: Vector, placed: bool
) -> Situation:
    """Read the state that decides the phase.

    Args:
        things: what stands in the scene.
        pose: how the hand stands.
        name: the thing.
        origin: where its origin should be, level [2] or [3].
        floor_m: height of the niche's floor.
        outward: level direction out of the niche.
        placed: whether the thing is there.
    """
    boxes, geoms = things.of(name), things.geoms(name)
    at, _ = things.place(name)
    held = things.fingers_on(geoms) == 2 and pose.closing_m_s < STILL_M_S
    handle = pose.hand if held else _handle(boxes, outward)
    place = over(origin, floor_m + float(at[2] - boxes.low[2]) + LIFT_M)
    before = handle + BEFORE_M * (math.sin(LEAN_RAD) * outward - math.cos(LEAN_RAD) * DOWN)
    way = things.top_between(pose.hand, before, WIDE_M)
    return Situation(
        pose=pose,
        handle=handle,
        outward=outward,
        drop=place + handle - at,
        held=held,
        placed=placed,
        rests=things.touching(things.others([name]), geoms),
        rim_m=max(0.06, way + OVER_M + 0.05 - before[2]),
    )


def _handle(boxes: Boxes, outward: Vector) -> Vector:
    """Return where what sticks out in front is held best: at the corner of its upright and its upper part.

    There the jaws hold two parts that cross, so that the thing cannot swing.
    """
    ahead = boxes.middle @ outward
    front = int(np.argmax(ahead))
    aside = np.abs((boxes.middle - boxes.middle[front]) @ cross(DOWN, outward))
    parts = (ahead > ahead[front] - HANDLE_M) & (aside < NARROW_M)
    top = float(boxes.middle[parts, 2].max())
    return over(boxes.middle[front] - INWARD_M * outward, max(boxes.middle[front, 2], top - INWARD_M))


def _reach(s: Situation) -> Command:
    before = s.handle + BEFORE_M * s.back
    askew = off_rad(s.pose, s.grip)
    if s.beside_m(s.handle, s.back) > NEAR_M or s.ahead_m(s.handle, s.back) < -0.02:
        off = float(np.linalg.norm(s.pose.hand - before))
        return Command(funnel(s.pose.hand, before, 0.015, s.rim_m), s.grip, OPEN, pace(off, 0.03))
    short = SLOPE * (s.beside_m(s.handle, s.back) - 0.005)
    short = float(np.clip(short, BEFORE_M if askew > AIM_RAD else 0.0, BEFORE_M))
    return Command(s.handle + short * s.back, s.grip, OPEN, pace(short, 0.025))


def _insert(s: Situation) -> Command:
    """Come to the line into the niche at a distance, then along it."""
    short = float(np.clip(SLOPE * (s.beside_m(s.drop, s.outward) - 0.008), -0.004, STAGE_M))
    goal = s.drop + short * s.outward
    if s.pose.hand[2] < s.drop[2] - 0.01:  # rise before it comes nearer
        goal = over(s.pose.hand + 0.3 * (goal - s.pose.hand), s.drop[2])
    return Command(goal, s.grip, SHUT, pace(abs(s.ahead_m(s.drop, s.outward)), 0.03))


PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "release",
        lambda s: (
            s.held and abs(s.ahead_m(s.drop, s.outward)) < 0.008 and s.beside_m(s.drop, s.outward) < 0.02
        ),
        lambda s: Command(s.pose.hand, s.grip, OPEN),
    ),
    Phase(
        "squeeze",
        lambda s: s.held and s.rests and s.pose.closing_m_s > FIRM_M_S,
        lambda s: Command(s.pose.hand, s.pose.rotation, SHUT),
    ),
    Phase("insert", lambda s: s.held, _insert),
    Phase("withdraw", lambda s: s.placed, lambda s: Command(s.pose.hand + 0.06 * s.back, s.grip, OPEN)),
    Phase(
        "close",
        lambda s: (
            s.ahead_m(s.handle, s.back) < (0.008 if s.pose.opening_m > WIDE_OPEN_M else 0.03)
            and s.beside_m(s.handle, s.back) < (0.012 if s.pose.opening_m > WIDE_OPEN_M else 0.03)
            and off_rad(s.pose, s.grip) < 2 * AIM_RAD
            and (
                s.pose.opening_m > WIDE_OPEN_M or (s.pose.closing_m_s > -0.005 and s.pose.opening_m > EMPTY_M)
            )
        ),
        lambda s: Command(s.pose.hand, s.grip, SHUT),
    ),
    Phase("reach", lambda s: True, _reach),
)
