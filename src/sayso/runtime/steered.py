"""Rollout that a person may correct: the closed loop without a clock, obeying at every step.

    policy ── chunk ──> its plan ── one action a step ──> the room
                          ^ forgotten, or played more slowly, where `Steering` has something to do

Undisturbed it is what `rollout` does, chunk by chunk. While the robot is held by a word, no time passes.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sayso.evaluation.planner import Here, Room
from sayso.evaluation.rollout import rollout
from sayso.runtime.operators.contract import Moment
from sayso.runtime.operators.steering import Steering
from sayso.runtime.pacing import paced
from sayso.runtime.standing import stand, why_not_to_stand
from sayso.spec import EXECUTE, STATE, Array, Chunk, Episode, Features, Observation, Policy

LOOKS_S = 0.02
"""How often whoever stands still listens whether to go on."""


def rollout_steered(
    room: Room,
    begin: Observation,
    policy: Policy,
    seed: int,
    steering: Steering,
    *,
    execute: int = EXECUTE,
    waits: bool = True,
) -> Episode:
    """Run one episode from where a room stands; it ends early where something else is to be asked.

    Args:
        room: where it happens.
        begin: what is seen there now.
        policy: who acts.
        seed: of the room, for the report.
        steering: what a person says.
        execute: how many actions of a chunk to apply before looking again.
        waits: whether time stands still while the robot is held by a word.
    """
    acting = SteeredPolicy(policy, room.features, steering, execute, waits=waits)
    episode = rollout(_Ended(room, begin, steering), acting, seed, execute=1)
    episode.policy_calls, episode.policy_seconds = acting.calls, acting.seconds
    return episode


class SteeredPolicy:
    """Policy that is corrected by words. ``act`` must be called at every step and returns one action."""

    def __init__(
        self, policy: Policy, features: Features, steering: Steering, execute: int, *, waits: bool = True
    ) -> None:
        """Stand before a policy; as for `rollout_steered`."""
        self._policy, self._features, self._steering = policy, features, steering
        self._execute, self._waits = execute, waits
        self._actions: Array | None = None
        self._at = 0.0
        self._last: Array | None = None
        self._steps = self.calls = 0
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        """Be the policy itself in everything else."""
        return getattr(self._policy, name)

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self._policy.reset()
        self._actions, self._last, self._steps, self._at = None, None, 0, 0.0

    def act(self, observation: Observation) -> Chunk:
        """Return the action of this step, ``[1, A]``."""
        last = self._last if self._last is not None else _standing(self._features, observation[STATE])
        period = 1 / self._features.fps
        while (
            action := self._steering.act(Moment(self._steps * period, period, observation, last))
        ) is not None and (self._waits and self._steering.stands):
            time.sleep(LOOKS_S)
        if action is None:
            action = self._planned(observation)
        else:
            self._actions = None
        self._last, self._steps = action, self._steps + 1
        return Chunk(action[None])

    def _planned(self, observation: Observation) -> Array:
        """Return the next action of the plan; where it is at its end, ask for another."""
        if self._actions is None or self._at >= len(self._actions):
            began = time.perf_counter()
            self._actions, self._at = self._policy.act(observation).actions[: self._execute], 0.0
            self.seconds, self.calls = self.seconds + time.perf_counter() - began, self.calls + 1
        actions, pace = self._actions, self._steering.pace()
        action = paced(lambda k: actions[k] if k < len(actions) else None, self._at, pace, self._features)
        assert action is not None
        self._at = self._at + pace if pace < 1 else float(int(self._at) + 1)
        return action


def _standing(features: Features, state: Array) -> Array:
    """Return the action that stands still before anything was told; zeros where nobody knows it."""
    told = np.zeros(len(features.action), np.float32) if why_not_to_stand(features) else None
    return stand(features, state, told)


class _Ended(Here):
    """Room whose episode is over where something else is to be asked."""

    def __init__(self, room: Room, begin: Observation, steering: Steering) -> None:
        super().__init__(room, begin)
        self._steering = steering

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action."""
        observation, reward, terminated, truncated, info = super().step(action, render=render)
        return observation, reward, terminated, truncated or bool(self._steering.instead), info
