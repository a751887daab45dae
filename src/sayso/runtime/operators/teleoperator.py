"""Teleoperator as an operator: one of LeRobot's, a leader arm, a keyboard, a gamepad, a phone.

    it says                                   and moves
    ────────────────────────────────────────────────────────────────────────────────
    targets of the robot's joints             the robot, as a leader arm does
    delta_x, delta_y, delta_z, gripper        the hand, along the axes of the arm's base
    phone.pos, while phone.enabled            the hand, as the phone is moved
    keys that are held                        the base: w a s d, z and x turn it

What moves a hand needs an arm whose kinematics are known here (`can_steer`). How a phone is turned is not
followed: five joints cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sayso.runtime.clock import Clock
from sayso.runtime.operators.contract import Moment
from sayso.runtime.operators.person import PersonOperator, Wish, can_steer
from sayso.runtime.robot import DRIVER_ERRORS, vector
from sayso.runtime.senses import RobotFailedError
from sayso.runtime.standing import hold, is_speed
from sayso.runtime.stopping import Stop
from sayso.spec import Actor, Array, Features, Observation, SaysoError

DELTAS = ("delta_x", "delta_y", "delta_z")
PHONE = ("phone.enabled", "phone.pos")
DRIVING = {"w": (1, 0, 0), "s": (-1, 0, 0), "a": (0, 1, 0), "d": (0, -1, 0), "z": (0, 0, 1), "x": (0, 0, -1)}
"""Keys by which LeRobot drives its LeKiwi: ahead, to its left, counterclockwise."""
ARM = "arm_"
"""What stands before the names of a leader's joints where the arm is part of a larger robot."""
GRIPPER_CLOSES, GRIPPER_OPENS = 0, 2
"""What LeRobot's keyboard and gamepad say of the gripper; 1 is neither."""
MEETS_PER_S, MEETS_WITHIN = 45.0, 4.0
"""How fast a robot comes to where its leader is, and when they have met, degrees or per cent."""
MOVED = 1.0
"""So far a joint of the leader has to go before that is a motion, degrees or per cent."""


class Device(Protocol):
    """Teleoperator of LeRobot."""

    def connect(self) -> None:
        """Open it."""
        ...

    def get_action(self) -> Mapping[str, Any]:
        """Return what it says now."""
        ...

    def disconnect(self) -> None:
        """Close it."""
        ...


class TeleoperatorOperator:
    """Person with a device in the hand, who acts at every step."""

    actor: Actor = "person"

    def __init__(self, device: Device, features: Features) -> None:
        """Take a device that is connected, and the features of the robot that it moves."""
        self._device, self._features = device, features
        self._hand = PersonOperator(alone=True) if can_steer(features) else None
        self._met = False
        self._was: Array | None = None
        self._phone_began: NDArray[np.float64] | None = None
        self.moving = False
        """Whether it said that anything is to move in the last step."""

    def begin(self, observation: Observation, stop: Stop, clock: Clock, period: float) -> None:
        """Begin where the robot stands: it comes to its leader slowly."""
        self._met, self._was, self._phone_began, self.moving = False, None, None, False
        if self._hand is not None:
            self._hand.begin(observation, stop, clock, period)

    def act(self, moment: Moment) -> Array | None:
        """Return what the device asks for, float32 ``[A]``; None while nothing is seen.

        Raises:
            RobotFailedError: if the device fails, or says what moves nothing of this robot.
        """
        if moment.observation is None:
            return None
        try:
            said = self._device.get_action()
        except DRIVER_ERRORS as error:
            raise RobotFailedError(f"the teleoperator failed: {type(error).__name__}: {error}") from error
        said = {name.removeprefix("action."): value for name, value in said.items()}
        targets = self._targets(said, moment)
        if targets is not None:
            return self._led(targets, moment)
        if self._hand is None:
            if not said:
                return hold(self._features, moment.last)
            raise RobotFailedError(
                f"the teleoperator says {', '.join(said)}, and this robot takes "
                f"{', '.join(self._features.action_names)}: use one that speaks of its joints"
            )
        self._say(self._hand, said, moment)
        action = self._hand.act(moment)
        self.moving = self._hand.moving
        return action

    def stand_aside(self, moment: Moment) -> None:
        """Let go."""
        self._met, self._was = False, None

    def close(self) -> None:
        """Leave the device open: it is for who opened it to close."""

    def _targets(self, said: Mapping[str, Any], moment: Moment) -> Array | None:
        """Return the action if the device speaks of the robot's numbers, or of those of its arm alone."""
        names = self._features.action_names
        if all(name in said for name in names):
            return vector(said, self._features)
        arm = {ARM + name: value for name, value in said.items()}
        if not arm or not all(name in names for name in arm):
            return None
        still = dict(zip(names, hold(self._features, moment.last), strict=True))
        return vector({**still, **arm}, self._features)

    def _led(self, targets: Array, moment: Moment) -> Array:
        """Return the targets of a leader; until robot and leader have met, the robot comes slowly nearer."""
        places = np.array([not is_speed(d) for d in self._features.action])
        way = np.where(places, targets - moment.last, 0)
        self._met = self._met or bool((np.abs(way) <= MEETS_WITHIN).all())
        if not self._met:
            most = MEETS_PER_S * moment.period
            self.moving = False
            return np.where(places, moment.last + np.clip(way, -most, most), 0).astype(np.float32)
        was = targets if self._was is None else self._was
        went = bool((np.abs(targets - was)[places] > MOVED).any())
        self._was = targets if went else was  # so that a slow motion is one, too
        self.moving = went or bool((targets[~places] != 0).any())
        return targets

    def _say(self, hand: PersonOperator, said: Mapping[str, Any], moment: Moment) -> None:
        """Let a hand do what deltas, a phone or held keys ask for."""
        if all(name in said for name in DELTAS):
            x, y, z = (float(np.clip(said[name], -1, 1)) for name in DELTAS)
            hand.steer(Wish(along=x, across=y, up=z))
            if (gripper := said.get("gripper")) in (GRIPPER_CLOSES, GRIPPER_OPENS):
                hand.grip(open_it=gripper == GRIPPER_OPENS)
        elif all(name in said for name in PHONE):
            self._follow_phone(hand, said, moment)
        elif said and all(value is None for value in said.values()):
            held = [DRIVING[key] for key in said if key in DRIVING]
            base = np.clip(np.sum(held, axis=0), -1, 1) if held else np.zeros(3)
            if held and all(not is_speed(d) for d in self._features.action):
                raise SaysoError("lerobot:keyboard drives wheels only: move an arm by lerobot:keyboard_ee")
            hand.steer(Wish(base=(float(base[0]), float(base[1]), float(base[2]))))
        elif not said:
            hand.steer(Wish())
        else:
            raise RobotFailedError(f"nobody knows here what the teleoperator means by {', '.join(said)}")

    def _follow_phone(self, hand: PersonOperator, said: Mapping[str, Any], moment: Moment) -> None:
        """Move the hand as the phone has been moved since it was enabled, by LeRobot's own axes."""
        inputs = said.get("phone.raw_inputs") or {}
        wants = float(inputs.get("a3", 0)) + float(inputs.get("reservedButtonA", 0))
        wants -= float(inputs.get("reservedButtonB", 0))
        if abs(wants) > 0.5:
            hand.grip(open_it=wants > 0)
        if not said["phone.enabled"]:
            self._phone_began = None
            hand.drag(None)
            return
        if self._phone_began is None:
            self._phone_began = hand.point_m(moment.last)
        aside, ahead, up = (float(number) for number in said["phone.pos"])
        hand.drag(self._phone_began + np.array([-ahead, aside, up]))
