"""Action chunking with late answers: which action applies now, by step numbers alone, without a clock.

Time is counted in control steps. The chunk that answers what was seen at step k says what to do at steps k,
k + 1, ...; it arrives at some later step n, when its first n - k actions belong to the past. Unless the robot
was held for want of an action: those steps do not count, and the answer goes on where the robot stopped::

    step          k         n
    answer        |--past---|--------- new --------->
    committed     |-------- old --------->
    synchronous   |  stand  |k k+1 k+2 k+3| stand ...     the whole answer, as if no time had passed
    naive         |   old   |--------- new --------->     switch at once
    ensemble      |   old   |== mean of all answers that speak about a step ==>
    realtime      |   old   |~~ old fades into new ~~|- new ->

Whoever uses this keeps a `Plan`, asks the policy when the strategy ``asks``, and replaces the plan by what
``merge`` returns when an answer comes. A step about which no answer speaks has no
action: the robot is held.

Shapes: K chunk, A action, N steps ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from sayso.runtime.standing import hold, stand
from sayso.spec import (
    EXECUTE,
    STATE,
    Array,
    Chunk,
    Features,
    Observation,
    Policy,
    known,
)

StrategyName = Literal["realtime", "ensemble", "naive", "synchronous"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Chunk, and the step at whose observation it was asked for, to which its row 0 belongs."""

    chunk: Chunk
    seen_at: int

    @property
    def end(self) -> int:
        """Return the first step about which it says nothing."""
        return self.seen_at + len(self.chunk)

    def since(self, step: int) -> Array:
        """Return its actions from a step on, float32 ``[N, A]``; none if all belong to the past."""
        return self.chunk.actions[max(0, step - self.seen_at) :]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What to do at the steps from `begin` on."""

    begin: int = 0
    actions: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Float32 ``[N, A]``, the actions of steps begin, begin + 1, ..."""
    seen_at: int | None = None
    """Step whose observation the newest answer in it was given to."""
    answers: tuple[Answer, ...] = ()
    """What it is the mean of, where it is one, by age."""

    @property
    def end(self) -> int:
        """Return the first step about which it says nothing."""
        return self.begin + len(self.actions)

    def at(self, step: int) -> Array | None:
        """Return the action of a step, float32 ``[A]``, or None if the plan says nothing about it."""
        return self.actions[step - self.begin] if self.begin <= step < self.end else None

    def cut(self, step: int) -> Plan:
        """Return it without what it says from a step on."""
        return replace(self, actions=self.actions[: max(0, step - self.begin)], answers=())

    def is_newer_than(self, answer: Answer) -> bool:
        """Tell whether it knows of something seen at the same step as an answer, or later."""
        return self.seen_at is not None and self.seen_at >= answer.seen_at


class Strategy(Protocol):
    """Way to join chunks."""

    def asks(self, plan: Plan, step: int) -> bool:
        """Tell whether to ask the policy at a step, provided that it is not busy with an earlier one."""
        ...

    def merge(self, plan: Plan, answer: Answer, now: int) -> Plan:
        """Return the plan from step `now` on, at which an answer arrived that was asked for before."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Repeated:
    """Receding horizon: ask again when `execute` steps have passed since the last answered observation."""

    execute: int = EXECUTE

    def __post_init__(self) -> None:
        """Refuse to execute nothing of a chunk."""
        if self.execute < 1:
            raise ValueError(f"at least one action of a chunk must be executed, but got {self.execute}")

    def asks(self, plan: Plan, step: int) -> bool:
        """Tell whether the newest answer is `execute` steps old, or there is no action for this step."""
        return plan.seen_at is None or step - plan.seen_at >= self.execute or plan.at(step) is None


@dataclass(frozen=True, kw_only=True)
class Synchronous(_Repeated):
    """Synchronous inference: stand still until the answer comes, then do its first `execute` actions.

    Nothing of the answer is skipped, since the robot is still where it was seen.
    """

    def asks(self, plan: Plan, step: int) -> bool:
        """Tell whether the last answer has been executed."""
        return plan.at(step) is None

    def merge(self, plan: Plan, answer: Answer, now: int) -> Plan:
        """Return the answer's beginning, placed at `now`."""
        _refuse_the_future(answer, now)
        if plan.is_newer_than(answer):
            return plan
        return Plan(begin=now, actions=answer.chunk.actions[: self.execute], seen_at=answer.seen_at)


@dataclass(frozen=True, kw_only=True)
class Naive(_Repeated):
    """Naive asynchronous inference: the old chunk goes on until the new one comes, and ends there.

    Where the two disagree the robot jerks. It is here as the baseline.
    """

    def merge(self, plan: Plan, answer: Answer, now: int) -> Plan:
        """Return what the answer says from `now` on; an older answer than the plan's changes nothing."""
        _refuse_the_future(answer, now)
        if plan.is_newer_than(answer):
            return plan
        answer = _moved_on(answer, plan, now)
        if answer.end <= now:
            return plan
        return Plan(begin=now, actions=answer.since(now), seen_at=answer.seen_at)


@dataclass(frozen=True, kw_only=True)
class Ensemble(_Repeated):
    """Temporal ensembling: the weighted mean of what all answers say about a step.

    Source: temporal ensembling of ACT (Zhao et al. 2023, arXiv:2304.13705): weights exp(-m * i), where i is 0
    for the oldest answer. There one is asked for at every step; here i counts steps between observations, so
    that it is the same when they are further apart.
    """

    execute: int = 1
    m: float = 0.01
    """How much less an answer counts that was given one step later; 0 is the plain mean."""

    def merge(self, plan: Plan, answer: Answer, now: int) -> Plan:
        """Return the mean, from `now` on, of all answers that still speak about a step, in any order."""
        _refuse_the_future(answer, now)
        answer = _moved_on(answer, plan, now)
        if answer.end <= now:
            return plan
        others = (old for old in plan.answers if old.seen_at != answer.seen_at and old.end > now)
        answers = sorted((*others, answer), key=lambda a: a.seen_at)
        total = np.zeros((max(a.end for a in answers) - now, answer.chunk.actions.shape[1]))
        weight = np.zeros((len(total), 1))
        for one in answers:
            said = one.since(now)
            share = math.exp(-self.m * (one.seen_at - answers[0].seen_at))
            total[: len(said)] += share * said
            weight[: len(said)] += share
        mean = (total / weight).astype(np.float32)
        return Plan(begin=now, actions=mean, seen_at=answers[-1].seen_at, answers=tuple(answers))


@dataclass(frozen=True, kw_only=True)
class RealTime(Naive):
    """Real-time chunking: what was committed meanwhile stays, then the old chunk fades into the new.

    Source: real-time chunking (Black, Galliker and Levine 2025, arXiv:2506.07339), the part of it that any
    policy can use. There the new chunk of a flow policy is *generated* under guidance towards the old one,
    with these weights. A decoder that answers in one pass has nothing to guide, so here the two are mixed
    with the same weights after the fact: the same hand-over, without the model's say in it.
    """

    def merge(self, plan: Plan, answer: Answer, now: int) -> Plan:
        """Return the old plan faded into the answer, from `now` on; an older answer changes nothing."""
        new = super().merge(plan, answer, now)
        overlap = min(plan.end, new.end) - now
        if new is plan or overlap <= 0 or plan.begin > now:
            return new
        old = plan.actions[now - plan.begin :][:overlap]
        share, actions = soft_mask(overlap)[:, None], new.actions.copy()
        actions[:overlap] = share * old + (1 - share) * actions[:overlap]
        return replace(new, actions=actions)


def soft_mask(overlap: int) -> Array:
    """Return the share of the old chunk at each of the steps that it overlaps with the new, float32 ``[N]``.

    Source: equation 5 of arXiv:2506.07339 after the frozen steps: c * (e^c - 1) / (e - 1), where c falls in
    equal parts from just below 1 to just above 0.
    """
    c = np.arange(overlap, 0, -1) / (overlap + 1)
    return (c * np.expm1(c) / math.expm1(1)).astype(np.float32)


STRATEGIES: Mapping[str, Callable[..., Strategy]] = {
    "realtime": RealTime,
    "ensemble": Ensemble,
    "naive": Naive,
    "synchronous": Synchronous,
}


def make_strategy(name: str, execute: int | None = None) -> Strategy:
    """Return a strategy by its name.

    Args:
        name: one of `STRATEGIES`.
        execute: how many steps to take before asking again; None is the strategy's own number.

    Raises:
        UnknownNameError: if there is no such strategy.
        ValueError: if `execute` is less than 1.
    """
    make = STRATEGIES[known("strategy", name, STRATEGIES)]
    return make() if execute is None else make(execute=execute)


class Late:
    """Policy whose answers come a fixed number of steps late, for measuring what that costs.

    ``act`` must be called at every step and returns one action, so that ``rollout(..., execute=1)`` plays the
    episode that a strategy would play with such a delay: exactly repeatable, whatever the machine's speed.
    """

    def __init__(self, policy: Policy, features: Features, strategy: Strategy, delay: int) -> None:
        """Delay a policy.

        Args:
            policy: whose answers are late.
            features: of the policy, to know which actions are speeds.
            strategy: what joins its chunks.
            delay: steps from a question to its answer; 0 answers within the step.

        Raises:
            ValueError: if the delay is below zero.
        """
        if delay < 0:
            raise ValueError(f"an answer comes 0 or more steps late, but got a delay of {delay}")
        self._policy, self._features, self._strategy, self._delay = policy, features, strategy, delay
        self._plan, self._step = Plan(), 0
        self._answer: Answer | None = None
        self._last: Array | None = None

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self._policy.reset()
        self._plan, self._step, self._answer, self._last = Plan(), 0, None, None

    def act(self, observation: Observation) -> Chunk:
        """Return the action of this step, ``[1, A]``, and count the step."""
        self._deliver()
        if self._answer is None and self._strategy.asks(self._plan, self._step):
            self._answer = Answer(chunk=self._policy.act(observation), seen_at=self._step)
            self._deliver()
        action = self._plan.at(self._step)
        if action is None:
            stood = stand(self._features, observation[STATE]) if self._last is None else self._last
            action = hold(self._features, stood, observation[STATE])
        self._last, self._step = action, self._step + 1
        return Chunk(action[None])

    def _deliver(self) -> None:
        """Merge the answer if its time has come."""
        if self._answer is not None and self._step - self._answer.seen_at >= self._delay:
            self._plan = self._strategy.merge(self._plan, self._answer, self._step)
            self._answer = None


def _moved_on(answer: Answer, plan: Plan, now: int) -> Answer:
    """Return the answer later by as many steps as the robot was held since it was asked for.

    Nothing was done in them, so the actions that the answer had for them are still to be done.
    """
    held = now - max(plan.end, answer.seen_at)
    return replace(answer, seen_at=answer.seen_at + held) if held > 0 else answer


def _refuse_the_future(answer: Answer, now: int) -> None:
    if answer.seen_at > now:
        raise ValueError(f"an answer to what was seen at step {answer.seen_at} cannot arrive at step {now}")
