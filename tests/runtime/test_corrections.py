"""What is said in mid-motion is understood, and obeyed at the next step of the loop, by a simulated arm."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from test_loop import HandClock

from sayso.runtime.correction import NotACorrectionError, read
from sayso.runtime.limits import Limits
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.operators.steering import Steering
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.said import Asked, Ear
from sayso.runtime.stopping import Brake
from sayso.runtime.typed import Typed, listening
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import LEKIWI, REST_RAD, SO101, from_robot_units, to_robot_units
from sayso.spec import STATE, Chunk
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.language import NotUnderstoodError, Place
from sayso.tasks.household.words.others import instead

ARM, KINEMATICS = SO101.features(), ArmKinematics()
REST = to_robot_units(REST_RAD)
WIDE = Limits(
    names=ARM.action_names,
    low=np.full(6, -200, np.float32),
    high=np.full(6, 200, np.float32),
    speed_per_s=np.full(6, 1e4, np.float32),
)


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("a bit to the left", ["2 cm to the left"]),
        ("No, a bit more to the right please!", ["2 cm to the right"]),
        ("higher", ["4 cm up"]),
        ("2,5 cm nearer and a lot lower", ["2.5 cm nearer", "8 cm down"]),
        ("move the hand three centimetres away", ["3 cm away"]),
        ("10 mm left, then let go", ["1 cm to the left", "let go"]),
        ("stop", ["stop"]),
        ("wait", ["stop"]),
        ("not so fast", ["slower"]),
        ("go on", ["go on"]),
        ("no, the other one", ["the other one"]),
        ("not that one, the blue one", ["the blue one"]),
        ("the red can", ["the red can"]),
        ("the other mug", ["the mug"]),
    ],
)
def test_corrections_are_read_with_their_amounts(text, understood):
    assert [str(one) for one in read(text)] == understood


def test_more_is_about_the_last_way_and_needs_one():
    (left,) = read("3 cm to the left")
    assert [str(one) for one in read("more", left)] == ["3 cm to the left"]
    assert [str(one) for one in read("a bit more", left)] == ["2 cm to the left"]
    assert [str(one) for one in read("up, and again")] == ["4 cm up", "4 cm up"]
    with pytest.raises(NotACorrectionError, match="does not say which way"):
        read("more")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a bit lft", "'lft' in 'a bit lft' is no correction: did you mean \"a bit left\"?"),
        ("hgher", 'did you mean "higher"'),
        ("forward", "say 'nearer' or 'away'"),
        ("30 cm up", "up to 20 cm, not 30"),
        ("0 cm up", "up to 20 cm, not 0"),
        ("left up", "two things at once: join them by 'and'"),
        ("3 cm slower", "a length goes with a way"),
        ("no", "nothing of what to do otherwise"),
        ("put the red block in the tray", 'what corrects is "a bit to the left"'),
    ],
)
def test_what_is_no_correction_is_refused_in_one_sentence_with_the_nearest(text, says):
    with pytest.raises(NotACorrectionError) as refused:
        read(text)
    assert says in str(refused.value) and "\n" not in str(refused.value)


RED, BLUE, GREEN = (Thing(colour, "can") for colour in ("red", "blue", "green"))
BOWL, TRAY, OTHER_TRAY = Place("white", "bowl"), Place("blue", "tray"), Place("red", "tray")


def test_the_other_one_is_the_thing_alike_or_the_place_where_nothing_else_is_alike():
    asked = "put the red can in the bowl"
    assert instead(asked, "", [RED, BLUE, BOWL]) == "put the blue can in the white bowl"
    assert instead(asked, "green one", [RED, BLUE, GREEN, BOWL]) == "put the green can in the white bowl"
    assert instead("put the can in the blue tray", "", [RED, TRAY, OTHER_TRAY]) == (
        "put the red can in the red tray"
    )
    with pytest.raises(NotUnderstoodError, match="Which other can\\? There is the blue can, the green can"):
        instead(asked, "", [RED, BLUE, GREEN, BOWL])
    with pytest.raises(NotUnderstoodError, match="no other can here"):
        instead(asked, "", [RED, BOWL])
    with pytest.raises(NotUnderstoodError, match="name it, such as 'the blue one'"):
        instead(asked, "", None)
    assert instead(asked, "blue one", None) == "put the blue can in the bowl"


class Lifts:
    """Raise the shoulder by a degree a step, from where it is felt; the gripper as it is told."""

    def __init__(self, gripper: float = 30.0) -> None:
        self.gripper = gripper

    def reset(self) -> None: ...

    def act(self, observation) -> Chunk:
        actions = np.tile(observation[STATE], (20, 1)).astype(np.float32)
        actions[:, 1] += np.arange(1, 21)
        actions[:, 5] = self.gripper
        return Chunk(actions)


def driven(said: dict[int, str], policy=None, features=ARM, seconds=3.0, stop=None, robot=None, asked=None):
    """Drive an arm that is at once where it is told, saying things after some steps; return what was sent."""
    steering, ticks, replies = Steering(features), [], []
    ear = Ear(steering, lambda: asked)

    def watch(tick) -> None:
        ticks.append(tick)
        if text := said.get(len(ticks)):
            replies.append(ear.hear(text))

    report = drive(
        robot or ImaginedRobot(features, list(REST)), policy or Lifts(), "go", features=features, limits=WIDE,
        before=[steering], config=LoopConfig(hz=20, seconds=seconds, rest_s=0, frozen_s=0), clock=HandClock(),
        watch=watch, pace=steering.pace, stop=stop,
    )  # fmt: skip
    return ticks, report, steering, replies


def hand(tick):
    return KINEMATICS.forward(from_robot_units(tick.sent)[0])[0]


@pytest.mark.parametrize(
    ("text", "way_m"),
    [
        ("a bit to the left", (0, -0.02, 0)),
        ("3 cm to the right", (0, 0.03, 0)),
        ("a bit higher", (0, 0, 0.02)),
        ("lower", (0, 0, -0.04)),
        ("2 cm nearer", (0.02, 0, 0)),
    ],
)
def test_the_hand_moves_from_the_next_step_on_as_the_front_camera_sees_it_then_the_policy_goes_on(
    text, way_m
):
    ticks, report, _, _ = driven({20: text})
    assert not report.fault
    person = [k for k, tick in enumerate(ticks) if tick.actor == "person"]
    assert person[0] == 20, "not obeyed at the next step"
    assert person == list(range(20, 20 + len(person))) and 4 <= len(person) <= 10
    went = hand(ticks[person[-1]]) - hand(ticks[19])
    np.testing.assert_allclose(went, way_m, atol=0.004)
    assert ticks[-1].actor == "policy" and ticks[-1].sent[1] > ticks[person[-1]].sent[1]


def test_stop_holds_from_the_next_step_a_move_is_made_meanwhile_and_go_on_lets_the_policy_act():
    ticks, _, _, _ = driven({10: "stop", 20: "a bit higher", 40: "go on"})
    held = [tick.sent for tick in ticks[10:20]]
    assert all(np.array_equal(sent, ticks[9].sent) for sent in held)
    assert (hand(ticks[35]) - hand(ticks[9]))[2] == pytest.approx(0.02, abs=0.004)
    assert all(tick.actor == "person" for tick in ticks[10:40])
    assert ticks[-1].actor == "policy" and ticks[-1].sent[1] > ticks[39].sent[1]


def test_slower_plays_what_is_planned_at_half_the_pace_from_the_next_step_and_faster_takes_it_back():
    ticks, report, steering, _ = driven({10: "slower", 30: "faster"})
    speed = np.diff([tick.sent[1] for tick in ticks])
    acted = np.array([tick.actor == "policy" for tick in ticks[1:]])
    assert np.median(speed[4:9]) == pytest.approx(1, abs=0.2)
    assert speed[10] == pytest.approx(0.5, abs=0.2), "not obeyed at the next step"
    assert np.mean(speed[12:29][acted[12:29]]) == pytest.approx(0.5, abs=0.15)
    assert np.mean(speed[34:][acted[34:]]) == pytest.approx(1, abs=0.2)
    assert steering.pace() == 1 and not report.fault
    with pytest.raises(NotACorrectionError, match="as fast as it was shown"):
        steering.check(read("faster")[0])


def test_wheels_turn_slower_too():
    class Rolls:
        def reset(self): ...

        def act(self, observation):
            return Chunk(np.tile(np.array([*observation[STATE][:6], 0.2, 0, 10], np.float32), (20, 1)))

    home = LEKIWI.features()
    low, high, speed = (np.full(9, n, np.float32) for n in (-200, 200, 1e4))
    limits = Limits(names=home.action_names, low=low, high=high, speed_per_s=speed)
    steering = Steering(home)
    ticks = []

    def watch(tick):
        ticks.append(tick)
        if len(ticks) == 10:
            Ear(steering, lambda: None).hear("much slower")

    drive(
        ImaginedRobot(home), Rolls(), "go", features=home, limits=limits, before=[steering],
        config=LoopConfig(hz=20, seconds=1, rest_s=0, frozen_s=0), clock=HandClock(), watch=watch,
        pace=steering.pace,
    )  # fmt: skip
    assert ticks[9].sent[6] == pytest.approx(0.2) and ticks[10].sent[6] == pytest.approx(0.05)


def test_let_go_opens_the_gripper_at_the_next_step_and_keeps_the_arm():
    ticks, _, _, _ = driven({10: "let go"}, Lifts(gripper=0.0))
    assert ticks[9].sent[5] == 0 and ticks[10].sent[5] > 50
    assert np.array_equal(ticks[10].sent[:5], ticks[9].sent[:5])
    assert ticks[-1].actor == "policy"


class Holds(ImaginedRobot):
    """Hold something: the gripper does not close further than this."""

    def get_observation(self):
        reading = super().get_observation()
        return {**reading, "gripper.pos": max(reading["gripper.pos"], 20.0)}


def test_the_other_one_puts_down_what_is_held_where_it_was_taken_and_ends_the_run():
    class Takes(Lifts):
        """Close the gripper at the seventh step or so, then lift."""

        def act(self, observation):
            chunk = super().act(observation)
            self.gripper = 0.0
            return chunk

    asked = Asked(sentence="put the red can in the bowl", things=(RED, BLUE, BOWL))
    policy = Takes()
    brake = Brake()
    ticks, report, steering, replies = driven(
        {40: "no, the other one"},
        policy,
        stop=brake.run(),
        robot=Holds(ARM, list(REST)),
        asked=asked,
        seconds=8.0,
    )
    assert replies == ["put the blue can in the white bowl"] == [steering.instead]
    assert not report.fault and "somebody asked for something else" in report.stopped and not brake.reason
    person = [tick for tick in ticks if tick.actor == "person"]
    assert ticks[40] is person[0]
    shut = next(k for k, tick in enumerate(ticks) if tick.sent[5] < 20)
    opened = next(tick for tick in person if tick.sent[5] > 50)
    assert hand(opened)[2] <= hand(ticks[shut])[2] + 0.006, "it was dropped from above"
    assert hand(person[-1])[2] - hand(opened)[2] == pytest.approx(0.05, abs=0.008)


def test_a_robot_whose_hand_nobody_knows_is_held_and_slowed_and_refuses_ways_in_a_sentence():
    features = replace(ARM, robot_type="koch_follower")
    with pytest.raises(NotACorrectionError, match="nobody knows here how koch_follower moves its hand"):
        Ear(Steering(features), lambda: None).hear("slower, and a bit higher")
    ticks, _, _, _ = driven({5: "stop", 10: "go on", 12: "let go"}, features=features)
    assert ticks[5].actor == "person" and ticks[-1].actor == "policy" and ticks[12].sent[5] > 50


def test_a_mistyped_stop_stops_all_the_same():
    steering = Steering(ARM)
    with pytest.raises(NotACorrectionError, match="held until 'go on'"):
        Ear(steering, lambda: None).hear("stpo")
    assert steering.acts


def test_lines_are_typed_key_by_key_and_an_empty_one_stops():
    ours, theirs = os.openpty()
    said, stopped, so_far = [], [], []
    typed = Typed(line=said.append, stop=lambda: stopped.append(1), so_far=so_far.append)
    with os.fdopen(theirs, "r") as terminal, listening(typed, terminal) as how:
        assert how == "keys"
        os.write(ours, b"a bit lx\x7f")
        os.write(ours, b"eft\n\n")
        until = time.monotonic() + 10
        while not stopped and time.monotonic() < until:
            time.sleep(0.01)
    assert said == ["a bit left"] and stopped and "a bit" in so_far
    os.close(ours)


def test_lines_are_read_from_a_pipe_and_not_from_a_file(tmp_path):
    said: list[str] = []
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "r") as pipe, listening(Typed(line=said.append), pipe) as how:
        assert how == "lines"
        os.write(write_end, b"higher\n\nslow")
        os.write(write_end, b"er\n")
        until = time.monotonic() + 10
        while len(said) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    os.close(write_end)
    assert said == ["higher", "slower"]
    path = tmp_path / "lines"
    path.write_text("stop\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file, listening(Typed(line=said.append), file) as how:
        assert how == ""
