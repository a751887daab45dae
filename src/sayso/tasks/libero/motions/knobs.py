"""Knob skill: take a knob by its ridge from above, and turn the hand about its axis.

reach -> close -> turn
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector
from sayso.tasks.libero.motions.carrying import OVER_M, WIDE_M, funnel
from sayso.tasks.libero.motions.motion import (
    OPEN,
    SHUT,
    Command,
    Phase,
    Pose,
    downward,
    nearest_closing,
    off_rad,
    over,
    pace,
)
from sayso.tasks.libero.motions.things import Things

DEEP_M = 0.018
"""How far below its top the ridge is taken."""
AROUND_M, EMPTY_M = 0.05, 0.015
"""Distance between fingers that are around a ridge, at most and at least."""
AHEAD_RAD = 0.6
"""How far ahead of the ridge the hand turns."""
AIM_RAD = 0.15


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step, metres."""

    pose: Pose
    hub: Vector
    """Point on the knob's axis where the hand closes."""
    closing_rad: float
    """Heading along which to close on the ridge."""
    turning: float
    """Sense in which to turn, 1 or -1 about the vertical."""
    gripped: bool
    rim_m: float

    @property
    def off_m(self) -> float:
        """Return how far the hand is from being above the hub."""
        return float(np.hypot(*(self.pose.hand - self.hub)[:2]))


def observe(things: Things, pose: Pose, joint: str, turns: float) -> Situation:
    """Read the state that decides the phase, of a knob whose joint's value should grow (1) or fall (-1)."""
    anchor, axis = things.joint_axis(joint)
    boxes = things.boxes(things.moved_by(joint))
    corners = boxes.corners
    top = float(corners[..., 2].max())
    ridge = corners[corners[..., 2].max(axis=1) > top - 0.012].reshape(-1, 3)[:, :2]
    spread = np.linalg.eigh(np.cov((ridge - ridge.mean(axis=0)).T))[1][:, 0]
    middle = over(anchor, top - DEEP_M)
    way = things.top_between(pose.hand, middle, WIDE_M)
    return Situation(
        pose=pose,
        hub=middle,
        closing_rad=nearest_closing(pose.closing_rad, math.atan2(spread[1], spread[0])),
        turning=turns * float(np.sign(axis[2])),
        gripped=EMPTY_M < pose.opening_m < AROUND_M and -0.05 < pose.closing_m_s < 0.04,
        rim_m=max(0.06, way + OVER_M - middle[2]),
    )


def _reach(s: Situation) -> Command:
    askew = max(0.0, off_rad(s.pose, downward(s.closing_rad)) - AIM_RAD)
    goal = funnel(s.pose.hand, s.hub, 0.006, s.rim_m)
    height = max(goal[2], s.hub[2] + min(s.rim_m, 0.5 * askew))
    return Command(over(goal, height), downward(s.closing_rad), OPEN, pace(s.off_m, 0.03))


PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "turn",
        lambda s: s.gripped and s.off_m < 0.03 and s.pose.hand[2] < s.hub[2] + 0.015,
        lambda s: Command(s.hub, downward(s.closing_rad + s.turning * AHEAD_RAD), SHUT),
    ),
    Phase(
        "close",
        lambda s: (
            s.off_m < 0.012
            and abs(s.pose.hand[2] - s.hub[2]) < 0.01
            and (s.pose.opening_m > AROUND_M or s.pose.closing_m_s > 0.005)
        ),
        lambda s: Command(s.hub, downward(s.closing_rad), SHUT),
    ),
    Phase("reach", lambda s: True, _reach),
)
