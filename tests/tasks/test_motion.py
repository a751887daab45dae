"""Facts about how experts move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.tasks.household.motions.motion import LANE_X_M, Pose, drive, funnel, pace

GOAL = np.array([0.2, 0.0, 0.02])
COORDINATE = st.floats(-0.3, 0.3)


def at(x: float, y: float, heading: float = 0.0) -> Pose:
    return Pose(
        joints=np.zeros(6), hand=np.zeros(3), rotation=np.eye(3), gripper=0.0,
        base=np.array([x, y, heading]), mobile=True,
    )  # fmt: skip


def test_above_its_goal_a_hand_goes_straight_down() -> None:
    assert funnel(np.array([0.2, 0.0, 0.1]), GOAL, 0.0) == pytest.approx(GOAL)


def test_a_hand_far_below_its_funnel_rises_where_it_is() -> None:
    hand = np.array([0.1, 0.05, 0.02])
    assert funnel(hand, GOAL, 0.10) == pytest.approx([0.1, 0.05, 0.12])


@given(x=COORDINATE, y=COORDINATE, z=st.floats(0, 0.2), height=st.floats(0, 0.1))
def test_a_millimetre_more_never_changes_the_course_by_centimetres(x, y, z, height) -> None:
    hand = np.array([x, y, z])
    before, after = funnel(hand, GOAL, height), funnel(hand + [0, 0, 0.001], GOAL, height + 0.001)
    assert np.abs(after - before).max() < 0.02


def test_the_nearer_the_slower() -> None:
    assert pace(0.0) < pace(0.03) < pace(0.1)


def test_the_base_backs_into_the_lane_before_it_drives_sideways() -> None:
    sofa = np.array([0.62, 1.0, 0.0])
    back = drive(at(0.60, -1.2), sofa)
    assert back[0] < -0.2 and abs(back[1]) < 0.01
    along = drive(at(LANE_X_M, -0.5), sofa)
    assert abs(along[0]) < 0.01 and along[1] > 0.2
    ahead = drive(at(LANE_X_M, 1.0), sofa)
    assert ahead[0] > 0.2 and abs(ahead[1]) < 0.01


@given(
    x=st.floats(-0.2, 0.7), y=st.floats(-1.4, 1.4), dx=st.floats(-0.004, 0.004), dy=st.floats(-0.004, 0.004)
)
def test_a_few_millimetres_never_turn_the_base_around(x, y, dx, dy) -> None:
    for station in ((0.0, 0.0), (0.62, 1.0), (0.66, -1.25), (0.07, 1.30)):
        goal = np.array([*station, 0.0])
        assert np.abs(drive(at(x, y), goal) - drive(at(x + dx, y + dy), goal)).max() < 0.1
