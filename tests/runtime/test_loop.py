"""The loop keeps time, holds when it knows nothing fresh, and ends every run with the robot at rest."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from sayso.runtime.clock import MonotonicClock, steady
from sayso.runtime.inference import Inference, PolicyFailedError
from sayso.runtime.limits import Limits
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import Spread
from sayso.runtime.robot import ImaginedRobot, SimulatedRobot
from sayso.runtime.stopping import SIGNALS, Stop, on_signals
from sayso.sim.robots import LEKIWI
from sayso.spec import STATE, Chunk, FeatureMismatchError
from small_worlds import FEATURES, SpotExpert, SpotWorld

FAST = {"hz": 100.0, "rest_s": 0.03}
HOME = LEKIWI.features()
WIDE = Limits(
    names=HOME.action_names,
    low=np.full(9, -100, np.float32),
    high=np.full(9, 100, np.float32),
    speed_per_s=np.full(9, 1000, np.float32),
)
SPOTS = Limits(
    names=FEATURES.action_names,
    low=np.full(2, -1, np.float32),
    high=np.full(2, 1, np.float32),
    speed_per_s=np.full(2, np.inf, np.float32),
)


class HandClock:
    """Be a time that passes only where somebody says so; a sleep leaves the policy time to answer."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept_until: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        self.slept_until.append(moment)
        self.time = max(self.time, moment)
        time.sleep(0.002)


class Recorder(ImaginedRobot):
    """Remember what was sent, and take time for it on a clock."""

    def __init__(self, clock: HandClock | None = None, work_s: dict[int, float] | None = None) -> None:
        super().__init__(HOME)
        self.sent: list[list[float]] = []
        self.clock, self.work_s = clock, work_s or {}

    def send_action(self, action):
        if self.clock:
            self.clock.time += self.work_s.get(len(self.sent), 0.0)
        self.sent.append(list(action.values()))
        return super().send_action(action)


class Drives:
    """Ask for the same motion always: arm at 10, wheels turning."""

    def __init__(self, action=(10, 10, 10, 10, 10, 10, 0.2, 0.1, 30), length: int = 16) -> None:
        self.action, self.length = np.array(action, np.float32), length
        self.calls = self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def act(self, observation) -> Chunk:
        self.calls += 1
        return Chunk(np.tile(self.action, (self.length, 1)))


class Hangs(Drives):
    """Answer twice, and then no more until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def act(self, observation) -> Chunk:
        if self.calls >= 2:
            self.released.wait(20)
        return super().act(observation)


class Raises(Drives):
    """Break down at the third question."""

    def act(self, observation) -> Chunk:
        if self.calls >= 2:
            raise KeyError("camera")
        return super().act(observation)


class Counts(Drives):
    """Go on by a degree per step from where the arm is; think for thirty steps at every third question."""

    def __init__(self, robot) -> None:
        super().__init__()
        self.robot = robot

    def act(self, observation) -> Chunk:
        if self.calls % 3 == 2:
            until, deadline = len(self.robot.sent) + 30, time.monotonic() + 5
            while len(self.robot.sent) < until and time.monotonic() < deadline:
                time.sleep(0.001)
        actions = np.zeros((self.length, 9), np.float32)
        actions[:, 0] = observation[STATE][0] + np.arange(1, self.length + 1)
        self.calls += 1
        return Chunk(actions)


def driven(policy, robot=None, *, until=None, stop=None, clock=None, limits=WIDE, **config):
    robot = robot or Recorder()
    report = drive(
        robot,
        policy,
        "go",
        features=HOME,
        limits=limits,
        config=LoopConfig(**(FAST | config)),
        stop=stop,
        clock=clock,
        until=until,
    )
    return report, robot


def after(robot: Recorder, steps: int):
    return lambda: "enough" if len(robot.sent) >= steps else ""


def assert_at_rest(robot: Recorder, report) -> None:
    assert report.at_rest
    assert robot.sent[-1][6:] == [0, 0, 0]
    assert robot.sent[-1] == robot.sent[-2]


def test_a_policy_drives_a_simulated_robot_to_success():
    world = SpotWorld(horizon=300)
    robot = SimulatedRobot(world, 3)
    robot.connect()
    report = drive(
        robot,
        SpotExpert(world),
        robot.instruction,
        features=FEATURES,
        limits=SPOTS,
        config=LoopConfig(hz=100, rest_s=0, strategy="synchronous"),
        until=lambda: "success" if robot.succeeded else "",
    )
    assert report.stopped == "success" and not report.fault and report.at_rest
    assert robot.succeeded and report.answers > 3
    assert json.loads(json.dumps(report.to_json()))["instruction"] == robot.instruction


def test_ticks_come_at_the_times_of_the_grid():
    clock = HandClock()
    robot = Recorder(clock)
    report, _ = driven(Drives(), robot, clock=clock, until=after(robot, 20), hz=10.0, rest_s=0)
    assert clock.slept_until[:20] == pytest.approx([0.1 * i for i in range(20)])
    assert (report.ticks, report.missed, report.late_ms.max) == (20, 0, pytest.approx(0))


def test_a_tick_that_took_too_long_is_counted_and_not_made_up_for():
    clock = HandClock()
    robot = Recorder(clock, work_s={3: 0.25, 6: 0.1})
    report, _ = driven(Drives(), robot, clock=clock, until=after(robot, 10), hz=10.0, rest_s=0)
    tenths = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert clock.slept_until[:10] == pytest.approx([0.1 * tenth for tenth in tenths])
    assert report.missed == 1
    assert report.work_ms.max == pytest.approx(250)


def test_the_policy_is_warmed_up_and_then_forgets_it():
    policy, robot = Drives(), Recorder()
    driven(policy, robot, until=after(robot, 5))
    assert policy.resets == 2 and policy.calls >= 2


def test_no_tick_waits_for_the_policy_and_the_watchdog_holds_the_robot():
    policy, clock = Hangs(), HandClock()
    robot = Recorder(clock)
    report, _ = driven(policy, robot, clock=clock, hz=20.0, watchdog_ms=300, patience_s=2, rest_s=0.1)
    policy.released.set()
    assert report.missed == 0 and report.watchdog == 1
    assert report.fault and "held for 2 s" in report.stopped
    moving = [sent[6] != 0 for sent in robot.sent]
    last = len(moving) - moving[::-1].index(True)
    assert last <= 10, "it went on for longer than the watchdog allows"
    assert robot.sent[last + 1][:6] == robot.sent[last - 1][:6], "the arm left its place while held"
    assert_at_rest(robot, report)


@pytest.mark.parametrize("strategy", ["naive", "realtime", "ensemble"])
@pytest.mark.parametrize("watchdog_ms", [1000, 5000])
def test_after_it_was_held_the_robot_goes_on_from_where_it_stopped(strategy, watchdog_ms):
    clock = HandClock()
    robot = Recorder(clock)
    report, _ = driven(
        Counts(robot), robot, clock=clock, until=after(robot, 90), hz=20.0, strategy=strategy,
        watchdog_ms=watchdog_ms,
    )  # fmt: skip
    moved = np.diff([sent[0] for sent in robot.sent[: report.ticks]])
    assert report.held > 5 and moved.sum() > 20
    assert (report.watchdog > 0) == (watchdog_ms == 1000)
    np.testing.assert_allclose(moved, np.round(moved), atol=1e-3)
    assert set(np.round(moved)) == {0, 1}, "a step of the motion was left out or done twice"


def test_a_policy_that_answers_with_single_actions_drives_too():
    clock = HandClock()
    robot = Recorder(clock)
    report, _ = driven(Drives(length=1), robot, clock=clock, strategy="naive", until=after(robot, 30))
    assert not report.fault and report.answers > 3
    assert max(sent[0] for sent in robot.sent) == 10


def test_answers_that_are_always_too_old_end_the_run_with_that_reason():
    report, _ = driven(Drives(), clock=HandClock(), hz=20.0, watchdog_ms=1, patience_s=1)
    assert report.fault and "steps late, none of use since" in report.stopped
    assert report.held == report.ticks


def test_a_policy_of_another_width_is_stopped_before_anything_moves():
    report, robot = driven(Drives((0, 0, 0, 0, 0, 0, 0)), clock=HandClock())
    assert report.fault and "answered with 7 numbers per action instead of 9" in report.stopped
    assert report.ticks == 0 and str(report) == f"stopped: {report.stopped}"
    assert_at_rest(robot, report)


def test_a_policy_that_raises_stops_the_robot_with_its_words():
    report, robot = driven(Raises(), clock=HandClock())
    assert report.fault and report.stopped == "the policy failed: KeyError: 'camera'"
    assert_at_rest(robot, report)


@pytest.mark.parametrize("value", [900.0, np.nan])
def test_an_absurd_action_is_not_sent_and_stops_the_robot(value):
    policy = Drives()
    policy.action = policy.action.copy()
    policy.action[1] = value
    report, robot = driven(policy, clock=HandClock())
    assert report.fault
    assert "arm_shoulder_lift.pos = 900" in report.stopped or "not finite" in report.stopped
    assert np.abs(robot.sent).max() <= 100 and np.isfinite(robot.sent).all()


def test_what_was_cut_off_is_counted():
    clock = HandClock()
    robot = Recorder(clock)
    report, _ = driven(
        Drives((120, 0, 0, 0, 0, 0, 0, 0, 0)), robot, clock=clock, until=after(robot, 30), hz=20.0
    )
    assert report.clipped["arm_shoulder_pan.pos range"] > 10
    assert report.clipped["arm_shoulder_pan.pos speed"] >= 1
    assert max(sent[0] for sent in robot.sent) == 100
    assert "driver" not in report.clipped


class Timid(Recorder):
    """Send less than it was told, and say so."""

    def send_action(self, action):
        return super().send_action({name: 0.5 * number for name, number in action.items()})


def test_what_a_driver_cuts_off_is_counted_and_is_where_the_next_step_begins():
    clock = HandClock()
    robot = Timid(clock)
    report, _ = driven(Drives(), robot, clock=clock, until=after(robot, 10), hz=20.0)
    assert report.clipped["driver"] >= 5


class Garbled(Recorder):
    """Say that something was sent that is no number."""

    def send_action(self, action):
        return dict.fromkeys(super().send_action(action), float("nan"))


def test_a_driver_that_says_nonsense_stops_the_robot_and_nonsense_is_not_sent_on():
    report, robot = driven(Drives(), Garbled(), clock=HandClock())
    assert report.fault and "not finite" in report.stopped
    assert np.isfinite(robot.sent).all()
    assert_at_rest(robot, report)


class Unplugged(Recorder):
    """Lose its cable after five actions."""

    def get_observation(self):
        if len(self.sent) >= 5:
            raise ConnectionError("no status packet")
        return super().get_observation()


def test_a_robot_that_fails_ends_the_run_with_its_words():
    report, robot = driven(Drives(), Unplugged(), clock=HandClock())
    assert report.fault
    assert report.stopped == "the robot failed for 1.0 s: ConnectionError: no status packet"
    assert_at_rest(robot, report)


class Stutters(Unplugged):
    """Lose the first command after that, too."""

    def send_action(self, action):
        sent = super().send_action(action)
        if len(self.sent) == 6:
            raise ConnectionError("a broken packet")
        return sent


def test_one_broken_packet_does_not_keep_the_robot_from_coming_to_rest():
    report, robot = driven(Drives(), Stutters(), clock=HandClock())
    assert report.fault and len(robot.sent) > 6
    assert_at_rest(robot, report)


class Mute(Unplugged):
    """Take no more commands either."""

    def send_action(self, action):
        if len(self.sent) >= 5:
            raise ConnectionError("no status packet")
        return super().send_action(action)


def test_a_robot_that_cannot_be_brought_to_rest_is_reported_as_such():
    report, _ = driven(Drives(), Mute(), clock=HandClock())
    assert report.fault and not report.at_rest
    assert "did not take the last command" in str(report)


def test_a_call_from_another_thread_stops_the_robot():
    stop, robot = Stop(), Recorder()
    threading.Timer(0.1, stop, ["somebody called"]).start()
    report, _ = driven(Drives(), robot, stop=stop)
    assert report.stopped == "somebody called" and not report.fault
    assert_at_rest(robot, report)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_robot_and_kills_nobody(number):
    stop, robot = Stop(), Recorder()
    before = signal.getsignal(number)
    with on_signals(stop):
        threading.Timer(0.1, os.kill, [os.getpid(), number]).start()
        report, _ = driven(Drives(), robot, stop=stop)
    assert report.stopped == signal.Signals(number).name
    assert signal.getsignal(number) is before
    assert_at_rest(robot, report)


def test_whoever_stops_without_a_reason_stops_all_the_same():
    stop, robot = Stop(), Recorder()
    stop("")
    report, _ = driven(Drives(), robot, stop=stop)
    assert report.ticks == 0 and report.stopped


def test_a_long_run_keeps_the_times_of_its_end(monkeypatch):
    monkeypatch.setattr("sayso.runtime.loop.KEPT", 5)
    clock = HandClock()
    robot = Recorder(clock, work_s={3: 0.25})
    report, _ = driven(Drives(), robot, clock=clock, until=after(robot, 20), hz=10.0, rest_s=0)
    assert (report.ticks, report.missed) == (20, 1)
    assert report.work_ms.max == pytest.approx(0)


def test_time_ends_a_run():
    clock = HandClock()
    report, _ = driven(Drives(), clock=clock, hz=20.0, seconds=1.0)
    assert report.stopped == "its time was over" and report.ticks == 20


def test_a_robot_that_does_not_fit_is_not_moved():
    robot = Recorder()
    with pytest.raises(FeatureMismatchError):
        drive(robot, Drives(), "go", features=FEATURES, limits=SPOTS)
    with pytest.raises(FeatureMismatchError, match=r"the limits are of x\.vel"):
        drive(robot, Drives(), "go", features=HOME, limits=SPOTS)
    assert robot.sent == []


def test_a_bug_is_raised_and_the_robot_at_rest_all_the_same():
    robot = Recorder()
    with pytest.raises(ZeroDivisionError):
        driven(Drives(), robot, until=lambda: 1 / 0)
    assert robot.sent[-1][6:] == [0, 0, 0]


def test_a_question_is_asked_one_at_a_time():
    policy = Hangs()
    inference = Inference(policy)
    inference.ask({}, 0)
    with pytest.raises(RuntimeError, match="still busy"):
        inference.ask({}, 1)
    assert inference.fetch(5).answer.seen_at == 0
    assert inference.fetch() is None
    inference.close()


def test_what_a_policy_raises_is_raised_where_the_answer_is_fetched():
    policy = Raises()
    policy.calls = 2
    inference = Inference(policy)
    inference.ask({}, 0)
    with pytest.raises(PolicyFailedError, match="KeyError: 'camera'"):
        inference.fetch(5)
    assert not inference.busy
    inference.close()


def test_steadiness_ends_with_the_run():
    interval = sys.getswitchinterval()
    with steady():
        assert sys.getswitchinterval() < interval and gc.get_freeze_count() > 0
    assert sys.getswitchinterval() == interval and gc.get_freeze_count() == 0


def test_the_systems_clock_sleeps_until_the_moment():
    clock = MonotonicClock()
    moment = clock.now() + 0.02
    clock.sleep_until(moment)
    assert clock.now() >= moment
    clock.sleep_until(moment - 5)


@pytest.mark.parametrize(
    "bad",
    [{"hz": -1}, {"watchdog_ms": 0}, {"patience_s": 0}, {"seconds": -1}, {"execute": 0}]
    + [{"watchdog_ms": np.nan}, {"hz": np.inf}],
)
def test_times_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError):
        LoopConfig(**bad)


def test_a_spread_of_nothing_is_nothing():
    assert Spread.of([]) is None
    assert Spread.of([1.0, 2.0, 3.0]).p50 == 2.0
