"""A robot that stutters is held and goes on; one that has stopped showing is stopped; nothing is made up."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import DryRun, ImaginedRobot, is_imagined
from sayso.sim.robots import SO101
from sayso.spec import ACTION, STATE
from small_drivers import Driver, Frozen, Steady, Stuttering

ARM = SO101.features()
HZ = 20.0


class HandClock:
    """Be a time that passes only where somebody says so."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        time.sleep(0.0005)  # the policy's thread has its turn
        self.time = max(self.time, moment)


def driven(robot: Driver, *, seconds: float = 5.0, told: list[str] | None = None, stats=None, **config):
    return drive(
        robot,
        Steady([10.0] * 6),
        "rise",
        features=ARM,
        limits=limits_of(ARM),
        config=LoopConfig(hz=HZ, seconds=seconds, rest_s=0.1, **config),
        clock=HandClock(),
        stats=stats,
        tell=(told if told is not None else []).append,
    )


def assert_still(sent) -> None:
    assert all(one == sent[0] for one in sent)


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_a_camera_that_shows_the_same_bytes_holds_the_robot_and_then_stops_it(camera, copies):
    robot = Frozen(ARM, 20, camera, copies=copies)
    report = driven(robot)
    assert report.fault and report.at_rest
    assert report.stopped.startswith(f"camera {camera} has shown the very same picture for 2.0 s")
    assert report.ticks == pytest.approx(20 + 2 * HZ, abs=2)
    assert report.failures == {f"camera {camera} stood still": pytest.approx(HZ, abs=2)}
    assert report.held >= HZ - 2
    assert f"camera {camera} stood still" in str(report)
    assert_still(robot.sent[20 + int(HZ) + 3 :])  # as late as the hold itself may begin


def test_a_picture_that_stands_still_for_half_a_second_holds_nobody():
    robot = Frozen(ARM, 20, "front")
    original = robot.get_observation
    robot.get_observation = lambda: (setattr(robot, "after", robot.readings // 10 * 10 + 1), original())[1]
    report = driven(robot)
    assert not report.fault and report.failures == {} and report.stopped == "its time was over"


def test_whoever_has_a_camera_of_another_kind_can_say_so():
    assert not driven(Frozen(ARM, 20, "front"), frozen_s=0).fault


def test_pictures_of_a_robot_that_does_not_exist_may_stand_still():
    imagined = ImaginedRobot(ARM)
    assert is_imagined(imagined) and is_imagined(DryRun(imagined, print)) and not is_imagined(Driver(ARM))
    assert not is_imagined(DryRun(Driver(ARM), print))
    assert not driven(imagined).fault


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        (Stuttering(ARM, range(50, 51)), "ConnectionError: no status packet"),
        (Stuttering(ARM, range(50, 51), lacks="front"), "did not show front"),
        (Stuttering(ARM, range(50, 51), lacks="elbow_flex.pos"), "did not show elbow_flex.pos"),
        (Stuttering(ARM, range(50, 51), blank="wrist"), "camera wrist showed nothing but zeros"),
        (Stuttering(ARM, range(1, 2)), "ConnectionError: no status packet"),
    ],
)
def test_what_fails_once_holds_the_robot_for_that_step_and_is_counted(robot, words):
    report = driven(robot)
    assert report.stopped == "its time was over" and not report.fault
    assert list(report.failures.values()) == [1] and words in next(iter(report.failures))
    assert all(min(sent.values()) >= 0 for sent in robot.sent), "something that was missing became a number"


@pytest.mark.parametrize("lacks", ["", "front", "gripper.pos"])
def test_what_goes_on_failing_for_as_long_as_the_watchdog_allows_stops_the_robot(lacks):
    robot = Stuttering(ARM, range(50, 1000), lacks=lacks)
    report = driven(robot, watchdog_ms=500)
    assert report.fault and report.stopped.startswith("the robot failed for 0.5 s: ") and report.at_rest
    assert sum(report.failures.values()) == pytest.approx(0.5 * HZ, abs=2)
    assert_still(robot.sent[50:])


class Deaf(Driver):
    """Take no command at some of its steps."""

    def __init__(self, at: range) -> None:
        super().__init__(ARM)
        self.at, self.asked = at, 0

    def send_action(self, action):
        self.asked += 1
        if self.asked in self.at:
            raise ConnectionError("a broken packet")
        return super().send_action(action)


def test_a_command_that_is_lost_once_is_counted_and_one_that_is_lost_for_a_second_ends_the_run():
    report = driven(Deaf(range(50, 51)))
    assert not report.fault and report.failures == {"ConnectionError: a broken packet": 1}
    report = driven(Deaf(range(50, 1000)))
    assert report.fault and "the robot failed for 1.0 s: ConnectionError: a broken packet" in report.stopped


class Talkative(Stuttering):
    """Fail with other words each time."""

    def get_observation(self):
        try:
            return super().get_observation()
        except ConnectionError as error:
            raise ConnectionError(f"nothing for {self.readings} ticks") from error


def test_failures_in_ever_new_words_are_counted_without_end_but_not_kept_without_end():
    report = driven(Talkative(ARM, range(10, 2000, 2)), seconds=10)
    assert not report.fault and len(report.failures) <= 21 and sum(report.failures.values()) > 90


def test_before_it_moves_it_is_said_where_the_robot_stands_as_it_never_stood():
    rows = np.random.default_rng(0).normal(0, 10, (200, 6))
    stats = {STATE: Stats.of(rows), ACTION: Stats.of(rows)}
    told: list[str] = []
    robot = Driver(ARM)
    robot.state |= {"shoulder_pan.pos": 80.0, "elbow_flex.pos": -45.0}
    driven(robot, seconds=0.5, told=told, stats=stats)
    assert len(told) == 2
    assert told[0].startswith("shoulder_pan.pos stands at 80 deg; the demonstrations had -")
    assert told[1].startswith("elbow_flex.pos stands at -45 deg")
    told.clear()
    driven(Driver(ARM), seconds=0.5, told=told, stats=stats)
    assert told == []
