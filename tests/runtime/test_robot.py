"""Robots and policies hear the same under other names, and what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.data.resize import fitted
from sayso.runtime.robot import (
    DryRun,
    ImaginedRobot,
    SimulatedRobot,
    check_robot,
    command,
    look,
    vector,
)
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import STATE, TASK, FeatureMismatchError, NotFiniteError, image_key
from small_worlds import FEATURES, SpotWorld


def test_a_simulated_robot_shows_what_its_world_shows_and_moves_as_its_world_moves():
    world, other = SpotWorld(), SpotWorld()
    robot = SimulatedRobot(world, 5, {"family": "go"})
    robot.connect()
    seen, _ = other.reset(seed=5, options={"family": "go"})
    for _ in range(3):
        shown = look(robot.get_observation(), FEATURES, robot.instruction)
        assert shown[TASK] == seen[TASK]
        for key in (STATE, image_key("front"), image_key("wrist")):
            np.testing.assert_array_equal(shown[key], seen[key])
        assert robot.send_action({"x.vel": 0.5, "y.vel": 9.0}) == {"x.vel": 0.5, "y.vel": 1.0}
        seen, *_ = other.step(np.array([0.5, 1.0], np.float32))


def test_a_simulated_robot_knows_when_the_task_is_done():
    world = SpotWorld(horizon=2)
    robot = SimulatedRobot(world, 5)
    robot.connect()
    assert set(robot.conditions) == {"at_spot", "slow"} and not robot.over
    for _ in range(2):
        robot.send_action({"x.vel": 0.0, "y.vel": 0.0})
    assert robot.over and not robot.succeeded


@pytest.mark.parametrize("features", [SO101.features(), LEKIWI.features(), FEATURES])
def test_every_robot_of_ours_fits_the_features_it_was_made_of(features):
    check_robot(ImaginedRobot(features), features)
    check_robot(DryRun(ImaginedRobot(features), print), features)


def test_a_policy_for_another_robot_is_refused_with_all_that_is_missing():
    with pytest.raises(FeatureMismatchError) as refused:
        check_robot(ImaginedRobot(SO101.features()), LEKIWI.features())
    assert all(name in str(refused.value) for name in ("state x.vel", "action arm_gripper.pos"))
    assert "a policy for action gripper.pos" in str(refused.value)


def test_a_dry_run_tells_and_sends_nothing():
    told: list[str] = []
    inner = ImaginedRobot(FEATURES)
    robot = DryRun(inner, told.append)
    robot.connect()
    assert robot.send_action({"x.vel": 0.25, "y.vel": -1.0}) == {"x.vel": 0.25, "y.vel": -1.0}
    assert told == ["would send x.vel 0.25  y.vel -1.00"]
    for speed in (0.5, -0.5, 0.0):
        robot.send_action({"x.vel": speed, "y.vel": -1.0})
    assert len(told) == 1, "nobody reads thirty lines a second"
    assert (robot.least["x.vel"], robot.most["x.vel"]) == (-0.5, 0.5)
    assert inner.get_observation()["x.pos"] == 0.0
    robot.disconnect()


def test_an_imagined_robot_is_where_it_is_told_to_be():
    robot = ImaginedRobot(SO101.features())
    robot.send_action(dict.fromkeys(SO101.features().action_names, 12.0))
    assert look(robot.get_observation(), SO101.features(), "")[STATE].tolist() == [12.0] * 6


def test_names_and_numbers_go_both_ways():
    action = np.array([0.5, -0.25], np.float32)
    assert vector(command(action, FEATURES), FEATURES).tolist() == action.tolist()
    with pytest.raises(FeatureMismatchError, match=r"without y\.vel: only x\.vel"):
        vector({"x.vel": 1.0}, FEATURES)
    with pytest.raises(NotFiniteError, match=r"an action has y\.vel"):
        vector({"x.vel": 1.0, "y.vel": float("nan")}, FEATURES)


def test_an_image_keeps_its_middle_and_its_proportions():
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 80:560] = 200  # the square in the middle
    image[200:280, 280:360] = 100  # and a square in the middle of that
    small = fitted(image, (48, 48))
    assert small.shape == (48, 48, 3) and small.dtype == np.uint8
    assert small[0, 0, 0] == small[-1, -1, 0] == 200
    assert (small[20:28, 20:28] == 100).all() and (small[:20] == 200).all()
    assert fitted(image, (480, 640)) is image


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x.pos": None}, FeatureMismatchError, "did not show x.pos"),
        ({"front": None}, FeatureMismatchError, "did not show front"),
        ({"x.pos": float("nan")}, NotFiniteError, "felt x.pos as a number that is not finite"),
        ({"front": np.zeros((4, 4), np.uint8)}, FeatureMismatchError, r"not uint8 \(4, 4\)"),
        ({"front": np.zeros((4, 4, 3))}, FeatureMismatchError, r"not float64 \(4, 4, 3\)"),
    ],
)
def test_a_reading_that_is_none_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        look(ImaginedRobot(FEATURES).get_observation() | change, FEATURES, "go")
