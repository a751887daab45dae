"""The closed loop on a small world: what counts as success, failure and invalid, and what is kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sayso.evaluation.noise import ActionNoise
from sayso.evaluation.rollout import rollout
from sayso.spec import ACTION, IMAGES, POINTS, STATE, Chunk, Observation, Outcome
from small_worlds import FEATURES, Fragile, SpotExpert, SpotWorld, Still

EASY = 2_000_001
"""A seed whose named spot the expert reaches."""
HARD = 0
"""A seed whose named spot lies where the expert gives up, when asked to visit it."""


class Scripted:
    """Return one prepared chunk for ever, and count."""

    def __init__(self, actions: np.ndarray) -> None:
        self.actions, self.calls, self.resets = actions, 0, 0

    def reset(self) -> None:
        self.resets += 1

    def act(self, observation: Observation) -> Chunk:
        self.calls += 1
        return Chunk(self.actions)


def test_an_expert_succeeds_and_the_episode_says_so():
    world = SpotWorld()
    episode = rollout(world, world.expert(), EASY, family="go")
    assert episode.outcome is Outcome.SUCCESS
    assert episode.world == "spots" and episode.family == "go" and episode.horizon == 30
    assert episode.instruction == world.task.instruction
    assert 0 < episode.steps < 30
    assert episode.conditions == {"at_spot": True, "slow": True}
    assert episode.notes == {"chosen_object": "named"}
    assert 0 < episode.policy_seconds < episode.seconds
    assert episode.frames == []


def test_an_episode_without_success_ends_at_the_horizon_as_a_failure_with_its_conditions():
    episode = rollout(SpotWorld(horizon=12), Still(), EASY)
    assert episode.outcome is Outcome.FAILURE
    assert episode.steps == 12
    assert episode.failed_conditions == ("at_spot",)
    assert episode.notes == {"chosen_object": "neither"}


@pytest.mark.parametrize(("length", "execute", "calls"), [(8, 8, 3), (8, 3, 7), (2, 8, 10), (1, 1, 20)])
def test_the_first_actions_of_each_chunk_are_executed_before_looking_again(length, execute, calls):
    policy = Scripted(np.zeros((length, 2), np.float32))
    episode = rollout(SpotWorld(horizon=20), policy, EASY, execute=execute)
    assert episode.steps == 20
    assert policy.calls == episode.policy_calls == calls
    assert policy.resets == 1


def test_execute_below_one_is_refused():
    with pytest.raises(ValueError, match="execute=0"):
        rollout(SpotWorld(), Still(), EASY, execute=0)


def test_frames_hold_what_was_seen_then_asked_then_labelled():
    world = SpotWorld()
    episode = rollout(world, world.expert(), EASY, keep_frames=True)
    assert len(episode.frames) == episode.steps
    for frame, following in zip(episode.frames, episode.frames[1:], strict=False):
        np.testing.assert_allclose(frame[STATE] + frame[ACTION] / 10, following[STATE], atol=1e-6)
    first = episode.frames[0]
    assert first[POINTS].shape == (len(FEATURES.points),)
    assert first["task"] == episode.instruction
    assert first["observation.images.front"].dtype == np.uint8


def test_the_same_seed_gives_the_same_episode_with_noise_and_another_seed_another():
    def states(seed: int) -> np.ndarray:
        world = SpotWorld()
        noise = ActionNoise(m_per_s=0.3)
        return np.stack(
            [f[STATE] for f in rollout(world, world.expert(), seed, keep_frames=True, noise=noise).frames]
        )

    np.testing.assert_array_equal(states(EASY), states(EASY))
    assert not np.array_equal(states(EASY)[0], states(EASY + 1)[0])


def test_noise_changes_what_is_executed_but_not_what_is_recorded():
    still = Scripted(np.zeros((1, 2), np.float32))
    frames = rollout(SpotWorld(60), still, EASY, keep_frames=True, noise=ActionNoise(m_per_s=0.5)).frames
    assert all((frame[ACTION] == 0).all() for frame in frames)
    assert np.ptp([frame[STATE] for frame in frames], axis=0).min() > 0.01


def test_noise_comes_in_bursts_of_the_asked_deviation_and_correlation():
    noise = ActionNoise(m_per_s=0.5, correlation_steps=5, burst_s=(20, 20), pause_s=(1, 1))
    disturb = noise.begin(FEATURES, seed=3)
    drawn = np.stack([disturb(np.zeros(2, np.float32)) for _ in range(20 * 210)])
    on = drawn.any(axis=1)
    assert not on[:10].any(), "an episode begins with a quiet spell of one second"
    assert on.mean() == pytest.approx(20 / 21, abs=0.01)
    assert drawn[on].std() == pytest.approx(0.5, rel=0.1)
    lag = np.corrcoef(drawn[10:209, 0], drawn[11:210, 0])[0, 1]
    assert lag == pytest.approx(np.exp(-1 / 5), abs=0.15)


def test_noise_with_a_unit_it_does_not_know_or_impossible_scales_is_refused():
    with pytest.raises(ValueError, match="deg is -1"):
        ActionNoise(deg=-1)
    with pytest.raises(ValueError, match="span"):
        ActionNoise(burst_s=(1.0, 0.3))


def test_a_policy_that_raises_makes_the_episode_invalid_with_the_end_of_its_traceback():
    world = SpotWorld()
    episode = rollout(world, Fragile(world, raises=(EASY,)), EASY)
    assert episode.outcome is Outcome.INVALID
    assert "RuntimeError: the camera was unplugged" in episode.error
    assert episode.steps == 0 and not episode.success


def test_a_policy_that_returns_nan_makes_the_episode_invalid():
    class Nan(Still):
        def act(self, observation: Observation) -> Chunk:
            return Chunk(np.full((4, 2), np.nan, np.float32))

    episode = rollout(SpotWorld(), Nan(), EASY)
    assert episode.outcome is Outcome.INVALID
    assert "NotFiniteError" in episode.error


def test_a_policy_of_another_robot_makes_the_episode_invalid_and_names_what_the_robot_takes():
    episode = rollout(SpotWorld(), Scripted(np.zeros((4, 7), np.float32)), EASY)
    assert episode.outcome is Outcome.INVALID
    assert "7 numbers" in episode.error and "x.vel, y.vel" in episode.error


def test_a_world_that_breaks_makes_the_episode_invalid_after_the_steps_it_took():
    class Exploding(SpotWorld):
        def step(self, action, **how):
            observation, *rest = super().step(action, **how)
            if self.steps == 3:
                observation[STATE][0] = np.inf
            return observation, *rest

    episode = rollout(Exploding(), Still(), EASY)
    assert episode.outcome is Outcome.INVALID
    assert episode.steps == 2 and "state that is not finite" in episode.error


def test_ctrl_c_is_not_an_invalid_episode():
    class Interrupted(Still):
        def act(self, observation: Observation) -> Chunk:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollout(SpotWorld(), Interrupted(), EASY)


def test_family_instruction_and_options_reach_the_world():
    world = SpotWorld()
    assert rollout(world, Still(), EASY, family="visit").instruction.startswith("visit the")
    plain = rollout(world, Still(), EASY, family="go").instruction
    assert rollout(world, Still(), EASY, family="go", options={"swap": True}).instruction != plain
    assert rollout(world, Still(), EASY, instruction="go home").instruction == "go home"
    assert rollout(world, Still(), EASY, family="fly").outcome is Outcome.INVALID


def test_the_expert_of_the_small_world_is_good_but_not_perfect():
    """Recording and evaluation are tested on it, so both successes and failures must occur."""
    world = SpotWorld()
    share = np.mean([rollout(world, SpotExpert(world), seed).success for seed in range(60)])
    assert 0.6 < share < 0.95
    assert rollout(world, SpotExpert(world), HARD, family="go").outcome is Outcome.FAILURE


def test_the_small_world_is_a_proper_gymnasium_world():
    check_env(SpotWorld(), skip_render_check=True)


def test_a_teacher_says_what_it_would_do_but_does_not_act():
    """DAgger keeps the expert's answer to the states that the policy leads to."""
    wrong = np.tile(np.float32([[0.0, 0.0]]), (4, 1))
    policy, world = Scripted(wrong), SpotWorld()
    episode = rollout(world, policy, EASY, keep_frames=True, teacher=world.expert())
    untaught = rollout(SpotWorld(), Scripted(wrong), EASY, keep_frames=True)
    for frame, plain in zip(episode.frames, untaught.frames, strict=True):
        np.testing.assert_array_equal(frame[STATE], plain[STATE])
        np.testing.assert_array_equal(plain[ACTION], wrong[0])
    assert any(not np.array_equal(frame[ACTION], wrong[0]) for frame in episode.frames)


def test_pictures_are_drawn_only_where_somebody_looks():
    class Counted(SpotWorld):
        drawn = 0

        def step(self, action, **how):
            observation, *rest = super().step(action, **how)
            self.drawn += IMAGES + "front" in observation
            return observation, *rest

    world = Counted()
    episode = rollout(world, Still(), EASY, execute=1)
    assert world.drawn == episode.steps
    still = Scripted(np.zeros((4, 2), np.float32))
    world.drawn = 0
    episode = rollout(world, still, EASY, execute=4)
    assert world.drawn == -(-episode.steps // 4) < episode.steps
    world.drawn = 0
    episode = rollout(world, still, EASY, execute=4, keep_frames=True)
    assert world.drawn == episode.steps
    still.sees_pictures = False
    world.drawn = 0
    rollout(world, still, EASY, execute=1)
    assert world.drawn == 1  # the last picture of an episode is always there


def test_what_was_executed_can_be_kept_instead_of_what_was_asked_for():
    """With the noise and within the world's limits: frame by frame it explains where the point went."""
    hasty, noise = Scripted(np.float32([[1.7, 0.0]])), ActionNoise(m_per_s=0.5, pause_s=(0.1, 0.1))
    world = SpotWorld(12)
    frames = rollout(world, hasty, EASY, keep_frames=True, noise=noise, keep_executed=True).frames
    kept = np.stack([frame[ACTION] for frame in frames])
    assert kept.dtype == np.float32 and kept[:, 0].max() == 1.0 and np.ptp(kept[:, 1]) > 0.1
    for frame, following in pairwise(frames):
        reached = np.clip(frame[STATE] + frame[ACTION] / 10, 0, 1)
        np.testing.assert_allclose(following[STATE], reached, atol=1e-6)


def test_a_frame_holds_one_action_a_teachers_or_the_executed_one():
    world = SpotWorld()
    with pytest.raises(ValueError, match="not both"):
        rollout(world, Still(), EASY, teacher=world.expert(), keep_executed=True)


def test_a_teacher_begins_each_episode_anew():
    teacher = Scripted(np.zeros((1, 2), np.float32))
    for episodes in (1, 2):
        rollout(SpotWorld(horizon=3), Still(), EASY, keep_frames=True, teacher=teacher)
        assert teacher.resets == episodes
