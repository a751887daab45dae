"""Who may stop a robot is heard: the first reason, a signal, a key."""

from __future__ import annotations

import os
import pty
import signal
import termios
import time

import pytest

from sayso.runtime.stopping import Brake, Stop, later, on_signals
from sayso.runtime.typed import Typed, listening
from small_drivers import noted, run_in_a_process


def test_the_first_reason_stays():
    stop = Stop()
    stop("a", fault=True)
    stop("b")
    assert (stop.reason, stop.fault) == ("a", True)


def test_a_signal_that_nobody_listens_to_is_followed_by_an_interrupt(monkeypatch):
    monkeypatch.setattr("sayso.runtime.stopping.STUCK_S", 0.05)
    stop = Stop()
    with on_signals(stop):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.reason == "SIGINT"


def test_ctrl_c_waits_until_it_may_come():
    done = []

    def whole():
        with later():
            signal.raise_signal(signal.SIGINT)
            done.append("what must not be broken off")

    with pytest.raises(KeyboardInterrupt):
        whole()
    assert done
    with later():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def typed_for(stop: Stop) -> Typed:
    return Typed(line=lambda _: None, stop=lambda: stop("a key was pressed"))


@pytest.mark.parametrize("key", [b" ", b"\n", b"\x1b", b"\t", b"\x7f", b"\x1b[A", b"stopp\x1b", b"a\x7f\x7f"])
def test_a_key_that_begins_no_word_stops_the_robot_and_the_terminal_is_left_as_it_was(key):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as terminal:
        before, stop = termios.tcgetattr(theirs), Stop()
        with listening(typed_for(stop), terminal) as how:
            assert how == "keys"
            os.write(ours, key)
            for _ in range(100):
                if stop.reason:
                    break
                time.sleep(0.05)
        assert stop.reason == "a key was pressed" and not stop.fault
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_without_a_terminal_there_are_no_keys(tmp_path):
    with (tmp_path / "empty").open("w+") as file, listening(typed_for(Stop()), file) as how:
        assert not how


def test_behind_a_terminal_there_are_no_keys(monkeypatch):
    ours, theirs = pty.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    with os.fdopen(theirs, "r") as terminal, listening(typed_for(Stop()), terminal) as how:
        assert not how
    os.close(ours)


def test_a_brake_ends_the_present_run_and_all_after_it_and_a_run_may_end_alone():
    brake = Brake()
    first = brake.run()
    first("it was done")
    assert not brake.reason
    second = brake.run()
    brake("enough", fault=True)
    assert (second.reason, second.fault) == ("enough", True) == (brake.run().reason, brake.run().fault)
    assert first.reason == "it was done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["connecting", "disconnecting"])
def test_whoever_is_stopped_while_it_connects_or_lets_go_ends_with_its_motors_off(number, moment, tmp_path):
    notes = tmp_path / "notes"
    process = run_in_a_process(notes, seconds=1.0, drive_s=0.3)
    deadline = time.monotonic() + 60
    while moment not in noted(notes) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    happened = list(noted(notes))
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert happened[:4] == ["connecting", "torque on", "disconnecting", "torque off"]
    stopped, ticks, moved, at_rest = happened[4]
    if moment == "connecting":
        assert (stopped, ticks, moved, at_rest) == (number.name, 0, False, True), "it moved after that"
    assert "stopped: " in out


@pytest.mark.parametrize("moment", ["connecting", "disconnecting"])
def test_a_second_ctrl_c_interrupts_what_hangs_and_lets_go_all_the_same(moment, tmp_path):
    notes = tmp_path / "notes"
    process = run_in_a_process(notes, seconds=4.0, drive_s=0.1, stuck_s=0.3)
    deadline = time.monotonic() + 60
    while moment not in noted(notes) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert list(noted(notes))[-1] == "torque off"
