"""Numbers without units get them from the robot's name, from their own names, and from how far they go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sayso.data.reader import Dataset
from sayso.data.statistics import Stats
from sayso.data.transforms import relative_dimensions
from sayso.data.units import with_units
from sayso.data.windows import Windows
from sayso.robots import JOINTS, known_robot, our_name
from sayso.spec import ACTION, STATE, Dimension, Features, SaysoError
from small_datasets import build, without_points

ARM = tuple(f"{joint}.pos" for joint in JOINTS)
LEROBOT = ("so_follower", "so101_follower", "so100_follower", "so100", "so101")


def nameless(names=ARM, robot_type: str = "so_follower") -> Features:
    dimensions = tuple(Dimension(name=name, unit="") for name in names)
    return Features(robot_type=robot_type, fps=30, state=dimensions, action=dimensions, cameras={})


def reaching(*most: float) -> dict[str, Stats]:
    """Return statistics of numbers that went from nearly minus to plus so far."""
    rows = np.array([most, -0.9 * np.array(most), np.zeros(len(most))])
    return {STATE: Stats.of(rows), ACTION: Stats.of(rows)}


def units(features: Features) -> list[str]:
    return [d.unit for d in features.action]


@pytest.mark.parametrize("robot_type", LEROBOT)
def test_the_so_arms_of_lerobot_are_one_robot(robot_type):
    assert our_name(robot_type) == "so101"


@pytest.mark.parametrize(
    ("robot_type", "name"),
    [("koch", "koch"), ("koch_follower", "koch"), ("omx_follower", "omx"), ("lekiwi_client", "lekiwi"),
     ("lekiwi", "lekiwi"), ("bi_so_follower", "bi_so"), ("bi_so100_follower", "bi_so")],
)  # fmt: skip
def test_other_robots_of_lerobot_are_known_by_all_their_names(robot_type, name):
    assert our_name(robot_type) == name and known_robot(robot_type).units


def test_a_robot_that_nobody_knows_keeps_its_name():
    assert our_name("crane") == "crane" and known_robot("crane") is None


def test_joints_beyond_a_hundred_are_in_degrees_and_it_is_said_which_one_shows_it():
    found, said = with_units(nameless(), reaching(90, 80, 95, 60, 117.8, 100))
    assert units(found) == ["deg"] * 5 + ["%"] and found.state == found.action
    assert len(said) == 1 and "degrees" in said[0] and "wrist_roll.pos goes to 117.8" in said[0]


def test_joints_that_end_at_a_hundred_are_not_taken_for_degrees():
    found, said = with_units(nameless(), reaching(100, 99.9, 100, 60, 100, 100))
    assert units(found) == ["normalized"] * 5 + ["%"]
    assert "none of them leaves -100..100" in said[0] and "--units deg" in said[0]


@pytest.mark.parametrize("unit", ["deg", "normalized", "rad"])
def test_what_is_said_of_the_joints_counts_more_than_their_range(unit):
    found, said = with_units(nameless(), reaching(1, 1, 1, 1, 1, 100), unit)
    assert units(found) == [unit] * 5 + ["%"] and said == ()


@pytest.mark.parametrize(("unit", "most"), [("normalized", 117.8), ("rad", 90.0)])
def test_a_unit_in_which_joints_cannot_go_so_far_is_refused(unit, most):
    with pytest.raises(SaysoError, match=f"cannot be in '{unit}': shoulder_pan.pos goes to {most}"):
        with_units(nameless(), reaching(most, 1, 1, 1, 1, 100), unit)


def test_wheels_have_speeds_whatever_the_joints_are():
    names = (*(f"arm_{name}" for name in ARM), "x.vel", "y.vel", "theta.vel")
    found, _ = with_units(nameless(names, "lekiwi_client"), reaching(90, 90, 90, 90, 117, 99, 0.3, 0.2, 80))
    assert units(found) == ["deg"] * 5 + ["%", "m/s", "m/s", "deg/s"]


def test_two_arms_have_the_units_of_one():
    names = [f"{side}_{name}" for side in ("left", "right") for name in ARM]
    found, _ = with_units(nameless(names, "bi_so_follower"), reaching(*[50, 50, 50, 50, 120, 100] * 2))
    assert units(found) == (["deg"] * 5 + ["%"]) * 2


def test_a_gripper_that_opens_beyond_a_hundred_is_a_joint_like_the_others():
    found, _ = with_units(nameless(), reaching(90, 80, 95, 60, 117.8, 160))
    assert units(found)[-1] == "deg"


def test_units_that_are_there_stay_and_names_that_say_nothing_get_none():
    mixed = (Dimension(name="shoulder_pan.pos", unit="rad"), Dimension(name="left_waist", unit=""))
    features = Features(robot_type="aloha", fps=50, state=mixed, action=mixed, cameras={})
    found, said = with_units(features, reaching(1.5, 1.5))
    assert found == features and said == ()


@pytest.mark.parametrize("said", ["", "deg"])
def test_an_openarm_speaks_degrees_and_its_gripper_is_as_it_was(said):
    for robot_type, prefixes in (("openarm_follower", ("",)), ("bi_openarm_follower", ("left_", "right_"))):
        arm = tuple(f"joint_{k}.pos" for k in range(1, 8)) + ("gripper.pos",)
        names = tuple(prefix + name for prefix in prefixes for name in arm)
        given = nameless(names, robot_type)
        found, assumed = with_units(given, reaching(*([60] * 7 + [65]) * len(prefixes)), said)
        assert units(found) == (["deg"] * 7 + ["%"]) * len(prefixes) and assumed == ()
        assert any(relative_dimensions(found)) and not any(relative_dimensions(given))
    with pytest.raises(SaysoError, match=r"--units normalized says nothing new of joint_1\.pos \[deg\]"):
        with_units(nameless(arm, "openarm_follower"), reaching(*[60] * 8), "normalized")


def test_a_policy_that_knew_no_units_still_fits_the_recordings_of_its_arm(tmp_path):
    joints = tuple(Dimension(name=f"joint_{k}.pos", unit="") for k in (1, 2))
    robot = replace(without_points(), robot_type="openarm_follower", state=joints, action=joints)
    dataset = Dataset(build(tmp_path / "data", robot))
    assert units(Windows(dataset).features) == ["deg", "deg"]
    assert Windows(dataset, like=robot).features == robot
