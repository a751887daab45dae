"""Mixture of unlike robots: the union of their numbers and cameras, and where those of each robot lie in it.

::

    so101     pan  grip              |  desk  hand
    two arms        left_pan  grip   |              top
    union     pan   grip  left_pan   |  desk  hand  top       what a robot has not is masked

Two robots share a number of the same name and unit; one of an action only if for both it is a move from where
the joint stands, or for both a target. They share a camera of the same name and size. What is shared is
learned from all of them; anything else is a number or a camera of its own, so that nothing is refused.

The field pads by place (openpi: the first numbers of 32) or cuts robots apart; names tell more, for an elbow
is an elbow, and the third number of two robots may be anything.

Shapes: N rows, D numbers, A action, S state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.data.crop import unlike_parts
from sayso.data.fit import CONVERSIONS, as_known, names_of
from sayso.data.recognition import ROBOT, said
from sayso.data.statistics import RELATIVE, Integers, Stats
from sayso.data.transforms import relative_dimensions
from sayso.data.units import JointUnit, with_units
from sayso.spec import ACTION, IMAGES, POINTS, STATE, Dimension, FeatureMismatchError, Features, image_key

UNKNOWN = -1.0
"""What stands for labels that nobody has given (`sayso.spec.POINTS`)."""
Size = tuple[int, int]


class _Keys(NamedTuple):
    """What tells numbers and cameras apart, in the order of a union."""

    state: list[tuple[str, str]]
    """Name and unit."""
    action: list[tuple[str, str, bool]]
    """Name, unit, and whether it is counted from where the joint stands."""
    cameras: list[tuple[str, Size]]
    """Name and (height, width)."""


@dataclass(frozen=True)
class Places:
    """Places of one robot's numbers and cameras in a union."""

    robot: Features
    state: Integers
    """Where each number of its state lies."""
    action: Integers
    cameras: Mapping[str, str]
    """Name in the union -> what the robot calls the camera, in the robot's order."""

    def of(self, key: str) -> Integers:
        """Return the places of `STATE` or `ACTION`."""
        return self.state if key == STATE else self.action

    def own(self, windows: Mapping[str, Any]) -> dict[str, Any]:
        """Return windows ``[B, ...]`` of this robot, laid out as a union's, as its own; without labels."""
        seen = {image_key(its): windows[image_key(here)] for here, its in self.cameras.items()}
        rest = windows.keys() - {ROBOT, POINTS, STATE, ACTION}
        seen |= {key: windows[key] for key in rest if not key.startswith(IMAGES)}
        return seen | {key: windows[key][..., self.of(key)] for key in (STATE, ACTION) if key in windows}

    def stats(self, stats: Mapping[str, Stats]) -> dict[str, Stats]:
        """Return the robot's part of a mixture's statistics."""
        found = {key: _picked(stats[key], self.of(key)) for key in (STATE, ACTION) if key in stats}
        if RELATIVE in stats:
            width, numbers = len(stats[ACTION].mean), len(stats[RELATIVE].mean)
            found[RELATIVE] = _picked(stats[RELATIVE], self.steps(width, numbers // width))
        pictures = {image_key(there): image_key(here) for there, here in self.cameras.items()}
        return found | {pictures[key]: one for key, one in stats.items() if key in pictures}

    def steps(self, width: int, n: int) -> Integers:
        """Return the places of the numbers of `n` steps of a chunk, where a union's have `width` a step."""
        found: Integers = (np.arange(n)[:, None] * width + self.action).ravel()
        return found


def grouped(given: Sequence[tuple[str, Features]]) -> tuple[list[Features], list[int]]:
    """Return the robots among recordings, unlike each other, and which of them each recording is of.

    Recordings are of one robot if nothing but labels and the sizes that pictures had before they were scaled
    tells them apart, once units that can be converted are.

    Args:
        given: what each recording is called, and its features.

    Raises:
        FeatureMismatchError: if two recordings of one robot label other points, or show unlike parts of a
            camera's pictures.
    """
    robots: list[Features] = []
    numbers: list[int] = []
    for root, features in given:
        number = next((n for n, robot in enumerate(robots) if _is_of(features, robot)), len(robots))
        if number == len(robots):
            robots.append(_in_units_of(features, robots))
        else:
            robots[number] = _joined(robots[number], features, given[numbers.index(number)][0], root)
        numbers.append(number)
    return robots, numbers


def spaced(given: Mapping[Path, Features], spacing: int) -> dict[Path, Features]:
    """Return features whose chunks look equally far ahead, as nearly as whole frames allow.

    Args:
        given: features of each dataset.
        spacing: frames between a chunk's actions in the first of them.
    """
    step_s = spacing / next(iter(given.values())).fps
    return {
        root: dataclasses.replace(features, spacing=max(1, round(step_s * features.fps)))
        for root, features in given.items()
    }


def union(robots: Sequence[Features]) -> Features:
    """Return the features of a mixture of robots, what the first one has first; of a single one its own.

    Raises:
        FeatureMismatchError: if one of several shows nothing.
    """
    if len(robots) == 1:
        return robots[0]
    if blind := [robot.robot_type for robot in robots if not robot.cameras]:
        raise FeatureMismatchError(
            f"{', '.join(blind)} has no camera left, but each of a mixture's robots must show something"
        )
    keys = _keys(robots)
    sizes = [(name, f"{height}x{width}") for name, (height, width) in keys.cameras]
    cameras = dict(zip(_named(sizes), keys.cameras, strict=True))
    marks = dict.fromkeys(point.partition(".")[2] for robot in robots for point in robot.points)
    owners = {key: robot for robot in reversed(robots) for key in robot.cameras.items()}
    scaled, parts = (
        {
            camera: getattr(owners[key], what)[key[0]]
            for camera, key in cameras.items()
            if key[0] in getattr(owners[key], what)
        }
        for what in ("scaled_from", "cropped")
    )
    return Features(
        robot_type=" and ".join(dict.fromkeys(robot.robot_type for robot in robots)),
        fps=robots[0].fps,
        spacing=robots[0].spacing,
        state=_dimensions([(name, unit) for name, unit in keys.state]),
        action=_dimensions([(name, unit) for name, unit, _ in keys.action]),
        cameras={name: size for name, (_, size) in cameras.items()},
        points=tuple(f"{camera}.{mark}" for camera in cameras for mark in marks),
        scaled_from=scaled,
        cropped=parts,
        renamed={there: here for robot in robots for there, here in robot.renamed.items()},
        robots=tuple(dataclasses.replace(robot, points=()) for robot in robots),
    )


def places(features: Features) -> tuple[Places, ...]:
    """Return where the numbers and cameras of each robot lie; those of a single one where they are.

    Raises:
        FeatureMismatchError: if these are not the features of a mixture of these robots.
    """
    robots = features.robots or (features,)
    keys, names = _keys(robots), list(features.cameras)
    sizes = len(features.state), len(features.action), len(names)
    if sizes != (len(keys.state), len(keys.action), len(keys.cameras)):
        raise FeatureMismatchError("the features of a mixture are not the union of those of its robots")
    found = []
    for robot in robots:
        own = _keys([robot])
        found.append(
            Places(
                robot=robot,
                state=np.array([keys.state.index(key) for key in own.state], np.int64),
                action=np.array([keys.action.index(key) for key in own.action], np.int64),
                cameras={names[keys.cameras.index(key)]: key[0] for key in own.cameras},
            )
        )
    return tuple(found)


def moves(features: Features) -> tuple[bool, ...]:
    """Tell which numbers of an action are counted from where the joint stands, of a mixture, too."""
    if not features.robots:
        return relative_dimensions(features)
    return tuple(relative for _, _, relative in _keys(features.robots).action)


def laid(values: NDArray[Any], places: Integers, width: int, fill: float = 0.0) -> NDArray[Any]:
    """Return ``[..., D]`` where it lies in ``[..., width]``, and `fill` elsewhere."""
    found = np.full((*values.shape[:-1], width), fill, values.dtype)
    found[..., places] = values
    return found


def pooled(rows: NDArray[Any], robots: Integers, columns: Sequence[Integers]) -> Stats:
    """Return statistics of each number over the rows of those robots that have it.

    Args:
        rows: ``[N, D]`` of the union.
        robots: of which robot each is, ``[N]``.
        columns: which numbers each robot has; each of the D belongs to one at least.
    """
    if len(columns) == 1:
        return Stats.of(rows)
    found = []
    for number in range(rows.shape[1]):
        having = [k for k, of in enumerate(columns) if number in of]
        found.append(Stats.of(rows[np.isin(robots, having), number, None]))
    names = [field.name for field in dataclasses.fields(Stats)]
    return Stats(**{name: tuple(getattr(one, name)[0] for one in found) for name in names})


def measured(
    robots: Sequence[Features], stats: Sequence[Mapping[str, Stats]], joints: JointUnit
) -> tuple[list[Features], tuple[str, ...]]:
    """Return robots whose units are known as far as they can be, and what was assumed, and why.

    Args:
        robots: as recorded.
        stats: of each one's state and action.
        joints: unit of the arms' joints, said of those robots that name none.

    Raises:
        SaysoError: if it cannot be theirs, or none lacks one; see `with_units`.
    """
    lacking = [k for k, robot in enumerate(robots) if not all(d.unit for d in (*robot.state, *robot.action))]
    found, assumed = [], list[str]()
    for k, (robot, of) in enumerate(zip(robots, stats, strict=True)):
        is_told = len(robots) == 1 or k in lacking or not lacking
        known, why = with_units(robot, of, joints if is_told else "")
        found.append(known)
        assumed += why
    return found, tuple(dict.fromkeys(assumed))


def in_words(features: Features, chunk: int) -> tuple[str, ...]:
    """Say, for a person, which robots learn together, and what looks like one thing but is learned as two."""
    if not features.robots:
        return ()
    robots = "; ".join(map(said, features.robots))
    keys = _keys(features.robots)
    lines = [
        f"{len(features.robots)} kinds of robots are learned together, each with what it has: {robots}. "
        "If two are one, --rename and --resize make them so"
    ]
    sizes = [(name, f"{height}x{width}") for name, (height, width) in keys.cameras]
    for what, found in (("camera", sizes), ("number", keys.state), ("number", keys.action)):
        names = [name for name, *_ in found]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            kinds = dict.fromkeys(str(detail) or "no unit" for other, detail, *_ in found if other == name)
            which = " and ".join(kinds) if len(kinds) > 1 else "a move for one and a target for another"
            lines.append(f"{name} is {which}, so it is learned as {names.count(name)} {what}s")
    if len(rates := dict.fromkeys((robot.fps, robot.spacing) for robot in features.robots)) > 1:
        each = ", ".join(f"{n} at {rate:g} a second ({chunk * n / rate:.2f} s)" for rate, n in rates)
        lines.append(
            f"their rates differ: frames from one of a chunk's {chunk} actions to the next are {each}"
        )
    return tuple(dict.fromkeys(lines))


def _keys(robots: Sequence[Features]) -> _Keys:
    state = [(d.name, d.unit) for robot in robots for d in robot.state]
    action = [
        (d.name, d.unit, relative)
        for robot in robots
        for d, relative in zip(robot.action, relative_dimensions(robot), strict=True)
    ]
    cameras = [pair for robot in robots for pair in robot.cameras.items()]
    return _Keys(*(list(dict.fromkeys(keys)) for keys in (state, action, cameras)))  # type: ignore[arg-type]


def _joined(robot: Features, other: Features, first: str, root: str) -> Features:
    """Return a robot's features with the labels that one of two recordings of it has."""
    if camera := unlike_parts(robot, other):
        raise FeatureMismatchError(
            f"{first} and {root} would show unlike parts of {camera!r}, for their pictures differ in size: "
            "say --crop in per cent"
        )
    if robot.points and other.points not in ((), robot.points):
        raise FeatureMismatchError(
            f"{root} labels other points than {first}, of the same robot: {', '.join(other.points)} and "
            f"{', '.join(robot.points)}"
        )
    return dataclasses.replace(robot, points=robot.points or other.points)


def _is_of(features: Features, robot: Features) -> bool:
    known = as_known(features, robot)
    return dataclasses.replace(known, cameras=features.cameras, points=robot.points) == robot


def _in_units_of(features: Features, robots: Sequence[Features]) -> Features:
    """Return features in the units that earlier robots have for numbers of the same names."""
    units = {name: unit for robot in reversed(robots) for name, unit in names_of(robot).items()}

    def measured(d: Dimension) -> Dimension:
        unit = units.get(d.name, d.unit)
        return dataclasses.replace(d, unit=unit) if (d.unit, unit) in CONVERSIONS else d

    state, action = (tuple(map(measured, of)) for of in (features.state, features.action))
    return dataclasses.replace(features, state=state, action=action)


def _dimensions(keys: Sequence[tuple[str, str]]) -> tuple[Dimension, ...]:
    units = [unit for _, unit in keys]
    return tuple(Dimension(name=n, unit=u) for n, u in zip(_named(keys), units, strict=True))


def _named(keys: Sequence[tuple[str, object]]) -> list[str]:
    """Return names, each once: what has one that is taken says by what it differs, or which it is."""
    names: list[str] = []
    for name, detail in keys:
        longer = (f"{name} {n}".rstrip() for n in ("", f"({detail})", *range(2, len(keys) + 2)))
        names.append(next(each for each in longer if each not in names))
    return names


def _picked(stats: Stats, places: Integers) -> Stats:
    return Stats(**{name: tuple(values[k] for k in places.tolist()) for name, values in vars(stats).items()})
