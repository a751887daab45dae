"""Observations of a robot that may stutter: what it shows now, nothing for a while, or the end of the run.

::

    reading ──> whole and finite? ──> pictures of now? ──> Observation
                    | no                  | no, the same bytes for a second
                    v                     v
                   None: the robot is held and the step counted; when it lasts, RobotFailedError

A broken packet is no reason to end a run, and a cable that is out is none to go on with it. What was not read
is never made up: a joint that is missing has no value, least of all zero.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sayso.runtime.robot import DRIVER_ERRORS, behind, is_imagined, look
from sayso.spec import Features, NotFiniteError, Observation, Robot, SaysoError

KINDS_COUNTED = 20
"""Kinds of failure that are told apart: a driver that counts seconds in its words makes endlessly many."""


class RobotFailedError(SaysoError):
    """Robot that has shown nothing new, or taken nothing, for too long."""


class Patience:
    """Patience with something that fails, for so long, and how often it did."""

    def __init__(self, seconds: float, counts: Counter[str]) -> None:
        """Begin in good order.

        Args:
            seconds: how long it may go on failing.
            counts: where failures are counted, by what they were.
        """
        self._seconds, self._counts = seconds, counts
        self._since: float | None = None

    def over(self) -> None:
        """Note that it works again."""
        self._since = None

    def endure(self, error: Exception, now: float) -> None:
        """Note that it failed.

        Raises:
            RobotFailedError: if it has failed for longer than there is patience.
        """
        reason = f"{type(error).__name__}: {error}"
        is_new = reason not in self._counts and len(self._counts) >= KINDS_COUNTED
        self._counts["others" if is_new else reason] += 1
        self._since = now if self._since is None else self._since
        if now - self._since >= self._seconds:
            raise RobotFailedError(f"the robot failed for {now - self._since:.1f} s: {reason}") from error


@dataclass
class _Picture:
    """What a camera showed last, as a checksum, and since when."""

    checksum: int
    since: float


class Senses:
    """Observations of a robot, one per step."""

    def __init__(
        self, robot: Robot, features: Features, instruction: str, *, patience_s: float, frozen_s: float
    ) -> None:
        """Stand before a robot that is connected.

        Args:
            robot: whom to read. Pictures of a simulated one may stand still.
            features: of the policy.
            instruction: what is asked for.
            patience_s: how long readings may fail one after the other.
            frozen_s: after how long the same bytes from a camera are no picture of now; at twice that it
                counts as broken. 0 never minds.
        """
        self._robot, self._features, self._instruction = robot, features, instruction
        self._is_real, self._frozen_s = not is_imagined(behind(robot)), frozen_s
        self.failures: Counter[str] = Counter()
        """Steps in which something was missing or stood still, by what it was."""
        self._patience = Patience(patience_s, self.failures)
        self._pictures: dict[str, _Picture] = {}

    def look(self, now: float) -> Observation | None:
        """Return what is seen and felt; None if the robot should be held meanwhile.

        Raises:
            RobotFailedError: if that has lasted too long.
        """
        try:
            reading = self._robot.get_observation()
            self._refuse_blank(reading)
            observation = look(reading, self._features, self._instruction)
        except DRIVER_ERRORS as error:
            self._patience.endure(error, now)
            return None
        self._patience.over()
        return None if self._stands_still(reading, now) else observation

    def _refuse_blank(self, reading: Mapping[str, Any]) -> None:
        """Refuse a picture of nothing but zeros, which drivers put where one is missing."""
        for name in self._features.cameras if self._is_real else ():
            picture = reading.get(name)
            if picture is not None and not np.any(picture):
                raise NotFiniteError(f"camera {name} showed nothing but zeros")

    def _stands_still(self, reading: Mapping[str, Any], now: float) -> bool:
        """Tell whether a camera has shown the same bytes for so long that it must have stopped."""
        if not self._is_real or not self._frozen_s:
            return False
        ages_s = {name: self._age_s(name, reading[name], now) for name in self._features.cameras}
        frozen = {name: age_s for name, age_s in ages_s.items() if age_s >= self._frozen_s}
        self.failures.update(f"camera {name} stood still" for name in frozen)
        for name, age_s in frozen.items():
            if age_s >= 2 * self._frozen_s:
                raise RobotFailedError(
                    f"camera {name} has shown the very same picture for {age_s:.1f} s, so it has "
                    "stopped; --frozen-s 0 never minds"
                )
        return bool(frozen)

    def _age_s(self, name: str, image: Any, now: float) -> float:
        """Return for how long a camera has shown the same."""
        checksum = zlib.crc32(np.ascontiguousarray(image).data)  # not the array: drivers may reuse one
        known = self._pictures.get(name)
        if known is None or known.checksum != checksum:
            known = self._pictures[name] = _Picture(checksum, now)
        return now - known.since
