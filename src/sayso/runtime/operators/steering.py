"""Steering by words as an operator: it obeys what a person says while the policy acts, then lets it go on.

    said ──> higher, left    the hand moves by inverse kinematics, the policy stands aside
             let go          the gripper opens, the arm stays
             stop, go on     the robot is held until it may go on
             slower          the policy's plan is played more slowly (`sayso.runtime.pacing`)
             the other one   what is held is put down where it was taken, and the run ends: ask anew

What was said is taken up at the next step of the loop. A person's hand on the keys goes before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.runtime.clock import Clock
from sayso.runtime.correction import USUAL_M, Correction, NotACorrectionError
from sayso.runtime.operators.contract import Moment
from sayso.runtime.operators.person import (
    HAND_M_S,
    OPEN_PERCENT,
    SHUT_PERCENT,
    PersonOperator,
    can_steer,
)
from sayso.runtime.pacing import SLOWEST
from sayso.runtime.standing import hold
from sayso.runtime.stopping import Stop
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import LEKIWI, SO101, from_robot_units
from sayso.spec import STATE, Actor, Array, Features, Observation

Vector = NDArray[np.float64]
SLOWER, MUCH_SLOWER, A_BIT_SLOWER = 0.5, 0.25, 0.75
"""What "slower", "much slower" and "a bit slower" make of the pace."""
GRIPS_S = 0.6
"""For how long the arm stays while the gripper opens or closes."""
SHORTEST_S = 0.2
"""A motion takes at least so long, so that it can be seen, and learned from."""
THERE_M, SLACK_S = 0.003, 0.5
"""How near to where it is to be the hand has come; and how much longer than the way needs it may try."""
SHUT_BELOW, HOLDS_FROM = 0.5 * (OPEN_PERCENT + SHUT_PERCENT), 4.0
"""A gripper told to be less open than this is shut; one felt this much wider than told holds something."""
CLEAR_M = 0.05
"""How far the hand rises from what it let go."""


@dataclass
class _Motion:
    """One thing to do: where the hand is to go, or how far the gripper is to open; until when."""

    shift_m: Vector | None = None
    to_height_m: float | None = None
    """Height in the arm's frame to come down to, whatever the shift."""
    gripper: float | None = None
    from_m: Vector | None = None
    began: float = 0.0
    seconds: float = 0.0


class Steering:
    """Person who corrects by words. What is said may be said from any thread."""

    actor: Actor = "person"

    def __init__(self, features: Features) -> None:
        """Steer a robot of these features, in its own names and units."""
        self._features, self._lock = features, threading.Lock()
        self._hand = PersonOperator(alone=True) if can_steer(features) else None
        self._arm = ArmKinematics()
        mobile = features.robot_type == LEKIWI.name
        (rx, ry), (nx, ny) = (LEKIWI if mobile else SO101).eye_axes
        self._axes = np.array([[rx, ry, 0.0], [0.0, 0.0, 1.0], [nx, ny, 0.0]])
        self._grippers = [i for i, d in enumerate(features.action) if "gripper" in d.name and d.unit == "%"]
        self._said: list[Correction] = []
        self.listening = False
        """Whether somebody is about to say something, and the robot is held until that is understood."""
        self._stop: Stop | None = None
        self.words = ""
        """What was obeyed last, in the words of the person."""
        self._pace = 1.0
        self.forget()

    def forget(self) -> None:
        """Begin a run: nothing is to be done but what was said since the last; the pace stays."""
        self._motions = deque[_Motion]()
        self._held = self.moving = False
        self._taken_at_m: float | None = None
        self._was_shut: bool | None = None
        self._sentence = self.instead = ""

    @property
    def acts(self) -> bool:
        """Tell whether the robot does what was said, and nothing of the policy's."""
        return self._held or self.listening or bool(self._motions or self._said or self._sentence)

    @property
    def about(self) -> str:
        """Return what is to be asked instead, from when that was said, however the run ends; or nothing."""
        return self._sentence or self.instead

    @property
    def stands(self) -> bool:
        """Tell whether it is held by a word and has nothing else to do."""
        return self._held and not (self._motions or self._said or self._sentence)

    @property
    def runs(self) -> bool:
        """Tell whether a run is under way, in which every step asks here first."""
        return self._stop is not None

    def pace(self) -> float:
        """Return how fast the policy's plan is to be played: 1 is as it was shown."""
        return self._pace

    def check(self, correction: Correction) -> None:
        """Refuse what this robot cannot do.

        Raises:
            NotACorrectionError: in one sentence, with what goes.
        """
        what = correction.what
        if what == "move" and self._hand is None:
            raise NotACorrectionError(
                f"nobody knows here how {self._features.robot_type or 'this robot'} moves its hand, so "
                f"'{correction}' cannot be obeyed; 'stop', 'go on', 'slower' and 'faster' can"
            )
        if what in ("open", "shut") and not self._grippers:
            raise NotACorrectionError(
                f"nobody knows here how {self._features.robot_type or 'this robot'} opens its gripper; "
                "'stop', 'go on', 'slower' and 'faster' can be obeyed"
            )
        if what == "faster" and self._pace >= 1:
            raise NotACorrectionError("it moves as fast as it was shown already")
        if what == "slower" and self._pace <= SLOWEST:
            raise NotACorrectionError("it moves as slowly as it can; 'stop' holds it")

    def say(self, corrections: Sequence[Correction], words: str = "") -> None:
        """Have corrections obeyed from the next step on; "the other one" is said by `ask` instead."""
        with self._lock:
            self._said += corrections
            self.words = words or self.words
            for one in corrections:
                if one.what == "slower":
                    least = {USUAL_M: SLOWER}.get(
                        one.amount_m, MUCH_SLOWER if one.amount_m > USUAL_M else A_BIT_SLOWER
                    )
                    self._pace = max(SLOWEST, self._pace * least)
                elif one.what == "faster":
                    self._pace = min(1.0, self._pace / SLOWER)

    def unsay(self) -> None:
        """Forget what was said and not yet taken up."""
        with self._lock:
            self._said = []

    def ask(self, sentence: str, words: str = "", *, put_down: bool = True) -> None:
        """Have the run end, once what is held was put down or at once; `instead` is then what to ask for."""
        with self._lock:
            self._sentence, self.words = sentence, words or self.words
            self._said += [Correction(what="other")] if put_down else []

    def begin(self, observation: Observation, stop: Stop, clock: Clock, period: float) -> None:
        """Begin a run, which `stop` ends."""
        self.forget()
        self._stop = stop

    def act(self, moment: Moment) -> Array | None:
        """Return the action that obeys what was said; None while the policy may act."""
        if moment.observation is None:
            return None
        self._note(moment.last)
        with self._lock:
            said, self._said = self._said, []
            ends, listening = bool(self._sentence), self.listening
        for one in said:
            self._take(one, moment)
        self.moving = bool(self._motions) and not listening
        if listening:
            if self._motions:
                self._motions[0].began += moment.period  # it goes on later, from where it is
            return hold(self._features, moment.last)
        if self._motions:
            return self._carried_out(self._motions[0], moment)
        if ends:
            self._end()
            return hold(self._features, moment.last)
        return hold(self._features, moment.last) if self._held else None

    def stand_aside(self, moment: Moment) -> None:
        """Forget what was to be done, as a person has the robot in the hands; "stop" stays."""
        if moment.observation is not None:
            self._note(moment.last)
        self._motions.clear()
        self.moving = False

    def close(self) -> None:
        """Let go."""
        self._stop = None

    def _end(self) -> None:
        """Let the run end, for something else is to be asked."""
        self.instead, self._sentence = self._sentence, ""
        if self._stop is not None:
            self._stop(f"somebody asked for something else: {self.instead}")

    def _take(self, one: Correction, moment: Moment) -> None:
        """Make motions of a correction."""
        if one.what == "stop":
            self._held = True
            self._motions.clear()
        elif one.what == "go on":
            self._held = False
            self._motions.clear()
        elif one.what == "move" and self._hand is not None:
            self._motions.append(_Motion(shift_m=np.array(one.way_m) @ self._axes))
        elif one.what in ("open", "shut"):
            self._motions.append(_Motion(gripper=OPEN_PERCENT if one.what == "open" else SHUT_PERCENT))
        elif one.what == "other":
            self._motions = deque(self._putting_down(moment))

    def _putting_down(self, moment: Moment) -> list[_Motion]:
        """Return what must be done before something else is asked for: put down what is held, rise."""
        motions = []
        if self._holds(moment):
            if self._hand is not None and self._taken_at_m is not None:
                motions.append(_Motion(to_height_m=self._taken_at_m))
            motions.append(_Motion(gripper=OPEN_PERCENT))
            if self._hand is not None:
                motions.append(_Motion(shift_m=np.array([0.0, 0.0, CLEAR_M])))
        return motions

    def _holds(self, moment: Moment) -> bool:
        """Tell whether a gripper that was told to shut is kept from it by something."""
        felt = dict(zip(self._features.state_names, (moment.observation or {}).get(STATE, ()), strict=False))
        return any(
            moment.last[i] < SHUT_BELOW
            and felt.get(self._features.action_names[i], moment.last[i]) - moment.last[i] > HOLDS_FROM
            for i in self._grippers
        )

    def _note(self, last: Array) -> None:
        """Remember how high the hand was when the gripper shut."""
        shut = any(last[i] < SHUT_BELOW for i in self._grippers)
        if self._hand is not None and shut and self._was_shut is False:
            self._taken_at_m = self._height_m(last)
        self._was_shut = shut

    def _height_m(self, last: Array) -> float:
        return float(self._arm.forward(from_robot_units(last)[0])[0][2])

    def _carried_out(self, motion: _Motion, moment: Moment) -> Array:
        """Return the action of a step of a motion; the last one ends it."""
        if motion.gripper is not None:
            return self._gripped(motion, moment)
        assert self._hand is not None
        if motion.from_m is None:
            self._hand.stand_aside(moment)  # take the hand anew, where it was told to be last
            motion.from_m, motion.began = self._hand.point_m(moment.last), moment.now
            if motion.shift_m is None:
                down = min(0.0, (motion.to_height_m or 0.0) - float(motion.from_m[2]))
                motion.shift_m = np.array([0.0, 0.0, down])
            motion.seconds = max(SHORTEST_S, float(np.linalg.norm(motion.shift_m)) / HAND_M_S)
        assert motion.shift_m is not None
        passed = moment.now - motion.began + moment.period
        target = motion.from_m + motion.shift_m * min(1.0, passed / motion.seconds)
        self._hand.drag(target)
        action = self._hand.act(moment)
        assert action is not None
        missing = float(np.linalg.norm(self._hand.point_m(action) - target))
        over = passed >= motion.seconds - 1e-6 and missing < THERE_M
        if over or passed >= motion.seconds + SLACK_S:
            self._motions.popleft()
            self._hand.drag(None)
        return action

    def _gripped(self, motion: _Motion, moment: Moment) -> Array:
        """Return the action that opens or closes the gripper, where the arm stays."""
        if not motion.seconds:
            motion.began, motion.seconds = moment.now, GRIPS_S
        if moment.now - motion.began >= motion.seconds:
            self._motions.popleft()
        action = hold(self._features, moment.last)
        action[self._grippers] = motion.gripper
        return action
