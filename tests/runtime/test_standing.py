"""What stands still is known by units and names, or the robot is not driven."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.standing import hold, stand, why_not_to_stand
from sayso.spec import Dimension, FeatureMismatchError, Features
from small_drivers import Driver, Steady


def robot(action: dict[str, str], state: dict[str, str] | None = None) -> Features:
    def dimensions(units: dict[str, str]) -> tuple[Dimension, ...]:
        return tuple(Dimension(name=name, unit=unit) for name, unit in units.items())

    felt = dimensions(action if state is None else state)
    return Features(robot_type="own", fps=20, state=felt, action=dimensions(action), cameras={})


@pytest.mark.parametrize("name", ["x.vel", "theta.vel", "left_wheel.vel", "base_velocity", "fan_speed"])
def test_a_number_without_a_unit_that_is_called_a_speed_is_zero_at_rest(name):
    features = robot({"pan.pos": "", name: ""})
    assert why_not_to_stand(features) == ""
    assert hold(features, np.float32([20, 3]), np.float32([19, 2])).tolist() == [20, 0]
    assert stand(features, np.float32([19, 2]), np.float32([20, 3])).tolist() == [19, 0]


def test_a_number_that_may_be_either_is_kept_as_it_is_felt():
    features = robot({"left_waist": "", "pan.pos": ""})
    assert hold(features, np.float32([1.5, 20]), np.float32([1.25, 19])).tolist() == [1.25, 20]


@pytest.mark.parametrize(
    ("action", "state"),
    [({"turn": ""}, {"pan.pos": "deg"}), ({"0": "", "1": ""}, None), ({"lift.pos": "m"}, {"pan.pos": "deg"})],
)
def test_a_robot_of_which_nobody_knows_how_it_stands_still_is_not_moved(action, state):
    features = robot(action, state)
    driver = Driver(features)
    with pytest.raises(FeatureMismatchError, match="nobody can tell how this robot stands still: "):
        drive(
            driver,
            Steady([1.0] * len(action)),
            "go",
            features=features,
            limits=limits_of(features, imagined=True),
        )
    assert driver.sent == []


def test_a_robot_that_does_not_exist_needs_not_stand_still():
    features = robot({"turn": "", "0": ""}, {"pan.pos": "deg"})
    report = drive(
        ImaginedRobot(features),
        Steady([1.0, 1.0]),
        "go",
        features=features,
        limits=limits_of(features, imagined=True),
        config=LoopConfig(seconds=0.2, rest_s=0.05),
    )
    assert not report.fault


def test_what_is_neither_felt_nor_told_is_never_made_zero():
    with pytest.raises(FeatureMismatchError, match=r"lift\.pos is neither felt nor told"):
        stand(robot({"lift.pos": "m"}, {"pan.pos": "deg"}), np.float32([3]))
