"""Meta-World behind our contracts: LeRobot's episode to the number, and nothing privileged is seen."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import sayso  # noqa: F401 (registers the worlds)
from sayso.evaluation.noise import ActionNoise
from sayso.evaluation.rollout import rollout
from sayso.runtime.simulated import simulated
from sayso.spec import STATE, TASK, Chunk, SaysoError, UnknownNameError, image_key
from sayso.tasks.metaworld import CONDITION, DRAW_PX, LEROBOT_PX, Expert, MetaWorld, ask
from sayso.tasks.mt50 import TASKS, TIERS, task_of
from sayso.tasks.sawyer import CAMERA, CAMERA_M, CAMERA_ROTATION, FOVY_RAD, HAND, features, views
from sayso.tasks.simulators import build
from sayso.tasks.worlds import make_world

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metaworld.md"
PICTURE, CLOSE = image_key(CAMERA), image_key(HAND)
FEW = ("reach", "handle-press")


def installed() -> bool:
    """Tell whether the package is there; a benchmark of ours is called the same and hands over to it."""
    try:
        importlib.import_module("metaworld")
    except ModuleNotFoundError:
        return False
    return True


def words(sentence: str) -> tuple[str, ...]:
    """Return a sentence without what a reader of words does not tell apart."""
    return tuple(re.findall(r"\w+", sentence.lower()))


needs_metaworld = pytest.mark.skipif(
    not installed(), reason="Meta-World is not installed: pip install 'sayso[metaworld]'"
)


@pytest.fixture(scope="module")
def world():
    world = MetaWorld()
    yield world
    world.close()


@pytest.fixture(scope="module")
def as_lerobot():
    world = MetaWorld(lerobot=True, family="reach")
    yield world
    world.close()


def test_there_are_fifty_tasks_in_four_tiers_and_two_share_a_sentence():
    counts = [sum(asked.tier == tier for asked in TASKS.values()) for tier in TIERS]
    assert counts == [28, 11, 6, 5] and len(TASKS) == 50
    assert len({asked.instruction for asked in TASKS.values()}) == 49
    assert TASKS["push"].instruction == TASKS["push-back"].instruction


def test_tiers_and_sentences_are_lerobots_to_the_letter():
    """Held against a digest of its file, so that an improved word here cannot go unnoticed."""
    table = {task: [asked.tier, asked.instruction] for task, asked in sorted(TASKS.items())}
    digest = hashlib.sha256(json.dumps(table).encode()).hexdigest()
    assert digest == "9d4f7e4383a981da97f6b82fe7b357a753bcab631fbc983b789e011d3de83b11"


def test_held_out_sentences_are_of_one_task_only_and_never_those_of_training():
    heldout = [words(sentence) for asked in TASKS.values() for sentence in asked.heldout]
    trained = {words(asked.instruction) for asked in TASKS.values()}
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
def test_it_is_registered_with_gymnasium_and_found_by_name():
    env = gymnasium.make("sayso/MetaWorld-v0", family="reach")
    observation, info = env.reset(seed=1)
    assert observation[TASK] == "Reach a goal position" and info["family"] == "reach"
    env.close()
    world = make_world("metaworld", sizes_px={CAMERA: 64, HAND: 32})
    assert world.features.cameras == {"corner2": (64, 64), "hand": (32, 32)}
    world.close()


@needs_metaworld
def test_what_is_drawn_as_lerobot_does_is_a_world_of_its_own_that_the_same_policies_fit(world, as_lerobot):
    by_name = make_world("metaworld-lerobot")
    assert (world.name, by_name.name) == (world.name, as_lerobot.name) == ("metaworld", "metaworld-lerobot")
    assert world.features == as_lerobot.features == by_name.features == features()
    by_name.close()
    for each, drawn_px in ((world, DRAW_PX), (as_lerobot, LEROBOT_PX)):
        observation, _ = each.reset(seed=0, options={"family": "reach"})
        assert each.render().shape == (drawn_px, drawn_px, 3)
        assert observation[PICTURE].shape == (128, 128, 3)


@needs_metaworld
def test_the_camera_through_which_the_hand_is_found_is_that_of_the_tasks(world):
    for family in FEW:
        world.reset(seed=1, options={"family": family})
        env = world._simulator.env
        view = env.data.camera(CAMERA)
        np.testing.assert_allclose(view.xpos, CAMERA_M, atol=1e-9)
        np.testing.assert_allclose(view.xmat.reshape(3, 3), CAMERA_ROTATION, atol=1e-7)
        assert math.radians(env.model.camera(CAMERA).fovy[0]) == FOVY_RAD


@needs_metaworld
def test_it_cannot_be_drawn_in_no_pixels():
    with pytest.raises(ValueError, match="draw_px=0"):
        MetaWorld(draw_px=0)


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
@pytest.mark.parametrize(
    "task", [task if task in FEW else pytest.param(task, marks=pytest.mark.slow) for task in TASKS]
)
def test_places_are_those_of_lerobot_for_the_same_seed_whatever_was_before(task):
    """Its own lines, written out, against ours."""
    import metaworld

    mt1 = metaworld.MT1(f"{task}-v3", seed=42)
    env = mt1.train_classes[f"{task}-v3"]()
    env.set_task(mt1.train_tasks[0])
    assert env.model.camera("corner2").id == 2
    env.reset()
    env._freeze_rand_vec, env.seeded_rand_vec = False, True
    env.seed(1000)
    env.reset(seed=1000)
    ours, action = build(task, lerobot=False), np.array([0.1, -0.2, -0.3, 0.5], np.float32)
    ours.place(7)
    for _ in range(20):
        ours.env.step(-action)
    ours.place(1000)
    for _ in range(5):
        raw, *_, told = env.step(action)
        same, *_, told_the_same = ours.env.step(action)
        np.testing.assert_allclose(same[:18], raw[:18], atol=1e-6)
        np.testing.assert_allclose(same[36:], raw[36:], atol=1e-6)
        assert told["success"] == told_the_same["success"]
    env.close()
    ours.env.close()


@needs_metaworld
def test_the_first_picture_shows_the_scene_of_its_seed(world):
    """Meta-World's own first frame shows the markers of the episode before."""
    import mujoco

    for seed in (1, 2):
        observation, _ = world.reset(seed=seed, options={"family": "reach"})
        env = world._simulator.env
        mujoco.mj_forward(env.model, env.data)
        for name, view in views(world.render(), observation[STATE]).items():
            assert np.array_equal(observation[image_key(name)], view)
        np.testing.assert_allclose(env.data.site("goal").xpos, env._target_pos, atol=1e-12)


@needs_metaworld
def test_as_lerobot_the_first_picture_is_stale(as_lerobot):
    for seed in (1, 2):
        as_lerobot.reset(seed=seed)
    env = as_lerobot._simulator.env
    assert np.linalg.norm(env.data.site("goal").xpos - env._target_pos) > 0.01


class LeRobots:
    """Be LeRobot's own environment as far as a policy meets it: its lines, written out."""

    def __init__(self, task: str, steps: int) -> None:
        import metaworld

        mt1 = metaworld.MT1(f"{task}-v3", seed=42)
        self._env = mt1.train_classes[f"{task}-v3"](render_mode="rgb_array", camera_name="corner2")
        self._env.set_task(mt1.train_tasks[0])
        self._env.model.cam_pos[2] = [0.75, 0.075, 0.7]
        self._env.reset()
        self._env._freeze_rand_vec, self._env.seeded_rand_vec = False, True
        self.task_description, self.steps = TASKS[task].instruction, steps

    def look(self, raw):
        return {"pixels": np.flip(self._env.render(), (0, 1)).copy(), "agent_pos": raw[:4]}

    def reset(self, seed):
        self._env.seed(seed)
        raw, _ = self._env.reset(seed=seed)
        return self.look(raw), {"is_success": False}

    def step(self, action):
        self.steps -= 1
        raw, reward, _, truncated, told = self._env.step(action)
        success = bool(told["success"])
        return self.look(raw), reward, success, truncated or self.steps == 0, {"is_success": success}


class ByEye:
    """Act on every pixel and every number, and remember all of it."""

    def __init__(self) -> None:
        self.seen = []

    def reset(self) -> None:
        self.seen.clear()

    def act(self, observation):
        self.seen.append(observation)
        sums = [observation[key].mean() for key in (PICTURE, CLOSE, STATE)]
        return Chunk(np.sin(np.outer([1, 2, 3], [*sums, len(observation[TASK])])).astype(np.float32))


@needs_metaworld
def test_in_lerobots_own_environment_a_policy_sees_and_does_what_it_does_in_ours(as_lerobot, monkeypatch):
    """Run the example of the page there, and the rollout here, each after the same episode before."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(example, names)
    steps, there, here = 4, ByEye(), ByEye()
    theirs = LeRobots("reach", steps)
    as_lerobot.reset(seed=1)
    theirs.reset(seed=1)
    assert names["succeeds"](theirs, there, seed=2_000_000, execute=2) is False
    monkeypatch.setattr(as_lerobot._simulator.env, "max_path_length", steps)
    rollout(as_lerobot, here, 2_000_000, execute=2)
    assert len(there.seen) == len(here.seen) == 2
    for seen, ours in zip(there.seen, here.seen, strict=True):
        assert seen.keys() == ours.keys()
        assert all(np.array_equal(seen[key], ours[key]) for key in ours)


@needs_metaworld
def test_two_worlds_side_by_side_draw_their_own_scenes(world):
    world.reset(seed=2, options={"family": "drawer-close"})
    mine = world.render()
    other = MetaWorld(family="soccer")
    other.reset(seed=2)
    theirs = other.render()
    assert not np.array_equal(mine, theirs)
    assert np.array_equal(world.render(), mine)
    assert np.array_equal(other.render(), theirs)
    other.close()
    assert np.array_equal(world.render(), mine)


@needs_metaworld
def test_labels_point_at_the_goal_marker_that_is_drawn(world):
    """Recolour the marker alone: the pixels that change are where the labels say, if there are any."""
    visible = []
    for seed in (3, 4, 5, 6):
        before, _ = world.reset(seed=seed, options={"family": "reach"})
        site = world._simulator.env.model.site("goal")
        colour = site.rgba.copy()
        site.rgba[:] = (0, 1, 1, 1)
        after = views(world.render(), before[STATE])
        site.rgba[:] = colour
        place = dict(zip(world.features.points, world.labels(), strict=True))
        for name, size in ((CAMERA, 128), (HAND, 96)):
            changed = np.abs(after[name].astype(int) - before[image_key(name)]).sum(-1) > 30
            rows, columns = np.nonzero(changed)
            u, v = place[f"{name}.place.u"], place[f"{name}.place.v"]
            visible.append(place[f"{name}.place.visible"])
            whole = visible[-1] and min(u, v, 1 - u, 1 - v) > 0.08
            if whole:
                assert len(rows) >= 3
                assert u * size == pytest.approx(columns.mean() + 0.5, abs=1.5)
                assert v * size == pytest.approx(rows.mean() + 0.5, abs=1.5)
            elif not visible[-1]:
                assert len(rows) < 30
    assert all(visible[::2]) and any(visible[1::2])


@needs_metaworld
def test_nothing_past_the_first_four_numbers_reaches_a_policy(world):
    """Permute what is privileged: everything a policy is given stays as it is, so no action can change."""

    class Seeing:
        """Act on every number of an observation."""

        def reset(self):
            pass

        def act(self, observation):
            seen = [observation[STATE].sum(), observation[PICTURE].mean(), observation[CLOSE].mean()]
            seen += [len(observation) + len(observation[TASK])]
            return Chunk(np.sin(np.array([seen], np.float32)))

    rng = np.random.default_rng(0)
    for family in FEW:
        world.reset(seed=8, options={"family": family})
        world.step(np.zeros(4, np.float32))
        before = world.observe()
        world._raw = np.concatenate([world._raw[:4], rng.permutation(world._raw[4:])])
        after = world.observe()
        assert before.keys() == after.keys() == {PICTURE, CLOSE, STATE, TASK}
        assert all(np.array_equal(before[key], after[key]) for key in before)
        assert np.array_equal(Seeing().act(before).actions, Seeing().act(after).actions)
        assert before[STATE].shape == (4,)


def test_any_three_seeds_hear_every_held_out_sentence():
    said = [ask(task, seed, {"wording": "heldout"}).instruction for task in TASKS for seed in (7, 8, 9)]
    assert sorted(said) == sorted(sentence for asked in TASKS.values() for sentence in asked.heldout)


def test_a_wrong_sentence_is_that_of_another_task_and_differs_from_task_to_task():
    wrong = {task: ask(task, 2_000_000, {"wording": "wrong"}).instruction for task in TASKS}
    assert len(set(wrong.values())) > 20
    assert set(wrong.values()) <= {asked.instruction for asked in TASKS.values()}
    assert all(said != TASKS[task].instruction for task, said in wrong.items())
    assert wrong["push"] != ask("push", 2_000_001, {"wording": "wrong"}).instruction


def test_what_is_asked_unless_an_option_says_otherwise_is_the_sentence_of_the_task():
    assert all(ask(task, 3, {}).instruction == asked.instruction for task, asked in TASKS.items())


@needs_metaworld
def test_held_out_wording_and_sentences_of_ones_own(world):
    options = {"family": "soccer", "wording": "heldout"}
    said = {world.reset(seed=seed, options=options)[0][TASK] for seed in range(3)}
    assert said == set(TASKS["soccer"].heldout)
    for sentence in ("", "dance"):
        observation, _ = world.reset(seed=1, options={"family": "soccer", "instruction": sentence})
        assert observation[TASK] == world.task.instruction == sentence


@needs_metaworld
@pytest.mark.parametrize(
    "disturbance",
    [
        *({"camera_shift_m": (0.05, 0.0, 0.0)}, {"camera_shift_m": 0.05}, {"camera_turn_deg": 5}),
        *({"light": 0.6}, {"image_noise": 8}),
    ],
)
def test_disturbances_change_the_picture_alone_and_are_gone_in_the_next_episode(world, disturbance):
    before, _ = world.reset(seed=1, options={"family": "reach"})
    raw = world.raw
    disturbed, _ = world.reset(seed=1, options={"family": "reach", **disturbance})
    assert np.array_equal(world.raw, raw)
    same, _ = world.reset(seed=1, options={"family": "reach", **disturbance})
    after, _ = world.reset(seed=1, options={"family": "reach"})
    for key in (PICTURE, CLOSE):
        assert np.abs(disturbed[key].astype(int) - before[key]).mean() > 1
        assert np.array_equal(same[key], disturbed[key])
        assert np.array_equal(after[key], before[key])


@needs_metaworld
def test_not_looking_changes_nothing_of_what_is_seen_later(world):
    options, push = {"family": "reach", "image_noise": 8}, np.array([0.3, -0.2, -0.4, 1.0], np.float32)
    world.reset(seed=1, options=options)
    for _ in range(3):
        watched, _, *told = world.step(push)
    world.reset(seed=1, options=options)
    for _ in range(2):
        world.step(push, render=False)
    blind, _, *the_same = world.step(push)
    assert told == the_same
    assert all(np.array_equal(watched[key], blind[key]) for key in watched)


@needs_metaworld
def test_a_length_moves_the_camera_as_far_in_a_direction_that_follows_the_seed(world):
    moved = []
    for seed in (1, 2, 1):
        world.reset(seed=seed, options={"family": "reach", "camera_shift_m": 0.1})
        moved.append(world._simulator.env.data.camera(CAMERA).xpos - CAMERA_M)
    assert np.linalg.norm(moved, axis=1) == pytest.approx([0.1] * 3)
    assert np.array_equal(moved[0], moved[2]) and not np.allclose(moved[0], moved[1])
    with pytest.raises(ValueError, match="one number of metres or three"):
        world.reset(seed=1, options={"family": "reach", "camera_shift_m": (0.1, 0.2)})


@needs_metaworld
def test_labels_follow_a_camera_that_was_moved(world):
    world.reset(seed=1, options={"family": "reach"})
    straight = world.labels()
    world.reset(seed=1, options={"family": "reach", "camera_turn_deg": 5})
    moved = world.labels() - straight
    assert moved[2] == 0 and abs(moved[0]) > 0.05 and abs(moved[1]) < 0.04


@needs_metaworld
def test_the_square_around_the_hand_does_not_follow_a_camera_that_was_moved(world):
    """Nobody tells a policy that the camera moved: what its square shows moves along."""
    options = {"family": "reach", "camera_turn_deg": 2}
    observation, _ = world.reset(seed=1, options=options)
    assert np.array_equal(observation[CLOSE], views(world.render(), observation[STATE])[HAND])
    points = dict(zip(world.features.points, world.labels(), strict=True))
    world.reset(seed=1, options={"family": "reach"})
    straight = dict(zip(world.features.points, world.labels(), strict=True))
    assert abs(points["hand.object.u"] - straight["hand.object.u"]) > 0.05


@needs_metaworld
def test_an_episode_ends_on_success_and_at_500_steps_without(world):
    episode = rollout(world, Expert(world), 2_000_000, family="handle-press")
    assert episode.success and episode.conditions == {CONDITION: True} and episode.steps < 100
    world.reset(seed=1, options={"family": "reach"})
    env = world._simulator.env
    env.curr_path_length = env.max_path_length - 1
    *_, terminated, truncated, info = world.step(np.zeros(4, np.float32))
    assert truncated and not terminated and not info["is_success"]
    assert env.max_path_length == world.task.horizon == 500


def test_a_sentence_finds_its_task_and_an_unknown_one_is_answered_with_the_nearest():
    assert task_of("Reach a goal position.") == "reach"
    assert all(task_of(sentence) == task for task, asked in TASKS.items() for sentence in asked.heldout)
    with pytest.raises(UnknownNameError, match="Did you mean 'open a drawer'"):
        task_of("open the drawer wide")


@needs_metaworld
def test_the_robot_of_a_simulation_is_found_by_what_it_is_asked(world):
    robot = simulated(world.features, "Reach a goal position", tell=lambda _: None)
    assert robot.world.task.family == "reach" and robot.instruction == "Reach a goal position"
    robot.disconnect()
