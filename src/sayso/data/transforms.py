"""Transforms between a robot and a model: one chain of small steps, to see forwards and to move backwards.

::

    robot, recording  -- Repack -->  as the policy knows it  -- RelativeChunk, Standardise -->  model
                      names, units, sizes                    zero mean, unit spread

                      <-------------------- the same chain, from right to left --------------------

Transforms act on dicts with LeRobot's names and leave alone every key that is absent, so one chain serves
an observation (no action yet), a training window (both) and a chunk of actions on its way to the robot. What
it does is kept with the policy: names and sizes in its features, the rest in its statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from sayso.data.crop import points_in_parts
from sayso.data.fit import as_known, conversion, renamed
from sayso.data.resize import as_learned
from sayso.data.statistics import RELATIVE, Stats, scale
from sayso.spec import (
    ACTION,
    AS_LEARNED,
    IMAGES,
    POINTS,
    STATE,
    Array,
    FeatureMismatchError,
    Features,
    image_key,
)

JOINT_UNITS = ("deg", "normalized", "rad")
"""Units of joints: degrees, -100 to 100 of a calibrated range, radians."""


class Transform(Protocol):
    """Reversible transform of some values of a dict; neither method touches its argument."""

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from robot units to model units."""
        ...

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from model units to robot units."""
        ...


@dataclass(frozen=True, kw_only=True)
class Repack:
    """Names, units and sizes of pictures as a policy knows them, and back; a picture keeps its new size."""

    features: Features
    """Of the policy."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Key of a camera there -> here."""
    factors: Mapping[str, Array] = field(default_factory=dict)
    """STATE and ACTION -> what each of their numbers is multiplied by; absent where units are the same."""

    @classmethod
    def known(cls, features: Features) -> Self:
        """Return what brings any camera by the name and to the size that a policy learned from."""
        names = {image_key(there): image_key(here) for there, here in features.renamed.items()}
        return cls(features=features, names=names)

    @classmethod
    def between(cls, given: Features, features: Features) -> Self:
        """Return what brings a robot or a recording to a policy that it fits; see `sayso.data.fit`."""
        called, known = renamed(given, features.renamed), as_known(given, features)
        names = {
            image_key(there): image_key(here)
            for there, here in zip(given.cameras, called.cameras, strict=True)
            if there != here
        }
        units = {STATE: (called.state, known.state), ACTION: (called.action, known.action)}
        factors = {key: conversion(*pair) for key, pair in units.items()}
        converted = {key: factor for key, factor in factors.items() if np.any(factor != 1)}
        return cls(features=features, names=names, factors=converted)

    def there(self, camera: str) -> str:
        """Return what a camera of the policy is called there."""
        back = {here: there for there, here in self.names.items()}
        return back.get(image_key(camera), image_key(camera)).removeprefix(IMAGES)

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with cameras under the policy's names; what has one of them already keeps it."""
        there = {key for key, here in self.names.items() if key in values and here not in values}
        return {self.names[key] if key in there else key: value for key, value in values.items()}

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with the policy's names, units and sizes; points follow what is cropped."""
        found, features = self._times(self.named(values), 1), self.features
        is_cropped = bool(found.get(AS_LEARNED))
        pictures = {image_key(c): c for c in features.cameras if image_key(c) in found}
        seen: dict[str, Any] = {
            key: as_learned(found[key], c, features, is_cropped=is_cropped) for key, c in pictures.items()
        }
        if not features.cropped or is_cropped:
            return found | seen
        if POINTS in found:
            sizes = {c: np.shape(found[key])[-3:-1] for key, c in pictures.items()}
            seen[POINTS] = points_in_parts(found[POINTS], features, sizes)
        return found | seen | {AS_LEARNED: True}

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with the robot's names and units."""
        back = {here: there for there, here in self.names.items()}
        return self._times({back.get(key, key): value for key, value in values.items()}, -1)

    def stats(self, stats: Mapping[str, Stats]) -> dict[str, Stats]:
        """Return a policy's statistics of state, action and pictures, in the robot's names and units."""
        back = {here: there for there, here in self.names.items()}
        pictures = {back.get(key, key): one for key, one in stats.items() if key.startswith(IMAGES)}
        return pictures | {
            key: Stats.from_json({name: self.inverse({key: row})[key] for name, row in vars(one).items()})
            for key, one in stats.items()
            if key in (STATE, ACTION)
        }

    def _times(self, values: dict[str, Any], power: int) -> dict[str, Any]:
        units = {key: self.factors[key] ** power for key in self.factors if key in values}
        return values | {key: np.asarray(values[key], np.float32) * unit for key, unit in units.items()}


@dataclass(frozen=True, kw_only=True)
class Standardise:
    """Standardisation of one key: the mean of each dimension subtracted, its spread divided by.

    A dimension that hardly moved in the data (`hardly_moves`) is only centred: dividing by almost nothing
    would turn the first small deviation on a real robot into an enormous input.
    """

    key: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with float32 ``[..., D]`` of zero mean and unit spread under the key."""
        if self.key not in values:
            return dict(values)
        return {**values, self.key: (self._rows(values) - self._mean) / self._scale}

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with float32 ``[..., D]`` in robot units under the key."""
        if self.key not in values:
            return dict(values)
        return {**values, self.key: self._rows(values) * self._scale + self._mean}

    def _rows(self, values: Mapping[str, Any]) -> Array:
        rows = np.asarray(values[self.key], np.float32)
        if rows.shape[-1] != len(self.mean):
            raise FeatureMismatchError(
                f"{self.key!r} has {rows.shape[-1]} dimensions, but its statistics have {len(self.mean)}"
            )
        return rows

    @property
    def _mean(self) -> Array:
        return np.array(self.mean, np.float32)

    @property
    def _scale(self) -> Array:
        return scale(self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class RelativeChunk:
    """Relative actions: joint targets from where the joints stand now, each step standardised by itself.

    A chunk then begins near zero whatever the pose, and its first steps, which move little and are executed
    first, weigh as much as its last ones. It comes before `Standardise`: it needs the state in robot units.
    """

    relative: tuple[bool, ...]
    """For each dimension of the action, whether it is counted from the same dimension of the state."""
    mean: tuple[float, ...]
    """Of the relative chunk, ``K * A`` numbers, step by step."""
    std: tuple[float, ...]

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with float32 ``[..., K, A]`` of zero mean and unit spread as its action."""
        if ACTION not in values:
            return dict(values)
        chunk = relative_chunk(values[ACTION], values[STATE], self.relative)
        return {**values, ACTION: (chunk - self._shaped(self.mean)) / self._scale}

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dict with float32 ``[..., K, A]`` in robot units as its action."""
        if ACTION not in values:
            return dict(values)
        chunk = np.asarray(values[ACTION], np.float32) * self._scale + self._shaped(self.mean)
        return {**values, ACTION: chunk + _anchor(values[STATE], self.relative)}

    def _shaped(self, numbers: tuple[float, ...]) -> Array:
        return np.array(numbers, np.float32).reshape(-1, len(self.relative))

    @property
    def _scale(self) -> Array:
        return scale(self.mean, self.std).reshape(-1, len(self.relative))


def relative_dimensions(features: Features) -> tuple[bool, ...]:
    """Tell which dimensions of the action are joints that the state holds at the same place."""
    if features.action_names != features.state_names:
        return (False,) * len(features.action)
    return tuple(dimension.unit in JOINT_UNITS for dimension in features.action)


def relative_chunk(chunk: ArrayLike, state: ArrayLike, relative: tuple[bool, ...]) -> Array:
    """Return a chunk ``[..., K, A]`` with joints counted from the last state of a history ``[..., T, S]``."""
    return np.asarray(chunk, np.float32) - _anchor(state, relative)


def _anchor(state: ArrayLike, relative: tuple[bool, ...]) -> Array:
    """Return what relative dimensions are counted from, ``[..., 1, A]``."""
    last = np.asarray(state, np.float32)[..., -1:, :]
    if not any(relative):
        return np.zeros((*last.shape[:-1], len(relative)), np.float32)
    return np.where(relative, last, np.float32(0))


@dataclass(frozen=True)
class Chain:
    """Chain of transforms: in order on the way to the model, undone in reverse order on the way back."""

    transforms: tuple[Transform, ...]

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from robot units to model units."""
        result = dict(values)
        for transform in self.transforms:
            result = transform.forward(result)
        return result

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from model units to robot units."""
        result = dict(values)
        for transform in reversed(self.transforms):
            result = transform.inverse(result)
        return result


def two_way(stats: Mapping[str, Stats], features: Features) -> Chain:
    """Return the chain of a policy that predicts chunks: relative where its statistics are known."""
    felt = {STATE: stats[STATE]} if features.state else {}  # a robot may have nothing but cameras
    if RELATIVE not in stats:
        return standardise({**felt, ACTION: stats[ACTION]})
    chunk = stats[RELATIVE]
    relative = RelativeChunk(relative=relative_dimensions(features), mean=chunk.mean, std=chunk.std)
    return Chain((relative, *standardise(felt).transforms))


def standardise(stats: Mapping[str, Stats]) -> Chain:
    """Return the chain that standardises every feature there are statistics for."""
    return Chain(tuple(Standardise(key=key, mean=s.mean, std=s.std) for key, s in stats.items()))
