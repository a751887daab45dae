"""Recovery: a policy that notices that it gets nowhere, backs off along its own path, and looks again.

::

    path      o--o--o--o--x x x x x          x: for a second no place that it had not been at before
                    o<-o<-'                  back to where it was a second or two before, in reverse,
                    '~~> o                   and a little aside, as drawn: else it would come back to x
                                             then it is the policy's turn again

A policy without memory that stands still, or sways, in a scene which stands still sees the same pictures
again and answers as before: it cannot leave by itself. The wrapper knows only what the robot tells of itself,
and needs its actions to be what its state tells, positions of joints and speeds of wheels. Where they are
not, as in Meta-World, the policy's own answer is disturbed instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from sayso.data.statistics import Stats
from sayso.data.stillness import stands_still, was_there
from sayso.models.repacked import OnRobot
from sayso.spec import ACTION, EXECUTE, STATE, Array, Chunk, Features, Observation, Policy

NOTICE_S = 1.0
"""How long it gets nowhere before that is noticed: all its places were those of the second before."""
BACK_S = 1.0
"""How far back along its own path it goes at first; each further time in an episode this much more."""
FARTHEST_S = 8.0
"""How much of its path it remembers, without what it spent at one place."""
ASIDE = 0.15
"""Standard deviation of how far aside it goes, in spreads of the action in the demonstrations."""
GRIPPER = "gripper"
"""What the names of numbers begin with that hold a thing: they stay as the policy last wanted them."""
_STREAM = 0x0EC0


class RecoveringPolicy(OnRobot):
    """Policy that backs off where it gets nowhere."""

    def __init__(self, policy: Policy, features: Features, execute: int = EXECUTE) -> None:
        """Watch over a policy.

        Args:
            policy: who acts.
            features: of the robot that it acts on.
            execute: how many of its actions are carried out before it looks again.
        """
        self.policy, self.features, self.execute = policy, features, execute
        looks_per_s = features.fps / execute
        self._notice = max(4, round(2 * NOTICE_S * looks_per_s) + 1)
        self._back = max(1, round(BACK_S * looks_per_s))
        self._farthest = max(2, round(FARTHEST_S * looks_per_s))
        self._tells_actions = features.action_names == features.state_names
        self._speeds = np.array([dimension.unit.endswith("/s") for dimension in features.action])
        self._grips = np.array([name.startswith(GRIPPER) for name in features.action_names])
        self._begin(0)

    def _begin(self, seed: int) -> None:
        self._rng = np.random.default_rng([_STREAM, seed])
        self._path: deque[Array] = deque(maxlen=self._farthest)
        self._recent: deque[Array] = deque(maxlen=self._notice)
        self._way: list[Array] = []
        self._last: Array | None = None
        self.times = 0
        """How often it has backed off in this episode."""

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self.policy.reset()
        self._begin(0)

    def seed(self, seed: int) -> None:
        """Let what is drawn in the episode that begins depend on `seed` alone."""
        if own := getattr(self.policy, "seed", None):
            own(seed)
        self._begin(seed)

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]``: the policy's own, or those of the way back."""
        state = np.asarray(observation[STATE], np.float32)
        self._recent.append(state)
        if not self._way and self._is_stuck():
            self._way = self._way_back()
            self._recent.clear()
            self.times += 1
        if self._way and self._tells_actions and self._last is not None:
            return self._towards(self._way.pop(0), state, self._last)
        if not was_there(state, np.array(self._path), self.features):
            self._path.append(state)
        actions = self.policy.act(observation).actions
        if self._way:
            actions = (actions + self._way.pop(0)).astype(np.float32)
        self._last = actions
        return Chunk(actions)

    def _is_stuck(self) -> bool:
        return len(self._recent) == self._notice and stands_still(np.array(self._recent), self.features)

    def _way_back(self) -> list[Array]:
        """Return what to pass, one a look: the path in reverse and a place aside, or else disturbances."""
        looks = self._back * (self.times + 1)
        drawn = self._rng.normal(0.0, ASIDE * (self.times + 1), len(self._grips)) * self._spread()
        aside: Array = np.where(self._grips, 0.0, drawn).astype(np.float32)
        if not self._tells_actions:
            return [aside] * self._back
        places = [self._path.pop() for _ in range(min(looks, len(self._path)))]
        back: list[Array] = [np.where(self._speeds, -state, state).astype(np.float32) for state in places]
        last = np.where(self._speeds, 0.0, places[-1] if places else self._recent[-1])
        return [*back, (last + aside).astype(np.float32)]

    def _spread(self) -> Array:
        stats: Mapping[str, Stats] = getattr(self.policy, "stats", {})
        return np.asarray(stats[ACTION].std if ACTION in stats else 1.0, np.float32)

    def _towards(self, target: Array, state: Array, last: Array) -> Chunk:
        """Return a straight line to a place on the way, ``[K, A]``; wheels turn, and the gripper stays."""
        done = np.minimum(np.arange(1, len(last) + 1) / self.execute, 1.0)[:, None]
        line = np.where(self._speeds, target, state + (target - state) * done)
        return Chunk(np.where(self._grips, last[min(self.execute, len(last)) - 1], line).astype(np.float32))
