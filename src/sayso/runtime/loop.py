"""Control loop at a fixed rate: look, choose, bound, send; never wait for the policy.

    clock ──> tick k ──> look ──> operators, in turn: a person who steps in, the policy
                |         | nothing: hold      | who has an action for this step?  nobody: hold
                v         v                    v
              send <── limits <── action of step k

A tick that took too long is not made up for: the next one comes at the next multiple of the period, and the
plan goes on where it was. Whatever ends a run, it ends with the robot standing where it is.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sayso.data.statistics import Stats
from sayso.runtime import familiar
from sayso.runtime.cameras import WHY_STRICT, looks
from sayso.runtime.chunking import Plan, StrategyName, make_strategy
from sayso.runtime.clock import Clock, MonotonicClock, steady
from sayso.runtime.hearing import not_heard
from sayso.runtime.inference import PolicyFailedError
from sayso.runtime.limits import Limits, UnsafeActionError
from sayso.runtime.operators.contract import Moment, Operator
from sayso.runtime.operators.policy import PolicyOperator
from sayso.runtime.pacing import at_full_pace
from sayso.runtime.report import KEPT, RunReport, Spread
from sayso.runtime.robot import DRIVER_ERRORS, check_robot, command, is_imagined, moves, vector
from sayso.runtime.senses import Patience, RobotFailedError, Senses
from sayso.runtime.standing import amid, hold, stand, why_not_to_stand
from sayso.runtime.stopping import Stop
from sayso.runtime.tick import Tick, Watch, unwatched
from sayso.spec import (
    FASTEST_HZ,
    STATE,
    Actor,
    Array,
    ConfigError,
    FeatureMismatchError,
    Features,
    Observation,
    Policy,
    Robot,
    above,
    at_least,
)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How to drive."""

    hz: float = 0.0
    """Control steps per second; 0 is the rate of the demonstrations. Another rate plays the same motions
    faster or slower."""
    strategy: StrategyName = "realtime"
    """How a chunk that comes late is joined to the one before: see docs/runtime.md."""
    execute: int | None = None
    """Steps to take before asking the policy again; by default the strategy's own number."""
    watchdog_ms: float = 1000.0
    """Hold the position when what the policy saw last is older than this; stop when the robot has shown or
    taken nothing for so long."""
    frozen_s: float = 1.0
    """Hold the position when a camera has shown the very same bytes for so long, stop at twice that; 0 never
    minds."""
    patience_s: float = 10.0
    """Stop when the robot has been held for so long."""
    seconds: float = 0.0
    """Stop after so long; 0 is never."""
    start: familiar.Start = "familiar"
    """Where a robot may begin. familiar: only where the demonstrations show it, else it does not move.
    slowly: it first moves to the nearest such place, at a tenth of its speed. anywhere: where it is."""
    strict: bool = False
    """Do not begin where a camera or the arm's pose is not as in training, or nobody can tell."""
    rest_s: float = 0.5
    """How long to see to it that the robot stands still before letting go of it."""

    def __post_init__(self) -> None:
        """Refuse times that cannot be."""
        at_least(self, hz=0, seconds=0, rest_s=0, frozen_s=0)
        if self.hz > FASTEST_HZ:
            raise ConfigError(f"hz is {self.hz:g}, but must be at most {FASTEST_HZ:g}")
        above(self, watchdog_ms=0, patience_s=0)
        make_strategy(self.strategy, self.execute)


def drive(
    robot: Robot,
    policy: Policy | None,
    instruction: str,
    *,
    features: Features,
    limits: Limits,
    before: Sequence[Operator] = (),
    config: LoopConfig | None = None,
    stop: Stop | None = None,
    clock: Clock | None = None,
    until: Callable[[], str] | None = None,
    stats: Mapping[str, Stats] | None = None,
    tell: Callable[[str], None] | None = None,
    watch: Watch = unwatched,
    pace: Callable[[], float] = at_full_pace,
) -> RunReport:
    """Let a policy drive a robot that is connected, until somebody or something stops it; then stand still.

    Args:
        robot: connected; it stays so.
        policy: who acts. It is asked once before the first step, so that nothing is slow for being new. None
            leaves the robot to those before it.
        instruction: what is asked for.
        features: of the policy.
        limits: of the robot.
        before: who may act in its place, first who is asked first.
        config: how to drive.
        stop: who may end it from outside.
        clock: what time it is.
        until: asked after every step; returns why to end, or nothing.
        stats: of the demonstrations, to say before the first step where the robot stands as it never stood.
        tell: what to do with such lines, and with those on words that the policy cannot read.
        watch: told of every step.
        pace: asked how fast to play what the policy plans, at most 1.

    Returns:
        The report. Trouble with the policy or the robot is in it, with ``fault``.

    Raises:
        FeatureMismatchError: if policy, robot and limits do not fit; nothing has moved then.
        NotHeardError: if the policy can read next to nothing of the instruction; nothing has moved then.
    """
    check_robot(robot, features)
    if (why := why_not_to_stand(features)) and not is_imagined(robot):
        raise FeatureMismatchError(why)
    tell = tell or (lambda _: None)
    for line in not_heard(policy, instruction, moves=moves(robot)) if policy else ():
        tell(line)
    if limits.names != features.action_names:
        raise FeatureMismatchError(
            f"the limits are of {', '.join(limits.names)}, the actions {', '.join(features.action_names)}"
        )
    driving = _Drive(
        robot, policy, instruction, features, limits, before, config or LoopConfig(), stop or Stop(),
        clock or MonotonicClock(), until or (lambda: ""), watch, pace,
    )  # fmt: skip
    with steady():
        try:
            driving.begin(stats or {}, tell)
            driving.go_on()
        finally:
            driving.come_to_rest()
    return driving.report()


class _Drive:
    """One run."""

    def __init__(
        self,
        robot: Robot,
        policy: Policy | None,
        instruction: str,
        features: Features,
        limits: Limits,
        before: Sequence[Operator],
        config: LoopConfig,
        stop: Stop,
        clock: Clock,
        until: Callable[[], str],
        watch: Watch,
        pace: Callable[[], float],
    ) -> None:
        self._robot, self._policy, self._instruction = robot, policy, instruction
        self._features, self._limits, self._config = features, limits, config
        self._stop, self._clock, self._until, self._watch = stop, clock, until, watch
        self._hz = config.hz or float(features.fps)
        self._period = 1 / self._hz
        patience_s = config.watchdog_ms / 1000
        self._senses = Senses(robot, features, instruction, patience_s=patience_s, frozen_s=config.frozen_s)
        self._patience = Patience(patience_s, self._senses.failures)
        self._began = self._moved = self._ended = clock.now()
        self._planner: PolicyOperator | None = None
        if policy is not None:
            strategy, now = make_strategy(config.strategy, config.execute), self._began
            self._planner = PolicyOperator(
                policy, strategy, features=features, fresh_s=patience_s, now=now, pace=pace
            )
        self._operators: Sequence[Operator] = (*before, *([self._planner] if self._planner else []))
        self._last: Array | None = None
        self._state: Array | None = None
        self._at_rest = False
        self._ticks = self._held = self._missed = 0
        self._late, self._work = (deque[float](maxlen=KEPT) for _ in range(2))
        self._clipped: Counter[str] = Counter()

    def begin(self, stats: Mapping[str, Stats], tell: Callable[[str], None]) -> None:
        """Look once and let the policy warm up on it."""
        with self._faults_stop():
            if (observation := self._first_look()) is None:
                return
            # A robot that does not exist may stand anywhere.
            told = amid(self._features, stats) if why_not_to_stand(self._features) else None
            still = stand(self._features, observation[STATE], told)
            if self._policy is not None and not self._looks_familiar(self._policy, stats, observation, tell):
                self._stop(WHY_STRICT, fault=True)
                return
            if not self._may_begin(stats, still, tell):
                return
            self._last = still if self._last is None else self._last
            for operator in self._operators:
                operator.begin(observation, self._stop, self._clock, self._period)

    def _looks_familiar(
        self,
        policy: Policy,
        stats: Mapping[str, Stats],
        observation: Observation,
        tell: Callable[[str], None],
    ) -> bool:
        """Tell which cameras show what they never showed, and return whether that is allowed."""
        found = looks(self._robot, policy, self._features, stats, observation)
        for line in found.lines:
            tell(line)
        return found.familiar or not self._config.strict

    def _may_begin(self, stats: Mapping[str, Stats], still: Array, tell: Callable[[str], None]) -> bool:
        """Tell where the robot stands as it never stood, and return whether it may begin."""
        assert self._state is not None
        lines = familiar.unfamiliar(self._features, stats, self._state)
        for line in lines:
            tell(line)
        if not lines or self._config.start == "anywhere" or not moves(self._robot):
            return True
        if self._config.start == "familiar":
            self._stop(familiar.WHY_NOT_TO_BEGIN, fault=True)
            return False
        tell("it first moves there slowly")
        target = familiar.brought_back(self._features, stats, self._state, still)
        slow = self._limits.slower(familiar.SLOWLY)
        due, arrived, self._last = self._clock.now(), math.inf, still
        while not self._stop.reason and familiar.unfamiliar(self._features, stats, self._state):
            due += self._period
            self._clock.sleep_until(due)
            now, before = self._clock.now(), self._last
            self._look(now)
            self._send(target, now, slow)
            arrived = min(arrived, now) if np.array_equal(before, self._last) else math.inf
            if now - arrived > familiar.SETTLED_S:
                self._stop("the robot did not come to where the demonstrations show it", fault=True)
        return not self._stop.reason

    def _first_look(self) -> Observation | None:
        """Return the first thing that is seen; None if there is a reason to stop before."""
        due = self._clock.now()
        while (observation := self._look(self._clock.now())) is None and not self._stop.reason:
            due += self._period
            self._clock.sleep_until(due)
        return observation

    def go_on(self) -> None:
        """Tick until there is a reason to stop."""
        due = self._began = self._moved = self._clock.now()
        if self._planner:
            self._planner.go_on(due)
        while not self._stop.reason:
            self._clock.sleep_until(due)
            if self._stop.reason:
                return
            began = self._clock.now()
            with self._faults_stop():
                self._tick(began)
            over = self._clock.now()
            self._ticks += 1
            self._late.append(1000 * (began - due))
            self._work.append(1000 * (over - began))
            periods = max(1, math.ceil((over - due) / self._period))
            self._missed += periods > 1
            due += periods * self._period

    def come_to_rest(self) -> None:
        """Tell the robot to stay where it is until it does, and end what operators have beside the loop."""
        for operator in self._operators:
            operator.close()
        self._ended = self._clock.now()
        if self._state is None or self._last is None:
            self._at_rest = True  # nothing was ever sent
            return
        still, due = stand(self._features, self._state, self._last), self._clock.now()
        for _ in range(max(1, round(self._config.rest_s * self._hz))):
            self._at_rest = False
            with contextlib.suppress(*DRIVER_ERRORS):  # a broken packet may be the only one
                self._robot.send_action(command(still, self._features))
                self._at_rest = True
            due += self._period
            self._clock.sleep_until(due)

    def report(self) -> RunReport:
        """Return what happened."""
        planner = self._planner
        return RunReport(
            robot_type=self._features.robot_type,
            instruction=self._instruction,
            config=asdict(self._config),
            hz=self._hz,
            stopped=self._stop.reason,
            fault=self._stop.fault,
            at_rest=self._at_rest,
            ticks=self._ticks,
            seconds=self._ended - self._began,
            missed=self._missed,
            late_ms=Spread.of(self._late),
            work_ms=Spread.of(self._work),
            policy_ms=Spread.of(planner.thought_ms) if planner else None,
            answers=planner.answers if planner else 0,
            delay_steps=Spread.of(planner.delay_steps) if planner else None,
            held=self._held,
            watchdog=planner.overdue if planner else 0,
            clipped=dict(self._clipped),
            failures=dict(self._senses.failures),
        )

    @contextlib.contextmanager
    def _faults_stop(self) -> Iterator[None]:
        """Turn what a policy or a driver raises into a reason to stop."""
        try:
            yield
        except (PolicyFailedError, RobotFailedError, UnsafeActionError) as error:
            self._stop(str(error), fault=True)
        except DRIVER_ERRORS as error:
            self._stop(f"the robot failed: {type(error).__name__}: {error}", fault=True)

    def _tick(self, now: float) -> None:
        observation = self._look(now)
        assert self._last is not None
        action, actor = self._chosen(Moment(now, self._period, observation, self._last))
        if action is None:
            action = self._held_still(now)
        else:
            self._moved = now
        self._send(action, now)
        plan, step = (self._planner.plan, self._planner.step) if self._planner else (Plan(), 0)
        self._watch(Tick(now - self._began, observation, plan, step, self._last, self._held, actor))
        if reason := self._until():
            self._stop(reason)
        elif 0 < self._config.seconds <= now + self._period - self._began:
            self._stop("its time was over")

    def _look(self, now: float) -> Observation | None:
        if (observation := self._senses.look(now)) is not None:
            self._state = observation[STATE]
        return observation

    def _chosen(self, moment: Moment) -> tuple[Array | None, Actor | None]:
        """Return the action of the first operator that has one, and who that is."""
        action: Array | None = None
        actor: Actor | None = None
        for operator in self._operators:
            if action is not None:
                operator.stand_aside(moment)
            elif (action := operator.act(moment)) is not None:
                actor = operator.actor
        return action, actor

    def _held_still(self, now: float) -> Array:
        """Return the action that holds still; where nothing is seen, the plan goes on later where it was."""
        assert self._last is not None
        self._held += 1
        if now - self._moved > self._config.patience_s:
            why = f": {self._planner.why_late()}" if self._planner else ""
            self._stop(f"the robot was held for {self._config.patience_s:g} s{why}", fault=True)
        return hold(self._features, self._last, self._state)

    def _send(self, action: Array, now: float, limits: Limits | None = None) -> None:
        """Send what the limits leave of an action; only what the robot's own cut off is counted."""
        assert self._last is not None
        allowed, cut = (limits or self._limits).applied(action, self._last, self._period)
        try:
            said = self._robot.send_action(command(allowed, self._features))
        except DRIVER_ERRORS as error:
            self._patience.endure(error, now)
            return
        self._patience.over()
        sent = vector(said, self._features)
        if limits is None:
            self._clipped.update(cut if np.allclose(sent, allowed, atol=1e-3) else (*cut, "driver"))
        self._last = sent
