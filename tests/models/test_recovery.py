"""Recovery and stillness: when a robot stands still, and what a policy then does instead."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.data.stillness import stands_still
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import tally
from sayso.models.recovery import RecoveringPolicy
from sayso.spec import ENDED, STATE, STILL, Chunk, Dimension, Features
from small_reach import FEATURES, ArmWorld
from small_worlds import SpotWorld, Still

JOINTS = FEATURES.state_names


class Stuck:
    """Go up and to the side, then stay there, whatever is seen; hold with the gripper."""

    def __init__(self, steps: int) -> None:
        """Move for so many steps."""
        self.steps, self.seen, self.asked = steps, [], 0

    def reset(self) -> None:
        """Begin anew."""
        self.asked = 0

    def act(self, observation):
        """Return where it is a little later, at most `steps` steps away from where it was."""
        self.asked += 1
        ahead = np.arange(1, 9)[:, None] if self.asked * 4 <= self.steps else np.zeros((8, 1))
        move = np.array([[2, 2, 0, 0]], np.float32) * ahead
        chunk = observation[STATE] + move
        chunk[:, 3] = 33
        return Chunk(chunk.astype(np.float32))


def states_of(policy, looks: int) -> np.ndarray:
    """Return where the arm was at each look of an episode."""
    world, seen = ArmWorld(), []
    observation, _ = world.reset(seed=3)
    world.state[:] = (-30, 10, 70, 30)
    observation = world._observe()
    policy.reset()
    for _ in range(looks):
        seen.append(observation[STATE].copy())
        for action in policy.act(observation).actions[:4]:
            observation, *_ = world.step(action)
    return np.array(seen)


def test_who_stands_still_backs_off_along_its_own_path_and_then_aside_and_keeps_its_grip():
    alone = states_of(Stuck(24), 20)
    assert np.ptp(alone[-8:, :3], axis=0).max() == 0
    policy = RecoveringPolicy(Stuck(24), FEATURES)
    path = states_of(policy, 20)
    assert policy.times >= 1
    np.testing.assert_allclose(path[:8], alone[:8])  # until it is noticed nothing is otherwise
    stuck = path[7]
    back = [k for k in range(8, 20) if np.abs(path[k, :2] - stuck[:2]).max() > 5]
    assert back and back[0] <= 14
    for k in back[:2]:  # it comes by where it had been
        assert np.abs(alone[:7, :2] - path[k, :2]).max(1).min() < 1
    assert set(path[2:, 3].round()) == {33}


def test_what_is_drawn_depends_on_the_seed_alone():
    def ran(seed: int) -> np.ndarray:
        policy = RecoveringPolicy(Stuck(16), FEATURES)
        begin = policy.reset
        policy.reset = lambda: (begin(), policy.seed(seed))
        return states_of(policy, 24)

    assert np.array_equal(ran(5), ran(5))
    assert not np.array_equal(ran(5), ran(6))


def test_an_episode_that_goes_well_is_as_it_was():
    world = ArmWorld()
    one = rollout(world, world.expert(), 4, keep_frames=True)
    other = rollout(world, RecoveringPolicy(world.expert(), FEATURES, 1), 4, keep_frames=True)
    assert one.success and one.steps == other.steps
    for a, b in zip(one.frames, other.frames, strict=True):
        assert np.array_equal(a["action"], b["action"])


def test_where_actions_are_speeds_the_policys_own_answer_is_disturbed():
    world = SpotWorld()
    policy = RecoveringPolicy(Still(), world.features)
    episode = rollout(world, policy, 7)
    assert policy.times >= 1
    assert episode.notes.get(ENDED) != STILL


def test_a_failure_that_stands_still_is_told_from_one_that_moves():
    world = SpotWorld(horizon=60)
    still = rollout(world, Still(), 7)
    assert still.notes[ENDED] == STILL and not still.success

    class Wandering(Still):
        def act(self, observation):
            return Chunk(np.random.default_rng(0).uniform(-1, 1, (8, 2)).astype(np.float32))

    moving = rollout(world, Wandering(), 7)
    good = rollout(world, world.expert(), 1, execute=1)
    assert ENDED not in moving.notes and ENDED not in good.notes and good.success
    assert tally([still, moving, good]).still_failures == 1
    assert tally([]).still_failures == 0


@pytest.mark.parametrize(
    ("unit", "amount", "still"),
    [("deg", 3.0, True), ("deg", 20.0, False), ("m", 0.005, True), ("m", 0.05, False), ("", 0.5, False)],
)
def test_how_much_is_motion_depends_on_the_unit(unit, amount, still):
    one = Features(robot_type="one", fps=10, state=(Dimension(name="a", unit=unit),), action=(), cameras={})
    assert stands_still(np.linspace(0, amount, 5)[:, None], one) is still


def test_who_sways_between_places_where_it_was_gets_nowhere_and_who_closes_its_hand_there_does():
    fold = Dimension(name="fold.pos", unit="deg")
    one = Features(
        robot_type="o", fps=10, state=(fold, Dimension(name="gripper", unit="%")), action=(), cameras={}
    )
    sways = np.stack([30 * np.sin(np.arange(40) * 0.7), np.full(40, 90.0)], 1)
    assert stands_still(sways, one)
    grips = sways.copy()
    grips[20:, 1] = 20
    assert not stands_still(grips, one)


def test_a_wheel_that_turns_at_one_speed_moves_and_no_state_says_nothing():
    wheel = Features(robot_type="w", fps=10, state=(Dimension(name="v", unit="m/s"),), action=(), cameras={})
    assert not stands_still(np.full((5, 1), 0.3), wheel)
    assert stands_still(np.full((5, 1), 0.01), wheel)
    blind = Features(robot_type="b", fps=10, state=(), action=(), cameras={})
    assert not stands_still(np.zeros((5, 0)), blind)
    assert not stands_still(np.zeros((1, 1)), wheel)
