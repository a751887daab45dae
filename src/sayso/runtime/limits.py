"""Safety limits on what is sent to a robot: ranges, speeds, a box for its hand; the absurd is refused.

policy --> action --> finite and plausible?  --> range --> speed --> workspace --> robot
                           | no                   what was cut off is counted
                           v
                     UnsafeActionError: the robot stops
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sayso.data.statistics import Stats
from sayso.data.units import NORMALIZED_TO
from sayso.robots import DEGREES, GRIPPER, NORMALIZED, PERCENT, ROBOTS, Range, RobotEntry, known_robot
from sayso.runtime.standing import is_speed
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import from_robot_units
from sayso.spec import ACTION, STATE, Array, Dimension, Features, SaysoError, known

Point = tuple[float, float, float]
SERVO_DEG_S = 270.0
"""Speed of an STS3215 without load; a target that runs ahead faster is one the arm cannot follow."""
MARGIN = 0.1
"""By what share of what was shown the range of an unknown robot is wider."""
LEAST_MARGIN: Mapping[str, float] = {"deg": 5.0, "rad": math.radians(5), "m": 0.02}
"""What it is at least, where a joint hardly moved in the demonstrations."""
BORDER_UNITS = ("deg", "%", "m/s", "deg/s")
"""Units in which the ranges of the SO-101 and of LeKiwi are given."""
WIDEST_DEG = 180.0
"""Half of a whole turn, which the calibrated range of a joint is at most."""
PER_DEGREE: Mapping[str, float] = {
    "deg": 1.0, "rad": math.radians(1), NORMALIZED: NORMALIZED_TO / WIDEST_DEG
}  # fmt: skip
"""How much of a unit a degree is, at least."""
SPANS_PER_S = 2.0
"""How often a joint of unknown unit may go through its whole range in a second."""
ABSURD = 0.5
"""By what share of its range an action may lie outside and still be called imprecise rather than wrong."""
REACH_M = 0.5
HALVINGS = 10
WHOLE, BESIDE = 2.0, 10.0
"""What a gripper that opens from 0 to 1 never goes beyond, and one in per cent does; and how far beside 0 and
100 one in per cent may have been."""


class UnsafeActionError(SaysoError):
    """Action that must not be sent, not even cut to size."""


class Workspace:
    """Box for the tool centre point in the arm's base frame, metres."""

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
    """Limits on what one robot may be told, float32 ``[A]`` each, in robot units."""

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

    def slower(self, share: float) -> Limits:
        """Return the same at a share of the speed, or of its range a second for what has no limit of it."""
        spans = (self.high - self.low) * np.float32(SPANS_PER_S)
        speed = np.where(np.isfinite(self.speed_per_s), self.speed_per_s, spans) * np.float32(share)
        return dataclasses.replace(self, speed_per_s=speed.astype(np.float32))

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
    stats: Mapping[str, Stats] | None = None,
    *,
    speed_deg_s: float = SERVO_DEG_S,
    low_m: Point | None = None,
    high_m: Point | None = None,
    imagined: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Limits:
    """Return the limits of a robot: those of its kind if it is one of ours, else those of its demonstrations.

    ::

        so101, lekiwi in degrees      the arm's ranges, wider where a person drove it further; the hand's box
        joints in per cent            -100 to 100, grippers 0 to 100
        all others                    what was shown of the number, as state or action, and a tenth more

    Args:
        features: what the robot is called, its names and units.
        stats: of the demonstrations' state and action.
        speed_deg_s: fastest change of a joint's target. The gripper's servo limits itself, the base's speeds
            have their range.
        low_m: one corner of the box for the tool centre point, in the frame of the arm's base, metres; by
            default what the arm can reach, down to the table or the floor.
        high_m: the other corner.
        imagined: whether the robot does not exist, so that it may take a number whose limits nobody knows.
        tell: hears which ranges come from demonstrations.

    Raises:
        UnknownNameError: if the limits of a number are not known, and there are no statistics.
        SaysoError: if the speed is not above zero, the box is empty, or one of them would limit nothing.
    """
    if not speed_deg_s > 0:
        raise SaysoError(f"a joint needs a speed above 0 deg/s, but got {speed_deg_s}")
    robot = known_robot(features.robot_type)
    ours = _own_ranges(robot, features) if robot else {}
    shown = _shown(features, stats or {})
    ranges = [_range(d, ours.get(d.name), shown.get(d.name)) for d in features.action]
    endless = [d.name for d, (low, _) in zip(features.action, ranges, strict=True) if low == -math.inf]
    if endless and imagined:
        tell(f"no limits are known of {', '.join(endless)}; a real robot would be refused")
    elif endless:
        if robot is None:
            known(
                "robot with known limits", features.robot_type, [r.name for r in ROBOTS.values() if r.ranges]
            )
        raise SaysoError(f"the limits of {', '.join(endless)} are not known, and no demonstrations show them")
    low, high = (np.array(side, np.float32) for side in zip(*ranges, strict=True))
    if told := _from_demonstrations(features, ours, low, high):
        tell(told)
    speed = np.array(
        [_speed(d, *r, speed_deg_s) for d, r in zip(features.action, ranges, strict=True)], np.float32
    )
    has_hand = robot is not None and features.action[:6] == robot.in_degrees[:6]
    if robot is None or robot.floor_m is None or not has_hand:
        if low_m or high_m:
            raise SaysoError(
                f"nobody knows here where the hand of a {features.robot_type!r} is, so a box for it would "
                "limit nothing; leave --workspace-low-m and --workspace-high-m out"
            )
        return Limits(names=features.action_names, low=low, high=high, speed_per_s=speed)
    workspace = Workspace(low_m or (-REACH_M, -REACH_M, robot.floor_m), high_m or (REACH_M, REACH_M, REACH_M))
    return Limits(names=features.action_names, low=low, high=high, speed_per_s=speed, workspace=workspace)


def _own_ranges(robot: RobotEntry, features: Features) -> dict[str, Range]:
    """Return the ranges of a robot's row, of those numbers that are in a unit that it speaks."""
    spoken = {
        name: BORDER_UNITS if unit in ("", *BORDER_UNITS) else (unit,) for name, unit in robot.units.items()
    }
    return {
        d.name: robot.ranges[d.name]
        for d in features.action
        if d.name in robot.ranges and d.unit in spoken[d.name]
    }


def _shown(features: Features, stats: Mapping[str, Stats]) -> dict[str, Range]:
    """Return name of an action -> the lowest and highest that was shown of it, as action or as state."""
    found: dict[str, Range] = {}
    for key, names in ((ACTION, features.action_names), (STATE, features.state_names)):
        if key not in stats or len(stats[key].min) != len(names):
            continue
        for name, low, high in zip(names, stats[key].min, stats[key].max, strict=True):
            lowest, highest = found.get(name, (low, high))
            found[name] = min(low, lowest), max(high, highest)
    return {name: found[name] for name in features.action_names if name in found}


def _range(dimension: Dimension, ours: Range | None, shown: Range | None) -> Range:
    """Return the range of one number."""
    unit = dimension.unit
    if unit == NORMALIZED:
        return -NORMALIZED_TO, NORMALIZED_TO
    if ours:
        low, high = ours
        # A person drove it there; and only a joint: what a base may do does not depend on who drove it.
        return (min(low, shown[0]), max(high, shown[1])) if shown and unit == DEGREES else (low, high)
    if unit == PERCENT and not (shown and _no_per_cent(*shown)):
        return 0.0, NORMALIZED_TO
    if shown is None:
        return -np.inf, np.inf
    low, high = shown
    least = LEAST_MARGIN.get(unit) if unit != PERCENT else None
    margin = max(MARGIN * (high - low), least or MARGIN * max(abs(low), abs(high), 1e-3))
    return (low - margin, high + margin) if not is_speed(dimension) else (min(low, 0.0), max(high, 0.0))


def _no_per_cent(low: float, high: float) -> bool:
    """Tell whether a gripper that is called so has in truth another unit: 0 to 1, metres, degrees.

    By its name alone it is taken to be open at 100 (`sayso.data.units`), which holds of LeRobot's small arms.
    """
    return high <= WHOLE or low < -BESIDE or high > NORMALIZED_TO + BESIDE


def _speed(dimension: Dimension, low: float, high: float, speed_deg_s: float) -> float:
    """Return the fastest change of a number per second.

    Raises:
        SaysoError: if a limit was asked for and would not bind a joint, since its unit is unknown.
    """
    if is_speed(dimension) or dimension.unit == PERCENT or GRIPPER in dimension.name:
        return math.inf
    if dimension.unit in PER_DEGREE:
        return speed_deg_s * PER_DEGREE[dimension.unit]
    if speed_deg_s != SERVO_DEG_S:
        raise SaysoError(
            f"--max-speed-deg-s {speed_deg_s:g} would not limit {dimension.name}, whose unit is not known. "
            "Train with --units deg, normalized or rad, or leave that flag out"
        )
    return (high - low) * SPANS_PER_S


def _from_demonstrations(features: Features, ours: Mapping[str, Range], low: Array, high: Array) -> str:
    """Return a line that tells which ranges are the demonstrations' own."""
    taken = [
        f"{d.name} {low[i]:.4g} to {high[i]:.4g}"
        for i, d in enumerate(features.action)
        if d.unit != NORMALIZED
        and np.isfinite(low[i])
        and not (d.unit == PERCENT and (low[i], high[i]) == (0, NORMALIZED_TO))
        and not (d.name in ours and np.allclose((low[i], high[i]), ours[d.name], atol=1e-3))
    ]
    return f"limits taken from the demonstrations: {', '.join(taken)}" if taken else ""
