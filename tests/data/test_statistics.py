"""Statistics are exact, and what a file of them lacks is made up for."""

from __future__ import annotations

import numpy as np

from sayso.data.statistics import Stats, colour_histogram, describe, describe_images


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(500, 3)) * [90, 0.1, 5] + [10, 0, -400]).astype(np.float32)


def test_statistics_survive_json():
    stats = Stats.of(rows())
    assert Stats.from_json(stats.to_json()) == stats


def test_statistics_are_those_of_numpy():
    recorded = rows().astype(np.float64)
    stats = Stats.of(recorded)
    np.testing.assert_allclose(stats.mean, recorded.mean(0))
    np.testing.assert_allclose(stats.std, recorded.std(0))
    np.testing.assert_allclose(stats.q99, np.quantile(recorded, 0.99, axis=0))
    assert describe(recorded)["count"] == [500]


def test_statistics_without_quantiles_fall_back_to_the_extremes():
    raw = {"mean": [0.0], "std": [1.0], "min": [-3.0], "max": [3.0]}
    assert Stats.from_json(raw).q01 == (-3.0,) and Stats.from_json(raw).q99 == (3.0,)


def test_image_statistics_from_a_histogram_are_those_of_the_pixels():
    images = np.random.default_rng(0).integers(0, 200, (4, 10, 12, 3), dtype=np.uint8)
    summary = describe_images(colour_histogram(images[:1]) + colour_histogram(images[1:]), samples=4)
    pixels = images.reshape(-1, 3) / 255
    for name, expected in {
        "mean": pixels.mean(0),
        "std": pixels.std(0),
        "min": pixels.min(0),
        "max": pixels.max(0),
        "q50": np.quantile(pixels, 0.5, axis=0, method="inverted_cdf"),
        "q99": np.quantile(pixels, 0.99, axis=0, method="inverted_cdf"),
    }.items():
        assert np.shape(summary[name]) == (3, 1, 1)
        np.testing.assert_allclose(np.ravel(summary[name]), expected, atol=1e-9)
    assert summary["count"] == [4]
