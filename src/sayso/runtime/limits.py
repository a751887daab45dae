"""Bound what may be sent to a robot: ranges, speeds and the room for its hand; refuse what is absurd.

policy --> action --> finite and plausible?  --> range --> speed --> workspace --> robot
                           | no                   what was cut off is counted
                           v
                     UnsafeActionError: the robot stops
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import LEKIWI, MOUNT_M, SO101, RobotKind, from_robot_units
from sayso.spec import Array, Features, SaysoError, known

Point = tuple[float, float, float]
KINDS: Mapping[str, RobotKind] = {kind.name: kind for kind in (SO101, LEKIWI)}
SERVO_DEG_S = 270.0
"""Speed of an STS3215 without load; a target that runs ahead faster is one the arm cannot follow."""
ABSURD = 0.5
"""By what share of its range an action may lie outside and still be called imprecise rather than wrong."""
REACH_M = 0.5
HALVINGS = 10


class UnsafeActionError(SaysoError):
    """Report an action that must not be sent, not even cut to size."""


class Workspace:
    """Keep the tool centre point inside a box of the arm's base frame, metres."""

    def __init__(self, low_m: Point, high_m: Point) -> None:
        """Span the box between two corners.

        Raises:
            SaysoError: if it is empty.
        """
        self.low_m, self.high_m = np.array(low_m), np.array(high_m)
        if not (self.low_m < self.high_m).all():
            raise SaysoError(f"a workspace runs from low to high in x, y and z, not from {low_m} to {high_m}")
        self._arm = ArmKinematics()

    def outside_m(self, action: Array) -> float:
        """Return how far outside the box the hand would be, metres."""
        point, _ = self._arm.forward(from_robot_units(action)[0])
        return float(np.linalg.norm(point - np.clip(point, self.low_m, self.high_m)))

    def kept_inside(self, action: Array, last: Array) -> Array:
        """Return the action that goes from the `last` one towards `action` as far as the box allows.

        A hand that is outside already may go wherever it is no further outside.
        """
        allowed = self.outside_m(last)
        if self.outside_m(action) <= allowed:
            return action
        low, high, kept = 0.0, 1.0, action.copy()
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            kept[:6] = last[:6] + middle * (action[:6] - last[:6])
            low, high = (middle, high) if self.outside_m(kept) <= allowed else (low, middle)
        kept[:6] = last[:6] + low * (action[:6] - last[:6])
        return kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Limits:
    """Hold what one robot may be told, float32 ``[A]`` each, in robot units."""

    names: tuple[str, ...]
    low: Array
    high: Array
    speed_per_s: Array
    """Fastest change of each number; infinite where there is no limit."""
    workspace: Workspace | None = None

    def applied(self, action: Array, last: Array, seconds: float) -> tuple[Array, tuple[str, ...]]:
        """Return the action cut to what is allowed, float32 ``[A]``, and what was cut.

        Args:
            action: what is asked for, ``[A]``.
            last: what was sent before, ``[A]``.
            seconds: time between the two.

        Returns:
            The action, and names such as ``elbow_flex.pos range``, ``x.vel range``, ``hand workspace``.

        Raises:
            UnsafeActionError: if a number is not finite, or so far out of range that it must be a mistake.
        """
        self._refuse_absurd(action)
        within = np.clip(action, self.low, self.high)
        reach = self.speed_per_s * np.float32(seconds)
        slow = np.clip(within, last - reach, last + reach).astype(np.float32)
        cut = self._cut("range", action, within) + self._cut("speed", within, slow)
        if self.workspace is None:
            return slow, cut
        kept = self.workspace.kept_inside(slow, last)
        return kept, cut if kept is slow else (*cut, "hand workspace")

    def _refuse_absurd(self, action: Array) -> None:
        if action.shape != self.low.shape:
            raise UnsafeActionError(
                f"an action is {len(self.names)} numbers ({', '.join(self.names)}), but got {action.shape}"
            )
        margin = ABSURD * (self.high - self.low)
        plausible = (action >= self.low - margin) & (action <= self.high + margin)  # NaN is not
        for i in np.flatnonzero(~plausible)[:1]:
            raise UnsafeActionError(
                f"the policy asked for {self.names[i]} = {action[i]:g}; its range is {self.low[i]:g} to "
                f"{self.high[i]:g}. Check the units of the policy and of the robot"
            )

    def _cut(self, kind: str, before: Array, after: Array) -> tuple[str, ...]:
        return tuple(f"{self.names[i]} {kind}" for i in np.flatnonzero(before != after))


def limits_of(
    features: Features,
    *,
    speed_deg_s: float = SERVO_DEG_S,
    low_m: Point | None = None,
    high_m: Point | None = None,
) -> Limits:
    """Return the limits of one of our robots.

    Args:
        features: what the robot is called and in which order its actions come.
        speed_deg_s: fastest change of a joint's target. The gripper's servo limits itself, the base's speeds
            have their range.
        low_m: one corner of the box for the tool centre point, in the frame of the arm's base, metres; by
            default what the arm can reach, down to the table or the floor.
        high_m: the other corner.

    Raises:
        UnknownNameError: if the robot is none of ours.
        SaysoError: if the speed is not above zero, or the box is empty.
    """
    kind = KINDS[known("robot with known limits", features.robot_type, KINDS)]
    if not speed_deg_s > 0:
        raise SaysoError(f"a joint needs a speed above 0 deg/s, but got {speed_deg_s}")
    low, high = kind.action_limits()
    speed: NDArray[np.float32] = np.array(
        [speed_deg_s if d.unit == "deg" else np.inf for d in features.action], dtype=np.float32
    )
    floor_m = -float(MOUNT_M[2]) if kind.mobile else 0.0
    workspace = Workspace(low_m or (-REACH_M, -REACH_M, floor_m), high_m or (REACH_M, REACH_M, REACH_M))
    return Limits(names=features.action_names, low=low, high=high, speed_per_s=speed, workspace=workspace)
