"""Units of a recording that names none: by its robot, by names and by range.

LeRobot's recorder writes names without units, and its arms speak one of two: degrees, or -100 to 100 of the
range they were calibrated in. Which one depends on a flag at recording, that is not written down either::

    shoulder_pan.pos ... wrist_roll.pos   deg          where a joint went beyond 100, which only degrees do
                                          normalized   where all stayed within, unless it is said otherwise
    gripper.pos                           %            0 closed, 100 open
    x.vel, y.vel, theta.vel               m/s, m/s, deg/s
    joint_1.pos ... joint_7.pos           deg          of an OpenArm, whose driver knows no other

Source: https://github.com/huggingface/lerobot, ``src/lerobot/robots`` and ``MotorNormMode``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from sayso.data.fit import as_known
from sayso.data.statistics import Stats
from sayso.robots import BASE, GRIPPER, JOINTS, NORMALIZED, PERCENT, RADIANS, known_robot, our_name
from sayso.spec import ACTION, STATE, Dimension, Features, SaysoError

JointUnit = Literal["", "deg", "normalized", "rad"]
PREFIXES = ("", "arm_", "left_", "right_", "left_arm_", "right_arm_", "main_", "left_main_", "right_main_")
"""What stands before a joint's name: LeKiwi's, those of two arms, those of recordings before LeRobot 0.2."""
NORMALIZED_TO = 100.0
ROUNDING = 0.5
"""How far beyond 100 a number may be that was cut there."""
FARTHEST: Mapping[str, float] = {NORMALIZED: NORMALIZED_TO + ROUNDING, RADIANS: 4 * np.pi}
"""How far from zero a joint can be in a unit; a wrist may turn twice."""


def alike(
    given: Mapping[Path, Features], stats: Mapping[Path, Mapping[str, Stats]], joints: JointUnit = ""
) -> tuple[dict[Path, Features], JointUnit, tuple[str, ...]]:
    """Let recordings of one robot be called alike, and let those without units take those of the others.

    Args:
        given: features of each dataset.
        stats: of each dataset's state and action.
        joints: unit of the joints where recordings name none; empty takes those of the others.

    Returns:
        The features, the unit that is still to be said of all together, and what was assumed, and why.

    Raises:
        SaysoError: if the joints of one go further than they can in the unit that was said or taken.
    """
    first = next(iter(given.values()))
    found = {
        root: dataclasses.replace(features, robot_type=first.robot_type)
        if our_name(features.robot_type) == our_name(first.robot_type)
        else features
        for root, features in given.items()
    }
    lacking = {root for root, features in found.items() if _nameless(features)}
    said: list[str] = []
    for root in lacking if len(lacking) < len(found) else ():
        if joints:
            found[root], _ = with_units(found[root], stats[root], joints)
            continue
        teller = next((r for r in found if r not in lacking and _same_names(found[r], found[root])), None)
        if teller is None:
            continue
        found[root] = as_known(found[root], found[teller])
        _refuse_too_far(root, found[root], stats[root], teller)
        units = ", ".join(dict.fromkeys(d.unit for d in found[root].action))
        said.append(
            f"{root} names no units and takes those of {teller}, whose numbers have the same names: {units}. "
            "If its joints are in another unit, say which: --units deg, normalized or rad."
        )
    return found, "" if lacking and len(lacking) < len(found) else joints, tuple(said)


def _nameless(features: Features) -> list[Dimension]:
    return [d for d in (*features.state, *features.action) if not d.unit]


def _same_names(one: Features, other: Features) -> bool:
    return one.state_names == other.state_names and one.action_names == other.action_names


def _refuse_too_far(root: Path, features: Features, stats: Mapping[str, Stats], teller: Path) -> None:
    for unit, farthest in FARTHEST.items():
        names = {d.name for d in (*features.state, *features.action) if d.unit == unit}
        widest = _widest(features, stats, names)
        if widest and abs(widest[1]) > farthest:
            raise SaysoError(
                f"{root} names no units, and cannot have those of {teller}: {widest[0]} goes to "
                f"{widest[1]:.1f}, beyond the {farthest:g} of {unit!r}. They cannot be trained on together"
            )


def joint_of(name: str) -> str:
    """Return which joint of an arm a number is of: ``left_gripper.pos`` -> ``gripper``; empty of none."""
    bare = name.removesuffix(".pos")
    return next((joint for p in PREFIXES for joint in JOINTS if bare == p + joint), "")


def with_units(
    features: Features, stats: Mapping[str, Stats], joints: JointUnit = ""
) -> tuple[Features, tuple[str, ...]]:
    """Return features whose units are known as far as they can be, and what was assumed, and why.

    Args:
        features: as recorded. Units that are there already stay.
        stats: of state and action, for the range of the joints.
        joints: unit of the arm's joints, where it is known; empty decides by their range.

    Raises:
        SaysoError: if a unit is said and there is no joint without one, or a joint goes further than it can
            in that unit.
    """
    recorded = {d.name for d in _nameless(features)}
    features = _as_in_the_table(features)
    nameless = _nameless(features)
    moving = {d.name for d in nameless if joint_of(d.name) not in ("", GRIPPER)}
    if joints:  # then it is also said of arms that nobody knows
        moving |= {d.name for d in nameless if d.name.endswith(".pos") and joint_of(d.name) != GRIPPER}
    told = {d.unit for d in (*features.state, *features.action) if d.name in recorded}
    if joints and not moving and joints not in told:
        named = ", ".join(f"{d.name} [{d.unit or 'unknown'}]" for d in features.action)
        raise SaysoError(f"--units {joints} says nothing new of {named}; leave it out")
    unit, said = _joint_unit(features, stats, moving, joints)
    grips = {d.name for d in nameless if joint_of(d.name) == GRIPPER}
    opening = _widest(features, stats, grips)
    if opening and abs(opening[1]) > NORMALIZED_TO + ROUNDING:  # then it is a joint like the others
        moving |= grips

    def resolved(dimensions: Iterable[Dimension]) -> tuple[Dimension, ...]:
        return tuple(
            d if d.unit else dataclasses.replace(d, unit=_unit(d.name, unit if d.name in moving else ""))
            for d in dimensions
        )

    return (
        dataclasses.replace(features, state=resolved(features.state), action=resolved(features.action)),
        said,
    )


def _as_in_the_table(features: Features) -> Features:
    """Return features with the units that a robot's row knows; a gripper may yet be like other joints."""
    robot = known_robot(features.robot_type)
    units = {name: unit for name, unit in robot.units.items() if joint_of(name) != GRIPPER} if robot else {}

    def resolved(dimensions: Iterable[Dimension]) -> tuple[Dimension, ...]:
        return tuple(dataclasses.replace(d, unit=d.unit or units.get(d.name, "")) for d in dimensions)

    return dataclasses.replace(features, state=resolved(features.state), action=resolved(features.action))


def _unit(name: str, joints: str) -> str:
    """Return the unit of a number by its name."""
    return joints or BASE.get(name, PERCENT if joint_of(name) == GRIPPER else "")


def _joint_unit(
    features: Features, stats: Mapping[str, Stats], moving: set[str], said: JointUnit
) -> tuple[JointUnit, tuple[str, ...]]:
    """Return the unit of the moving joints, and why, where that was not said.

    Raises:
        SaysoError: if what was said cannot be.
    """
    widest = _widest(features, stats, moving)
    if said or widest is None:
        if widest and abs(widest[1]) > FARTHEST.get(said, np.inf):
            raise SaysoError(
                f"the joints cannot be in {said!r}: {widest[0]} goes to {widest[1]:.1f}, which is beyond "
                f"{FARTHEST[said]:g}"
            )
        return said, ()
    name, most = widest
    if abs(most) > NORMALIZED_TO + ROUNDING:
        why = f"{name} goes to {most:.1f}, beyond the 100 at which LeRobot's other unit ends"
        return "deg", (f"The recording names no units. Its joints are taken to be in degrees: {why}.",)
    why = f"none of them leaves -100..100, {name} comes nearest with {most:.1f}"
    return "normalized", (
        "The recording names no units. Its joints are taken to be in per cent of the calibrated range, -100 "
        f"to 100: {why}. If they are degrees, train with --units deg.",
    )


def _widest(features: Features, stats: Mapping[str, Stats], names: set[str]) -> tuple[str, float] | None:
    """Return which of the named numbers went furthest from zero in state or action, and how far."""
    found = [
        (d.name, float(extreme))
        for key, dimensions in ((STATE, features.state), (ACTION, features.action))
        if key in stats
        for d, low, high in zip(dimensions, stats[key].min, stats[key].max, strict=True)
        for extreme in (low, high)
        if d.name in names and np.isfinite(extreme)
    ]
    return max(found, key=lambda one: abs(one[1])) if found else None
