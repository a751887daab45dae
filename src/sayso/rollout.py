"""Run the closed loop: a policy in a world, from reset to the end.

Evaluation, recording, DAgger and reinforcement learning all use this one loop::

    observation ──> policy.act ──> chunk [K, A] ──> its first `execute` actions ──> world.step ──┐
         └───────────────────────── the last of their observations <──────────────────────────────┘
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from sayso import pool
from sayso.noise import ActionNoise
from sayso.spec import (
    ACTION,
    EXECUTE,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    STATE,
    WENT_FOR,
    WHY,
    Array,
    Chunk,
    ConfigError,
    Episode,
    FeatureMismatchError,
    Features,
    NotFiniteError,
    Observation,
    Outcome,
    Policy,
    known,
)

Keep = Callable[[Observation, Array, Array], Observation]
_TRACEBACK_LINES = 6


class Task(Protocol):
    """Be what is asked for in one episode."""

    @property
    def family(self) -> str:
        """Return the name of the task's family, such as ``put``."""
        ...

    @property
    def instruction(self) -> str:
        """Return the sentence that asks for it."""
        ...

    @property
    def horizon(self) -> int:
        """Return the number of steps after which an episode is over."""
        ...


class World(Protocol):
    """Be what the loop needs of a world: a ``gymnasium.Env`` that knows its name, features and task."""

    @property
    def name(self) -> str:
        """Return the name it is made by."""
        ...

    @property
    def features(self) -> Features:
        """Return what it shows and accepts."""
        ...

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the task families it offers."""
        ...

    @property
    def action_space(self) -> Any:
        """Return Gymnasium's box of the actions it takes."""
        ...

    @property
    def task(self) -> Task:
        """Return the task of the present episode."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode of a seed."""
        ...

    def step(
        self, action: Array, *, look: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action, float32 ``[A]`` in robot units.

        Without `look` the observation need not have pictures, unless the episode ends with it: drawing is
        most of what a step costs, and nobody sees them in the middle of a chunk.
        """
        ...

    def labels(self) -> Array:
        """Return ``label.points``, float32 ``[len(features.points)]``."""
        ...

    def other_labels(self) -> tuple[str, Array] | None:
        """Return something else that could be asked now and its `labels`, or None if there is nothing."""
        ...

    def expert(self) -> Policy:
        """Return a policy with privileged access to this world."""
        ...

    def close(self) -> None:
        """Release the renderer."""
        ...


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Say what a world offers: its families of tasks, and its features."""

    families: tuple[str, ...]
    features: Features


def offer_of(make_world: Callable[[], World]) -> Offer:
    """Ask a world what it offers, in a process of its own so that this one loads no physics and no renderer.

    Raises:
        WorkerError: if the world cannot be made, in its own words.
    """
    jobs = iter(["look"])
    with contextlib.closing(
        pool.run(partial(_look, make_world), lambda: next(jobs, None), workers=1)
    ) as ended:
        _, offer = next(ended)
    if isinstance(offer, pool.Lost):
        raise pool.WorkerError(f"the world could not be asked what it offers: {offer.reason}")
    return offer


def chosen_families(offer: Offer, named: Sequence[str]) -> tuple[str, ...]:
    """Return the families that were named, or all of them, sorted so that their order decides nothing.

    Raises:
        UnknownNameError: if the world does not offer one of them.
        ConfigError: if one is named twice.
    """
    chosen = [known("family", family, offer.families) for family in named or offer.families]
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"name each family once, not {', '.join(chosen)}")
    return tuple(sorted(chosen))


def packaged_world(name: str) -> World:
    """Build a world of this package by its name."""
    # Imported here because a worker must have its environment before the renderer is loaded.
    from sayso.tasks.world import make_world

    return make_world(name)


def _look(make_world: Callable[[], World]) -> Callable[[str], Offer]:
    world = make_world()
    offer = Offer(families=world.families, features=world.features)
    world.close()
    return lambda _: offer


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
    while not done:
        actions = _act(policy, observation, world.features, episode).actions[:execute]
        for k, action in enumerate(actions, start=1):
            executed = disturb(action)
            if keep:
                episode.frames.append(keep(observation, action, executed))
            look = keep is not None or (sees and k == len(actions))
            observation, _, terminated, truncated, info = world.step(executed, look=look)
            _refuse_not_finite(observation)
            episode.steps += 1
            done = terminated or truncated or episode.steps >= episode.horizon
            if done:
                break
    episode.conditions = {name: bool(held) for name, held in info["conditions"].items()}
    episode.outcome = Outcome.SUCCESS if info["is_success"] else Outcome.FAILURE
    if WENT_FOR in info:
        episode.notes[WENT_FOR] = str(info[WENT_FOR] or "neither")
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


def _refuse_not_finite(observation: Observation) -> None:
    if not np.isfinite(observation[STATE]).all():
        raise NotFiniteError(f"the world returned a state that is not finite: {observation[STATE]}")
