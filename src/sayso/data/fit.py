"""Fit of a robot or a recording to a policy: its names, units and sizes of pictures as the policy knows them.

::

    there                              here, as the policy knows it
    image               640 x 480      front               128 x 96    renamed ("image=front"), scaled
    shoulder_pan.pos    rad            shoulder_pan.pos    deg         converted
    gripper.pos         (no unit)      gripper.pos         %           taken to be the policy's

Features say what it becomes, `sayso.data.transforms.Repack` makes it so. A policy remembers the names under
which its recordings had things (``Features.renamed``): a robot that uses them needs nothing said.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sayso.robots import DEGREES, RADIANS, our_name
from sayso.spec import (
    IMAGES,
    Array,
    ConfigError,
    Dimension,
    FeatureMismatchError,
    Features,
    differences,
    known,
)

CONVERSIONS: Mapping[tuple[str, str], float] = {
    (DEGREES + per, RADIANS + per): math.pi / 180 for per in ("", "/s")
} | {(RADIANS + per, DEGREES + per): 180 / math.pi for per in ("", "/s")}
"""Unit there, unit here -> what a number is multiplied by."""


def read_names(words: Sequence[str]) -> dict[str, str]:
    """Return name there -> name here from words such as ``observation.images.image=front``.

    Raises:
        ConfigError: if a word is none, or what is renamed is also a new name.
    """
    names: dict[str, str] = {}
    for word in words:
        there, _, here = (part.strip().removeprefix(IMAGES) for part in word.partition("="))
        if not here or not there or here == there:
            raise ConfigError(f"rename is {word!r}, but is THEIRS=NAME, such as image=front")
        if names.setdefault(there, here) != here:
            raise ConfigError(f"rename gives {there} two names, {names[there]} and {here}")
    if both := names.keys() & set(names.values()):
        raise ConfigError(
            f"rename has {', '.join(sorted(both))} as an old name and as a new one, and later nobody could "
            "tell which is meant; choose new names"
        )
    return names


def names_of(features: Features) -> dict[str, str]:
    """Return the name of each camera and number -> its unit; that of cameras is empty."""
    numbers = {d.name: d.unit for d in (*features.state, *features.action)}
    return {**dict.fromkeys(features.cameras, ""), **numbers}


def refuse_unused(names: Mapping[str, str], shown: Iterable[str]) -> None:
    """Refuse names that no camera and no number has.

    Args:
        names: name there -> name here.
        shown: every name that there is.

    Raises:
        UnknownNameError: with the nearest.
        ConfigError: if it looks as if a word was said the other way round.
    """
    shown = list(shown)
    for there, here in names.items():
        if there not in shown and here in shown and not difflib.get_close_matches(there, shown):
            raise ConfigError(
                f"rename is {there}={here}, but there is a {here} and no {there}: if {here} is to be called "
                f"{there}, say {here}={there}, the policy's name last"
            )
        known("camera or number to rename", there, shown)


def renamed(features: Features, names: Mapping[str, str]) -> Features:
    """Return features whose cameras and numbers are called otherwise, and remember it.

    Args:
        features: of a robot or a recording.
        names: name there -> name here; those that nothing has stay unused.

    Raises:
        FeatureMismatchError: if two things would have one name.
    """
    if not names:
        return features

    def called(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
        return tuple(dataclasses.replace(d, name=names.get(d.name, d.name)) for d in dimensions)

    found = dataclasses.replace(
        features,
        cameras={names.get(camera, camera): size for camera, size in features.cameras.items()},
        scaled_from={names.get(camera, camera): size for camera, size in features.scaled_from.items()},
        cropped={names.get(camera, camera): box for camera, box in features.cropped.items()},
        state=called(features.state),
        action=called(features.action),
        points=tuple(_of_camera(point, names) for point in features.points),
        renamed={**features.renamed, **names},
    )
    for before, after in (
        (features.cameras, found.cameras),
        (features.state, {*found.state_names}),
        (features.action, {*found.action_names}),
    ):
        if len(before) != len(after):
            had = {name for name in names_of(features) if name in {*names, *names.values()}}
            raise FeatureMismatchError(
                f"{features.robot_type} has {', '.join(sorted(had))}, of which two would get one name; "
                "rename to something else"
            )
    return found


def as_known(given: Features, policy: Features) -> Features:
    """Return what a policy makes of the features of a robot or a recording.

    They get the names that the policy remembers, its part and size of the pictures it crops and scales, and
    its units where they have none, or such as can be converted.
    """
    found, units = renamed(given, policy.renamed), names_of(policy)

    def measured(d: Dimension) -> Dimension:
        unit = units.get(d.name, d.unit)
        return dataclasses.replace(d, unit=unit) if not d.unit or (d.unit, unit) in CONVERSIONS else d

    return dataclasses.replace(
        found,
        cameras={
            camera: policy.cameras.get(camera, size) if camera in policy.scaled_from else size
            for camera, size in found.cameras.items()
        },
        scaled_from={camera: size for camera, size in policy.scaled_from.items() if camera in found.cameras},
        cropped={camera: box for camera, box in policy.cropped.items() if camera in found.cameras},
        state=tuple(map(measured, found.state)),
        action=tuple(map(measured, found.action)),
    )


def as_one_known(given: Features, policy: Features) -> Features:
    """Return what `as_known` does, by the first robot that they fit of a policy that knows several.

    Actions are as far apart in a chunk as that one's.
    """
    fits = (r for r in policy.robots if not differences(r, as_known(given, r), "", ""))
    robot = next(fits, policy)
    return dataclasses.replace(as_known(given, robot), spacing=robot.spacing)


def as_shown(policy: Features, shown: Mapping[str, str]) -> Features:
    """Return a policy's features under the names and in the units of a robot: `as_known` backwards.

    Args:
        policy: its features.
        shown: name of each camera and number of the robot -> its unit; see `names_of`.
    """
    back = {here: there for there, here in policy.renamed.items() if there in shown and here not in shown}
    found = dataclasses.replace(renamed(policy, back), renamed={})

    def measured(d: Dimension) -> Dimension:
        unit = shown.get(d.name, "")
        return dataclasses.replace(d, unit=unit) if (d.unit, unit) in CONVERSIONS else d

    return dataclasses.replace(
        found, state=tuple(map(measured, found.state)), action=tuple(map(measured, found.action))
    )


def conversion(given: Sequence[Dimension], known: Sequence[Dimension]) -> Array:
    """Return what each number is multiplied by on its way from one unit to another, float32."""
    factors = [CONVERSIONS.get((one.unit, other.unit), 1.0) for one, other in zip(given, known, strict=True)]
    return np.array(factors, np.float32)


def check_fits(policy: Features, world: Features) -> None:
    """Raise `FeatureMismatchError`, unless a policy can act where `world` comes from: see `fitting`.

    The message says what differs and nothing else, of a policy for several robots from the likest of them.
    """
    fitting(policy, world)


def fitting(policy: Features, world: Features) -> int:
    """Return which of its robots a policy is where `world` comes from; 0 if it knows but one.

    Labels are left out: only training sees them. LeRobot's ``so_follower`` is our ``so101``.

    Raises:
        FeatureMismatchError: if none fits.
    """
    wrong = [_unlike(robot, world) for robot in policy.robots or (policy,)]
    number = min(range(len(wrong)), key=lambda k: len(wrong[k]))
    if wrong[number]:
        raise FeatureMismatchError("policy and world do not fit: " + "; ".join(wrong[number]))
    return number


def _unlike(policy: Features, world: Features) -> list[str]:
    one, other = (
        dataclasses.replace(features, robot_type=our_name(features.robot_type))
        for features in (policy, as_known(world, policy))
    )
    return differences(one, other, "the policy", "the world")


def _of_camera(point: str, names: Mapping[str, str]) -> str:
    camera, dot, rest = point.partition(".")
    return names.get(camera, camera) + dot + rest
