"""Levels of Meta-World's axes are as much as they say, and are gone in the next episode."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from sayso.sim.dynamics import Dynamics, Motors
from sayso.spec import TASK, image_key
from sayso.tasks.axes import METAWORLD, METAWORLD_CAMERA, METAWORLD_DYNAMICS, METAWORLD_START
from sayso.tasks.mt50_paraphrases import PARAPHRASES
from sayso.tasks.sawyer import CAMERA

pytest.importorskip("metaworld", reason="pip install 'sayso[metaworld]'")
from sayso.tasks.metaworld import MetaWorld

SEED, PICTURE = 1_000_001, image_key(CAMERA)


@pytest.fixture(scope="module")
def world():
    made = MetaWorld(draw_px=128)
    yield made
    made.close()


def begun(world, options=None, family="reach"):
    return world.reset(seed=SEED, options={"family": family, **(options or {})})[0]


def test_the_camera_stands_as_far_off_and_is_turned_as_much_as_the_level_says(world):
    begun(world)
    model = world.physics().model
    camera = model.camera(CAMERA).id
    place, rotation = model.cam_pos[camera].copy(), model.cam_quat[camera].copy()
    begun(world, METAWORLD_CAMERA.change(3))
    turn = np.zeros(3)
    mujoco.mju_subQuat(turn, model.cam_quat[camera], rotation)
    assert np.linalg.norm(model.cam_pos[camera] - place) == pytest.approx(0.09)
    assert math.degrees(np.linalg.norm(turn)) == pytest.approx(9)


@pytest.mark.parametrize("axis", METAWORLD, ids=lambda axis: axis.name)
def test_a_level_changes_an_episode_and_the_next_one_is_as_it_was(world, axis):
    def three_steps(options=None):
        begun(world, options)
        for push in (0.5, -0.5, 1.0):
            observation, *_ = world.step(np.full(4, push, np.float32))
        return observation

    before, changed, after = three_steps(), three_steps(axis.change(axis.levels[-1])), three_steps()
    assert any(not np.array_equal(before[key], changed[key]) for key in before)
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_a_task_without_a_wall_has_other_textures_too(world):
    before = begun(world, family="hand-insert")[PICTURE].astype(int)
    assert np.abs(begun(world, {"photographs": 1.0}, "hand-insert")[PICTURE] - before).mean() > 10


def test_the_hand_starts_as_far_off_as_the_level_says_and_not_lower(world):
    begun(world)
    usual = world.raw[:3]
    begun(world, METAWORLD_START.change(3))
    off = world.raw[:3] - usual
    assert np.linalg.norm(off) == pytest.approx(0.06, abs=0.01) and off[2] > -0.005


def test_things_are_heavier_or_lighter_by_what_the_level_says(world):
    begun(world, family="pick-place")
    model = world.physics().model
    (thing,) = [b for b in range(model.nbody) if model.body_dofnum[b] == 6]
    mass = model.body_mass[thing]
    begun(world, METAWORLD_DYNAMICS.change(3), family="pick-place")
    ratio = model.body_mass[thing] / mass
    assert max(ratio, 1 / ratio) == pytest.approx(1.9)


def test_free_paraphrases_take_turns_and_a_blank_one_says_nothing(world):
    assert begun(world, {"wording": "free"})[TASK] in PARAPHRASES["reach"]
    assert begun(world, {"wording": "blank"})[TASK] == ""
    assert begun(world, {"wording": "typed"})[TASK] != begun(world)[TASK]


def test_a_delay_of_half_a_step_is_half_way_between_two_commands():
    motors = Motors(Dynamics(delay_s=0.00625), step_s=0.0125)
    motors.rest_at(np.zeros(1))
    assert [motors.follow(np.ones(1))[0] for _ in range(3)] == [0.5, 1.0, 1.0]
