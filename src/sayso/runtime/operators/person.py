"""Person as an operator: keys and a mouse move a target for the hand, and inverse kinematics follows it.

    held keys, a sticks' tilt ──> speeds ──┐
    a dragged point ───────────────────────┼──> target of the hand ──> joints (`sayso.sim.kinematics`)
    the gripper's key ─────────────────────┘

The target begins where the robot was told to be last, so taking over moves nothing by itself. Whoever lets go
keeps the robot still for a moment, so that a change of keys hands nothing back; then it is left to others.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.robots import DEGREES, PERCENT, known_robot
from sayso.runtime.clock import Clock
from sayso.runtime.operators.contract import Moment
from sayso.runtime.standing import is_speed
from sayso.runtime.stopping import Stop
from sayso.sim.kinematics import PAN_AXIS_X_M, ArmKinematics
from sayso.sim.robots import LEKIWI, SO101, from_robot_units, gripper_percent, gripper_rad, to_robot_units
from sayso.spec import Actor, Array, Features, Observation

Vector = NDArray[np.float64]
HAND_M_S, DRAG_M_S, TURN_RAD_S = 0.12, 0.25, 1.2
"""How fast the hand follows keys and a mouse, and how fast it turns."""
BASE_M_S, BASE_RAD_S = 0.2, 0.8
OPEN_PERCENT, SHUT_PERCENT = 52.0, 0.0
"""How far the gripper's key opens it; 52 leaves 7 cm between the pads."""
LINGERS_S = 0.6
"""For how long a person who let go still keeps the robot."""
FORGOTTEN_S = 0.5
"""Keys of which nothing was heard for so long are not held any more: a page may close with one pressed."""
YIELDS, YIELDS_M, ITERATIONS = 2, 0.002, 5
"""How often the lean of the hand gives way in a step, while so much is missing to where it is to be; and how
often joints come nearer in each: a step must take a few milliseconds."""
SLACK_M = 0.01
"""How far ahead of what the arm can reach its target may lie."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants at this moment, each number from -1 to 1; all zeros is nothing."""

    along: float = 0.0
    """Where the hand is to go, in the frame of the arm's base: x, ahead."""
    across: float = 0.0
    """y, to its left."""
    up: float = 0.0
    turn: float = 0.0
    """How the jaws are to turn, counterclockwise as seen from above."""
    lean: float = 0.0
    """How the hand is to lean outwards."""
    base: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """How the base is to drive: ahead, to its left, counterclockwise."""

    @property
    def is_any(self) -> bool:
        """Tell whether anything is wanted."""
        return any((self.along, self.across, self.up, self.turn, self.lean, *self.base))


@dataclass
class _Grasp:
    """How somebody holds the hand: where its target is, and how it stands there."""

    joints_rad: Vector
    point_m: Vector
    tilt_rad: float
    lean_rad: float
    """How far the hand is to lean, where `tilt_rad` is how far it does: where five joints allow no more."""
    closing_rad: float
    gripper: float
    room: bool = True
    """Whether all of that could be had in the last step."""


def can_steer(features: Features) -> bool:
    """Tell whether a person can move the hand of a robot: it has an arm whose kinematics are known here."""
    row = known_robot(features.robot_type)
    kinds = [kind.entry for kind in (SO101, LEKIWI) if row is not None and kind.name == row.name]
    speak = all(d.unit in (DEGREES, PERCENT) or is_speed(d) for d in features.action)
    return bool(kinds) and speak and features.action_names == tuple(d.name for d in kinds[0].dimensions)


class PersonOperator:
    """Person who steps in. What is wanted may be said from any thread."""

    actor: Actor = "person"

    def __init__(self, *, alone: bool = False) -> None:
        """Keep the hands off.

        Args:
            alone: whether nobody else drives, so that the robot is kept still when nothing is wanted.
        """
        self._arm, self._lock, self._alone = ArmKinematics(), threading.Lock(), alone
        self._wish, self._wished_s = Wish(), -math.inf
        self._dragged: Vector | None = None
        self._grips: list[bool | None] = []
        self._grasp: _Grasp | None = None
        self._wanted_at = -math.inf
        self.moving = False
        """Whether something was wanted in the last step, rather than the robot kept still."""

    @property
    def acts(self) -> bool:
        """Tell whether the robot is in this person's hands."""
        return self._grasp is not None

    def steer(self, wish: Wish) -> None:
        """Want the hand or the base to move, until something else is wanted or `FORGOTTEN_S` have passed."""
        with self._lock:
            self._wish, self._wished_s = wish, time.monotonic()

    def drag(self, point_m: Vector | None) -> None:
        """Want the hand at a point in the frame of the arm's base, [3], until None is."""
        with self._lock:
            self._dragged = None if point_m is None else np.array(point_m, float)

    def grip(self, *, open_it: bool | None = None) -> None:
        """Want the gripper open or shut; by default the other way round than it is."""
        with self._lock:
            self._grips.append(open_it)

    def point_m(self, last: Array) -> Vector:
        """Return where the hand is to be, in the frame of the arm's base, [3], if it was told `last`."""
        return (self._grasp or self._taken(last)).point_m

    def begin(self, observation: Observation, stop: Stop, clock: Clock, period: float) -> None:
        """Let go: nobody steps in before the first step."""
        self._grasp, self._wanted_at, self.moving = None, -math.inf, False
        with self._lock:
            self._grips, self._dragged, self._wish = [], None, Wish()

    def act(self, moment: Moment) -> Array | None:
        """Return the action that follows what is wanted; None while the robot is left to others."""
        if moment.observation is None:
            return None
        with self._lock:
            forgotten = time.monotonic() - self._wished_s > FORGOTTEN_S
            wish, point = Wish() if forgotten else self._wish, self._dragged
            grips, self._grips = self._grips, []
        self.moving = wish.is_any or point is not None or bool(grips)
        if self.moving:
            self._wanted_at = moment.now
        elif not self._alone and moment.now - self._wanted_at >= LINGERS_S:
            self._grasp = None
            return None
        if self._grasp is None:
            self._grasp = self._taken(moment.last)
        self._follow(self._grasp, wish, point, moment.period)
        for open_it in grips:
            is_shut = self._grasp.gripper < (OPEN_PERCENT + SHUT_PERCENT) / 2
            self._grasp.gripper = OPEN_PERCENT if (is_shut if open_it is None else open_it) else SHUT_PERCENT
        joints = np.array([*self._grasp.joints_rad, gripper_rad(self._grasp.gripper)])
        speeds = np.array(wish.base) * [BASE_M_S, BASE_M_S, BASE_RAD_S]
        return to_robot_units(joints, speeds if len(moment.last) > len(joints) else None)

    def stand_aside(self, moment: Moment) -> None:
        """Let go."""
        self._grasp = None

    def close(self) -> None:
        """Let go."""
        self._grasp = None

    def _taken(self, last: Array) -> _Grasp:
        """Take the hand as it was told to stand."""
        joints, _ = from_robot_units(last)
        point, tilt, closing = _stands(self._arm, joints)
        return _Grasp(
            joints_rad=joints[:5],
            point_m=point,
            tilt_rad=tilt,
            lean_rad=tilt,
            closing_rad=closing,
            gripper=gripper_percent(joints[5]),
        )

    def _follow(self, grasp: _Grasp, wish: Wish, point_m: Vector | None, period: float) -> None:
        """Move the target for one step, and the joints after it as near as they come."""
        still = not (wish.along or wish.across or wish.up or wish.turn or wish.lean) and point_m is None
        if still:  # solving again would let the arm creep where its target is not quite in reach
            return
        shift = np.array([wish.along, wish.across, wish.up]) * HAND_M_S * period
        if point_m is not None:
            way, reach = point_m - grasp.point_m, DRAG_M_S * period
            shift = way * min(1.0, reach / max(float(np.linalg.norm(way)), 1e-9))
        target = grasp.point_m + shift
        grasp.closing_rad += wish.turn * TURN_RAD_S * period
        grasp.lean_rad += wish.lean * TURN_RAD_S * period
        before, tilt, most = grasp.joints_rad, grasp.tilt_rad, TURN_RAD_S * period
        if grasp.room:
            grasp.tilt_rad += float(np.clip(grasp.lean_rad - tilt, -most, most))
        short = self._reach(grasp, target)
        grasp.room = float(np.linalg.norm(short)) <= YIELDS_M
        if not grasp.room and grasp.tilt_rad != tilt:
            grasp.joints_rad, grasp.tilt_rad = before, tilt
            short = self._reach(grasp, target)
        for _ in range(YIELDS):  # position first: five joints cannot have the lean, too, everywhere
            if float(np.linalg.norm(short)) <= YIELDS_M:
                break
            grasp.tilt_rad = _stands(self._arm, grasp.joints_rad)[1]
            short = self._reach(grasp, target)
        grasp.point_m = target - short * (1 - min(1.0, SLACK_M / max(float(np.linalg.norm(short)), 1e-9)))

    def _reach(self, grasp: _Grasp, target_m: Vector) -> Vector:
        """Bring the joints as near to a target as they come, and return what is missing, [3]."""
        grasp.joints_rad = self._arm.solve(
            grasp.joints_rad, target_m, grasp.tilt_rad, grasp.closing_rad, ITERATIONS
        )
        reached, _ = self._arm.forward(grasp.joints_rad)
        return target_m - reached


def _stands(arm: ArmKinematics, joints_rad: Vector) -> tuple[Vector, float, float]:
    """Return how a hand stands: its point [3], how far it leans outwards, where its jaws close along."""
    point, rotation = arm.forward(joints_rad)
    ahead, aside, up = -rotation[:, 2]
    bearing = math.atan2(point[1], point[0] - PAN_AXIS_X_M)
    tilt = math.atan2(ahead * math.cos(bearing) + aside * math.sin(bearing), -up)
    return point, tilt, math.atan2(rotation[1, 0], rotation[0, 0])
