"""What is sent to a robot lies within its limits; what is absurd is not sent at all."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.runtime.limits import UnsafeActionError, Workspace, limits_of
from sayso.sim.robots import LEKIWI, REST_RAD, SO101, to_robot_units
from sayso.spec import SaysoError, UnknownNameError
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
