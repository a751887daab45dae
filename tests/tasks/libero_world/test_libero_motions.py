"""Parts of LIBERO's expert, without LIBERO: turns of the hand, grasps from boxes, the order of goals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sayso.tasks.libero.motions import grasping
from sayso.tasks.libero.motions.carrying import funnel
from sayso.tasks.libero.motions.motion import (
    ACROSS_RAD,
    DOWN,
    OPEN,
    SHUT,
    Command,
    Pose,
    act,
    downward,
    nearest_closing,
    off_rad,
    pointing,
    rotation_vector,
)
from sayso.tasks.libero.motions.things import Boxes
from sayso.tasks.libero.plan import in_order, next_goal


def pose(rotation=None, hand=(0.0, 0.0, 1.0)):
    rotation = downward(ACROSS_RAD) if rotation is None else rotation
    return Pose(hand=np.array(hand), rotation=rotation, opening_m=0.08, closing_m_s=0.0)


def upright(*boxes):
    """Return boxes that stand along the axes, each of a middle and half sizes."""
    middle, half = (np.array(values, float) for values in zip(*boxes, strict=True))
    return Boxes(middle, np.tile(np.eye(3), (len(boxes), 1, 1)), half)


def bowl(radius=0.05, walls=16):
    """Return a floor and walls around it."""
    middles, rotations, halves = [[0, 0, 0.005]], [np.eye(3)], [[0.03, 0.03, 0.005]]
    for angle in np.arange(walls) * 2 * math.pi / walls:
        c, s = math.cos(angle), math.sin(angle)
        middles.append([radius * c, radius * s, 0.03])
        rotations.append(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]))
        halves.append([0.002, 0.01, 0.03])
    return Boxes(np.array(middles, float), np.array(rotations), np.array(halves, float))


def test_actions_stay_within_the_box_and_go_where_they_should():
    far = Command(np.array([3.0, 0, 1.0]), downward(ACROSS_RAD + 3.0), SHUT)
    action = act(pose(), far)
    assert action.dtype == np.float32 and action.shape == (7,)
    assert np.all(np.abs(action) <= 1) and action[0] == pytest.approx(1.0) and action[5] == pytest.approx(1.0)
    assert act(pose(), Command(np.array([0, 0, 1.0]), downward(ACROSS_RAD), OPEN)).tolist() == [0.0] * 6 + [
        -1
    ]


@pytest.mark.parametrize("vector", [(0, 0, 0), (0.3, -0.2, 1.0), (0, 0, math.pi), (math.pi, 0, 0)])
def test_a_rotation_has_its_axis_and_angle(vector):
    vector = np.array(vector, float)
    angle = np.linalg.norm(vector)
    x, y, z = vector / angle if angle else vector
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew
    assert np.abs(rotation_vector(rotation)) == pytest.approx(np.abs(vector), abs=1e-5)


def test_the_heading_of_a_leaning_hand_is_that_of_the_hand_put_upright():
    for lean in (0.0, 0.7, 1.5):
        ahead = math.cos(lean) * DOWN + math.sin(lean) * np.array([0.0, -1.0, 0.0])
        across = np.array([0.0, math.cos(lean), -math.sin(lean)])
        assert pose(pointing(ahead, across)).closing_rad == pytest.approx(ACROSS_RAD)


@pytest.mark.parametrize("heading", np.linspace(-3, 3, 13))
def test_the_wrist_turns_the_shorter_way_and_stays_within_reach(heading):
    chosen = nearest_closing(ACROSS_RAD, heading)
    assert abs(chosen - ACROSS_RAD) <= math.pi / 2 + 1e-9
    assert math.remainder(chosen - heading, math.pi) == pytest.approx(0, abs=1e-9)


def test_a_funnel_rises_before_it_moves_and_ends_at_its_goal():
    goal = np.array([0.3, 0.0, 0.9])
    low = funnel(np.array([0.0, 0.0, 0.9]), goal, 0.005, 0.1)
    assert low[0] < 0.02 and low[2] == pytest.approx(1.0)
    assert funnel(np.array([0.3, 0.0, 0.95]), goal, 0.005, 0.1) == pytest.approx(goal)


def test_what_fits_between_the_jaws_is_held_across_its_middle():
    found = grasping.grasps(upright(([0.1, 0, 0.9], [0.02, 0.04, 0.03])))
    assert all(math.cos(grasp.closing_rad) ** 2 > 0.7 for grasp in found)  # the long side does not fit
    assert all(grasp.point[:2] == pytest.approx([0.1, 0]) for grasp in found)
    assert all(0.87 < grasp.point[2] < 0.93 for grasp in found)


def test_a_bowl_is_held_by_its_rim():
    every = grasping.grasps(bowl())
    found = [grasp for grasp in every if not grasp.askew_rad and not grasp.inward_m]
    assert len(found) > 20 and any(grasp.inward_m for grasp in every)
    for grasp in found:
        assert np.hypot(*grasp.point[:2]) == pytest.approx(0.05, abs=0.003)
        assert grasp.point[2] == pytest.approx(0.06 - grasping.RIM_M)
        outward = math.atan2(grasp.point[1], grasp.point[0])
        assert math.remainder(outward - grasp.closing_rad, math.pi) == pytest.approx(0, abs=1e-6)


def test_a_wide_thing_with_a_knob_is_held_by_that_and_a_flat_one_by_its_edge():
    pot = upright(([0, 0, 0.05], [0.045, 0.045, 0.05]), ([0, 0, 0.11], [0.006, 0.006, 0.01]))
    assert all(grasp.point[2] > 0.1 for grasp in grasping.grasps(pot))
    plate = grasping.grasps(upright(([0, 0, 0.008], [0.07, 0.07, 0.008])))
    assert plate and all(np.hypot(*grasp.point[:2]) > 0.05 for grasp in plate)


def test_a_point_is_inside_a_box_however_that_is_turned():
    turned = Boxes(np.zeros((1, 3)), downward(0.4)[None], np.array([[0.1, 0.02, 0.03]]))
    along = 0.09 * downward(0.4)[:, 0]
    assert turned.inside(np.array([along, 0.2 * np.ones(3)])).tolist() == [True, False]
    assert turned.corners.reshape(-1, 3).max(axis=0) == pytest.approx(turned.high)


def test_knobs_come_before_things_and_what_is_shut_comes_last():
    goals = [["close", "a"], ["in", "b", "a"], ["turnon", "c"]]
    assert [goal[0] for goal in in_order(goals)] == ["turnon", "in", "close"]
    assert next_goal(goals, lambda goal: goal[0] == "turnon") == ["in", "b", "a"]
    assert next_goal(goals, lambda goal: True) == ["close", "a"]


def test_a_hand_is_off_by_the_angle_that_it_is_turned():
    assert off_rad(pose(), downward(ACROSS_RAD + 0.5)) == pytest.approx(0.5)
