"""What is sent to a robot lies within its limits; what is absurd is not sent at all."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.runtime.limits import UnsafeActionError, Workspace, limits_of
from sayso.sim.robots import LEKIWI, REST_RAD, SO101, to_robot_units
from sayso.spec import ACTION, STATE, Dimension, Features, SaysoError, UnknownNameError
from small_worlds import FEATURES

REST = to_robot_units(REST_RAD)
TICK_S = 0.05


@pytest.fixture(scope="module")
def limits():
    return limits_of(SO101.features())


def test_what_is_within_the_limits_is_sent_as_it_is(limits):
    action, cut = limits.applied(REST + 1, REST, TICK_S)
    assert action.tolist() == (REST + 1).tolist() and cut == ()


def test_what_is_out_of_range_is_cut_and_named(limits):
    last = REST.copy()
    last[3] = limits.high[3] - 1
    action, cut = limits.applied(last + np.eye(6, dtype=np.float32)[3] * 5, last, TICK_S)
    assert action[3] == limits.high[3] and cut == ("wrist_flex.pos range",)


def test_a_joint_moves_no_faster_than_its_limit():
    slow = limits_of(SO101.features(), speed_deg_s=60)
    for sign in (1, -1):
        action, cut = slow.applied(REST + sign * 20 * np.eye(6, dtype=np.float32)[0], REST, TICK_S)
        assert action[0] - REST[0] == pytest.approx(sign * 3) and cut == ("shoulder_pan.pos speed",)


def test_wheels_have_a_fastest_speed_and_may_have_it_at_once():
    limits = limits_of(LEKIWI.features())
    last = np.concatenate([REST, [0, 0, 0]]).astype(np.float32)
    asked = last.copy()
    asked[6:] = [0.35, -0.1, 80]
    action, cut = limits.applied(asked, last, TICK_S)
    assert action[6:] == pytest.approx([0.3, -0.1, 80]) and cut == ("x.vel range",)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1000.0])
def test_an_absurd_number_is_refused_by_name(limits, value):
    action = REST.copy()
    action[2] = value
    with pytest.raises(UnsafeActionError, match=r"elbow_flex\.pos = .*its range is"):
        limits.applied(action, REST, TICK_S)


def test_an_action_of_another_robot_is_refused(limits):
    with pytest.raises(UnsafeActionError, match="an action is 6 numbers"):
        limits.applied(np.zeros(9, np.float32), REST, TICK_S)


def test_the_hand_stops_at_the_border_of_its_box():
    hand, _ = Workspace((-1, -1, -1), (1, 1, 1))._arm.forward(REST_RAD)
    box = Workspace((-1, -1, float(hand[2]) - 0.02), (1, 1, 1))
    asked = REST + np.array([0, 30, 0, 0, 0, 0], np.float32)  # lean forward and down
    assert box.outside_m(REST) == 0 and box.outside_m(asked) > 0.01
    kept = box.kept_inside(asked, REST)
    assert box.outside_m(kept) == 0
    assert 0 < kept[1] - REST[1] < 30
    assert box.kept_inside(kept, REST) is kept


def test_a_hand_that_is_outside_may_come_back_and_go_no_further():
    hand, _ = Workspace((-1, -1, -1), (1, 1, 1))._arm.forward(REST_RAD)
    box = Workspace((-1, -1, float(hand[2]) + 0.05), (1, 1, 1))
    lean = np.array([0, 5, 0, 0, 0, 0], np.float32)
    deeper = box.outside_m(REST + lean) > box.outside_m(REST)
    worse, better = (lean, -lean) if deeper else (-lean, lean)
    assert box.kept_inside(REST + better, REST).tolist() == (REST + better).tolist()
    assert np.abs(box.kept_inside(REST + worse, REST) - REST).max() < 0.01


def test_what_cannot_limit_a_robot_is_refused():
    with pytest.raises(UnknownNameError, match="no robot with known limits 'point'"):
        limits_of(FEATURES)
    for speed in (0, float("nan")):
        with pytest.raises(SaysoError, match="a speed above 0"):
            limits_of(SO101.features(), speed_deg_s=speed)
    with pytest.raises(SaysoError, match="from low to high"):
        limits_of(SO101.features(), low_m=(0, 0, 0.6))


def recorded(robot_type: str, names, units, low, high) -> tuple[Features, dict[str, Stats]]:
    dimensions = tuple(Dimension(name=name, unit=unit) for name, unit in zip(names, units, strict=True))
    features = Features(robot_type=robot_type, fps=30, state=dimensions, action=dimensions, cameras={})
    stats = Stats.of(np.array([low, high, (np.array(low) + high) / 2]))
    return features, {STATE: stats, ACTION: stats}


ARM_NAMES = SO101.features().action_names
IN_DEGREES, IN_PER_CENT = ("deg",) * 5 + ("%",), ("normalized",) * 5 + ("%",)


@pytest.mark.parametrize("robot_type", ["so_follower", "so101_follower", "so100", "so101"])
def test_the_so_arms_of_lerobot_have_the_limits_of_ours(robot_type):
    told: list[str] = []
    features, stats = recorded(robot_type, ARM_NAMES, IN_DEGREES, [-50] * 5 + [0], [50] * 5 + [100])
    limits = limits_of(features, stats, tell=told.append)
    ours = limits_of(SO101.features())
    np.testing.assert_allclose(limits.low, ours.low)
    np.testing.assert_allclose(limits.high, ours.high)
    assert limits.workspace is not None and told == []


def test_where_a_person_drove_a_known_arm_further_it_may_go_and_that_is_said():
    told: list[str] = []
    features, stats = recorded("so_follower", ARM_NAMES, IN_DEGREES, [-50] * 5 + [0], [50] * 4 + [175, 100])
    limits = limits_of(features, stats, tell=told.append)
    assert limits.high[4] == 175 and told == [
        "limits taken from the demonstrations: wrist_roll.pos -157.2 to 175"
    ]


def test_joints_in_per_cent_end_at_a_hundred_and_the_arm_has_no_box():
    features, stats = recorded("so_follower", ARM_NAMES, IN_PER_CENT, [-50] * 5 + [0], [50] * 5 + [100])
    limits = limits_of(features, stats)
    assert limits.low.tolist() == [-100] * 5 + [0] and limits.high.tolist() == [100] * 6
    assert limits.workspace is None
    with pytest.raises(SaysoError, match="a box for it would limit nothing"):
        limits_of(features, stats, low_m=(0, 0, 0.1))


def test_a_robot_that_nobody_knows_has_the_limits_of_its_demonstrations_and_a_tenth_more():
    told: list[str] = []
    features, stats = recorded("aloha", ("left_waist", "wheel.vel"), ("", ""), [-1, 0.1], [1, 0.5])
    limits = limits_of(features, stats, tell=told.append)
    assert limits.low == pytest.approx([-1.2, 0]) and limits.high == pytest.approx([1.2, 0.5])
    assert told == ["limits taken from the demonstrations: left_waist -1.2 to 1.2, wheel.vel 0 to 0.5"]
    assert limits.speed_per_s.tolist() == [pytest.approx(4.8), np.inf]


@pytest.mark.parametrize(("unit", "most"), [("deg", 1.0), ("normalized", 100 / 180), ("rad", np.pi / 180)])
def test_a_speed_in_degrees_limits_joints_in_every_unit(unit, most):
    features, stats = recorded("koch", ARM_NAMES, (unit,) * 5 + ("%",), [-3] * 5 + [0], [3] * 5 + [100])
    limits = limits_of(features, stats, speed_deg_s=1)
    assert limits.speed_per_s.tolist() == [pytest.approx(most)] * 5 + [np.inf]
    action, cut = limits.applied(np.float32([0, 0, 0, 0, 3, 50]), np.zeros(6, np.float32), 1.0)
    assert action[4] == pytest.approx(most) and cut == ("wrist_roll.pos speed",)


def test_a_speed_that_would_limit_nothing_is_refused():
    features, stats = recorded("aloha", ("left_waist",), ("",), [-1], [1])
    with pytest.raises(SaysoError, match="would not limit left_waist, whose unit is not known"):
        limits_of(features, stats, speed_deg_s=60)


@pytest.mark.parametrize(
    ("low", "high", "limit"),
    [
        (0, 1, (-0.1, 1.1)),  # ALOHA's opens from 0 to 1
        (-65, 0, (-71.5, 6.5)),  # OpenArm's has degrees
        (3, 60, (0, 100)),
        (-1.5, 101, (0, 100)),
    ],
)
def test_a_gripper_that_is_not_in_per_cent_has_the_limits_of_its_demonstrations(low, high, limit):
    features, stats = recorded("openarm", ("joint_1.pos", "gripper.pos"), ("deg", "%"), [-1, low], [1, high])
    limits = limits_of(features, stats)
    assert (limits.low[1], limits.high[1]) == pytest.approx(limit)


def test_a_robot_that_does_not_exist_may_take_what_nobody_knows_the_limits_of():
    told: list[str] = []
    features, _ = recorded("own", ("shoulder_pan.pos", "lift"), ("normalized", ""), [0, 0], [1, 1])
    limits = limits_of(features, imagined=True, tell=told.append)
    assert limits.high.tolist() == [100, np.inf]
    assert told == ["no limits are known of lift; a real robot would be refused"]
    with pytest.raises(UnknownNameError):
        limits_of(features)
    known, _ = recorded("aloha", ("left_waist",), ("",), [0], [1])
    with pytest.raises(SaysoError, match="the limits of left_waist are not known, and no demonstrations"):
        limits_of(known)
