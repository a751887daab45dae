"""What every world owes: subclass `WorldContract`, say which row it has, and pytest does the rest.

class TestMyWorld(WorldContract):
    name, entry = "mine", ENTRY
"""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sayso.spec import POINTS, STATE, TASK, SaysoError, image_key, seeds
from sayso.tasks.axes import Departure, options_of
from sayso.tasks.contract import Drawn, Labelled, Taught
from sayso.tasks.worlds import WorldEntry


def is_there(axis, level):
    """Tell whether what a level of an axis needs is installed."""
    try:
        axis.needs.get(level, lambda: None)()
    except SaysoError:
        return False
    return True


class WorldContract:
    """Check a world against `sayso.tasks.contract`; what it cannot do is not asked of it."""

    name = ""
    """What it is called in the table of worlds."""
    entry: WorldEntry

    def make(self, **options):
        """Build the world."""
        return self.entry.make(**options)

    @pytest.fixture
    def world(self):
        world = self.make()
        yield world
        world.close()

    def test_its_row_says_what_it_says_of_itself(self, world):
        row = self.entry
        assert (world.name, world.features) == (self.name, row.features)
        assert set(world.families) <= set(row.families)
        for family in world.families:
            world.reset(seed=1, options={"family": family})
            assert 0 < world.task.horizon <= (row.horizon or np.inf)

    def test_what_can_be_drawn_names_each_eye_after_a_camera(self, world):
        if isinstance(world, Drawn):
            world.reset(seed=1)
            physics = world.physics()
            assert set(physics.eyes) <= set(world.features.cameras) and physics.model.nbody > 1
            assert all(physics.model.camera(eye.name).id >= 0 for eye in physics.eyes.values())

    def test_each_level_of_each_axis_changes_an_episode_and_level_0_does_not(self, world):
        family = world.families[0]
        before = self.begun(world, family)
        for axis in self.entry.axes:
            there_is = [level for level in range(len(axis.levels)) if is_there(axis, level)]
            for level in {0, 1, there_is[-1]}:
                departs = [Departure(axis=axis, level=level)]
                making = options_of(departs, in_making=True)
                there = self.make(**making) if making else world
                after = self.begun(there, family, **options_of(departs))
                assert all(np.array_equal(after[key], before[key]) for key in before) is (level == 0), axis
                if making:
                    there.close()

    @staticmethod
    def begun(world, family, **options):
        """Return what is seen three steps into an episode: what changes motions shows after the first."""
        world.reset(seed=seeds("test", 1)[0], options={"family": family, **options})
        action = (0.3 * world.action_space.high).astype(np.float32)  # where zero moves nothing, this does
        for _ in range(3):
            observation, *_ = world.step(action)
        return observation

    def test_gymnasium_accepts_it(self, world):
        check_env(world, skip_render_check=True)

    def test_observations_have_the_names_sizes_and_types_of_its_features(self, world):
        observation, _ = world.reset(seed=3)
        assert set(observation) == {STATE, TASK, *(image_key(c) for c in world.features.cameras)}
        assert observation[STATE].shape == (len(world.features.state),)
        assert observation[STATE].dtype == np.float32
        for camera, size in world.features.cameras.items():
            assert observation[image_key(camera)].shape == (*size, 3)
            assert observation[image_key(camera)].dtype == np.uint8
            assert observation[image_key(camera)].std() > 3  # a picture, not a blank

    def test_same_seed_gives_the_same_episode_bit_for_bit(self, world):
        other = self.make()
        for family in world.families:
            first, second = [self.play(w, seed=11, family=family, steps=12) for w in (world, other)]
            for a, b in zip(first, second, strict=True):
                assert a.keys() == b.keys()
                assert all(np.array_equal(a[key], b[key]) for key in a)
        other.close()

    def test_a_step_without_a_look_goes_the_same_way_and_draws_nothing(self, world):
        family = world.families[0]
        *_, looked = self.play(world, seed=11, family=family, steps=6)
        world.reset(seed=11, options={"family": family})
        act = self.acting(world)
        for _ in range(5):
            unseen, *_ = world.step(act(), render=False)
            assert set(unseen) == {STATE, TASK}
        seen, *_ = world.step(act())
        assert seen.keys() == looked.keys()
        assert all(np.array_equal(seen[key], looked[key]) for key in looked)

    def test_different_seeds_give_different_scenes(self, world):
        pictures = [
            world.reset(seed=seed)[0][image_key(next(iter(world.features.cameras)))] for seed in (1, 2)
        ]
        assert not np.array_equal(*pictures)

    def test_success_is_all_conditions_and_no_episode_begins_with_it(self, world):
        for family in world.families:
            _, info = world.reset(seed=5, options={"family": family})
            assert info["is_success"] == all(info["conditions"].values())
            assert not info["is_success"]

    def test_other_labels_come_with_a_sentence_and_do_not_change_the_episode(self, world):
        if not isinstance(world, Labelled):
            pytest.skip("it labels nothing")
        world.reset(seed=1)
        asked, labels = world.task.instruction, world.labels()
        other = world.other_labels()
        assert world.task.instruction == asked
        np.testing.assert_array_equal(world.labels(), labels)
        if other is not None:
            sentence, points = other
            assert sentence and points.shape == labels.shape

    def test_labels_match_their_names_and_lie_in_the_picture(self, world):
        if not isinstance(world, Labelled):
            assert world.features.points == ()
            return
        for family in world.families:
            world.reset(seed=4, options={"family": family})
            labels = world.labels()
            assert labels.shape == (len(world.features.points),), POINTS
            assert np.all((labels >= 0) & (labels <= 1))

    def test_an_action_of_the_wrong_size_is_refused(self, world):
        world.reset(seed=0)
        with pytest.raises(ValueError, match="action"):
            world.step(np.zeros(3, np.float32))

    def test_its_expert_carries_out_every_family(self, world):
        if not isinstance(world, Taught):
            pytest.skip("it has no expert")
        for family in world.families:
            assert any(self.succeeds(world, seed, family) for seed in seeds("validation", 2)), family

    @staticmethod
    def succeeds(world, seed, family):
        """Let the expert act, once; a second seed is for what even the best sometimes fail at."""
        world.reset(seed=seed, options={"family": family})
        expert, done = world.expert(), False
        while not done:
            *_, terminated, truncated, info = world.step(expert.act({}).actions[0], render=False)
            done = terminated or truncated
        return info["is_success"]

    @staticmethod
    def acting(world):
        """Return what thinks of the next action: the expert, or chance where there is none."""
        if isinstance(world, Taught):
            expert = world.expert()
            return lambda: expert.act({}).actions[0]
        rng, space = np.random.default_rng(0), world.action_space
        return lambda: rng.uniform(space.low, space.high).astype(np.float32)

    @classmethod
    def play(cls, world, *, seed, family, steps):
        observation, _ = world.reset(seed=seed, options={"family": family})
        act, seen = cls.acting(world), [observation]
        for _ in range(steps):
            observation, *_ = world.step(act())
            seen.append(observation)
        return seen
