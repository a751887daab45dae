"""Adapter to LeRobot's own robots: an SO-101 at a serial port, a LeKiwi over the network.

Names and units are the same on both sides (`sayso.spec`), so little is left to do: ask a driver for the unit
that the policy learned, refuse a robot that is not calibrated, and notice one that has fallen silent or that
makes up what it does not know.

It needs the extra ``lerobot``, whose classes are named where they are used: importing them brings torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from sayso.robots import DEGREES, Connection
from sayso.spec import Robot, SaysoError

INSTALL = (
    "LeRobot's drivers are not installed ({error}). Into an environment of its own, at the top of the "
    "repository: pip install --constraint constraints-lerobot.txt --editable '.[lerobot]'"
)
CAMERA_FPS, CAMERA_WIDTH, CAMERA_HEIGHT = 30, 640, 480
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
        if "calibrate" in type(self._driver).connect.__annotations__:
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
        # LeKiwi's client hands out its last reading, the very same object, when the network is silent.
        if reading is not self._reading:
            self._reading, self._heard = reading, now
        elif now - self._heard > SILENT_S:
            raise ConnectionError(f"the robot has sent nothing for {now - self._heard:.1f} s")
        return dict(reading)

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what the driver really sent."""
        sent = self._driver.send_action(dict(action))
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


def so101_at(connection: Connection) -> LeRobotRobot:
    """Return the SO-101 at a serial port, as the table of robots asks for it."""
    return so101(
        connection.where,
        id=connection.id,
        cameras=connection.cameras,
        limp=connection.limp,
        degrees=connection.unit == DEGREES,
    )


def lekiwi_at(connection: Connection) -> LeRobotRobot:
    """Return the LeKiwi at a network address, and tell how its host must run."""
    robot = lekiwi(connection.where, id=connection.id)
    connection.tell(f"its host must run with --robot.use_degrees={str(connection.unit == DEGREES).lower()}")
    return robot


def so101(
    port: str,
    *,
    id: str,
    cameras: Mapping[str, int | str],
    limp: bool = False,
    degrees: bool = True,
    calibration: Path | None = None,
) -> LeRobotRobot:
    """Return an SO-101 follower arm.

    Args:
        port: serial port, such as ``/dev/ttyACM0``.
        id: name under which LeRobot keeps its calibration.
        cameras: camera -> number or device of it, such as ``{"front": 0, "wrist": "/dev/video2"}``.
        limp: let go of the motors at the end. The arm falls if nothing holds it.
        degrees: whether joints speak degrees, rather than -100 to 100 of their calibrated range.
        calibration: folder of calibrations; None is LeRobot's own.

    Raises:
        SaysoError: if LeRobot is not installed.
    """
    try:
        from lerobot.cameras.opencv import OpenCVCameraConfig
        from lerobot.robots.so_follower import SO101Follower, SO101FollowerConfig

        looks = {
            name: OpenCVCameraConfig(
                index_or_path=where if isinstance(where, int) else Path(where),
                fps=CAMERA_FPS,
                width=CAMERA_WIDTH,
                height=CAMERA_HEIGHT,
            )
            for name, where in cameras.items()
        }
        config = SO101FollowerConfig(
            port=port,
            id=id,
            calibration_dir=calibration,
            cameras=looks,
            use_degrees=degrees,
            disable_torque_on_disconnect=limp,
        )
        return LeRobotRobot(SO101Follower(config))
    except ImportError as error:
        raise SaysoError(INSTALL.format(error=error)) from error


def lekiwi(ip: str, *, id: str) -> LeRobotRobot:
    """Return a LeKiwi, on whose own computer LeRobot's host runs.

    The host decides the units: for a policy in degrees it must be started with ``--robot.use_degrees=true``,
    which before LeRobot 0.6 was not the default.

    Args:
        ip: network address of the robot.
        id: name of the robot.

    Raises:
        SaysoError: if LeRobot is not installed.
    """
    try:
        from lerobot.robots.lekiwi import LeKiwiClient, LeKiwiClientConfig

        return LeRobotRobot(never_made_up(LeKiwiClient(LeKiwiClientConfig(remote_ip=ip, id=id))))
    except ImportError as error:
        raise SaysoError(INSTALL.format(error=error)) from error
