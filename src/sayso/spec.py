"""Vocabulary that every room shares: features, episodes, outcomes, seeds, protocols and errors.

Conventions, written here once and nowhere contradicted:

- quaternions are ``wxyz``; metres, radians, seconds and hertz inside, with the unit in the name
  (``_m``, ``_rad``, ``_s``, ``_hz``);
- states and actions that cross the border of a world or a robot are in *robot units*, which are
  LeRobot's: degrees for joints, 0 (closed) to 100 (open) for the gripper, m/s and deg/s for the base;
- images are ``uint8`` HWC outside models and ``float`` BCHW inside;
- poses are named ``a_from_b``, so that ``a_from_b @ b_from_c`` reads;
- flow time runs from 0 (noise) to 1 (action).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Image = NDArray[np.uint8]
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
"""Something else that could be asked in a frame of a demonstration, for training to point at."""
OTHER_POINTS = "label.other_points"
"""What `POINTS` would be for it."""
CHOSEN_OBJECT = "chosen_object"
"""Key of a world's info, only where a thing can be taken: whether that was the named one, the original one or
another; None if none was yet."""


FASTEST_HZ = 1000.0
"""Most steps per second of any robot: beyond it, a loop would not even end."""
LARGEST_PX = 2**14
"""Most pixels of any camera's side: what is beyond is damage, and would ask for all memory."""
EXECUTE = 4
"""How many actions of a chunk are applied before looking again, unless said otherwise. Looking at every
eighth step only, a policy hovered over its goal: docs/log.md, 2026-11-23."""


def image_key(camera: str) -> str:
    """Return the observation key of a camera: ``front`` -> ``observation.images.front``."""
    return IMAGES + camera


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
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What cameras and numbers were called elsewhere -> what they are called here (`sayso.data.fit`)."""

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
        return {
            "robot_type": self.robot_type,
            "fps": int(self.fps) if self.fps == int(self.fps) else self.fps,
            "state": [[d.name, d.unit] for d in self.state],
            "action": [[d.name, d.unit] for d in self.action],
            "cameras": {name: list(size) for name, size in self.cameras.items()},
            "points": list(self.points),
            **({"scaled_from": scaled} if scaled else {}),
            **({"renamed": dict(self.renamed)} if self.renamed else {}),
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
                renamed=dict(raw.get("renamed", {})),
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
        if not isinstance(self.robot_type, str):
            raise ConfigError(f"robot_type is {self.robot_type!r}, but must be a text")
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


@dataclass(frozen=True)
class Chunk:
    """The next K actions, float32 ``[K, A]`` in robot units; row 0 applies now."""

    actions: Array

    def __post_init__(self) -> None:
        """Refuse anything but a finite, non-empty matrix."""
        if self.actions.ndim != 2 or len(self.actions) == 0:
            raise ValueError(f"a chunk is [K, A] with K >= 1, but got shape {self.actions.shape}")
        if not np.isfinite(self.actions).all():
            raise NotFiniteError("a policy returned an action that is not finite")

    def __len__(self) -> int:
        """Return K, the number of steps this chunk covers."""
        return len(self.actions)


WHY = "why"
"""Note of an episode, and entry of a world's `info`: why a task is not done, in words."""


class Outcome(StrEnum):
    """How an episode ended. ``INVALID`` (crash, lost connection, NaN) is never counted as failure."""

    SUCCESS = "success"
    FAILURE = "failure"
    INVALID = "invalid"


@dataclass(kw_only=True)
class Episode:
    """Record of one closed loop of a policy in a world, from reset to the end.

    ``frames`` holds, for each step t, the observation the policy saw, with ``action`` (what was asked for,
    float32 ``[A]``) and any labels beside it; it stays empty unless the rollout was asked to keep them.
    """

    world: str
    family: str
    instruction: str
    seed: int
    horizon: int
    outcome: Outcome = Outcome.INVALID
    conditions: dict[str, bool] = field(default_factory=dict)
    steps: int = 0
    reward: float = 0.0
    """Sum over the steps."""
    seconds: float = 0.0
    policy_seconds: float = 0.0
    policy_calls: int = 0
    error: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """What the world says beside success and failure, such as the ``chosen_object`` of a policy."""
    frames: list[Observation] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Tell whether every named condition held."""
        return self.outcome is Outcome.SUCCESS

    @property
    def failed_conditions(self) -> tuple[str, ...]:
        """Return the names of the conditions that did not hold at the end."""
        return tuple(name for name, held in self.conditions.items() if not held)

    @property
    def why(self) -> str:
        """Return why it is no success: in the world's words if it has any, else by the conditions' names."""
        names = ", ".join(f"not {name.replace('_', ' ')}" for name in self.failed_conditions)
        return self.notes.get(WHY, names)


@runtime_checkable
class Policy(Protocol):
    """Policy: what is seen and asked gives the next chunk of actions. Nothing else is required."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units."""
        ...

    def reset(self) -> None:
        """Forget the episode that just ended."""
        ...


class Robot(Protocol):
    """Robot in LeRobot's shape, so that its drivers pass through an adapter of a few lines."""

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return name -> type (``float``) or image shape ``(H, W, 3)``."""
        ...

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return name -> type of everything `send_action` takes."""
        ...

    def connect(self) -> None:
        """Open motors and cameras."""
        ...

    def get_observation(self) -> dict[str, Any]:
        """Return one reading of every observation feature."""
        ...

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what was really sent after clipping."""
        ...

    def disconnect(self) -> None:
        """Release motors and cameras."""
        ...


SPLITS: Mapping[str, range] = {
    "train": range(0, 1_000_000),
    "validation": range(1_000_000, 2_000_000),
    "test": range(2_000_000, 2**31),
}
"""Which episode seeds serve which purpose. Disjoint by construction: success is counted only on ``test``."""


def seeds(split: str, n: int, start: int = 0) -> list[int]:
    """Return n seeds of a split, from its `start`-th on.

    Raises:
        UnknownNameError: if there is no such split.
        ConfigError: if the split has fewer seeds than asked for.
    """
    block = SPLITS[known("split", split, SPLITS)]
    chosen = block[start : start + n]
    if len(chosen) < n or start < 0:
        raise ConfigError(f"split {split!r} holds {len(block)} seeds; {n} from {start} on do not fit")
    return list(chosen)


class SaysoError(Exception):
    """Every error that this package raises on purpose."""


class ConfigError(SaysoError, ValueError):
    """Setting that cannot work: which one, what it is, and what is allowed."""


class NotFiniteError(SaysoError):
    """NaN or an infinity, and where it appeared."""


class FeatureMismatchError(SaysoError):
    """Two things with different features that were put together."""


class UnknownNameError(SaysoError, KeyError):
    """Unknown name: one that is not in a table, with the nearest that is."""

    def __init__(self, kind: str, given: str, allowed: Iterable[str]) -> None:
        """Compose the message from what was given and what is allowed."""
        names = sorted(filter(None, allowed))
        near = difflib.get_close_matches(given, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        self.message = f"there is no {kind} {given!r}.{hint} Known: {', '.join(names)}."
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message without KeyError's quotes."""
        return self.message


def known(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Return `given` if it is allowed, else raise `UnknownNameError` naming the nearest match."""
    names = list(allowed)
    if given not in names:
        raise UnknownNameError(kind, given, names)
    return given


def at_least(config: object, **lowest: float) -> None:
    """Raise `ConfigError` unless each named field of a config is None or finite and at least so large."""
    for name, low in lowest.items():
        value = getattr(config, name)
        if value is not None and not low <= value < math.inf:
            raise ConfigError(f"{name} is {getattr(config, name)}, but must be at least {low:g}")


def above(config: object, **bounds: float) -> None:
    """Raise `ConfigError` unless each named field of a config is finite and larger than its bound."""
    for name, bound in bounds.items():
        if not bound < getattr(config, name) < math.inf:
            raise ConfigError(f"{name} is {getattr(config, name)}, but must be above {bound:g}")
