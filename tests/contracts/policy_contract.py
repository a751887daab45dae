"""What every policy owes: subclass `PolicyContract`, say how it is made, and pytest does the rest.

class TestMyPolicy(PolicyContract):
    def make(self): return MyPolicy(), FEATURES
"""

import copy

import numpy as np
import pytest

from sayso.spec import STATE, TASK, Chunk, Policy, image_key


class PolicyContract:
    """Check a policy against the contract of `sayso.spec.Policy`."""

    def make(self):
        """Return a policy and the features it was made for."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def made(self):
        return self.make()

    @pytest.fixture
    def look(self, made):
        rng, features = np.random.default_rng(0), made[1]
        observation = {
            image_key(name): rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            for name, size in features.cameras.items()
        }
        state = rng.normal(0, 10, len(features.state)).astype(np.float32)
        return observation | {STATE: state, TASK: "put the red block in the blue tray"}

    def test_it_is_a_policy(self, made):
        assert isinstance(made[0], Policy)

    def test_a_chunk_has_one_number_per_dimension_of_the_action(self, made, look):
        policy, features = made
        policy.reset()
        chunk = policy.act(look)
        assert isinstance(chunk, Chunk)
        assert chunk.actions.shape[1] == len(features.action)
        assert np.isfinite(chunk.actions).all()

    def test_it_leaves_what_it_looks_at_as_it_was(self, made, look):
        before = copy.deepcopy(look)
        made[0].act(look)
        assert all(np.array_equal(look[key], before[key]) for key in before)

    def test_after_a_reset_it_answers_as_at_first(self, made, look):
        policy, _ = made
        policy.reset()
        first = policy.act(look).actions
        policy.act({**look, STATE: look[STATE] + 1})
        policy.reset()
        np.testing.assert_array_equal(policy.act(look).actions, first)
