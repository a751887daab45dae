"""Pushing: what can be pushed, and that the expert does it without lifting, from wherever its hand is."""

from types import SimpleNamespace

import numpy as np
import pytest

from sayso.sim.objects import Item
from sayso.sim.robots import gripper_rad
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions import motion, pushing
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.variants import row_of
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import Intent

MAT = Item(name="blue mat", kind="mat", rgb=(0, 0, 1), position_m=(0.22, 0.08, 0))
CAN = Item(name="green can", kind="can", rgb=(0, 1, 0), position_m=(0.22, 0.06, 0))


def thing_at(x: float, y: float, kind: str = "block", name: str = "red block", **more: float) -> Item:
    return Item(name=name, kind=kind, rgb=(1, 0, 0), position_m=(x, y, 0), **more)


def start(*items: Item, variant: str, arm_rad: tuple[float, ...] | None = None) -> SimpleNamespace:
    """Begin a push of the first thing onto or beside the second."""
    thing, place = items[:2]
    colour, kind = place.name.split()
    goal = Place(colour, kind) if kind == "mat" else Thing(colour, kind)
    intent = Intent("push", variant, Thing(*thing.name.split()), goal)
    layout = Layout(items=items, arm_rad=arm_rad)
    row = row_of(intent)
    task = HouseholdTask(
        world="tabletop", row=row, intent=intent, instruction="", horizon=150, layout=layout, things={}
    )
    return SimpleNamespace(simulation=Simulation("tabletop", layout), task=task)


def next_phase(world: SimpleNamespace) -> tuple[str, np.ndarray]:
    situation = pushing.SKILL.observe(world.simulation, world.task)
    phase = next(phase for phase in pushing.SKILL.phases if phase.enters(situation))
    return phase.name, motion.act(situation.pose, phase.do(situation))


def steps_to_success(world: SimpleNamespace, limit: int = 150) -> int:
    for step in range(1, limit + 1):
        world.simulation.apply(next_phase(world)[1])
        if all(world.task.conditions(world.simulation).values()):
            return step
    raise AssertionError(f"not done: {world.task.conditions(world.simulation)}")


@pytest.mark.parametrize("kind", ["block", "cylinder", "can", "mug"])
def test_things_that_slide_are_pushed_onto_a_mat(kind):
    thing = thing_at(0.22, -0.05, kind, f"red {kind}", yaw_rad=0.4)
    assert steps_to_success(start(thing, MAT, variant="onto")) < 100


@pytest.mark.parametrize(
    ("thing_xy", "mat_xy"),
    [((0.23, 0), (0.33, 0)), ((0.26, 0), (0.16, 0)), ((0.2, -0.08), (0.2, 0.02)), ((0.2, 0.1), (0.23, 0))],
)
def test_a_thing_is_pushed_outward_inward_and_to_both_sides(thing_xy, mat_xy):
    thing = thing_at(*thing_xy, scale=1.2)
    mat = Item(name="blue mat", kind="mat", rgb=(0, 0, 1), position_m=(*mat_xy, 0))
    assert pushing.feasible([thing, mat], thing.name, mat.name, beside=False)
    assert steps_to_success(start(thing, mat, variant="onto")) < 100


def test_a_thing_pushed_beside_another_leaves_it_where_it_was():
    world = start(thing_at(0.20, -0.08), CAN, variant="beside")
    steps_to_success(world)
    assert 0 < pushing.gap_m(world.simulation, "red block", "green can") < 0.02
    assert world.simulation.position("green can")[:2] == pytest.approx(CAN.position_m[:2], abs=0.002)


def test_a_hand_low_on_the_wrong_side_rises_before_it_travels():
    world = start(thing_at(0.22, -0.05), MAT, variant="onto")
    for _ in range(60):  # down in front of the block, where a push would have to end
        pose = motion.read_pose(world.simulation)
        command = motion.Command(np.array([0.22, 0.02, 0.02]), pushing.FORK)
        world.simulation.apply(motion.act(pose, command))
    before = world.simulation.position("red block")
    for _ in range(40):
        if motion.read_pose(world.simulation).hand[2] > 0.09:
            break
        world.simulation.apply(next_phase(world)[1])
    else:
        pytest.fail("the hand stayed low")
    assert world.simulation.position("red block") == pytest.approx(before, abs=0.002)


def test_a_thing_that_has_arrived_is_left_alone():
    world = start(thing_at(0.22, 0.083), MAT, variant="onto")
    before = world.simulation.position("red block")
    for _ in range(20):
        name, action = next_phase(world)
        assert name == "retreat"
        world.simulation.apply(action)
    assert world.simulation.position("red block") == pytest.approx(before, abs=0.001)


def test_the_fork_is_the_middle_between_the_pads():
    world = start(thing_at(0.22, -0.05), MAT, variant="onto", arm_rad=(0, 0, 0, 1.2, -1.6, gripper_rad(18)))
    data, pose = world.simulation.data, motion.read_pose(world.simulation)
    pads = [data.geom(f"arm_{jaw}_jaw_pad").xpos[:2] for jaw in ("fixed", "moving")]
    assert pushing.fork_of(pose) == pytest.approx(np.mean(pads, axis=0), abs=0.004)


def test_the_gap_between_two_blocks_is_measured_face_to_face():
    near, far = thing_at(0.2, 0.0), thing_at(0.2, 0.05, name="blue block")
    simulation = Simulation("tabletop", Layout(items=(near, far)))
    assert pushing.gap_m(simulation, "red block", "blue block") == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (thing_at(0.22, 0.05), "too short a way"),
        (thing_at(0.22, -0.12), "too long a way"),
        (thing_at(0.33, 0.03), "the place behind it is out of reach"),
        (thing_at(0.22, -0.05, "ball"), "a ball rolls"),
    ],
)
def test_some_things_cannot_be_pushed_onto_a_mat(thing, why):
    assert not pushing.feasible([thing, MAT], thing.name, MAT.name, beside=False), why


def test_what_stands_in_the_way_makes_a_push_infeasible_but_a_mat_does_not():
    thing = thing_at(0.22, -0.05)
    blocking = Item(name="pink can", kind="can", rgb=(1, 0, 1), position_m=(0.23, 0.01, 0))
    lying = Item(name="pink mat", kind="mat", rgb=(1, 0, 1), position_m=(0.23, 0.01, 0))
    assert pushing.feasible([thing, MAT], thing.name, MAT.name, beside=False)
    assert not pushing.feasible([thing, MAT, blocking], thing.name, MAT.name, beside=False)
    assert pushing.feasible([thing, MAT, lying], thing.name, MAT.name, beside=False)


def test_a_push_beside_ends_before_the_other_thing():
    thing = thing_at(0.22, -0.12)
    assert pushing.feasible([thing, CAN], thing.name, CAN.name, beside=True)
    assert not pushing.feasible([thing, CAN], thing.name, CAN.name, beside=False)
