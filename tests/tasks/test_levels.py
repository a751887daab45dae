"""Levels of the household's axes are as much as they say: cameras, lamps, pixels, things, motors."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from gymnasium.utils import seeding

from sayso.geometry import wrap_angle
from sayso.sim.dynamics import Dynamics, Motors
from sayso.sim.objects import shape_of
from sayso.sim.optics import Optics
from sayso.sim.simulation import camera_name
from sayso.spec import image_key
from sayso.tasks.axes import BACKGROUND, CAMERA, DYNAMICS, HOUSEHOLD, IMAGE, LAYOUT, LIGHT, OBJECTS, START
from sayso.tasks.household import home, tabletop
from sayso.tasks.household.clutter import cluttered
from sayso.tasks.household.draw import draw_task
from sayso.tasks.household.layout import held_out
from sayso.tasks.household.words.kinds import HELD_OUT_KINDS, HELD_OUT_PAIRS
from sayso.tasks.worlds import make_world

SEED = 1_000_001
FRONT = image_key("front")


@pytest.fixture(scope="module", params=["tabletop", "home"])
def world(request):
    made = make_world(request.param)
    yield made
    made.close()


def begun(world, options=None, family="put", seed=SEED):
    observation, _ = world.reset(seed=seed, options={"family": family, **(options or {})})
    return observation


def poses(world):
    """Return each camera's place and rotation in what carries it."""
    model = world.simulation.model
    cameras = [model.camera(camera_name(name)).id for name in ("front", "wrist")]
    return model.cam_pos[cameras].copy(), model.cam_quat[cameras].copy()


def angle_deg(first, second):
    between = np.zeros(3)
    mujoco.mju_subQuat(between, first, second)
    return math.degrees(float(np.linalg.norm(between)))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_cameras_stand_as_far_off_and_are_turned_as_much_as_the_level_says(world, k):
    begun(world)
    places, rotations = poses(world)
    directions = []
    for seed in (SEED, SEED + 1):
        begun(world, CAMERA.change(k), seed=seed)
        moved, turned = poses(world)
        off = np.linalg.norm(moved - places, axis=1)
        np.testing.assert_allclose(off, [0.03 * k, 0.002 * k], atol=1e-9)
        turns = [angle_deg(*pair) for pair in zip(turned, rotations, strict=True)]
        np.testing.assert_allclose(turns, [3 * k, k], atol=1e-6)
        directions.append((moved - places)[0] / off[0])
    assert directions[0] @ directions[1] < 0.99, "another seed moves it elsewhere"


def test_a_level_is_drawn_from_seed_and_family_alone_and_leaves_the_scene_as_it_was(world):
    before = begun(world)
    task = world.task
    for axis in HOUSEHOLD:
        farthest = (
            2 if axis.name == "objects" else -1
        )  # what is beyond may not be installed; see test_mesh_kinds
        once, again = (begun(world, axis.change(axis.levels[farthest])) for _ in range(2))
        assert all(np.array_equal(once[key], again[key]) for key in once), axis.name
        if axis.name not in ("objects", "words", "layout"):
            assert (world.task.layout.items, world.task.instruction) == (task.layout.items, task.instruction)
    after = begun(world)
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("k", [1, 5])
def test_lamps_are_as_dim_as_coloured_and_as_far_aside_as_the_level_says(world, k):
    begun(world)
    model = world.simulation.model
    bright, hung = model.light_diffuse.copy(), model.light_pos.copy()
    begun(world, LIGHT.change(k))
    model = world.simulation.model
    ratio = (model.light_diffuse / bright)[0]
    assert ratio.mean() == pytest.approx(0.8 - 0.1 * k, rel=1e-5)
    assert np.abs(ratio / ratio.mean() - 1).max() == pytest.approx(0.06 * k, rel=1e-4)
    np.testing.assert_allclose(np.hypot(*(model.light_pos - hung)[0, :2]), 0.6 + 0.2 * k, rtol=1e-5)


def test_the_table_is_repainted_then_patterned_then_covered_with_photographs(world):
    stds = {}
    plain = begun(world)[FRONT].astype(float)
    for k in range(1, 6):
        look = begun(world, BACKGROUND.change(k))[FRONT].astype(float)
        assert np.abs(look - plain).mean() > 15, k
        textures = world.simulation.layout.appearance.textures
        assert len(textures) == (3 if k >= 3 else 0)
        stds[k] = [texture.image().std(axis=(0, 1)).mean() for texture in textures]
    assert np.all(np.array(stds[4]) < 0.6 * np.array(stds[5])) and min(stds[3]) > 5


def test_pictures_are_spoilt_as_much_as_the_level_says():
    rng = np.random.default_rng(0)
    grey = {"front": np.full((128, 128, 3), 100, np.uint8)}
    noisy = Optics(noise=9.0).spoil(grey, rng)["front"].astype(float)
    assert noisy.std() == pytest.approx(9.0, rel=0.05) and noisy.mean() == pytest.approx(100, abs=0.5)
    bright = Optics(exposure=0.45).spoil(grey, rng)["front"]
    assert bright.mean() == pytest.approx(100 * 2**0.45, abs=1)
    cast = Optics(white=(1.15, 0.9, 0.95)).spoil(grey, rng)["front"]
    np.testing.assert_allclose(cast[0, 0], [115, 90, 95], atol=1)
    edge = {"front": np.repeat(np.repeat([[0, 200]], 64, axis=1), 64, axis=0)[..., None].astype(np.uint8)}
    edge = {"front": np.repeat(edge["front"], 3, axis=2)}
    steps = [
        np.diff(Optics(blur_px=px).spoil(edge, rng)["front"][0, :, 0].astype(int)).max() for px in (0.5, 1.25)
    ]
    assert 200 > steps[0] > steps[1], "a blur makes an edge less steep"
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    off = [
        np.abs(Optics(jpeg=q).spoil({"a": pixels}, rng)["a"].astype(int) - pixels).mean() for q in (80, 20)
    ]
    assert off[0] < off[1]
    assert [Optics().spoil(grey, rng)["front"].std()] == [0]


def test_the_whole_level_of_the_image_axis_reaches_the_pictures(world):
    clear = begun(world)[FRONT].astype(float)
    off = [np.abs(begun(world, IMAGE.change(k))[FRONT] - clear).mean() for k in range(1, 6)]
    assert np.all(np.diff(off) > 0) and off[0] > 3


@pytest.mark.parametrize("k", [1, 3, 5])
def test_so_many_more_things_lie_there_and_one_is_as_close_to_the_named_one_as_the_level_says(world, k):
    begun(world)
    before = {item.name for item in world.task.layout.items}
    begun(world, LAYOUT.change(k))
    items = {item.name: item for item in world.task.layout.items}
    more = [item for name, item in items.items() if name not in before]
    assert len(more) == k and before < set(items)
    assert not any(held_out(world.task.things[item.name]) for item in more)
    named = items[world.task.object_name]
    gaps = [
        math.dist(named.position_m[:2], item.position_m[:2])
        - shape_of(named).radius_m
        - shape_of(item).radius_m
        for item in more
    ]
    assert min(gaps) == pytest.approx((52 - 6 * k) / 1000, abs=1e-6) == gaps[0]


@pytest.mark.parametrize(("family", "seed"), [("put", 1_000_108), ("stack", 1_000_103)])
def test_where_the_named_thing_lies_on_a_mat_or_is_hemmed_in_there_is_still_room(family, seed):
    task = draw_task("tabletop", family, seeding.np_random(seed)[0])
    assert len(cluttered(task, 5, 0.022, seed).layout.items) == len(task.layout.items) + 5


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_robot_starts_farther_than_training_ever_lets_it(world, k):
    begun(world, START.change(k))
    usual = home if world.name == "home" else tabletop
    hand = world.simulation.arm_from_world(world.simulation.tcp()[0])
    assert hand[2] == pytest.approx(usual.POSTURES.height_m[1] + 0.02 * k, abs=0.006)
    assert hand[2] > usual.POSTURES.height_m[1]
    if world.name == "home":
        _, y, heading = world.task.layout.robot_pose
        assert abs(y) == pytest.approx(home.START_ASIDE_M + 0.02 * k)
        assert abs(wrap_angle(heading)) == pytest.approx(home.START_TURN_RAD + math.radians(4 * k))


@pytest.mark.parametrize("k", [1, 5])
def test_things_weigh_and_slide_as_the_level_says(world, k):
    begun(world)
    model = world.simulation.model
    name = world.task.object_name
    mass, friction = model.body(name).mass[0], model.geom_friction[:, 0].copy()
    begun(world, DYNAMICS.change(k))
    model = world.simulation.model
    heavier = model.body(name).mass[0] / mass
    assert max(heavier, 1 / heavier) == pytest.approx(1 + 0.3 * k)
    stickier = model.geom_friction[:, 0] / friction
    assert np.ptp(stickier) < 1e-6 and max(stickier[0], 1 / stickier[0]) == pytest.approx(1 + 0.15 * k)


def test_motors_hear_late_and_follow_with_their_time_constant():
    motors = Motors(Dynamics(lag_s=0.03, delay_s=0.05), step_s=0.005)
    motors.rest_at(np.zeros(1))
    reached = [motors.follow(np.ones(1))[0] for _ in range(40)]
    assert reached[:10] == [0.0] * 10 and reached[10] > 0, "50 ms are ten steps of 5 ms"
    assert reached[10 + 5] == pytest.approx(1 - math.exp(-1), abs=0.01), "a time constant later"


def test_unseen_pairs_and_kinds_are_what_no_training_shows(world):
    for seed in range(SEED, SEED + 4):
        begun(world, OBJECTS.change(1), seed=seed)
        named = world.task.intent.object
        assert (named.colour, named.kind) in HELD_OUT_PAIRS and named.kind not in HELD_OUT_KINDS
        begun(world, OBJECTS.change(2), seed=seed)
        assert world.task.intent.object.kind in HELD_OUT_KINDS
