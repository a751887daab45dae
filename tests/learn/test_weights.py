"""Of several datasets, some can be drawn more often than others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sayso.learn.imitate import open_windows, train
from sayso.spec import ConfigError, SaysoError
from small_trainings import record, tiny


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    return record(folder / "one", range(3)), record(folder / "two", range(3, 6))


def test_windows_are_drawn_as_often_as_the_weight_of_their_dataset_says(both, tmp_path):
    config = dataclasses.replace(tiny(both[0], tmp_path / "run"), datasets=both, weights=(1, 0.25))
    windows = open_windows(config)
    first = len(open_windows(dataclasses.replace(config, datasets=both[:1], weights=())))
    second = len(windows) - first
    drawn = np.concatenate([windows.draw(0, step, 8) for step in range(200)])
    share = (drawn >= first).mean()
    assert share == pytest.approx(0.25 * second / (first + 0.25 * second), abs=0.02)


def test_a_run_with_weights_is_another_run_and_one_without_is_the_same_as_with_equal_ones(both, tmp_path):
    asked = dataclasses.replace(tiny(both[0], tmp_path / "run"), datasets=both)
    plain, equal = open_windows(asked), open_windows(dataclasses.replace(asked, weights=(1, 1)))
    np.testing.assert_array_equal(plain.draw(0, 3, 8), equal.draw(0, 3, 8))
    train(asked)
    with pytest.raises(SaysoError, match="--weights"):
        train(dataclasses.replace(asked, weights=(1, 0.5)))


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ((1.0,), "weights is 1, but there are 2 datasets: give one number for each"),
        ((1.0, 0.0), "weights is 1 0, but each must be above 0"),
        ((1.0, float("nan")), "weights is 1 nan, but each must be above 0"),
    ],
)
def test_weights_that_say_nothing_are_refused(both, tmp_path, weights, complaint):
    with pytest.raises(ConfigError, match=complaint):
        dataclasses.replace(tiny(both[0], tmp_path / "run"), datasets=both, weights=weights)
