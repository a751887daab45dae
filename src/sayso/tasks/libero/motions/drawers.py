"""Drawer skills: open one by its handle, and push it shut.

    open    reach -> grip -> pull
    close   reach -> push

The handle is a level bar in front. To pull, the hand points at the front with one jaw above the bar and one
below; to push, it leans forward with its jaws shut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector, cross
from sayso.tasks.libero.motions.carrying import OVER_M, WIDE_M, WIDE_OPEN_M, funnel
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
from sayso.tasks.libero.motions.things import Things

PULL_LEAN_RAD, PUSH_LEAN_RAD = math.radians(82), math.radians(45)
"""How far the hand leans from straight down towards the front."""
BEFORE_M, PUSH_BEFORE_M = 0.09, 0.07
"""Distance in front of the bar from which the open jaws go around it, or the shut ones begin to push."""
NEAR_M = 0.04
"""How far beside the line through the bar the hand may be and come closer."""
AROUND_M, BESIDE_M = 0.012, 0.010
"""How far the hand may be from the bar, along that line and beside it, and close."""
AIM_RAD = 0.25
LEAD_M = 0.05
"""How far ahead of the hand its target lies while it pulls or pushes."""
HIGH_M = 0.10
"""Room that a hand needs below itself which lies level."""
SLOPE = 3.0


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step, metres."""

    pose: Pose
    bar: Vector
    """Middle of the handle."""
    outward: Vector
    """Level direction in which the drawer opens."""
    gripped: bool
    """Whether both fingers hold the handle."""
    before_rim_m: float
    """How high above the place before the bar the hand passes over what stands on its way there."""

    @property
    def ahead_m(self) -> float:
        """Return how far in front of the bar the hand is."""
        return float((self.pose.hand - self.bar) @ self.outward)

    @property
    def beside(self) -> Vector:
        """Return where the hand is beside the line through the bar, [3]."""
        return self.pose.hand - self.bar - self.ahead_m * self.outward

    @property
    def beside_m(self) -> float:
        """Return how far beside that line it is; along the bar it matters less."""
        along = float(self.beside @ cross(DOWN, self.outward))
        return math.hypot(0.5 * along, float(self.beside[2]))

    @property
    def pulls(self) -> Rotation:
        """Return how the hand is turned to pull: its jaws above and below the bar."""
        ahead = math.cos(PULL_LEAN_RAD) * DOWN - math.sin(PULL_LEAN_RAD) * self.outward
        return _nearest(self.pose, pointing(ahead, -DOWN))

    @property
    def pushes(self) -> Rotation:
        """Return how the hand is turned to push: its jaws side by side."""
        ahead = math.cos(PUSH_LEAN_RAD) * DOWN - math.sin(PUSH_LEAN_RAD) * self.outward
        return _nearest(self.pose, pointing(ahead, cross(DOWN, self.outward)))


def observe(things: Things, pose: Pose, joint: str, opens: float) -> Situation:
    """Read the state that decides the phase.

    Args:
        things: what stands in the scene.
        pose: how the hand stands.
        joint: the drawer's slide.
        opens: the sign of the joint's value when it is open.
    """
    _, axis = things.joint_axis(joint)
    outward = opens * axis
    geoms = things.moved_by(joint)
    boxes = things.boxes(geoms)
    bar = int(np.argmax(boxes.middle @ outward))
    before = boxes.middle[bar] + BEFORE_M * outward
    top = things.top_between(pose.hand, before, WIDE_M + HIGH_M / 2, [])
    return Situation(
        pose=pose,
        bar=boxes.middle[bar],
        outward=outward,
        gripped=things.fingers_on(geoms) == 2 and pose.opening_m < WIDE_OPEN_M,
        before_rim_m=max(0.08, top + OVER_M + HIGH_M - before[2]),
    )


def _nearest(pose: Pose, rotation: Rotation) -> Rotation:
    """Return a rotation or the same with the jaws exchanged, whichever is nearer to the hand's."""
    other = rotation * np.array([-1.0, -1.0, 1.0])
    return min((rotation, other), key=lambda turned: off_rad(pose, turned))


def _reach(s: Situation, rotation: Rotation, gripper: float, before_m: float, until_m: float) -> Command:
    """Come to the place before the bar from above, then along the line to it."""
    before = s.bar + before_m * s.outward
    askew = off_rad(s.pose, rotation)
    if s.beside_m > NEAR_M or s.ahead_m < -0.02:
        off = float(np.linalg.norm(s.pose.hand - before))
        return Command(funnel(s.pose.hand, before, 0.02, s.before_rim_m), rotation, gripper, pace(off, 0.03))
    short = float(np.clip(SLOPE * (s.beside_m - 0.004), before_m if askew > AIM_RAD else until_m, before_m))
    return Command(s.bar + short * s.outward, rotation, gripper, pace(short, 0.025))


OPEN_PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "pull",
        lambda s: s.gripped,
        lambda s: Command(over(s.pose.hand + LEAD_M * s.outward, s.bar[2]), s.pulls, SHUT),
    ),
    Phase(
        "grip",
        lambda s: (
            s.ahead_m < AROUND_M
            and s.beside_m < (BESIDE_M if s.pose.opening_m > WIDE_OPEN_M else 0.02)
            and s.ahead_m > -0.02
            and off_rad(s.pose, s.pulls) < AIM_RAD
        ),
        lambda s: Command(s.bar, s.pulls, SHUT),
    ),
    Phase("reach", lambda s: True, lambda s: _reach(s, s.pulls, OPEN, BEFORE_M, 0.0)),
)

CLOSE_PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "push",
        lambda s: (
            -0.03 < s.ahead_m < PUSH_BEFORE_M + 0.01
            and s.beside_m < NEAR_M
            and off_rad(s.pose, s.pushes) < AIM_RAD
            and s.pose.opening_m < 0.02
        ),
        lambda s: Command(s.pose.hand - s.beside - LEAD_M * s.outward, s.pushes, SHUT),
    ),
    Phase("reach", lambda s: True, lambda s: _reach(s, s.pushes, SHUT, PUSH_BEFORE_M, PUSH_BEFORE_M)),
)
