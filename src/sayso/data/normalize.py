"""Normalisation: robot units into model units and back, by statistics and one chain of two-way transforms.

    robot  -- forward -->  model        degrees, %, m/s  ->  zero mean, unit spread
    robot  <-- inverse --  model        the same chain, read from right to left

Transforms act on dicts with LeRobot's names and leave alone every key that is absent, so one chain serves
an observation (no action yet), a training window (both) and a chunk of actions on its way to the robot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sayso.spec import ACTION, STATE, Array, FeatureMismatchError, Features, Image

Integers = NDArray[np.int64]

RELATIVE = "action.relative"
"""Key of the statistics of whole chunks, ``K * A`` numbers, joints counted from where they stand."""
STILL_TO_MEAN, STILL_TO_LARGEST, STILL = 1e-4, 1e-6, 1e-9
"""Spreads up to which a dimension hardly moved in the data: as shares of its own mean and of the largest
spread beside it, and in any unit. Shares, for data comes in degrees as well as in metres per step."""

JOINT_UNITS = ("deg", "normalized", "rad")
"""Units of joints: degrees, -100 to 100 of a calibrated range, radians."""
QUANTILES: Mapping[str, float] = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Statistics of one vector feature: every field has one number per dimension, in robot units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    q01: tuple[float, ...]
    q99: tuple[float, ...]

    @classmethod
    def of(cls, rows: ArrayLike) -> Self:
        """Summarise rows ``[N, D]``."""
        return cls.from_json(describe(rows))

    def to_json(self) -> dict[str, list[float]]:
        """Return plain lists."""
        return {name: list(values) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote, or an entry of ``stats.json``, where quantiles may be missing."""
        fallback = {"q01": raw["min"], "q99": raw["max"]}
        chosen = {name: raw.get(name, fallback.get(name)) for name in cls.__dataclass_fields__}
        return cls(**{name: tuple(np.ravel(value).astype(float).tolist()) for name, value in chosen.items()})


def describe(rows: ArrayLike) -> dict[str, list[float]]:
    """Return LeRobot's statistics of rows ``[N, D]``: min, max, mean, std, count and exact quantiles."""
    values = np.asarray(rows, np.float64)
    levels = np.quantile(values, list(QUANTILES.values()), axis=0)
    summary = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    summary |= {"count": np.array([len(values)])}
    summary |= dict(zip(QUANTILES, levels, strict=True))
    return {name: numbers.tolist() for name, numbers in summary.items()}


def colour_histogram(images: Iterable[Image]) -> Integers:
    """Count how often each of 256 values occurs in each colour, ``[3, 256]``; histograms of parts add up."""
    counts = np.zeros((3, 256), np.int64)
    for image in images:
        for colour in range(3):
            counts[colour] += np.bincount(image[..., colour].ravel(), minlength=256)
    return counts


def describe_images(histogram: Integers, samples: int) -> dict[str, Any]:
    """Return the statistics of `describe` per colour, ``[3, 1, 1]``, for pixel values scaled to 0..1.

    `samples` is the number of images that were counted.
    """
    levels = np.arange(256) / 255
    share = histogram / histogram.sum(1, keepdims=True)
    mean = share @ levels
    summary = {
        "min": levels[(histogram > 0).argmax(1)],
        "max": levels[255 - (histogram[:, ::-1] > 0).argmax(1)],
        "mean": mean,
        "std": np.sqrt((share * (levels - mean[:, None]) ** 2).sum(1)),
    }
    # Rounding may leave the sum of shares a hair below 1; the quantiles must not run off the end.
    summary |= {name: levels[(share.cumsum(1) >= q - 1e-12).argmax(1)] for name, q in QUANTILES.items()}
    return {name: values.reshape(3, 1, 1).tolist() for name, values in summary.items()} | {"count": [samples]}


class Transform(Protocol):
    """Reversible transform of some values of a dict; neither method touches its argument."""

    def forward(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from robot units to model units."""
        ...

    def inverse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Go from model units to robot units."""
        ...


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
    first, weigh as much as its last ones. It comes first in a chain: it needs the state in robot units.
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


def hardly_moves(mean: ArrayLike, std: ArrayLike) -> NDArray[np.bool_]:
    """Tell which dimensions of a feature moved so little in the data that nothing can be learned of them."""
    spread = np.asarray(std, np.float64)
    largest = spread.max(initial=0.0)
    floor = np.maximum(STILL_TO_MEAN * np.abs(np.asarray(mean, np.float64)), STILL_TO_LARGEST * largest)
    still: NDArray[np.bool_] = spread <= np.maximum(floor, STILL)
    return still


def scale(mean: ArrayLike, std: ArrayLike) -> Array:
    """Return the size of one model unit in robot units: the spread, or 1 for what hardly moves."""
    return np.where(hardly_moves(mean, std), np.float32(1), np.asarray(std, np.float32))


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
