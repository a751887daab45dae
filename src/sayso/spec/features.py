"""Features: what a robot shows and accepts, by which names, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.spec.errors import ConfigError

Array = NDArray[np.float32]
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Part of a picture in pixels: top, left, height, width."""
Observation = dict[str, Any]
"""One look at the world, with LeRobot's names.

- ``observation.images.<camera>``: uint8 ``[H, W, 3]``
- ``observation.state``: float32 ``[S]`` in robot units
- ``task``: the instruction, a plain sentence
"""

STATE = "observation.state"
IMAGES = "observation.images."
ACTION = "action"
TASK = "task"
POINTS = "label.points"
"""Per camera and referent: u, v in 0..1 and whether visible: 1, 0, or -1 where nobody knows."""
REFERENTS = ("object", "place")
"""What an instruction names: the thing that is to be moved, and where it is to go."""
OTHER_TASK = "label.other_task"
"""Something else that could be asked in a frame of a demonstration, for training to point at. Where it is
what was asked, nobody knows the frame's action: it teaches to point, and its action counts as padding."""
OTHER_POINTS = "label.other_points"
"""What `POINTS` would be for it."""
AS_LEARNED = "as_learned"
"""Key of an observation, or of windows, whose pictures are already cropped as the policy wants them
(`Features.cropped`), and true there: of a cropped picture, its size does not tell."""

FASTEST_HZ = 1000.0
"""Most steps per second of any robot: beyond it, a loop would not even end."""
LARGEST_PX = 2**14
"""Most pixels of any camera's side: what is beyond is damage, and would ask for all memory."""


def image_key(camera: str) -> str:
    """Return the observation key of a camera: ``front`` -> ``observation.images.front``."""
    return IMAGES + camera


def point_names(cameras: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the numbers in ``label.points`` of some cameras, in order: ``front.object.u``."""
    return tuple(f"{c}.{r}.{n}" for c in cameras for r in REFERENTS for n in ("u", "v", "visible"))


def square_cameras(sizes_px: Mapping[str, int], usual: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the (height, width) of cameras whose pictures are square, in the order of their usual sizes.

    Raises:
        ValueError: if the size of a picture is missing or is no number of pixels.
    """
    if sizes_px.keys() != usual.keys() or min(sizes_px.values()) < 1:
        raise ValueError(f"each view has at least one pixel, such as {usual}, but got {dict(sizes_px)}")
    return {name: (sizes_px[name], sizes_px[name]) for name in usual}


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One number of a state or action vector: its name and unit, such as ``deg``, ``%`` or ``m/s``, or ""."""

    name: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a robot shows and accepts: names, order, units, image sizes and rate.

    A policy fits a world or a recording if these are equal once names, units and sizes are converted
    (`sayso.data.fit`). Labels do not count.
    """

    robot_type: str
    fps: float
    """Frames per second; 29.97 is not 30."""
    state: tuple[Dimension, ...]
    action: tuple[Dimension, ...]
    cameras: Mapping[str, tuple[int, int]]
    """Camera name -> (height, width) in pixels."""
    points: tuple[str, ...] = ()
    """Names of the numbers in ``label.points``, privileged labels that only training may see."""
    scaled_from: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Camera -> (height, width) that it was recorded in, where pictures are scaled to what `cameras` says
    before anything sees them (`sayso.data.resize`). Such a camera may show any size when a policy acts."""
    cropped: Mapping[str, Box] = field(default_factory=dict)
    """Camera -> the part of the recorded picture that is seen at all (`sayso.data.crop`): top, left, height
    and width in pixels of what `scaled_from` says."""
    spacing: int = 1
    """Frames between two actions that a model predicts; a policy's chunk joins them by straight lines."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What cameras and numbers were called elsewhere -> what they are called here (`sayso.data.fit`)."""
    robots: tuple[Features, ...] = ()
    """Of a mixture of unlike robots each one's own features, of which these are the union
    (`sayso.data.mixture`); none of a single robot."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """Return the names of the state's dimensions, in order."""
        return tuple(d.name for d in self.state)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Return the names of the action's dimensions, in order."""
        return tuple(d.name for d in self.action)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts, for ``config.json``."""
        scaled = {name: list(size) for name, size in self.scaled_from.items()}
        cropped = {name: list(box) for name, box in self.cropped.items()}
        return {
            "robot_type": self.robot_type,
            "fps": int(self.fps) if self.fps == int(self.fps) else self.fps,
            "state": [[d.name, d.unit] for d in self.state],
            "action": [[d.name, d.unit] for d in self.action],
            "cameras": {name: list(size) for name, size in self.cameras.items()},
            "points": list(self.points),
            **({"scaled_from": scaled} if scaled else {}),
            **({"cropped": cropped} if cropped else {}),
            **({"renamed": dict(self.renamed)} if self.renamed else {}),
            **({"spacing": self.spacing} if self.spacing != 1 else {}),
            **({"robots": [robot.to_json() for robot in self.robots]} if self.robots else {}),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Features:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: if it is no robot's, saying what in it cannot be.
        """
        try:
            found = cls(
                robot_type=raw["robot_type"],
                fps=float(raw["fps"]),
                state=tuple(Dimension(name=n, unit=u) for n, u in raw["state"]),
                action=tuple(Dimension(name=n, unit=u) for n, u in raw["action"]),
                cameras={name: (h, w) for name, (h, w) in raw["cameras"].items()},
                points=tuple(raw.get("points", ())),
                scaled_from={name: (h, w) for name, (h, w) in raw.get("scaled_from", {}).items()},
                cropped={name: (y, x, h, w) for name, (y, x, h, w) in raw.get("cropped", {}).items()},
                renamed=dict(raw.get("renamed", {})),
                spacing=int(raw.get("spacing", 1)),
                robots=tuple(map(cls.from_json, raw.get("robots", ()))),
            )
        except KeyError as error:
            raise ConfigError(f"features lack {error}") from error
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            raise ConfigError(f"features are not as sayso writes them ({error})") from error
        found._refuse_nonsense()
        return found

    def _refuse_nonsense(self) -> None:
        if not 0 < self.fps <= FASTEST_HZ:
            raise ConfigError(f"fps is {self.fps:g}, but must be above 0 and at most {FASTEST_HZ:g}")
        if self.spacing < 1:
            raise ConfigError(f"spacing is {self.spacing}, but must be at least 1")
        if not isinstance(self.robot_type, str):
            raise ConfigError(f"robot_type is {self.robot_type!r}, but must be a text")
        if any(robot.robots for robot in self.robots):
            raise ConfigError("features.robots hold robots themselves, but a mixture is one of single robots")
        if not self.action:
            raise ConfigError("features.action is empty, but a policy moves something")
        named = {"state": self.state_names, "action": self.action_names, "cameras": tuple(self.cameras)}
        for what, names in named.items():
            if wrong := [name for name in names if not isinstance(name, str) or names.count(name) > 1]:
                raise ConfigError(f"features.{what} has {wrong[0]!r}, but names are texts, each of them once")
        if odd := [d for d in (*self.state, *self.action) if not isinstance(d.unit, str)]:
            raise ConfigError(f"the unit of {odd[0].name} is {odd[0].unit!r}, but must be a text")
        for camera, size in (*self.cameras.items(), *self.scaled_from.items()):
            if (
                not all(type(px) is int and 1 <= px <= LARGEST_PX for px in size)
                or camera not in self.cameras
            ):
                raise ConfigError(
                    f"features.cameras.{camera} is {list(size)}, but both must be whole numbers from 1 to "
                    f"{LARGEST_PX}, and the camera one of {', '.join(self.cameras) or 'none'}"
                )
        for camera, box in self.cropped.items():
            if (
                camera not in self.scaled_from
                or not all(type(px) is int for px in box)
                or not lies_in(box, self.scaled_from[camera])
            ):
                raise ConfigError(
                    f"features.cropped.{camera} is {list(box)}, but must be the top, left, height and width "
                    "of a part of what features.scaled_from says of that camera"
                )


def lies_in(box: Box, size: tuple[int, int]) -> bool:
    """Tell whether a box is a part of a picture of (height, width), and has a pixel at least."""
    (top, left, high, wide), (height, width) = box, size
    return 0 <= top < top + high <= height and 0 <= left < left + wide <= width


def differences(one: Features, other: Features, first: str, second: str) -> list[str]:
    """Say in short phrases how two kinds of features differ; nothing if they fit together.

    Args:
        one: features of what is called `first`, such as "the policy".
        other: features of what is called `second`.
        first: its name.
        second: its name.
    """
    found = [
        f"{name} is {getattr(one, name)!r} in {first} and {getattr(other, name)!r} in {second}"
        for name in ("robot_type", "fps")
        if getattr(one, name) != getattr(other, name)
    ]
    sizes = [{name: f"{h} x {w} pixels" for name, (h, w) in f.cameras.items()} for f in (one, other)]
    found += _unlike("camera", first, second, *sizes)
    for what in ("state", "action"):
        units = [{d.name: d.unit or "no unit" for d in getattr(f, what)} for f in (one, other)]
        found += _unlike(what, first, second, *units)
        names = [list(of) for of in units]
        if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
            found.append(f"{what} has another order in {second}: {', '.join(names[1])}")
    return found


def _unlike(
    what: str, first: str, second: str, one: Mapping[str, str], other: Mapping[str, str]
) -> list[str]:
    """Say which named things are in one only, and which are not the same in both."""
    lonely = [(first, [n for n in one if n not in other]), (second, [n for n in other if n not in one])]
    found = [f"{what} only in {where}: {', '.join(names)}" for where, names in lonely if names]
    return found + [
        f"{what} {name} is {one[name]} in {first} and {other[name]} in {second}"
        for name in one
        if name in other and one[name] != other[name]
    ]
