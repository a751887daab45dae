"""Rollout, the closed loop: a policy in a world, from reset to the end.

Evaluation, recording and DAgger all use this one loop::

    observation ──> policy.act ──> chunk [K, A] ──> its first `execute` actions ──> world.step ──┐
         └───────────────────────── the last of their observations <──────────────────────────────┘
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sayso.data.stillness import FAILED_STILL_S, stands_still
from sayso.evaluation.noise import ActionNoise
from sayso.spec import (
    ACTION,
    CHOSEN_OBJECT,
    ENDED,
    EXECUTE,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    STATE,
    STILL,
    WHY,
    Array,
    Chunk,
    Episode,
    FeatureMismatchError,
    Features,
    NotFiniteError,
    Observation,
    Outcome,
    Policy,
)
from sayso.tasks.contract import Labelled, World

Keep = Callable[[Observation, Array, Array], Observation]
_TRACEBACK_LINES = 6


def rollout(
    world: World,
    policy: Policy,
    seed: int,
    *,
    family: str | None = None,
    instruction: str | None = None,
    options: Mapping[str, Any] | None = None,
    execute: int = EXECUTE,
    keep_frames: bool = False,
    noise: ActionNoise | None = None,
    teacher: Policy | None = None,
    keep_executed: bool = False,
) -> Episode:
    """Run one episode and say how it ended.

    Args:
        world: where it happens.
        policy: who acts.
        seed: decides the scene, and the noise if there is any.
        family: which kind of task; None lets the world draw one from the seed.
        instruction: what to ask for instead of what the world would have asked.
        options: more of what ``world.reset`` understands, such as ``{"swap": True}``.
        execute: how many actions of a chunk to apply before looking again; fewer if the chunk is shorter.
        keep_frames: keep what the policy saw, what it asked for and the labels of every step.
        noise: what to add to the actions that are executed, but not to those that are kept.
        teacher: whose action to keep for each step instead of the policy's own; it never acts (DAgger).
        keep_executed: keep the actions that were executed, with the noise and within the world's limits,
            instead of those that the policy asked for.

    Returns:
        The episode. What is raised, or is not finite, makes it ``Outcome.INVALID``: never a failure.
    """
    if execute < 1:
        raise ValueError(f"at least one action of a chunk must be executed, but got execute={execute}")
    if teacher is not None and keep_executed:
        raise ValueError("keep the actions of a teacher or those that were executed, not both")
    named = {"family": family, "instruction": instruction}
    asked = {name: value for name, value in named.items() if value is not None} | dict(options or {})
    episode = Episode(
        world=world.name, family=family or "", instruction=instruction or "", seed=seed, horizon=0
    )
    started = time.perf_counter()
    try:
        keep = _keeping(world, policy, teacher or policy, keep_executed) if keep_frames else None
        _run(world, policy, episode, asked, execute, keep, noise, teacher)
    except Exception:  # the border between "could not do it" and "could not be tried"
        episode.outcome = Outcome.INVALID
        episode.error = "\n".join(traceback.format_exc().strip().splitlines()[-_TRACEBACK_LINES:])
    episode.seconds = time.perf_counter() - started
    return episode


def _run(
    world: World,
    policy: Policy,
    episode: Episode,
    options: dict[str, Any],
    execute: int,
    keep: Keep | None,
    noise: ActionNoise | None,
    teacher: Policy | None,
) -> None:
    """Fill in the episode, step by step."""
    observation, info = world.reset(seed=episode.seed, options=options)
    for actor in [policy] if teacher is None else [policy, teacher]:
        actor.reset()
        if seed := getattr(actor, "seed", None):  # of its noise, so that who ran what before changes nothing
            seed(episode.seed)
    episode.family, episode.instruction = world.task.family, world.task.instruction
    episode.horizon = world.task.horizon
    disturb: Callable[[Array], Array] = noise.begin(world.features, episode.seed) if noise else _unchanged
    sees = getattr(policy, "sees_pictures", True)  # an expert does not
    done = False
    last: deque[Array] = deque(maxlen=round(FAILED_STILL_S * world.features.fps) + 1)
    while not done:
        actions = _act(policy, observation, world.features, episode).actions[:execute]
        for k, action in enumerate(actions, start=1):
            executed = disturb(action)
            if keep:
                episode.frames.append(keep(observation, action, executed))
            look = keep is not None or (sees and k == len(actions))
            observation, reward, terminated, truncated, info = world.step(executed, render=look)
            _refuse_not_finite(observation, reward)
            episode.steps += 1
            if world.features.state:
                last.append(observation[STATE])
            episode.reward += float(reward)
            done = terminated or truncated or episode.steps >= episode.horizon
            if done:
                break
    episode.conditions = {name: bool(held) for name, held in info["conditions"].items()}
    episode.outcome = Outcome.SUCCESS if info["is_success"] else Outcome.FAILURE
    if len(last) == last.maxlen and not episode.success and stands_still(np.array(last), world.features):
        episode.notes[ENDED] = STILL
    if CHOSEN_OBJECT in info:
        episode.notes[CHOSEN_OBJECT] = str(info[CHOSEN_OBJECT] or "neither")
    if WHY in info:
        episode.notes[WHY] = str(info[WHY])


def _keeping(world: World, policy: Policy, teacher: Policy, executed_ones: bool) -> Keep:
    """Return what makes a frame of an observation, the action asked for and the one that is executed."""

    def keep(observation: Observation, asked: Array, executed: Array) -> Observation:
        if executed_ones:
            shown = np.clip(executed, world.action_space.low, world.action_space.high)
        else:
            shown = asked.copy() if teacher is policy else teacher.act(observation).actions[0]
        return {**observation, ACTION: shown, **_labels(world)}

    return keep


def _labels(world: World) -> dict[str, Any]:
    if not isinstance(world, Labelled):
        return {}
    other = world.other_labels()
    more = {} if other is None else {OTHER_TASK: other[0], OTHER_POINTS: other[1]}
    return {POINTS: world.labels(), **more}


def _act(policy: Policy, observation: Observation, features: Features, episode: Episode) -> Chunk:
    """Ask the policy once and keep the time it took."""
    started = time.perf_counter()
    chunk = policy.act(observation)
    episode.policy_seconds += time.perf_counter() - started
    episode.policy_calls += 1
    width, names = chunk.actions.shape[1], features.action_names
    if width != len(names):
        raise FeatureMismatchError(
            f"the policy returned {width} numbers per action; {features.robot_type} takes {len(names)}: "
            + ", ".join(names)
        )
    return chunk


def _unchanged(action: Array) -> Array:
    return action


def _refuse_not_finite(observation: Observation, reward: float) -> None:
    if not np.isfinite(observation[STATE]).all():
        raise NotFiniteError(f"the world returned a state that is not finite: {observation[STATE]}")
    if not np.isfinite(reward):
        raise NotFiniteError(f"the world returned a reward that is not finite: {reward}")
