"""Carrying skill: take a thing from above, bring it, let it go where it should be.

    reach -> close -> bring -> release -> retreat
      ^______ (lost the thing) ______|

Reaching and bringing come down in a funnel: at its rim the hand, or the thing in it, passes over whatever
stands on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector, yaw_of
from sayso.tasks.libero.motions import grasping
from sayso.tasks.libero.motions.motion import (
    OPEN,
    SHUT,
    Command,
    Phase,
    Pose,
    Rotation,
    downward,
    nearest_closing,
    off_rad,
    over,
    pace,
    within_reach,
)
from sayso.tasks.libero.motions.things import Ids, Things

SLOPE = 5.0
"""How steep the funnels are: metres up per metre off."""
RIM_M, OVER_M = 0.06, 0.035
"""How high their rims are at least above the grasp or the place, and above what stands on the way."""
WIDE_M = 0.05
"""How far from the straight way a thing stands in it."""
SLACK_M, CLOSE_M, DEEP_M = 0.006, 0.010, 0.008
"""How far off the hand may be and still come all the way down; how far, and how high, and still close."""
LANDS_M = 0.05
"""How far above its place a thing may touch what it should stand on, and be let go."""
TRAVELS_M = 0.03
"""Off by more than this, a hand is still on its way."""
AIM_RAD = 0.12
"""How far the hand may be turned away when it goes down."""
WIDE_OPEN_M, EMPTY_M = 0.07, 0.003
"""Distance between fingers that are open, and between fingers that have closed on nothing."""
OPENING_M_S = -0.004
"""Speed of fingers that have begun to open."""
STILL_M_S, FIRM_M_S = 0.03, 0.008
"""Fingers slower than this have closed on something, and hold it firmly enough to lift it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a thing's origin should come to be."""

    origin: Vector
    """That point, [3], metres: the thing's height follows from `floor_m`."""
    floor_m: float
    """Height of what it will stand on."""
    room_m: float = 0.008
    """How far above that its foot is let go."""
    slack_m: float = 0.008
    """How far aside it may be let go."""
    rim_m: float = -math.inf
    """Height that its foot must pass over on the way in; none where nothing surrounds the place."""
    heading_rad: float | None = None
    """Heading that it should have; None leaves it as it was taken."""
    support: Ids | None = None
    """What it will stand on; let go as soon as it touches that."""
    high_m: float = 0.006
    """How far above that it may be let go."""
    slides: bool = False
    """Whether it stays on what it stands on."""
    hand_m: float = -math.inf
    """Height below which the hand does not go, for the sake of what surrounds the place."""


@dataclass(frozen=True)
class Situation:
    """What the expert looks at in one step, metres."""

    pose: Pose
    grasp: Vector
    """Where the hand closes."""
    grip: Rotation
    """How the hand is turned then."""
    drop: Vector
    """Where the hand lets go."""
    laid: Rotation
    """How the hand is turned then."""
    held: bool
    touched: bool
    """Whether a finger still touches it."""
    rests: bool
    """Whether it touches anything but the robot."""
    placed: bool
    lands: bool
    """Whether it touches what it should stand on."""
    shoulder: Vector
    """Point about which the arm swings up and down."""
    grasp_rim_m: float
    """Height of the funnel's rim above the grasp."""
    drop_rim_m: float
    """Height of the funnel's rim above the place."""
    slack_m: float
    high_m: float

    @property
    def closes(self) -> bool:
        """Tell whether the jaws may close: they are open, or have begun to close and not yet missed it."""
        begun = self.pose.closing_m_s > 0.005 or (self.touched and self.pose.closing_m_s > -0.005)
        return self.pose.opening_m > WIDE_OPEN_M or (begun and self.pose.opening_m > EMPTY_M)

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


def held(things: Things, pose: Pose, geoms: Ids) -> bool:
    """Tell whether both fingers hold some geometry and have stopped."""
    return things.fingers_on(geoms) == 2 and pose.closing_m_s < STILL_M_S


def observe(things: Things, pose: Pose, name: str, target: Target, placed: bool) -> Situation:
    """Read the state that decides the phase."""
    boxes, geoms = things.of(name), things.geoms(name)
    origin, turned = things.place(name)
    low = boxes.low
    is_held = held(things, pose, geoms)
    turn = 0.0
    if target.heading_rad is not None:
        turn = math.remainder(target.heading_rad - yaw_of(turned), math.pi)
    lift = origin[2] - low[2]
    place = over(target.origin, target.floor_m + lift)
    touched = things.fingers_on(geoms) > 0
    closes = touched and EMPTY_M < pose.opening_m < WIDE_OPEN_M and pose.closing_m_s > -0.005
    if is_held or closes:  # jaws that have begun to close do not look for another grasp
        hand, closing = pose.hand, pose.closing_rad
    else:
        shift = place - origin
        shift[2] += max(target.room_m, target.hand_m - boxes.high[2])
        around = [(np.zeros(3), things.others([name]))]
        if not turn:
            around.append((shift, things.others([name])))
        best = grasping.choose(things, grasping.grasps(boxes), around)
        hand, closing = best.point, nearest_closing(pose.closing_rad, best.closing_rad)
    carried = hand - origin
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        carried = np.array([c * carried[0] - s * carried[1], s * carried[0] + c * carried[1], carried[2]])
    below = hand[2] - low[2]
    drop = place + carried + [0, 0, target.room_m]
    drop[2] = max(drop[2], target.hand_m)
    top_here = things.top_between(pose.hand, hand, WIDE_M, [name])
    top_there = max(things.top_between(pose.hand, drop, WIDE_M, [name]), target.rim_m)
    return Situation(
        pose=pose,
        grasp=hand,
        grip=downward(closing),
        drop=drop,
        laid=downward(nearest_closing(pose.closing_rad, closing + turn) if turn else closing),
        held=is_held,
        touched=touched,
        rests=things.touching(things.others([name]), geoms),
        placed=placed,
        lands=target.support is not None and things.touching(target.support, geoms),
        shoulder=things.shoulder,
        grasp_rim_m=max(RIM_M, max(top_here, float(boxes.high[2])) + OVER_M - hand[2]),
        drop_rim_m=0.0 if target.slides else max(RIM_M, top_there + OVER_M + below - drop[2]),
        slack_m=target.slack_m,
        high_m=target.high_m,
    )


def funnel(hand: Vector, goal: Vector, slack_m: float, rim_m: float) -> Vector:
    """Return where a hand goes next on its way down a funnel to a goal.

    A hand that is lower than the funnel there rises before it moves sideways, and it does so gradually.
    """
    off = float(np.hypot(*(hand - goal)[:2]))
    height = goal[2] + float(np.clip(SLOPE * (off - slack_m), 0.0, rim_m))
    share = float(np.clip(1.3 - (height - hand[2]) / 0.04, 0.0, 1.0))
    return np.array([*(hand[:2] + share * (goal - hand)[:2]), height])


def _reach(s: Situation) -> Command:
    """Come down on the thing, turned rightly before the fingers are around it."""
    askew = max(0.0, off_rad(s.pose, s.grip) - AIM_RAD)
    lifted = min(s.grasp_rim_m, 0.5 * askew)
    goal = funnel(s.pose.hand, s.grasp, SLACK_M, s.grasp_rim_m)
    if s.off_grasp_m > TRAVELS_M:
        goal = within_reach(goal, s.shoulder)
    return Command(over(goal, max(goal[2], s.grasp[2] + lifted)), s.grip, OPEN, pace(s.off_grasp_m, 0.03))


def _bring(s: Situation) -> Command:
    askew = max(0.0, off_rad(s.pose, s.laid) - AIM_RAD)
    lifted = min(s.drop_rim_m, 0.5 * askew)
    goal = funnel(s.pose.hand, s.drop - [0, 0, 0.003], s.slack_m / 2, s.drop_rim_m)
    if s.off_drop_m > TRAVELS_M:
        goal = within_reach(goal, s.shoulder)
    near = max(s.off_drop_m, s.above_drop_m - 0.02)
    return Command(over(goal, max(goal[2], s.drop[2] + lifted)), s.laid, SHUT, pace(near, 0.03))


PHASES: tuple[Phase[Situation], ...] = (
    Phase(
        "retreat",
        lambda s: s.placed and not s.held,
        lambda s: Command(over(s.pose.hand, s.pose.hand[2] + 0.08), s.pose.rotation, OPEN),
    ),
    Phase(
        "release",
        lambda s: (
            s.held
            and s.off_drop_m < (s.slack_m if s.pose.closing_m_s > OPENING_M_S else 2 * s.slack_m)
            and (
                s.above_drop_m < (s.high_m if s.pose.closing_m_s > OPENING_M_S else s.high_m + 0.009)
                or (s.lands and s.above_drop_m < LANDS_M)
            )
            and off_rad(s.pose, s.laid) < 2 * AIM_RAD
        ),
        lambda s: Command(s.pose.hand, s.laid, OPEN),
    ),
    Phase(
        "squeeze",
        lambda s: s.held and s.rests and s.pose.closing_m_s > FIRM_M_S,
        lambda s: Command(s.pose.hand, s.pose.rotation, SHUT),
    ),
    Phase("bring", lambda s: s.held, _bring),
    Phase(
        "close",
        lambda s: (
            s.off_grasp_m < (CLOSE_M if s.pose.opening_m > WIDE_OPEN_M else 0.035)
            and abs(s.above_m) < (DEEP_M if s.pose.opening_m > WIDE_OPEN_M else 0.02)
            and s.closes
        ),
        lambda s: Command(s.grasp, s.grip, SHUT),  # and not where it is: it still sinks, onto the palm
    ),
    Phase("reach", lambda s: True, _reach),
)
