"""Who acts, step by step: a person before the policy, and what the policy had in mind is forgotten then."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from test_loop import HOME, WIDE, HandClock, Recorder

from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.operators import person as persons
from sayso.runtime.operators.contract import Moment
from sayso.runtime.operators.person import LINGERS_S, PersonOperator, Wish, can_steer
from sayso.runtime.takes import FEWEST, Take
from sayso.runtime.tick import Tick
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import LEKIWI, REST_RAD, SO101, from_robot_units, to_robot_units
from sayso.spec import ACTION, STATE, Chunk, image_key
from small_worlds import FEATURES as SPOTS

PERIOD = 1 / 20
REST = to_robot_units(REST_RAD)
ARM = ArmKinematics()


class Counts:
    """Ask for the number of the question, as often as a chunk has rows."""

    def __init__(self, slow_s: float = 0.0) -> None:
        self.asked, self.slow_s = 0, slow_s

    def reset(self) -> None: ...

    def act(self, observation) -> Chunk:
        self.asked += 1
        time.sleep(self.slow_s)
        return Chunk(np.full((30, 9), self.asked, np.float32))


class StepsIn:
    """Act from one step to another, by standing at -7."""

    actor = "person"

    def __init__(self, begin: int, end: int) -> None:
        self.steps, self.turn = 0, range(begin, end)
        self.closed = False

    def begin(self, observation, stop, clock, period) -> None: ...

    def act(self, moment):
        self.steps += 1
        return np.full(9, -7, np.float32) if self.steps - 1 in self.turn else None

    def stand_aside(self, moment) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("strategy", ["realtime", "ensemble", "naive", "synchronous"])
def test_a_person_goes_first_and_the_policy_then_begins_anew(strategy):
    clock, ticks, hand = HandClock(), [], StepsIn(10, 20)
    robot, policy = Recorder(clock), Counts()
    config = LoopConfig(hz=20, seconds=2.0, rest_s=0, strategy=strategy, execute=30)
    report = drive(
        robot,
        policy,
        "go",
        features=HOME,
        limits=WIDE,
        before=[hand],
        config=config,
        clock=clock,
        watch=ticks.append,
    )
    assert not report.fault and hand.closed
    assert {tick.actor for tick in ticks[10:20]} == {"person"}
    assert all(tick.sent[0] == -7 for tick in ticks[10:20])
    others = [tick for tick in (*ticks[:10], *ticks[20:]) if tick.actor]
    assert {tick.actor for tick in others} == {"policy"} and len(others) >= 20
    before, after = ({tick.sent[0] for tick in part if tick.actor} for part in (ticks[:10], ticks[20:]))
    assert max(before) < min(after), "the chunk of before was gone on with"
    assert all(step == -7 for step in (tick.sent[0] for tick in ticks[20:] if tick.actor is None))


def test_an_answer_to_what_was_seen_before_a_person_acted_counts_no_more():
    clock, ticks = HandClock(), []
    policy = Counts()
    policy.act(None)  # so that the first answers are 2 and 3

    def slowly(tick) -> None:
        ticks.append(tick)
        policy.slow_s = 0.05 if len(ticks) < 12 else 0.0  # an answer is on its way when the person steps in

    config = LoopConfig(hz=20, seconds=2.0, rest_s=0, execute=2)
    drive(
        Recorder(clock), policy, "go", features=HOME, limits=WIDE, before=[StepsIn(8, 9)], config=config,
        clock=clock, watch=slowly,
    )  # fmt: skip
    known = {tick.sent[0] for tick in ticks[:8] if tick.actor == "policy"}
    first = next(tick.sent[0] for tick in ticks[9:] if tick.actor == "policy")
    assert first not in known


def test_a_person_alone_drives_without_any_policy():
    clock = HandClock()
    report = drive(
        Recorder(clock), None, "go", features=HOME, limits=WIDE, before=[StepsIn(0, 99)],
        config=LoopConfig(hz=20, seconds=1.0, rest_s=0), clock=clock,
    )  # fmt: skip
    assert (report.ticks, report.answers, report.held, report.fault) == (20, 0, 0, False)


def moved(person, wish, steps=10, last=REST, began=0.0):
    """Hold a wish for some steps, and return the last action."""
    for step in range(steps):
        if wish is not None:
            person.steer(wish)
        last = person.act(Moment(began + step * PERIOD, PERIOD, {}, np.asarray(last, np.float32)))
    return last


def hand(action):
    return ARM.forward(from_robot_units(action)[0])[0]


@pytest.mark.parametrize(
    ("wish", "axis", "sign"),
    [("along", 0, 1), ("across", 1, 1), ("up", 2, -1)],
)
def test_a_key_moves_the_hand_along_one_axis_alone(wish, axis, sign):
    action = moved(PersonOperator(), Wish(**{wish: sign}))
    went = hand(action) - hand(REST)
    assert went[axis] * sign == pytest.approx(10 * persons.HAND_M_S * PERIOD, abs=0.004)
    assert np.abs(np.delete(went, axis)).max() < 0.004
    assert action[5] == pytest.approx(REST[5], abs=0.01)


def test_a_hand_at_the_end_of_its_reach_stays_there_and_comes_back_at_once():
    person = PersonOperator()
    far = moved(person, Wish(along=1), steps=150)
    low, high = SO101.action_limits()
    assert (far >= low - 1e-3).all() and (far <= high + 1e-3).all()
    assert 0.3 < hand(far)[0] < 0.5
    back = moved(person, Wish(along=-1), steps=10, last=far, began=150 * PERIOD)
    assert hand(back)[0] < hand(far)[0] - 0.03


def test_the_hand_comes_to_where_it_is_dragged_and_no_faster_than_a_hand_should():
    person = PersonOperator()
    goal = hand(REST) + [0.08, 0.06, -0.05]
    person.drag(goal)
    one = moved(person, None, steps=1)
    assert np.linalg.norm(hand(one) - hand(REST)) < persons.DRAG_M_S * PERIOD + 0.003
    there = moved(person, None, steps=20, last=one, began=PERIOD)
    np.testing.assert_allclose(hand(there), goal, atol=0.003)


def test_jaws_turn_and_the_gripper_shuts_and_opens():
    person = PersonOperator()
    turned = moved(person, Wish(turn=1))
    assert np.linalg.norm(hand(turned) - hand(REST)) < 0.003 and abs(turned[4] - REST[4]) > 10
    person.grip()
    assert moved(person, Wish(), steps=1, last=turned, began=1.0)[5] == persons.SHUT_PERCENT
    person.grip()
    assert moved(person, Wish(), steps=1, last=turned, began=1.1)[5] == pytest.approx(persons.OPEN_PERCENT)
    person.grip()
    person.grip()
    assert moved(person, Wish(), steps=1, last=turned, began=1.2)[5] == pytest.approx(persons.OPEN_PERCENT)


def test_the_base_has_its_own_keys_and_stops_when_they_are_let_go():
    person, last = PersonOperator(), np.append(REST, [0, 0, 0]).astype(np.float32)
    driving = moved(person, Wish(base=(1, 0, -1)), last=last)
    np.testing.assert_allclose(driving[:6], REST, atol=1e-3)
    assert driving[6] == pytest.approx(persons.BASE_M_S) and driving[8] < -30 and driving[7] == 0
    stopped = moved(person, Wish(), steps=1, last=driving, began=0.5)
    np.testing.assert_allclose(stopped, [*REST, 0, 0, 0], atol=1e-3)


def test_whoever_lets_go_keeps_the_robot_still_for_a_moment_and_then_leaves_it(monkeypatch):
    person = PersonOperator()
    moving = moved(person, Wish(along=1))
    assert person.acts and person.moving
    still = moved(person, Wish(), steps=1, last=moving, began=10 * PERIOD)
    np.testing.assert_allclose(still, moving, atol=1e-5)
    assert person.acts and not person.moving
    assert person.act(Moment(9 * PERIOD + LINGERS_S + 0.01, PERIOD, {}, still)) is None and not person.acts
    # A page that is gone with a key held does not go on moving.
    person.steer(Wish(along=1))
    monkeypatch.setattr(persons, "FORGOTTEN_S", 0.0)
    time.sleep(0.01)
    assert person.act(Moment(99.0, PERIOD, {}, still)) is None


def test_nobody_steps_in_where_nothing_is_seen():
    person = PersonOperator(alone=True)
    person.steer(Wish(along=1))
    assert person.act(Moment(0.0, PERIOD, None, REST)) is None


def test_which_robots_a_person_can_steer():
    assert can_steer(SO101.features()) and can_steer(LEKIWI.features()) and not can_steer(SPOTS)


def test_a_take_has_no_idle_ends_and_pairs_what_was_seen_with_what_was_sent(tmp_path):
    for spool in (None, tmp_path):
        take = Take(dataclasses.replace(SPOTS, points=()), spool)
        for step in range(12):
            picture = np.full((32, 32, 3), step, np.uint8)
            reading = {"x.pos": step, "y.pos": 0.0, "front": picture, "wrist": picture}
            take.see(reading if step != 6 else {**reading, "front": None})
            picture[:] = 255  # a driver may show the next picture in the same array
            tick = Tick(step / 10, {}, None, step, np.full(2, step, np.float32), 0, "person")
            take.step(tick, "go", moving=3 <= step < 9)
        frames = take.cut()
        assert [frame[ACTION][0] for frame in frames] == [3, 4, 5, 7, 8]
        assert all(frame[ACTION][0] == frame[STATE][0] == frame[image_key("wrist")].max() for frame in frames)
        assert take.cut() == []
        for _ in range(FEWEST - 1):
            take.see(reading)
            take.step(tick, "go", moving=True)
        assert take.cut() == []
