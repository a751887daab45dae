"""The table of robots: what a row says, and how a robot is found by it."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from sayso import robots
from sayso.data.statistics import Stats
from sayso.data.units import with_units
from sayso.robots import OWN, Connection, RobotEntry, drivable, known_robot
from sayso.runtime.limits import limits_of
from sayso.runtime.run import RunConfig, make_robot
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE, Dimension, Features, SaysoError, UnknownNameError
from small_drivers import Driver

HEIGHT = Dimension(name="lift.pos", unit="mm")
LIFT = RobotEntry(
    name="lift",
    title="Lift",
    aliases=("lift_follower",),
    dimensions=(HEIGHT,),
    ranges={"lift.pos": (0.0, 300.0)},
    driver="test_robot_table:lift_at",
    address="192.168.1.30",
)
FEATURES = Features(robot_type="lift_follower", fps=10, state=(HEIGHT,), action=(HEIGHT,), cameras={})


def lift_at(connection: Connection) -> Driver:
    driver = Driver(FEATURES)
    driver.connection = connection
    return driver


@pytest.fixture
def lift(monkeypatch):
    """A package outside that offers a robot."""
    point = EntryPoint(name="lift", value="test_robot_table:LIFT", group=robots.GROUP)
    monkeypatch.setattr("sayso.extensions._offered", lambda group: {"lift": point})
    monkeypatch.setitem(sys.modules, "test_robot_table", sys.modules[__name__])


@pytest.mark.parametrize("body", [SO101, LEKIWI])
def test_what_may_be_sent_is_how_far_the_simulated_body_goes(body):
    low, high = body.action_limits()
    limits = limits_of(body.features())
    assert np.array_equal(limits.low, low) and np.array_equal(limits.high, high)
    assert set(body.entry.ranges) == set(body.features().action_names)


def test_every_name_leads_to_one_robot():
    names = [name for row in OWN for name in (row.name, *row.aliases)]
    assert len(set(names)) == len(names)
    assert all(known_robot(name) is row for row in OWN for name in (row.name, *row.aliases))


def test_where_a_robot_is_may_stand_behind_its_name(monkeypatch):
    asked = {}
    monkeypatch.setattr("sayso.runtime.lerobot.so101", lambda port, **how: asked.update(how, port=port))
    config = RunConfig(robot="so101 /dev/ttyACM1 front=0 wrist=/dev/video2")
    make_robot(config, SO101.features(), "rise")
    assert asked["port"] == "/dev/ttyACM1" and asked["cameras"] == {"front": 0, "wrist": "/dev/video2"}
    assert asked["degrees"]


@pytest.mark.parametrize("robot", ["lekiwi 192.168.1.20", "lekiwi"])
def test_a_lekiwi_is_found_by_its_address_and_it_is_told_how_its_host_must_run(monkeypatch, robot):
    asked, told = [], []
    monkeypatch.setattr("sayso.runtime.lerobot.lekiwi", lambda ip, *, id: asked.append((ip, id)))
    config = RunConfig(robot=robot, ip="" if " " in robot else "192.168.1.20", id="mine")
    make_robot(config, LEKIWI.features(), "rise", told.append)
    assert asked == [("192.168.1.20", "mine")]
    assert told == ["its host must run with --robot.use_degrees=true"]


def test_a_robot_that_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(SaysoError, match="Did you mean 'so101'"):
        RunConfig(robot="so102")
    assert drivable()[:2] == ("so101", "lekiwi")


def test_a_package_outside_adds_a_robot_by_one_row(lift):
    assert known_robot("lift_follower") is LIFT
    assert limits_of(FEATURES).high.tolist() == [300.0]
    robot = make_robot(RunConfig(robot="lift 192.168.1.31"), FEATURES, "up")
    assert robot.connection.where == "192.168.1.31" and robot.connection.unit == ""
    with pytest.raises(SaysoError, match=r'such as --robot "lift 192.168.1.30"'):
        make_robot(RunConfig(robot="lift"), FEATURES, "up")
    with pytest.raises(SaysoError, match="made for 'lift_follower', which --robot so101 is not"):
        make_robot(RunConfig(robot="so101 none"), FEATURES, "up")


def test_a_recording_that_names_no_units_takes_those_of_the_row(lift):
    nameless = Dimension(name="lift.pos", unit="")
    features = Features(robot_type="lift", fps=10, state=(nameless,), action=(nameless,), cameras={})
    stats = {name: Stats.of(np.array([[10.0], [50.0]])) for name in (STATE, ACTION)}
    found, said = with_units(features, stats)
    assert found.action == (HEIGHT,) and said == ()


def test_a_range_counts_in_the_unit_of_its_row_alone(lift):
    metres = Dimension(name="lift.pos", unit="m")
    features = Features(robot_type="lift", fps=10, state=(metres,), action=(metres,), cameras={})
    with pytest.raises(SaysoError, match=r"limits of lift.pos are not known"):
        limits_of(features)


def test_a_policy_in_another_unit_is_refused(lift):
    metres = Dimension(name="lift.pos", unit="m")
    features = Features(robot_type="lift", fps=10, state=(metres,), action=(metres,), cameras={})
    with pytest.raises(SaysoError, match=r"speaks of lift.pos in mm, the policy in m"):
        make_robot(RunConfig(robot="lift here"), features, "up")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:ROBOT", "cannot be loaded from no_such_module:ROBOT"),
        ("test_robot_table:nothing", "cannot be loaded"),
        ("test_robot_table:HEIGHT", "is no RobotEntry but a Dimension"),
        ("test_robot_table:LIFT", "calls itself 'lift', but its package offers it as 'crane'"),
    ],
)
def test_a_package_that_is_broken_is_told_in_words(lift, monkeypatch, value, why):
    point = EntryPoint(name="crane", value=value, group=robots.GROUP)
    monkeypatch.setattr("sayso.extensions._offered", lambda group: {"crane": point})
    with pytest.raises(SaysoError, match=why):
        robots.ROBOTS["crane"]
    with pytest.raises(UnknownNameError, match="no robot 'lift'"):
        robots.ROBOTS["lift"]
    assert known_robot("so_follower") is robots.SO101, "the others are found all the same"


def test_what_is_driven_has_an_address_and_a_page():
    for row in OWN:
        if row.driver:
            assert row.address and row.needs and row.title
    with pytest.raises(SaysoError, match="nothing here drives a koch"):
        robots.ROBOTS["koch"].connected_by(Connection())
