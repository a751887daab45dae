"""The front camera and the lamps can be disturbed while a scene runs, and put right again."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.sim.disturbance import Disturbance, Disturber
from sayso.spec import image_key
from sayso.tasks.worlds import make_world

FRONT, WRIST = image_key("front"), image_key("wrist")


@pytest.fixture(scope="module", params=["tabletop", "home"])
def staged(request):
    world = make_world(request.param)
    world.reset(seed=2_000_000)
    yield world, Disturber(world.physics())
    world.close()


def test_light_dims_and_brightens_every_picture(staged):
    world, disturber = staged
    means = []
    for light in (0.4, 1.0, 1.6):
        disturber.show(Disturbance(light=light))
        seen = world.observe()
        means.append([seen[FRONT].mean(), seen[WRIST].mean()])
    assert np.all(np.diff(means, axis=0) > 5), means


def test_the_front_camera_moves_along_its_own_axes_and_the_other_one_stays(staged):
    world, disturber = staged
    disturber.show(Disturbance())
    before, wrist = world.simulation.data.camera("front").xpos.copy(), world.observe()[WRIST]
    axes = world.simulation.data.camera("front").xmat.reshape(3, 3).copy()
    disturber.show(Disturbance(right_m=0.03, up_m=-0.02))
    moved = world.simulation.data.camera("front").xpos - before
    np.testing.assert_allclose(axes.T @ moved, [0.03, -0.02, 0], atol=1e-6)
    np.testing.assert_array_equal(world.observe()[WRIST], wrist)


@pytest.mark.parametrize(
    ("turn", "axis", "sign"),
    [(Disturbance(pan_deg=10), 0, 1), (Disturbance(tilt_deg=10), 1, 1), (Disturbance(pan_deg=-10), 0, -1)],
)
def test_it_pans_to_the_right_and_tilts_upwards(staged, turn, axis, sign):
    world, disturber = staged
    disturber.show(Disturbance())
    axes = world.simulation.data.camera("front").xmat.reshape(3, 3).copy()
    disturber.show(turn)
    looks = -world.simulation.data.camera("front").xmat.reshape(3, 3)[:, 2]
    seen = axes.T @ looks  # right, up, backward
    assert seen[axis] == pytest.approx(sign * np.sin(np.radians(10)), abs=1e-6)


def test_what_is_put_right_looks_as_before_bit_for_bit_and_nothing_else_moved(staged):
    world, disturber = staged
    disturber.show(Disturbance())
    before, state = world.observe(), world.simulation.data.qpos.copy()
    disturber.show(Disturbance(right_m=0.05, up_m=0.05, pan_deg=5, tilt_deg=-5, light=0.5))
    assert not np.array_equal(world.observe()[FRONT], before[FRONT])
    disturber.show(Disturbance())
    for key in (FRONT, WRIST):
        np.testing.assert_array_equal(world.observe()[key], before[key])
    np.testing.assert_array_equal(world.simulation.data.qpos, state)
