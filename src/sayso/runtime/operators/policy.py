"""Policy as an operator: asked in a thread of its own, its chunks joined to a plan, one action a step.

    look ──> ask, if it is free ──> answer, some steps later ──> merge ──> plan ──> action of this step
                                                                             | none fresh: no action

When somebody else has acted meanwhile, nothing of what it had in mind counts any more, nor does an answer to
what it saw before: the robot stands elsewhere now.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from sayso.runtime.chunking import Plan, Strategy
from sayso.runtime.clock import Clock
from sayso.runtime.inference import Inference, PolicyFailedError, Timed
from sayso.runtime.operators.contract import Moment
from sayso.runtime.pacing import at_full_pace, paced
from sayso.runtime.report import KEPT
from sayso.runtime.stopping import Stop
from sayso.spec import Actor, Array, Features, Observation, Policy

WARM_UP_S = 60.0
"""How long a policy may take for its first answer, for which nobody waits in mid-motion."""


class PolicyOperator:
    """Policy that is asked now and then, and has an action for every step of its plan."""

    actor: Actor = "policy"

    def __init__(
        self,
        policy: Policy,
        strategy: Strategy,
        *,
        features: Features,
        fresh_s: float,
        now: float,
        pace: Callable[[], float] = at_full_pace,
    ) -> None:
        """Start its thread.

        Args:
            policy: who is asked.
            strategy: how chunks that come late are joined.
            features: of the robot, in its own names.
            fresh_s: how old may be what it saw last; after that, its plan is for a robot that went on.
            now: what time it is, seconds.
            pace: asked at every step how fast to play its plan, at most 1.
        """
        self._policy, self._strategy, self._fresh_s, self._pace = policy, strategy, fresh_s, pace
        self._features, self._width = features, len(features.action)
        self._inference = Inference(policy)
        self.plan, self.step, self._share = Plan(), 0, 0.0
        """What it has in mind, and which step of it is taken now; a slow one lies a share behind a step."""
        self._saw = self._stale = False
        self._asked = self._fresh = now
        self._since = 0  # answers to what was seen before this step count no more
        self.answers = self.overdue = 0
        """Answers that came, and how often the last of them had grown too old."""
        self.thought_ms, self.delay_steps = deque[float](maxlen=KEPT), deque[float](maxlen=KEPT)

    def begin(self, observation: Observation, stop: Stop, clock: Clock, period: float) -> None:
        """Let it warm up on what is seen, so that nothing is slow for being new."""
        began = clock.now()
        self._policy.reset()
        self._inference.ask(observation, 0)
        while not stop.reason and self._fetch(timeout_s=period) is None:
            if clock.now() - began > WARM_UP_S:
                stop(f"the policy gave no answer in {WARM_UP_S:g} s", fault=True)
        if not stop.reason:  # else it may still be thinking
            self._policy.reset()

    def go_on(self, now: float) -> None:
        """Count time from now on, when the first step is due."""
        self._asked = self._fresh = now

    def act(self, moment: Moment) -> Array | None:
        """Return the action of this step; None while there is none, or none fresh enough."""
        self._next_step(moment)
        self._listen()
        if moment.observation is None:
            return None
        if not self._inference.busy and self._strategy.asks(self.plan, self.step):
            self._inference.ask(moment.observation, self.step)
            self._asked = moment.now
        action = paced(self.plan.at, self.step + self._share, self._pace(), self._features)
        stale = moment.now - self._fresh > self._fresh_s
        if action is not None and not stale:
            self._stale = False
            return action
        if stale:  # what is left of the plan is for a robot that went on
            self.plan = self.plan.cut(self.step)
        self.overdue, self._stale = self.overdue + (stale and not self._stale), stale
        return None

    def stand_aside(self, moment: Moment) -> None:
        """Forget the plan, and what is being thought about."""
        self._next_step(moment)
        self._since = self.step + 1
        self._listen()
        self.plan, self._stale = Plan(), False
        self._asked = self._fresh = moment.now

    def why_late(self) -> str:
        """Return why there was no action for so long."""
        if not self.answers:
            return "the policy never answered"
        return f"the last answer came {self.delay_steps[-1]:.0f} steps late, none of use since"

    def close(self) -> None:
        """Let its thread end."""
        self._inference.close()

    def _next_step(self, moment: Moment) -> None:
        """Go one step on, unless nothing was seen at the last: the plan then goes on where it was."""
        if self._saw:
            pace = self._pace()
            went = self._share + pace if pace < 1 else 1.0
            self.step, self._share = self.step + math.floor(went), went % 1
        self._saw = moment.observation is not None

    def _fetch(self, timeout_s: float = 0.0) -> Timed | None:
        """Return an answer if one has come and is for this robot."""
        timed = self._inference.fetch(timeout_s)
        if timed and (width := timed.answer.chunk.actions.shape[1]) != self._width:
            raise PolicyFailedError(
                f"the policy failed: it answered with {width} numbers per action instead of {self._width}"
            )
        return timed

    def _listen(self) -> None:
        """Merge an answer if one has come."""
        if (timed := self._fetch()) is None or timed.answer.seen_at < self._since:
            return
        self.answers += 1
        self.thought_ms.append(1000 * timed.seconds)
        self.delay_steps.append(self.step - timed.answer.seen_at)
        merged = self._strategy.merge(self.plan, timed.answer, self.step)
        if merged is not self.plan:  # an answer whose steps are all past makes nothing fresh
            self.plan, self._fresh = merged, self._asked
