"""Statistics are exact, and the chain of transforms undoes itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.data.normalize import (
    RELATIVE,
    Chain,
    Standardise,
    Stats,
    colour_histogram,
    describe,
    describe_images,
    hardly_moves,
    standardise,
    two_way,
)
from sayso.spec import ACTION, STATE, Dimension, FeatureMismatchError, Features

numbers = st.floats(-1000, 1000, width=32)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(500, 3)) * [90, 0.1, 5] + [10, 0, -400]).astype(np.float32)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=20),
    st.lists(numbers, min_size=3, max_size=3),
)
def test_inverse_undoes_forward(recorded, met):
    chain = standardise({STATE: Stats.of(recorded), ACTION: Stats.of(recorded)})
    values = {STATE: np.array([met], np.float32), ACTION: np.array([[met]], np.float32)}
    back = chain.inverse(chain.forward(values))
    for key, value in values.items():
        np.testing.assert_allclose(back[key], value, rtol=1e-4, atol=1e-2)


def test_a_chain_is_undone_from_its_end():
    first = Standardise(key=STATE, mean=(1.0,), std=(2.0,))
    second = Standardise(key=STATE, mean=(10.0,), std=(4.0,))
    forward = Chain((first, second)).forward({STATE: np.array([7.0])})
    assert forward[STATE] == pytest.approx(((7 - 1) / 2 - 10) / 4)
    assert Chain((first, second)).inverse(forward)[STATE] == pytest.approx(7.0)


def test_a_relative_chunk_is_undone_with_the_state_it_was_counted_from():
    dimensions = (Dimension(name="pan.pos", unit="deg"), Dimension(name="gripper.pos", unit="%"))
    features = Features(robot_type="so101", fps=20, state=dimensions, action=dimensions, cameras={})
    rng = np.random.default_rng(0)
    state, chunk = rng.normal(size=(50, 1, 2)) * 90, rng.normal(size=(50, 4, 2)) * 90
    relative = chunk - state * [1, 0]
    stats = {
        STATE: Stats.of(state[:, 0]),
        ACTION: Stats.of(chunk[:, 0]),
        RELATIVE: Stats.of(relative.reshape(50, 8)),
    }
    chain = two_way(stats, features)
    seen = chain.forward({STATE: state, ACTION: chunk})
    np.testing.assert_allclose(seen[ACTION].std(0), 1, atol=1e-3)
    back = chain.inverse({STATE: seen[STATE], ACTION: seen[ACTION]})
    np.testing.assert_allclose(back[ACTION], chunk, atol=1e-3)
    np.testing.assert_allclose(back[STATE], state, atol=1e-3)


def test_what_was_recorded_becomes_zero_mean_and_unit_spread():
    recorded = rows()
    seen = standardise({STATE: Stats.of(recorded)}).forward({STATE: recorded})[STATE]
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-3)


def test_a_dimension_that_never_moved_is_only_centred():
    recorded = np.array([[1.0, 42.0], [3.0, 42.0]], np.float32)
    chain = standardise({STATE: Stats.of(recorded)})
    seen = chain.forward({STATE: np.array([2.0, 42.5], np.float32)})[STATE]
    np.testing.assert_allclose(seen, [0.0, 0.5])


@pytest.mark.parametrize("unit", [1.0, 2e-5, 1e4])
def test_what_counts_as_hardly_moving_does_not_depend_on_the_unit(unit):
    """Metres per step are as good to learn from as degrees."""
    recorded = rows().astype(np.float64) * unit
    stats = Stats.of(recorded)
    seen = standardise({ACTION: stats}).forward({ACTION: recorded})[ACTION]
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-3)
    assert not hardly_moves(stats.mean, stats.std).any()


def test_a_joint_that_only_trembles_hardly_moves_and_is_only_centred():
    trembling = np.random.default_rng(0).normal(size=500) * 1e-3
    recorded = np.stack([42 + trembling, np.linspace(-90, 90, 500), trembling * 1e-3], 1)
    stats = Stats.of(recorded)
    assert hardly_moves(stats.mean, stats.std).tolist() == [True, False, True]
    met = np.array([stats.mean[0] + 1, 0, 1], np.float32)
    assert standardise({STATE: stats}).forward({STATE: met})[STATE] == pytest.approx([1, 0, 1], abs=1e-3)


def test_absent_keys_are_left_alone_and_the_argument_is_not_touched():
    chain = standardise({STATE: Stats.of(rows()), ACTION: Stats.of(rows(1))})
    observation = {STATE: rows()[0].copy(), "task": "put the red block in the tray"}
    seen = chain.forward(observation)
    assert set(seen) == {STATE, "task"} and seen["task"] == observation["task"]
    np.testing.assert_array_equal(observation[STATE], rows()[0])


def test_a_vector_of_another_size_is_refused():
    chain = standardise({STATE: Stats.of(rows())})
    with pytest.raises(FeatureMismatchError, match=r"'observation\.state' has 2 dimensions.* 3"):
        chain.forward({STATE: np.zeros(2, np.float32)})


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


def test_relative_chunks_come_back_to_robot_units():
    from sayso.data.normalize import RELATIVE, relative_chunk, relative_dimensions, two_way
    from sayso.spec import Dimension, Features

    names = (Dimension(name="a.pos", unit="deg"), Dimension(name="gripper.pos", unit="%"))
    features = Features(robot_type="r", fps=20, state=names, action=names, cameras={})
    rng = np.random.default_rng(0)
    state, chunk = rng.normal(0, 30, (9, 1, 2)), rng.normal(0, 30, (9, 4, 2))
    relative = relative_dimensions(features)
    assert relative == (True, False)
    counted = relative_chunk(chunk, state, relative)
    assert counted[..., 0] == pytest.approx(chunk[..., 0] - state[..., 0], abs=1e-4)
    assert counted[..., 1] == pytest.approx(chunk[..., 1], abs=1e-4)
    stats = {
        STATE: Stats.of(state[:, 0]),
        ACTION: Stats.of(chunk.reshape(-1, 2)),
        RELATIVE: Stats.of(counted.reshape(9, -1)),
    }
    chain = two_way(stats, features)
    units = chain.forward({STATE: state, ACTION: chunk})
    assert units[ACTION].mean(0) == pytest.approx(np.zeros((4, 2)), abs=1e-5)
    assert chain.inverse(units)[ACTION] == pytest.approx(chunk, abs=1e-3)
