"""The chain of transforms undoes itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.data.statistics import RELATIVE, Stats, hardly_moves
from sayso.data.transforms import Chain, Standardise, standardise, two_way
from sayso.spec import ACTION, STATE, Dimension, FeatureMismatchError, Features

numbers = st.floats(-1000, 1000, width=32)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(500, 3)) * [90, 0.1, 5] + [10, 0, -400]).astype(np.float32)


@settings(deadline=None)
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
