"""Chunks that come late are joined without a jerk, and no step is left out or done twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.evaluation.rollout import rollout
from sayso.runtime.chunking import (
    STRATEGIES,
    Answer,
    Ensemble,
    Late,
    Naive,
    Plan,
    RealTime,
    Synchronous,
    hold,
    make_strategy,
    soft_mask,
    stand,
)
from sayso.sim.robots import LEKIWI
from sayso.spec import Chunk, Outcome, UnknownNameError
from small_worlds import FEATURES, SpotWorld

K = 8
ASYNCHRONOUS = ("realtime", "ensemble", "naive")
delays = st.lists(st.integers(0, 12), min_size=1, max_size=12)
chunks = st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=K), min_size=1, max_size=6)


def answer(values, seen_at: int) -> Answer:
    return Answer(chunk=Chunk(np.array(values, np.float32)[:, None]), seen_at=seen_at)


def counting(seen_at: int, first: float | None = None) -> Answer:
    """Return a chunk that counts on from a number, by default that of the step it was asked for at."""
    begin = seen_at if first is None else first
    return answer(np.arange(begin, begin + K), seen_at)


def followed_until(step: int) -> Plan:
    """Return a plan that was followed up to a step, and says nothing more."""
    return Plan(actions=np.zeros((step, 1), np.float32))


def played(strategy, delay_of, steps: int) -> list[float | None]:
    """Return what is done at each step, one question at a time, each answered after its own delay.

    The motion is to count: who looks sees how many numbers have been said, and says how to go on.
    """
    plan, waiting, due, done, said = Plan(), None, 0, [], 0
    for step in range(steps):
        for _ in range(2):  # what is due, then a question, then its answer if that comes at once
            if waiting is not None and step >= due:
                plan, waiting = strategy.merge(plan, waiting, step), None
            elif waiting is None and strategy.asks(plan, step):
                waiting, due = counting(step, said), step + delay_of(step)
        if waiting is not None and step >= due:
            plan, waiting = strategy.merge(plan, waiting, step), None
        action = plan.at(step)
        done.append(None if action is None else float(action[0]))
        said += action is not None
    return done


@pytest.mark.parametrize("name", STRATEGIES)
@given(late=delays)
@settings(deadline=None)
def test_whatever_the_delays_each_step_of_a_motion_is_done_once_and_in_order(name, late):
    done = played(make_strategy(name), lambda step: late[step % len(late)], 60)
    moved = [action for action in done if action is not None]
    assert len(moved) > 3
    assert moved == pytest.approx(range(len(moved)), abs=1e-3)


@pytest.mark.parametrize("name", ASYNCHRONOUS)
@given(delay=st.integers(0, K - make_strategy("realtime").execute))
@settings(deadline=None)
def test_the_robot_never_waits_while_chunks_are_longer_than_the_wait(name, delay):
    done = played(make_strategy(name), lambda _: delay, 60)
    assert all(action is not None for action in done[delay:])


@given(delay=st.integers(0, 12), execute=st.integers(1, K))
@settings(deadline=None)
def test_synchronous_executes_the_beginning_of_each_chunk_and_stands_in_between(delay, execute):
    done = played(Synchronous(execute=execute), lambda _: delay, 60)
    cycle = [False] * delay + [True] * execute
    assert [action is not None for action in done] == (cycle * 60)[:60]


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_after_a_stand_the_robot_goes_on_from_where_it_stopped(name):
    plan = make_strategy(name).merge(Plan(), counting(0), 0)  # until step 8
    plan = make_strategy(name).merge(plan, counting(6), 11)  # asked for when 6 steps were done, then 2 more
    assert plan.at(11)[0] == 8 and plan.end == 11 + 6


def test_what_is_cut_off_a_plan_is_not_done_and_its_answers_are_forgotten():
    plan = Ensemble().merge(Plan(), counting(0), 0).cut(3)
    assert plan.at(2)[0] == 2 and plan.at(3) is None
    assert Ensemble().merge(plan, counting(3), 5).actions[:, 0].tolist() == list(range(3, 3 + K))


def test_without_an_answer_there_is_no_action():
    for name in STRATEGIES:
        assert all(action is None for action in played(make_strategy(name), lambda _: 99, 20))


@given(said=chunks, order=st.randoms(), now=st.integers(5, 12))
@settings(deadline=None)
def test_an_ensemble_does_not_depend_on_the_order_of_arrival_and_stays_between_what_was_said(
    said, order, now
):
    answers = [answer(values, seen_at) for seen_at, values in enumerate(said)]
    shuffled = list(answers)
    order.shuffle(shuffled)
    plans = []
    for arrivals in (answers, shuffled):
        plan = followed_until(now)
        for one in arrivals:
            plan = Ensemble(m=0.3).merge(plan, one, now)
        plans.append(plan)
    assert plans[0].begin == plans[1].begin and plans[0].seen_at == plans[1].seen_at
    np.testing.assert_array_equal(plans[0].actions, plans[1].actions)
    for step in range(now, plans[0].end):
        voices = [one.since(step)[0, 0] for one in answers if one.end > step]
        slack = 1e-4 * max(1, max(map(abs, voices)))
        assert min(voices) - slack <= plans[0].at(step)[0] <= max(voices) + slack


def test_an_ensemble_weighs_as_act_does():
    plan = followed_until(2)
    for seen_at, value in enumerate((1.0, 2.0, 4.0)):
        plan = Ensemble(m=0.5).merge(plan, answer([value] * K, seen_at), 2)
    weights = np.exp(-0.5 * np.arange(3))
    assert plan.at(2)[0] == pytest.approx(weights @ [1, 2, 4] / weights.sum())


@given(
    old=st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=K),
    new=st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=K),
    data=st.data(),
)
@settings(deadline=None)
def test_real_time_begins_near_the_old_chunk_ends_with_the_new_and_moves_from_one_to_the_other(
    old, new, data
):
    seen_at = data.draw(st.integers(1, len(old)))
    now = data.draw(st.integers(seen_at, seen_at + len(new) - 1))
    before = RealTime().merge(Plan(), answer(old, 0), 0)
    after = RealTime().merge(before, answer(new, seen_at), now)
    seen_at += max(0, now - len(old))  # for so long there was nothing to do
    assert (after.begin, after.end) == (now, seen_at + len(new))
    last = 1.0
    for step in range(now, after.end):
        fresh, kept = answer(new, seen_at).since(step)[0, 0], before.at(step)
        if kept is None:
            assert after.at(step)[0] == fresh
            continue
        gap = float(kept[0]) - float(fresh)
        if abs(gap) > 1:  # else nothing can be told of it
            share = (float(after.at(step)[0]) - float(fresh)) / gap
            assert 0 < share < last
            last = share


def test_the_soft_mask_is_that_of_the_paper():
    # Equation 5 with a horizon of 16, 4 steps executed and a delay of 3: c = (12 - i) / (12 - 3 + 1).
    c = (12 - np.arange(3, 12)) / 10
    np.testing.assert_allclose(soft_mask(9), c * (np.exp(c) - 1) / (np.e - 1), rtol=1e-6)


@given(gap=st.floats(1, 100), overlap=st.integers(4, K))
@settings(deadline=None)
def test_the_jerk_of_real_time_is_a_fraction_of_the_naive_one(gap, overlap):
    begun = Naive().merge(Plan(), answer([0.0] * (overlap + 1), 0), 0)
    late = answer([gap] * (overlap + 1), 1)
    assert Naive().merge(begun, late, 1).at(1)[0] == pytest.approx(gap)
    assert RealTime().merge(begun, late, 1).at(1)[0] < 0.5 * gap
    steps = np.diff([0.0, *RealTime().merge(begun, late, 1).actions[:, 0]])
    assert steps.max() < 0.5 * gap


@pytest.mark.parametrize("name", ["realtime", "naive", "synchronous"])
def test_an_answer_that_was_overtaken_changes_nothing(name):
    strategy = make_strategy(name)
    plan = strategy.merge(Plan(), counting(5), 6)
    assert strategy.merge(plan, counting(3), 7) is plan


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_an_answer_all_of_the_past_changes_nothing(name):
    plan = make_strategy(name).merge(Plan(), counting(5), 6)
    assert make_strategy(name).merge(plan, answer([1.0], 6), 9) is plan


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_answer_cannot_come_before_its_question(name):
    with pytest.raises(ValueError, match="seen at step 5 cannot arrive at step 4"):
        make_strategy(name).merge(Plan(), counting(5), 4)


def test_an_unknown_strategy_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'realtime'"):
        make_strategy("realtme")
    with pytest.raises(ValueError, match="at least one action"):
        make_strategy("naive", 0)


def test_at_rest_the_arm_stays_and_the_wheels_stand():
    features = LEKIWI.features()
    last = np.arange(1, 10, dtype=np.float32)
    assert hold(features, last).tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0]
    felt = np.full(9, 50, np.float32)
    assert stand(features, felt, last).tolist() == [50, 50, 50, 50, 50, 6, 0, 0, 0]
    assert stand(features, felt).tolist() == [50, 50, 50, 50, 50, 50, 0, 0, 0]


@pytest.mark.parametrize("name", ["realtime", "naive", "synchronous"])
def test_without_delay_an_episode_is_that_of_the_plain_loop(name):
    for seed in (3, 4):
        world = SpotWorld()
        plain = rollout(world, Ahead(world), seed, execute=4)
        late = rollout(world, Late(Ahead(world), FEATURES, make_strategy(name, 4), 0), seed, execute=1)
        if name == "realtime":  # it mixes what the plain loop replaces
            assert late.outcome is plain.outcome is Outcome.SUCCESS
        else:
            assert (late.steps, late.outcome, late.conditions) == (
                plain.steps,
                plain.outcome,
                plain.conditions,
            )


def test_a_delay_costs_the_synchronous_strategy_standing_still():
    world = SpotWorld(horizon=200)
    steps = [
        rollout(world, Late(Ahead(world), FEATURES, Synchronous(execute=4), delay), 3, execute=1).steps
        for delay in (0, 3)
    ]
    assert steps[0] < steps[1]


def test_a_late_policy_forgets_the_last_episode():
    world = SpotWorld()
    late = Late(Ahead(world), FEATURES, RealTime(), 2)
    assert rollout(world, late, 3, execute=1).steps == rollout(world, late, 3, execute=1).steps


def test_an_answer_before_its_question_is_no_delay():
    with pytest.raises(ValueError, match="0 or more steps late"):
        Late(Ahead(SpotWorld()), FEATURES, RealTime(), -1)


class Ahead:
    """Go to the named spot by what is seen at the question, and say so for eight steps ahead."""

    def __init__(self, world: SpotWorld) -> None:
        self.world = world

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        """Return velocities that shrink with the way that is left."""
        point, target = observation["observation.state"].copy(), self.world.spots[self.world.task.colour]
        actions = []
        for _ in range(K):
            velocity = np.clip(2.0 * (target - point), -0.5, 0.5)
            point = point + velocity / FEATURES.fps
            actions.append(velocity)
        return Chunk(np.array(actions, np.float32))
