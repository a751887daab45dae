"""Adapter of any robot behind LeRobot's interface to our loop; `sayso.runtime.drivers` finds and makes them.

Names and units are the same on both sides (`sayso.spec`), so little is left to do: refuse a robot that is not
calibrated, and notice one that has fallen silent or that makes up what it does not know.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from sayso.spec import Robot, SaysoError

SILENT_S = 0.5
"""After how long without anything new a robot counts as lost. It is what LeKiwi's host allows its client."""


class Driver(Robot, Protocol):
    """Robot of LeRobot."""

    @property
    def is_calibrated(self) -> bool | None:
        """Tell whether its motors know their zero; None where it cannot know."""
        ...


class LeRobotRobot:
    """Adapter of one of LeRobot's robots to our loop."""

    def __init__(self, driver: Driver, now: Callable[[], float] = time.monotonic) -> None:
        """Take a driver that is not connected yet.

        Args:
            driver: a robot of LeRobot, whose joints speak the policy's unit.
            now: what time it is, in seconds.
        """
        self._driver, self._now = driver, now
        self._reading: Mapping[str, Any] | None = None
        self._had: Mapping[str, Any] = {}
        self._heard = 0.0

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return name -> ``float`` or image shape ``(H, W, 3)``."""
        return self._driver.observation_features

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return name -> ``float``."""
        return self._driver.action_features

    def connect(self) -> None:
        """Open motors and cameras.

        Raises:
            SaysoError: if the robot is not calibrated: LeRobot would ask questions in the middle of a run.
        """
        if "calibrate" in inspect.signature(self._driver.connect).parameters:
            cast(Any, self._driver).connect(calibrate=False)
        else:
            self._driver.connect()
        self._heard = self._now()
        if self._driver.is_calibrated is False:
            self._driver.disconnect()
            raise SaysoError("the robot is not calibrated; run lerobot-calibrate with its id first")

    def get_observation(self) -> dict[str, Any]:
        """Return one reading.

        Raises:
            ConnectionError: if there has been nothing new for `SILENT_S`.
        """
        reading, now = self._driver.get_observation(), self._now()
        # LeKiwi's client hands out its last reading, the very same object, when the network is silent. A
        # driver may as well write into the one that it has.
        if reading is not self._reading or any(reading[name] is not old for name, old in self._had.items()):
            self._reading, self._had, self._heard = reading, dict(reading), now
        elif now - self._heard > SILENT_S:
            raise ConnectionError(f"the robot has sent nothing for {now - self._heard:.1f} s")
        return dict(reading)

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what the driver really sent."""
        sent = {**action, **(self._driver.send_action(dict(action)) or {})}  # some drivers say nothing
        return {name: float(sent[name]) for name in self._driver.action_features}

    def disconnect(self) -> None:
        """Release motors and cameras."""
        self._driver.disconnect()


def never_made_up(client: Any) -> Any:
    """Return LeKiwi's client so that a message in which a number is missing is none.

    The client itself would read such a number as 0.0, to which a policy would then react. A message without
    it counts as one that never came: the last reading stays, and when that lasts the robot is silent.
    """
    read = getattr(client, "_remote_state_from_obs", None)
    if read is None:  # a version that reads otherwise
        return client

    def whole(observation: Mapping[str, Any], *more: Any) -> Any:
        missing = [name for name in client.action_features if name not in observation]
        if missing:
            raise ConnectionError(f"a reading came without {', '.join(missing)}")
        return read(observation, *more)

    client._remote_state_from_obs = whole
    return client
