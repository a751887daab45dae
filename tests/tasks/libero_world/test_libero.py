"""LIBERO behind our contracts: LeRobot's episode to the bit, and nothing privileged is seen."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import sayso  # noqa: F401 (registers the worlds)
from sayso.evaluation.rollout import rollout
from sayso.spec import SPLITS, STATE, TASK, Chunk, UnknownNameError, image_key, seeds
from sayso.tasks.libero.panda import AGENT, EYES, WRIST
from sayso.tasks.libero.suites import FAMILIES, PRO_FAMILIES, place_of, said
from sayso.tasks.worlds import make_world

pytest.importorskip("robosuite", reason="pip install 'sayso[libero]'")
from sayso.tasks.libero.simulators import SETTLE_STEPS, files_of, official_states, sentence_of
from sayso.tasks.libero.world import LEROBOT_PX, Libero

PICTURES = (image_key(AGENT), image_key(WRIST))
FAMILY = "goal-7"
"""Turns on a stove: nothing has to be carried, and its scene has furniture, a drawer and things."""
FIRST = SPLITS["test"].start


@pytest.fixture(scope="module")
def world():
    world = Libero(draw_px=128)
    yield world
    world.close()


def test_it_is_registered_with_gymnasium_and_takes_tasks_of_libero_pro_by_name():
    env = gymnasium.make("sayso/Libero-v0", family="goal_lan-0", draw_px=64)
    observation, info = env.reset(seed=1)
    assert info["family"] == "goal_lan-0" and observation[TASK] == "open the cabinet's middle drawer"
    env.close()


def test_sentences_are_those_by_which_libero_calls_its_files_and_libero_pros_those_in_them():
    for family in FAMILIES:
        name = files_of(family).problem.stem
        assert (
            said(family) == name[name.find("SCENE") + 7 if "SCENE" in name else 0 :].replace("_", " ").strip()
        )
    assert sentence_of("spatial-0", in_file=True).startswith("pick the akita black bowl between")
    assert sentence_of("goal_task-0") == "open the bottom drawer of the cabinet"
    assert sentence_of("goal_task-0", in_file=False) == said("goal-0")


def test_all_tasks_of_libero_pro_are_in_the_package_with_their_states():
    for family in PRO_FAMILIES:
        assert sentence_of(family) and len(official_states(family)) in (10, 50)


class LeRobots:
    """LeRobot's own environment as far as a policy meets it: its lines, written out."""

    def __init__(self, family: str) -> None:
        from libero.libero.envs import OffScreenRenderEnv

        self._env = OffScreenRenderEnv(
            bddl_file_name=str(files_of(family).problem), camera_heights=LEROBOT_PX, camera_widths=LEROBOT_PX
        )
        self._states = official_states(family)

    def reset(self, seed, state):
        # It grows from reset to reset, so that places would follow how many there were.
        self._env.env.object_property_initializers.clear()
        self._env.seed(seed)
        self._env.reset()
        self._raw = self._env.set_init_state(self._states[state])
        for _ in range(SETTLE_STEPS):
            self._raw, *_ = self._env.step([0, 0, 0, 0, 0, 0, -1])

    def step(self, action):
        self._raw, *_ = self._env.step(action)
        return self._env.check_success()

    def look(self):
        from robosuite.utils.transform_utils import quat2axisangle

        raw = self._raw
        turn = quat2axisangle(raw["robot0_eef_quat"].copy())
        state = np.concatenate([raw["robot0_eef_pos"], turn, raw["robot0_gripper_qpos"]])
        return [raw[f"{EYES[name].name}_image"][::-1] for name in (AGENT, WRIST)], state

    @property
    def positions(self):
        return self._env.sim.data.qpos


def compare_with_lerobot():
    """Step LeRobot's environment and ours side by side."""
    theirs, ours = LeRobots(FAMILY), make_world("libero-lerobot", draw_px=LEROBOT_PX)
    fast = make_world("libero", draw_px=64)
    seed, rng = FIRST + 3, np.random.default_rng(0)
    theirs.reset(seed, 3)
    options = {"family": FAMILY}
    seen, _ = ours.reset(seed=seed, options=options)
    fast.reset(seed=seed, options=options)
    for _ in range(4):
        pictures, state = theirs.look()
        np.testing.assert_array_equal(ours.render(), pictures[0])
        np.testing.assert_array_equal(
            ours._cameras.picture(ours.simulator.shown, EYES[WRIST].name), pictures[1]
        )
        np.testing.assert_array_equal(seen[STATE], state.astype(np.float32))
        for each in (ours, fast):
            np.testing.assert_array_equal(each.simulator.data.qpos, theirs.positions)
        action = rng.uniform(-1, 1, 7).astype(np.float32)
        success = theirs.step(action)
        seen, *_, info = ours.step(action)
        fast.step(action, render=False)
        assert success == info["is_success"]
    fast.close()
    ours.close()


def test_pictures_state_and_physics_are_lerobots_to_the_bit():
    """In a process of its own: robosuite frees what it drew with in whichever context is current."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        apart.submit(compare_with_lerobot).result()


def test_the_test_split_begins_in_the_benchmarks_states_in_turn_and_no_other_seed_does(world):
    states = official_states(FAMILY)

    def distance_m(seed, **options):
        """Return how far from where each state has them things stand at the first look, at most, [50]."""
        world.reset(seed=seed, options={"family": FAMILY, **options})
        simulator = world.simulator
        joints = [thing.joints[-1] for thing in simulator.env.objects_dict.values()]
        at = [simulator.model.joint(joint).qposadr[0] for joint in joints]
        across = [number for start in at for number in (start, start + 1)]
        return np.abs(states[:, 1:][:, across] - simulator.data.qpos[across]).max(axis=1)

    for seed, state in ((FIRST, 0), (FIRST + 7, 7), (FIRST + 57, 7)):
        distances_m = distance_m(seed)
        assert distances_m.argmin() == state and distances_m.min() < 0.001
    for split in ("train", "validation"):
        assert distance_m(seeds(split, 1)[0]).min() > 0.002
    assert distance_m(1, official=4).argmin() == 4
    assert distance_m(FIRST, official=-1).min() > 0.002


def test_an_episode_does_not_depend_on_those_before(world):
    fresh = Libero(draw_px=128)
    for seed in (5, FIRST):
        first, _ = fresh.reset(seed=seed, options={"family": FAMILY})
        for before in (1, 2):
            world.reset(seed=before, options={"family": FAMILY})
            world.step(np.full(7, 0.5, np.float32))
        again, _ = world.reset(seed=seed, options={"family": FAMILY})
        assert all(np.array_equal(first[key], again[key]) for key in first)
    fresh.close()


def test_numpys_global_generator_is_left_as_it_was(world):
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    world.reset(seed=1, options={"family": FAMILY})
    assert np.random.rand() == expected


def test_nothing_but_pictures_the_robots_own_state_and_the_sentence_reaches_a_policy(world):
    """Move what is privileged where no camera looks: what a policy is given stays as it is."""

    class Seeing:
        """Act on every number of an observation."""

        def reset(self):
            pass

        def act(self, observation):
            seen = [observation[key].astype(float).mean() for key in (STATE, *PICTURES)]
            return Chunk(
                np.sin(np.outer(np.ones(1), [*seen, len(observation), len(observation[TASK]), 0, 0]))
            )

    world.reset(seed=8, options={"family": FAMILY})
    world.step(np.zeros(7, np.float32))
    before = world.observe()
    assert before.keys() == {*PICTURES, STATE, TASK} and before[STATE].shape == (8,)
    data, rng = world.simulator.data, np.random.default_rng(0)
    data.qvel[:] = rng.normal(size=len(data.qvel))
    data.xpos[:] = rng.permutation(data.xpos)
    data.sensordata[:] = rng.normal(size=len(data.sensordata))
    world.simulator.env._obs_cache.clear()
    after = world.observe()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert np.array_equal(Seeing().act(before).actions, Seeing().act(after).actions)


def test_what_is_felt_does_not_know_where_things_are(world):
    """Two scenes with other places, and the robot in one: the state is the same, and pictures are not."""
    one, _ = world.reset(seed=1, options={"family": FAMILY})
    other, _ = world.reset(seed=2, options={"family": FAMILY})
    np.testing.assert_allclose(one[STATE], other[STATE], atol=1e-3)
    assert not np.array_equal(one[PICTURES[0]], other[PICTURES[0]])


def test_conditions_are_the_predicates_of_the_goal_and_success_is_liberos(world):
    _, info = world.reset(seed=1, options={"family": FAMILY})
    assert info["conditions"] == {"turnon_flat_stove_1": False} and not info["is_success"]
    simulator = world.simulator
    (knob,) = (j for j in range(simulator.model.njnt) if "flat_stove" in simulator.model.joint(j).name)
    simulator.data.joint(knob).qpos[:] = 1.5
    *_, terminated, truncated, info = world.step(np.zeros(7, np.float32))
    assert terminated and not truncated and info["is_success"] and all(info["conditions"].values())


def test_an_episode_ends_after_as_many_steps_as_lerobots(world):
    world.reset(seed=1, options={"family": FAMILY})
    world._steps = world.task.horizon - 1
    *_, terminated, truncated, _ = world.step(np.zeros(7, np.float32))
    assert truncated and not terminated and world.task.horizon == 300


def test_two_worlds_side_by_side_draw_their_own_scenes(world):
    world.reset(seed=2, options={"family": FAMILY})
    mine = world.render()
    other = Libero(draw_px=128)
    other.reset(seed=2, options={"family": "object-3"})
    theirs = other.render()
    assert not np.array_equal(mine, theirs)
    assert np.array_equal(world.render(), mine) and np.array_equal(other.render(), theirs)
    other.close()
    assert np.array_equal(world.render(), mine)


def test_labels_point_at_what_is_asked_for(world):
    """Hide the thing alone: the pixels that change lie around where the label says."""
    before, _ = world.reset(seed=3, options={"family": "object-3"})
    place = dict(zip(world.features.points, world.labels(), strict=True))
    drawn = world.simulator.drawn
    body = world.simulator.body_of("bbq_sauce_1")
    mine = [
        g for g in range(drawn.ngeom) if drawn.body_rootid[drawn.geom_bodyid[g]] == drawn.body_rootid[body]
    ]
    groups = drawn.geom_group[mine].copy()
    drawn.geom_group[mine] = 3
    after = world.observe()
    drawn.geom_group[mine] = groups
    for name in (AGENT, WRIST):
        changed = np.abs(after[image_key(name)].astype(int) - before[image_key(name)]).sum(-1) > 30
        rows, columns = np.nonzero(changed)
        if place[f"{name}.object.visible"] and len(rows):
            assert place[f"{name}.object.u"] * 128 == pytest.approx(columns.mean() + 0.5, abs=4)
            assert place[f"{name}.object.v"] * 128 == pytest.approx(rows.mean() + 0.5, abs=6)
    assert place[f"{AGENT}.object.visible"] and place[f"{AGENT}.place.visible"]


def test_another_task_of_the_same_scene_comes_with_its_own_place(world):
    world.reset(seed=3, options={"family": "object-3"})
    sentence, points = world.other_labels()
    assert sentence != world.task.instruction and sentence.endswith("and place it in the basket")
    same = np.isclose(points, world.labels())
    assert same[3:6].all() and not same[:3].all()  # the basket is the place of both
    world.reset(seed=3, options={"family": "spatial-3"})
    assert world.other_labels() is None


def test_a_policy_that_does_nothing_fails_in_a_whole_episode(world):
    class Still:
        def reset(self):
            pass

        def act(self, observation):
            return Chunk(np.zeros((50, 7), np.float32))

    episode = rollout(world, Still(), FIRST, family=FAMILY, execute=50)
    assert not episode.success and episode.steps == 300 and episode.failed_conditions


@pytest.mark.parametrize("options", [{"famly": FAMILY}, {"family": "goal-10"}, {"wording": "held out"}])
def test_a_reset_option_that_is_not_known_is_refused(world, options):
    with pytest.raises(UnknownNameError):
        world.reset(seed=0, options=options)


def test_it_cannot_be_drawn_in_no_pixels():
    with pytest.raises(ValueError, match="draw_px=0"):
        Libero(draw_px=0)


def test_free_paraphrases_are_libero_pros(world):
    observation, _ = world.reset(seed=1, options={"family": FAMILY, "wording": "free"})
    assert observation[TASK] == sentence_of("goal_lan-7") == "switch on the stove"


def test_files_are_found_whatever_folder_one_is_in(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert all(Path(files_of(family).problem).is_file() for family in ("spatial-0", "long-9"))
    assert place_of("long-9")[0].folder in str(files_of("long-9").states)
