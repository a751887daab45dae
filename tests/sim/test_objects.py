import math

import mujoco
import numpy as np
import pytest

from sayso.sim.kinematics import ArmKinematics
from sayso.sim.objects import MESHES, SHAPES, Item, shape_of
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.spec import UnknownNameError

MOVABLE = [kind for kind, shape in SHAPES.items() if shape.movable and kind not in MESHES]
ON_TABLES = [kind for kind, shape in SHAPES.items() if not shape.movable and kind not in ("drawer", "person")]
RED, BLUE = (0.85, 0.08, 0.08), (0.08, 0.2, 0.85)


def thing(kind, at=(0.25, 0.0, 0.0), name=None, **more):
    return Item(name=name or f"red {kind}", kind=kind, rgb=RED, position_m=at, **more)


def tabletop(*items):
    return Simulation("tabletop", Layout(items=items))


def home(*items, **more):
    return Simulation("home", Layout(items=items, **more))


def let_pass(simulation, seconds):
    for _ in range(round(seconds / simulation.model.opt.timestep)):
        mujoco.mj_step(simulation.model, simulation.data)


def row(kinds, **more):
    """Stand one thing of each kind in rows that leave room between them."""
    return [
        thing(kind, (0.15 + 0.14 * (i // 5), -0.4 + 0.2 * (i % 5), 0.0), **more)
        for i, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize("scale", [1.0, 1.25])
def test_every_movable_kind_stays_where_it_is_put(scale):
    simulation = tabletop(*row(MOVABLE, yaw_rad=0.7, scale=scale))
    names = [f"red {kind}" for kind in MOVABLE]
    before = {name: (simulation.position(name), simulation.data.body(name).xmat[8]) for name in names}
    let_pass(simulation, 2.0)
    for name, (position, upright) in before.items():
        assert simulation.position(name) == pytest.approx(position, abs=5e-4), name
        assert simulation.data.body(name).xmat[8] == pytest.approx(upright, abs=1e-3), name
        assert simulation.speed(name) < 1e-3, name


@pytest.mark.parametrize("kind", MOVABLE)
def test_jaws_open_far_enough_for_every_movable_kind_at_its_largest(kind):
    shape = shape_of(thing(kind, scale=1.25))
    assert 0.030 <= shape.width_m <= 0.060
    assert 0.010 <= shape.grasp_m < shape.height_m


def test_kinds_are_as_large_as_they_say_and_cost_at_most_a_dozen_geoms():
    simulation = tabletop(*row([*MOVABLE, *ON_TABLES]))
    model, data = simulation.model, simulation.data
    for name, shape in ((f"red {kind}", SHAPES[kind]) for kind in (*MOVABLE, *ON_TABLES)):
        body = model.body(name).id
        geoms = np.flatnonzero(model.geom_bodyid == body)
        assert 1 <= len(geoms) <= 12, name
        extent = np.zeros(3)
        for geom in geoms:
            rotation = np.abs(data.geom_xmat[geom].reshape(3, 3))
            middle = data.geom_xpos[geom] - data.xpos[body]
            if model.geom_contype[geom]:
                extent = np.maximum(extent, np.abs(middle) + rotation @ model.geom_aabb[geom][3:])
        assert extent[:2].max() < shape.radius_m * 1.06 + 0.001, name
        assert extent[2] < shape.height_m * 1.06 + 0.001, name


def test_scale_stretches_every_length_and_the_geoms():
    small, large = thing("can"), thing("can", scale=1.2)
    for length in ("radius_m", "height_m", "width_m", "grasp_m"):
        assert getattr(shape_of(large), length) == pytest.approx(1.2 * getattr(shape_of(small), length))
    heights = [tabletop(item).model.geom("red can").size[1] for item in (small, large)]
    assert heights[1] == pytest.approx(1.2 * heights[0])


@pytest.mark.parametrize("kind", ["ball", "apple"])
def test_what_is_round_comes_to_rest_within_a_second_of_being_pushed(kind):
    simulation = tabletop(thing(kind))
    start = simulation.model.body(f"red {kind}").dofadr[0]
    simulation.data.qvel[start + 1] = 0.25
    let_pass(simulation, 1.0)
    assert simulation.speed(f"red {kind}") < 0.01


def test_position_of_a_movable_thing_is_half_way_up():
    simulation = tabletop(thing("bottle"))
    assert simulation.position("red bottle")[2] == pytest.approx(SHAPES["bottle"].height_m / 2, abs=1e-3)


@pytest.mark.parametrize("kind", ["block", "ball", "bottle", "banana"])
def test_what_stands_in_or_on_a_container_is_inside_and_what_is_above_or_beside_is_not(kind):
    places = ["tray", "bowl", "basket", "plate", "mat"]
    spots = {place: np.array([0.25, -0.48 + 0.24 * i, 0.0]) for i, place in enumerate(places)}
    containers = [Item(name=p, kind=p, rgb=BLUE, position_m=tuple(at)) for p, at in spots.items()]
    for offset, expected in (((0, 0, 0.006), True), ((0, 0, 0.12), False), ((0.13, 0, 0), False)):
        things = [thing(kind, tuple(at + offset), name=f"on {p}") for p, at in spots.items()]
        simulation = tabletop(*containers, *things)
        if expected:
            let_pass(simulation, 1.0)
        for place in places:
            assert simulation.inside(f"on {place}", place) == expected, (place, offset)


def test_a_thing_on_a_thing_in_a_tray_is_not_inside_the_tray():
    tray = Item(name="place", kind="tray", rgb=BLUE, position_m=(0.25, 0.0, 0.0))
    simulation = tabletop(
        tray, thing("block", (0.25, 0, 0.004)), thing("block", (0.25, 0, 0.035), name="upper")
    )
    let_pass(simulation, 0.5)
    assert simulation.inside("red block", "place")
    assert not simulation.inside("upper", "place")


def test_things_lie_in_the_drawer_and_travel_with_it():
    at = home(drawer_m=0.16).position("drawer")
    can, block = thing("can", tuple(at + [0.0, 0.0, 0.001])), thing("block", (0.62, 0.0, 0.1))
    simulation = home(can, block, drawer_m=0.16)
    assert simulation.drawer_m == pytest.approx(0.16, abs=1e-3)
    assert simulation.inside("red can", "drawer")
    assert not simulation.inside("red block", "drawer")
    handle = simulation.handle()
    simulation.data.joint("drawer").qvel[0] = -0.5
    let_pass(simulation, 0.05)
    assert simulation.speed("drawer") > 0.05
    mujoco.mj_forward(simulation.model, simulation.data)
    assert simulation.handle()[0] - handle[0] == pytest.approx(0.16 - simulation.drawer_m, abs=1e-6)
    assert simulation.position("drawer")[0] - at[0] == pytest.approx(0.16 - simulation.drawer_m, abs=1e-3)


def test_things_dropped_into_the_basket_of_the_person_stay_there():
    at = home().position("person")
    simulation = home(thing("ball", tuple(at + [0.02, 0.01, 0.05])))
    let_pass(simulation, 1.0)
    assert simulation.inside("red ball", "person")


def test_furniture_and_drawer_are_no_part_of_the_robot():
    simulation = home(thing("block", (0.62, 0.0, 0.1)))
    bodies = {simulation.model.body(simulation.model.geom_bodyid[g]).name for g in simulation._robot_geoms}
    assert {"chassis", "arm_gripper"} <= bodies
    assert not bodies & {"world", "table", "sofa", "cabinet", "drawer", "person", "figure", "red block"}


def test_touching_the_drawer_is_noticed():
    simulation = home(drawer_m=0.1, robot_pose=(0.54, -1.25, 0.0))
    assert not simulation.touching("drawer")
    joints, kinematics = simulation.joints_rad, ArmKinematics()
    for _ in range(10):
        joints = kinematics.solve(joints, simulation.arm_from_world(simulation.handle()), 0.25, -math.pi / 2)
    simulation.place_robot((0.54, -1.25, 0.0), (*joints, 0.0))
    assert simulation.touching("drawer")


@pytest.mark.parametrize(
    ("x", "y"), [(0.07, 1.30), (0.26, 0.0), (0.26, 1.05), (0.62, 1.0), (0.26, -1.25), (0.66, -1.25)]
)
def test_the_robot_finds_room_in_its_lane_and_before_basket_and_sofa(x, y):
    simulation = home(robot_pose=(x, y, 0.0))
    hull = simulation.model.geom("hull").id
    assert hull not in simulation.data.contact.geom


def test_highest_remembers_a_lift_until_the_robot_is_placed_anew():
    simulation = tabletop(thing("block", (0.25, 0.0, 0.05)))
    simulation.data.qvel[simulation.model.body("red block").dofadr[0] + 2] = 1.5
    for _ in range(20):
        simulation.apply(simulation.state())
    assert 0.02 < simulation.highest("red block") < 0.15
    simulation.place_robot((0.0, 0.0, 0.0))
    assert simulation.highest("red block") == 0.0


def test_a_layout_says_how_the_arm_and_the_drawer_start():
    arm = (0.2, -0.4, 0.2, 1.4, -1.5, 0.5)
    simulation = home(arm_rad=arm, drawer_m=0.1)
    assert simulation.joints_rad == pytest.approx(arm, abs=0.03)
    assert simulation.drawer_m == pytest.approx(0.1, abs=1e-3)


def test_shape_of_an_unknown_thing_names_what_there_is():
    with pytest.raises(UnknownNameError, match="red block"):
        tabletop(thing("block")).shape("red blok")
