"""The table of robots: what a row says, and how a robot is found by it."""

import dataclasses
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from sayso import robots
from sayso.data.statistics import Stats
from sayso.data.units import with_units
from sayso.robots import OWN, Connection, RobotEntry, drivable, known_robot
from sayso.runtime.finding import make_robot
from sayso.runtime.limits import limits_of
from sayso.runtime.run import RunConfig
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE, ConfigError, Dimension, Features, SaysoError, UnknownNameError
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
    asked = []
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", asked.append)
    config = RunConfig(robot="so101 /dev/ttyACM1 front=0 wrist=/dev/video2")
    make_robot(config, SO101.features(), "rise")
    (how,) = asked
    assert how.lerobot == "so101_follower" and how.settings == {"port": "/dev/ttyACM1"}
    assert how.cameras == {"front": 0, "wrist": "/dev/video2"} and how.unit == "deg"


@pytest.mark.parametrize("kind", ["bi_so", "bi_so_follower", "lerobot:bi_so_follower"])
def test_two_arms_are_found_by_two_ports(monkeypatch, kind):
    asked = []
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", asked.append)
    names = tuple(d.name for d in known_robot("bi_so").dimensions)
    dimensions = tuple(Dimension(name=name, unit="%" if "gripper" in name else "deg") for name in names)
    features = Features(robot_type="bi_so_follower", fps=30, state=dimensions, action=dimensions, cameras={})
    make_robot(RunConfig(robot=f"{kind} /dev/l /dev/r"), features, "rise")
    make_robot(RunConfig(robot=kind, port="/dev/l /dev/r"), features, "rise")
    ports = ("left_arm_config.port=/dev/l", "right_arm_config.port=/dev/r")
    make_robot(RunConfig(robot=kind, robot_config=ports), features, "rise")
    for how in asked:
        assert how.lerobot == "bi_so_follower" and how.unit == "deg"
        assert how.settings == {"left_arm_config.port": "/dev/l", "right_arm_config.port": "/dev/r"}
    assert len(asked) == 3
    with pytest.raises(SaysoError, match="found by the ports of its left and of its right arm"):
        make_robot(RunConfig(robot=f"{kind} /dev/l"), features, "rise")
    with pytest.raises(SaysoError, match='such as --robot "bi_so /dev/ttyACM0 /dev/ttyACM1'):
        make_robot(RunConfig(robot=kind), features, "rise")


def test_a_robot_that_only_lerobot_knows_is_told_what_is_said_of_it(monkeypatch):
    asked = []
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", asked.append)
    config = RunConfig(
        robot="lerobot:their_arm port=/dev/ttyACM1 speed=3", robot_config=("gain=2",), cameras=("top=0",)
    )
    make_robot(config, SO101.features(), "rise")
    (how,) = asked
    assert how.lerobot == "their_arm" and how.cameras == {"top": 0}
    assert how.settings == {"port": "/dev/ttyACM1", "speed": "3", "gain": "2"}
    with pytest.raises(ConfigError, match="robot_config is FIELD=VALUE"):
        RunConfig(robot="so101", robot_config=("gain",))


def test_cameras_are_opened_in_the_size_that_was_recorded(monkeypatch):
    asked = []
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", asked.append)
    features = dataclasses.replace(
        SO101.features(), scaled_from={"front": (720, 1280)}, renamed={"top": "front"}
    )
    make_robot(RunConfig(robot="so101 /dev/ttyACM1 top=0 other=1"), features, "rise")
    assert asked[0].sizes == {"top": (720, 1280)}


@pytest.mark.parametrize("robot", ["lekiwi 192.168.1.20", "lekiwi"])
def test_a_lekiwi_is_found_by_its_address_and_it_is_told_how_its_host_must_run(monkeypatch, robot):
    asked, told = [], []
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", asked.append)
    config = RunConfig(robot=robot, ip="" if " " in robot else "192.168.1.20", id="mine")
    make_robot(config, LEKIWI.features(), "rise", told.append)
    assert asked[0].settings == {"remote_ip": "192.168.1.20"} and asked[0].id == "mine"
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
    with pytest.raises(SaysoError, match="nothing here drives the ALOHA"):
        robots.ROBOTS["aloha"].connected_by(Connection())
