"""Door skill: push a door shut that hangs on an upright hinge, with the shut jaws, from outside.

reach -> push
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector, cross
from sayso.tasks.libero.motions.carrying import OVER_M, WIDE_M, funnel
from sayso.tasks.libero.motions.motion import (
    ACROSS_RAD,
    SHUT,
    Command,
    Phase,
    Pose,
    downward,
    over,
    pace,
)
from sayso.tasks.libero.motions.things import Things

ARM = 0.62
"""How far from the hinge the hand pushes, of the door's width."""
AWAY_M = 0.075
"""How far from the door the hand comes down."""
LEAD_M = 0.06
"""How far into the door its target lies."""
DEEP_M = 0.035
"""How far below the door's upper edge it pushes."""
ASIDE_M = 0.07
"""How far from its way, along the door, the hand may be and push."""


@dataclass(frozen=True)
class Door:
    """Door as it stands, metres."""

    hinge: Vector
    """Point on the hinge, [3]."""
    along: Vector
    """Level direction from the hinge along the door."""
    out: Vector
    """Level direction in which it opens."""
    width_m: float
    top_m: float


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step, metres."""

    pose: Pose
    door: Door
    rim_m: float

    @property
    def at(self) -> Vector:
        """Return the place on the door where the hand pushes."""
        point = self.door.hinge + ARM * self.door.width_m * self.door.along
        return over(point, self.door.top_m - DEEP_M)

    @property
    def ahead_m(self) -> float:
        """Return how far outside the door the hand is."""
        return float((self.pose.hand - self.at) @ self.door.out)

    @property
    def aside_m(self) -> float:
        """Return how far along the door from that place it is."""
        return float((self.pose.hand - self.at) @ self.door.along)


def read(things: Things, joint: str, opens: float) -> Door:
    """Return how a door stands; `opens` is the sign of its joint's value when it is open."""
    hinge, axis = things.joint_axis(joint)
    boxes = things.boxes(things.moved_by(joint))
    leaf = int(np.argmax(boxes.half.max(axis=1)))
    axes = boxes.rotation[leaf].T
    level = np.where(np.abs(axes[:, 2]) < 0.5, boxes.half[leaf], 0.0)
    along = axes[int(np.argmax(level))]
    along = along * np.sign(float((boxes.middle[leaf] - hinge) @ along))
    return Door(
        hinge=hinge,
        along=along,
        out=opens * cross(axis, along),
        width_m=2 * float(level.max()),
        top_m=float(boxes.middle[leaf, 2] + boxes.reach[leaf, 2]),
    )


def observe(things: Things, pose: Pose, joint: str, opens: float) -> Situation:
    """Read the state that decides the phase."""
    door = read(things, joint, opens)
    before = door.hinge + ARM * door.width_m * door.along + AWAY_M * door.out
    way = things.top_between(pose.hand, before, WIDE_M)
    return Situation(pose, door, max(0.06, way + OVER_M - (door.top_m - DEEP_M)))


def _reach(s: Situation) -> Command:
    before = s.at + AWAY_M * s.door.out
    off = float(np.linalg.norm(s.pose.hand - before))
    return Command(funnel(s.pose.hand, before, 0.01, s.rim_m), downward(ACROSS_RAD), SHUT, pace(off, 0.03))


PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "push",
        lambda s: (
            -0.02 < s.ahead_m < AWAY_M + 0.02
            and abs(s.aside_m) < ASIDE_M
            and s.pose.hand[2] < s.at[2] + 0.02
            and s.pose.opening_m < 0.03
        ),
        lambda s: Command(s.at - LEAD_M * s.door.out, downward(ACROSS_RAD), SHUT),
    ),
    Phase("reach", lambda s: True, _reach),
)
