"""Culling: what is left out of a picture was not in it, to the last byte."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sayso.sim.culling import Culling
from sayso.sim.render import Cameras
from sayso.sim.simulation import camera_name
from sayso.tasks.worlds import make_world

TURNED = """<mujoco><worldbody><light pos="0 0 3"/>
<camera name="eye" pos="0 0 2" fovy="40"/>
<camera name="sensor" pos="0 0 2" sensorsize=".01 .01" focal=".01 .01"/>
<geom name="seen" size=".1"/><geom name="aside" size=".1" pos="2 0 0"/>
<geom name="above" size=".1" pos="0 0 3"/><geom name="edge" size=".1" pos=".8 0 0"/>
<geom name="floor" type="plane" size="1 1 1" pos="9 0 -1"/>
</worldbody></mujoco>"""


@pytest.fixture
def turned():
    model = mujoco.MjModel.from_xml_string(TURNED)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def names_outside(model, data, camera):
    outside = Culling(model).outside(data, model.camera(camera).id, 1.0)
    return {model.geom(int(shape)).name for shape in outside}


def test_what_lies_aside_or_behind_is_outside_and_what_reaches_in_is_not(turned):
    assert names_outside(*turned, "eye") == {"aside", "above"}


def test_a_wider_view_and_a_sensor_of_its_own_count(turned):
    model, _ = turned
    assert names_outside(*turned, "sensor") == set()
    model.camera("eye").fovy = 100
    assert names_outside(*turned, "eye") == {"above"}


def test_groups_are_as_they_were_also_after_an_error(turned):
    model, data = turned
    before = model.geom_group.copy()

    def drawing_fails():
        with Culling(model).hidden(data, 0, 1.0):
            assert (model.geom_group != before).sum() == 2
            raise KeyError

    with pytest.raises(KeyError):
        drawing_fails()
    assert (model.geom_group == before).all()


@pytest.mark.parametrize("name", ["tabletop", "home"])
def test_pictures_are_the_same_to_the_last_byte(name, monkeypatch):
    """Poses are drawn at random: the wrist camera looks everywhere, and the base stands anywhere."""
    world = make_world(name)
    world.reset(seed=7)
    simulation, rng, most = world.simulation, np.random.default_rng(7), 0
    cameras = Cameras(*np.max(list(world.features.cameras.values()), axis=0))
    cameras.load(simulation.model)
    for _ in range(12):
        simulation.data.qpos[simulation._joint_qpos] += rng.normal(0, 0.4, 6)
        if simulation.kind.mobile:
            simulation.data.qpos[simulation._base_qpos] = rng.normal(0, (0.3, 0.5, 1.5))
        mujoco.mj_forward(simulation.model, simulation.data)
        for camera, size in world.features.cameras.items():
            looked = simulation.data, camera_name(camera), size
            culled = cameras.picture(*looked)
            with monkeypatch.context() as patch:
                patch.setattr(Culling, "outside", lambda *_: np.empty(0, np.intp))
                assert (culled == cameras.picture(*looked)).all()
            outside = cameras._culling.outside(
                simulation.data, simulation.model.camera(camera_name(camera)).id, size[1] / size[0]
            )
            most = max(most, len(outside))
    assert most > 10
    cameras.close()
    world.close()
