"""Statistics of recordings: means, spreads, extremes and quantiles, as in LeRobot's ``stats.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sayso.spec import Array, Image

Integers = NDArray[np.int64]

RELATIVE = "action.relative"
"""Key of the statistics of whole chunks, ``K * A`` numbers, joints counted from where they stand."""
STILL_TO_MEAN, STILL_TO_LARGEST, STILL = 1e-4, 1e-6, 1e-9
"""Spreads up to which a dimension hardly moved in the data: as shares of its own mean and of the largest
spread beside it, and in any unit. Shares, for data comes in degrees as well as in metres per step."""

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
        """Read what `to_json` wrote, or an entry of ``stats.json``, where quantiles may be missing.

        Raises:
            ValueError: if its lists are not all of one length.
        """
        fallback = {"q01": raw["min"], "q99": raw["max"]}
        chosen = {name: raw.get(name, fallback.get(name)) for name in cls.__dataclass_fields__}
        found = {name: tuple(np.ravel(value).astype(float).tolist()) for name, value in chosen.items()}
        if len({len(values) for values in found.values()}) > 1:
            raise ValueError("the lists of numbers are not all of one length")
        return cls(**found)


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
