"""Robot that tells what it shows before the loop has it, to whoever wants to draw or record it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sayso.spec import Robot

RATE_OVER = 20
"""Of how many commands the rate is taken."""


class WatchedRobot:
    """Robot that tells of every reading of another one before the loop has it."""

    def __init__(self, robot: Robot, seen: Callable[[Mapping[str, Any]], None]) -> None:
        """Stand before a robot."""
        self._robot, self.seen = robot, seen
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

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return what the robot shows."""
        return self._robot.observation_features

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return what the robot takes."""
        return self._robot.action_features

    def connect(self) -> None:
        """Open the robot."""
        self._robot.connect()

    def get_observation(self) -> dict[str, Any]:
        """Return one reading."""
        reading = self._robot.get_observation()
        self.seen(reading)
        return reading

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what was really sent."""
        sent = self._robot.send_action(action)
        self._sent_at.append(time.monotonic())
        return sent

    def disconnect(self) -> None:
        """Close the robot."""
        self._robot.disconnect()
