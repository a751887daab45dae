"""Robot that tells what it shows before the loop has it, to whoever wants to draw or record it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sayso.runtime.robot import ForwardingRobot
from sayso.spec import Robot

RATE_OVER = 20
"""Of how many commands the rate is taken."""


class WatchedRobot(ForwardingRobot):
    """Robot that tells of every reading of another one before the loop has it."""

    def __init__(self, robot: Robot, seen: Callable[[Mapping[str, Any]], None]) -> None:
        """Stand before a robot."""
        super().__init__(robot)
        self.seen = seen
        self._sent_at = deque[float](maxlen=RATE_OVER + 1)

    @property
    def behind(self) -> Robot:
        """Return the robot itself."""
        return self._robot

    @property
    def hz(self) -> float:
        """Return how many commands per second were sent of late; 0 before the second."""
        if len(self._sent_at) < 2:
            return 0.0
        return (len(self._sent_at) - 1) / max(self._sent_at[-1] - self._sent_at[0], 1e-6)

    def get_observation(self) -> dict[str, Any]:
        """Return one reading."""
        reading = super().get_observation()
        self.seen(reading)
        return reading

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what was really sent."""
        sent = super().send_action(action)
        self._sent_at.append(time.monotonic())
        return sent
