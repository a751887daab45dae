"""Meta-World behind our contracts: LeRobot's episode to the number, and nothing privileged is seen."""

from __future__ import annotations

import importlib.util
import sys

import gymnasium
import numpy as np
import pytest

import sayso  # noqa: F401 (registers the worlds)
from contracts.world_contract import WorldContract
from sayso.rollout import ActionNoise, rollout
from sayso.spec import STATE, TASK, Chunk, SaysoError, UnknownNameError, image_key
from sayso.tasks.metaworld import CAMERA, CONDITION, Expert, MetaWorld, features
from sayso.tasks.mt50 import TASKS, TIERS
from sayso.tasks.world import make_world

PICTURE = image_key(CAMERA)
FEW = ("reach", "drawer-close", "handle-press")
needs_metaworld = pytest.mark.skipif(
    importlib.util.find_spec("metaworld") is None,
    reason="Meta-World is not installed: pip install 'sayso[metaworld]'",
)


@pytest.fixture(scope="module")
def world():
    world = MetaWorld()
    yield world
    world.close()


def test_there_are_fifty_tasks_in_four_tiers_and_two_share_a_sentence():
    counts = [sum(asked.tier == tier for asked in TASKS.values()) for tier in TIERS]
    assert counts == [28, 11, 6, 5] and len(TASKS) == 50
    assert len({asked.instruction for asked in TASKS.values()}) == 49
    assert TASKS["push"].instruction == TASKS["push-back"].instruction


def test_held_out_sentences_are_of_one_task_only_and_never_those_of_training():
    heldout = [sentence.lower() for asked in TASKS.values() for sentence in asked.heldout]
    trained = {asked.instruction.lower() for asked in TASKS.values()}
    assert len(set(heldout)) == len(heldout) == 150
    assert trained.isdisjoint(heldout)


def test_without_meta_world_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "metaworld", None)
    with pytest.raises(SaysoError, match=r"pip install 'sayso\[metaworld\]'"):
        make_world("metaworld")


def test_noise_moves_the_hand_and_leaves_the_gripper_alone():
    disturb = ActionNoise(share=0.5, burst_s=(9, 9), pause_s=(0.01, 0.01)).begin(features(), seed=1)
    drawn = np.stack([disturb(np.zeros(4, np.float32)) for _ in range(500)])
    assert drawn[:, :3].std() == pytest.approx(0.5, rel=0.2)
    assert not drawn[:, 3].any()


@needs_metaworld
class TestMetaWorld(WorldContract):
    """Three of the fifty stand for all; the others differ in nothing that is ours."""

    def make(self):
        world = MetaWorld()
        world.families = FEW
        return world


@needs_metaworld
def test_it_is_registered_with_gymnasium_and_found_by_name():
    env = gymnasium.make("sayso/MetaWorld-v0", family="reach")
    observation, info = env.reset(seed=1)
    assert observation[TASK] == "Reach a goal position" and info["family"] == "reach"
    env.close()
    world = make_world("metaworld", size_px=64)
    assert world.features.cameras == {"corner2": (64, 64)} and world.name == "metaworld"
    world.close()


@needs_metaworld
@pytest.mark.parametrize("options", [{"famly": "reach"}, {"family": "reach-v3"}, {"wording": "held out"}])
def test_a_reset_option_that_is_not_known_is_refused(world, options):
    with pytest.raises(UnknownNameError):
        world.reset(seed=0, options=options)


@needs_metaworld
@pytest.mark.parametrize("family", ["reach", "peg-insert-side"])
def test_an_episode_does_not_depend_on_those_before(world, family):
    fresh = MetaWorld()
    first, _ = fresh.reset(seed=5, options={"family": family})
    for seed in (1, 2):
        world.reset(seed=seed, options={"family": family})
        for _ in range(20):
            world.step(world.expert().act({}).actions[0])
    again, _ = world.reset(seed=5, options={"family": family})
    assert np.array_equal(world.raw, fresh.raw)
    assert np.array_equal(first[PICTURE], again[PICTURE])
    other, _ = world.reset(seed=6, options={"family": family})
    assert not np.array_equal(world.raw, fresh.raw) and not np.array_equal(other[PICTURE], again[PICTURE])
    fresh.close()


@needs_metaworld
def test_places_are_those_of_lerobot_for_the_same_seed(world):
    """Its own lines, written out, against ours."""
    import metaworld

    mt1 = metaworld.MT1("drawer-close-v3", seed=42)
    env = mt1.train_classes["drawer-close-v3"]()
    env.set_task(mt1.train_tasks[0])
    assert env.model.camera("corner2").id == 2
    env.reset()
    env._freeze_rand_vec, env.seeded_rand_vec = False, True
    env.seed(1000)
    env.reset(seed=1000)
    action = np.array([0.1, -0.2, -0.3, 0.5], np.float32)
    world.reset(seed=1000, options={"family": "drawer-close"})
    for _ in range(5):
        raw, *_ = env.step(action)
        observation, *_ = world.step(action)
        np.testing.assert_array_equal(observation[STATE], raw[:4].astype(np.float32))
        np.testing.assert_allclose(world.raw[4:18], raw[4:18], atol=1e-12)
        np.testing.assert_array_equal(world.raw[36:], raw[36:])
    env.close()


@needs_metaworld
def test_the_first_picture_shows_the_scene_of_its_seed(world):
    """Meta-World's own first frame shows the markers of the episode before."""
    import mujoco

    for seed in (1, 2):
        observation, _ = world.reset(seed=seed, options={"family": "reach"})
        env = world._stage.env
        assert np.array_equal(observation[PICTURE], world.render())
        mujoco.mj_forward(env.model, env.data)
        assert np.array_equal(observation[PICTURE], world.render())
        np.testing.assert_allclose(env.data.site("goal").xpos, env._target_pos, atol=1e-12)


@needs_metaworld
def test_as_lerobot_the_first_picture_is_large_and_stale():
    world = MetaWorld(lerobot=True, family="reach")
    observation, _ = world.reset(seed=1)
    assert observation[PICTURE].shape == (480, 480, 3)
    env = world._stage.env
    assert np.linalg.norm(env.data.site("goal").xpos - env._target_pos) > 0.01
    world.close()


@needs_metaworld
def test_two_worlds_side_by_side_draw_their_own_scenes(world):
    mine, _ = world.reset(seed=2, options={"family": "drawer-close"})
    other = MetaWorld(family="soccer")
    theirs, _ = other.reset(seed=2)
    assert np.array_equal(world.render(), mine[PICTURE])
    assert np.array_equal(other.render(), theirs[PICTURE])
    other.close()
    assert np.array_equal(world.render(), mine[PICTURE])


@needs_metaworld
def test_labels_point_at_the_goal_marker_that_is_drawn(world):
    """Recolour the marker alone: the pixels that change are where the label says."""
    for seed in (3, 4, 5):
        before, _ = world.reset(seed=seed, options={"family": "reach"})
        site = world._stage.env.model.site("goal")
        colour = site.rgba.copy()
        site.rgba[:] = (0, 1, 1, 1)
        changed = np.abs(world.render().astype(int) - before[PICTURE]).sum(-1) > 30
        site.rgba[:] = colour
        rows, columns = np.nonzero(changed)
        assert len(rows) >= 3
        place = dict(zip(world.features.points, world.labels(), strict=True))
        assert place["corner2.place.visible"] == 1
        assert place["corner2.place.u"] * 128 == pytest.approx(columns.mean() + 0.5, abs=1.5)
        assert place["corner2.place.v"] * 128 == pytest.approx(rows.mean() + 0.5, abs=1.5)


@needs_metaworld
def test_nothing_past_the_first_four_numbers_reaches_a_policy(world):
    """Permute what is privileged: everything a policy is given stays as it is, so no action can change."""

    class Seeing:
        """Act on every number of an observation."""

        def reset(self):
            pass

        def act(self, observation):
            seen = [observation[STATE].sum(), observation[PICTURE].mean() / 255, len(observation[TASK]) / 100]
            seen += [len(observation)]
            return Chunk(np.tanh(np.array([seen], np.float32)))

    rng = np.random.default_rng(0)
    for family in FEW:
        world.reset(seed=8, options={"family": family})
        world.step(np.zeros(4, np.float32))
        before = world._observe()
        world._raw = np.concatenate([world._raw[:4], rng.permutation(world._raw[4:])])
        after = world._observe()
        assert before.keys() == after.keys() == {PICTURE, STATE, TASK}
        assert all(np.array_equal(before[key], after[key]) for key in before)
        assert np.array_equal(Seeing().act(before).actions, Seeing().act(after).actions)
        assert before[STATE].shape == (4,)


@needs_metaworld
def test_held_out_wording_and_sentences_of_ones_own(world):
    said = [
        world.reset(seed=seed, options={"family": "soccer", "wording": "heldout"})[0][TASK]
        for seed in range(12)
    ]
    assert set(said) == set(TASKS["soccer"].heldout)
    for sentence in ("", "dance"):
        observation, _ = world.reset(seed=1, options={"family": "soccer", "instruction": sentence})
        assert observation[TASK] == world.task.instruction == sentence


@needs_metaworld
@pytest.mark.parametrize(
    "disturbance",
    [{"camera_shift_m": (0.05, 0.0, 0.0)}, {"camera_turn_deg": 5}, {"light": 0.6}, {"image_noise": 8}],
)
def test_disturbances_change_the_picture_alone_and_are_gone_in_the_next_episode(world, disturbance):
    before, _ = world.reset(seed=1, options={"family": "reach"})
    raw = world.raw
    disturbed, _ = world.reset(seed=1, options={"family": "reach", **disturbance})
    assert np.array_equal(world.raw, raw)
    assert np.abs(disturbed[PICTURE].astype(int) - before[PICTURE]).mean() > 1
    same, _ = world.reset(seed=1, options={"family": "reach", **disturbance})
    assert np.array_equal(same[PICTURE], disturbed[PICTURE])
    after, _ = world.reset(seed=1, options={"family": "reach"})
    assert np.array_equal(after[PICTURE], before[PICTURE])


@needs_metaworld
def test_labels_follow_a_camera_that_was_moved(world):
    world.reset(seed=1, options={"family": "reach"})
    straight = world.labels()
    world.reset(seed=1, options={"family": "reach", "camera_turn_deg": 5})
    moved = world.labels() - straight
    assert moved[2] == 0 and abs(moved[0]) > 0.05 and abs(moved[1]) < 0.04


@needs_metaworld
def test_pictures_may_be_drawn_larger_and_averaged():
    world = MetaWorld(family="reach", size_px=64, draw_px=256)
    observation, _ = world.reset(seed=1)
    large = world._cameras.picture(world._stage.env.data, CAMERA)[::-1, ::-1].astype(float)
    averaged = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    np.testing.assert_allclose(observation[PICTURE], averaged, atol=1.1)  # rounded twice
    world.close()


@needs_metaworld
def test_an_episode_ends_on_success_and_at_500_steps_without(world):
    episode = rollout(world, Expert(world), 2_000_000, family="handle-press")
    assert episode.success and episode.conditions == {CONDITION: True} and episode.steps < 100
    world.reset(seed=1, options={"family": "reach"})
    env = world._stage.env
    env.curr_path_length = env.max_path_length - 1
    *_, terminated, truncated, info = world.step(np.zeros(4, np.float32))
    assert truncated and not terminated and not info["is_success"]
    assert env.max_path_length == world.task.horizon == 500
