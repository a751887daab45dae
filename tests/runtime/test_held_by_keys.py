"""Whoever hammers at the keyboard stops or holds a robot that can break, at once, whatever the keys are."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from test_corrections import ARM, REST, WIDE, Lifts

from sayso.data.statistics import Stats
from sayso.runtime import corrected
from sayso.runtime.corrected import drive_corrected
from sayso.runtime.loop import LoopConfig
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.stopping import Brake
from sayso.runtime.typed import Typed, _keys, _or_stop, struck
from sayso.spec import STATE
from small_drivers import Driver

KEYS = "asdfjkl;qwpo 1290,.-=\t\x7f\x1b\x00\x80\xc3\r\n"
"""What a fist may hit; the letters make no word that corrects."""


class Keyboard:
    """Keyboard of somebody who types in the thread of the loop, so that each key comes between two steps."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setattr(corrected, "listening", self._listening)
        self.typed = Typed(line=lambda _: None)

    @contextlib.contextmanager
    def _listening(self, typed: Typed) -> Iterator[str]:
        self.typed = typed
        yield "keys"

    def type(self, keys: str, text: str = "") -> str:
        """Type keys, and return what the line is by then."""
        for key in keys:
            text, said, stops = struck(text, key)
            if stops:
                self.typed.stop()
            self.typed.so_far(text)
            if said:
                self.typed.line(said)
        return text


class Arm(Driver):
    """Arm with motors that stands where it was shown."""

    def __init__(self) -> None:
        super().__init__(ARM)
        self.state = dict(zip(ARM.state_names, map(float, REST), strict=True))


def driven(keyboard, typed: dict[int, str], robot=None, steps=60, stats=None, limits=WIDE, **config):
    """Drive an arm, typing keys after some steps; return what was sent in each, the report and the lines."""
    sent, told, text = [], [], [""]

    def watch(tick) -> None:
        sent.append(tick.sent)
        if keys := typed.get(len(sent)):
            text[0] = keyboard.type(keys, text[0])

    report = drive_corrected(
        robot or Arm(), Lifts(), "go", features=ARM, limits=limits, brake=Brake(), stats=stats or {},
        until=lambda: "enough" if len(sent) >= steps else "",
        config=LoopConfig(**{"hz": 50, "rest_s": 0, "frozen_s": 0} | config), tell=told.append, watch=watch,
    )  # fmt: skip
    return np.array(sent), report, told


def moved_after(sent, step: int) -> bool:
    return not np.array_equal(sent[step:], np.tile(sent[step - 1], (len(sent) - step, 1)))


def test_the_first_letter_holds_a_robot_until_a_line_is_understood(monkeypatch):
    sent, report, told = driven(Keyboard(monkeypatch), {20: "j", 30: "k\n", 40: "go on\n"})
    assert not moved_after(sent[:40], 20) and not report.fault
    assert sent[-1][1] > sent[40][1] + 5, "it did not go on"
    assert "any other key holds it" in told[0]
    assert any("It is held until 'go on'" in line for line in told)


def test_what_was_erased_was_typed_all_the_same(monkeypatch):
    sent, report, _ = driven(Keyboard(monkeypatch), {20: "j\x7f"})
    assert not moved_after(sent, 20) and report.stopped == "enough"


def test_a_motion_that_was_asked_for_in_words_is_held_too(monkeypatch):
    sent, _, _ = driven(
        Keyboard(monkeypatch), {10: "20 cm higher\n", 30: "j", 60: "\x7fgo on\n"}, seconds=2.0
    )
    assert not np.array_equal(sent[29], sent[28]), "it was not moving"
    assert not moved_after(sent[:60], 30)


def test_a_robot_that_cannot_break_goes_on_while_somebody_types(monkeypatch):
    robot = ImaginedRobot(ARM, list(REST))
    sent, _, told = driven(Keyboard(monkeypatch), {20: "j", 30: "k\n"}, robot=robot)
    assert moved_after(sent, 25) and not any("held" in line for line in told)


@pytest.mark.parametrize("seed", range(12))
def test_hammered_keys_stop_or_hold_it_from_the_first_on(seed, monkeypatch):
    draw = random.Random(seed)
    hammered = {step: "".join(draw.choices(KEYS, k=draw.randint(1, 4))) for step in range(15, 40, 3)}
    sent, report, _ = driven(Keyboard(monkeypatch), hammered)
    assert not moved_after(sent, 15)
    assert not report.fault


@pytest.mark.parametrize("piped", [False, True])
def test_a_key_or_a_line_stops_it_while_it_goes_slowly_to_where_it_begins(piped, monkeypatch):
    keyboard = Keyboard(monkeypatch)

    class Approaches(Arm):
        def send_action(self, action):
            if len(self.sent) == 10:
                keyboard.typed.line("stop") if piped else keyboard.type("j")
            return super().send_action(action)

    shown = REST + np.array([60, 0, 0, 0, 0, 0])
    flat = np.stack([shown - 1, shown + 1]).astype(np.float32)
    robot, limits = Approaches(), replace(WIDE, speed_per_s=np.full(6, 100, np.float32))
    _, report, told = driven(
        keyboard, {}, robot=robot, stats={STATE: Stats.of(flat)}, limits=limits, start="slowly"
    )
    assert any("moves there slowly" in line for line in told)
    assert report.stopped == ("somebody said 'stop' before it began" if piped else "a key was pressed")
    assert report.ticks == 0 and len(robot.sent) < 20


def test_any_key_that_makes_no_word_stops_at_once_even_amid_a_line():
    for key in "\n\r \x7f\b\t\x1b\x04\x00":
        assert struck("", key) == ("", "", True)
    for key in "\x1b\t\x04\x00":
        assert struck("a bit", key) == ("", "", True)
    assert struck("a bit", "\n") == ("", "a bit", False)
    assert struck("a", " ") == ("a ", "", False)


def test_whoever_cannot_be_heard_any_more_stops_it(monkeypatch):
    raised, stopped, keys = [], [], iter("jj\n")

    def fails(_: str) -> None:
        raise RuntimeError("nobody knows why")

    monkeypatch.setattr(threading, "excepthook", raised.append)
    typed = Typed(line=fails, stop=lambda: stopped.append(1))
    over = threading.Event()
    thread = threading.Thread(target=_or_stop, args=(_keys, lambda: next(keys, ""), typed, over))
    thread.start()
    thread.join(10)
    over.set()
    assert stopped and len(raised) == 1
