"""Find a robot by its address: ``dry``, ``lekiwi 192.168.1.20``, ``so101 /dev/ttyACM0 front=0 wrist=2``."""

from __future__ import annotations

from collections.abc import Callable

from sayso.data.units import our_name
from sayso.runtime.run import RunConfig, connect, make_robot
from sayso.spec import Features, Robot, SaysoError, known

SIMULATION = "sim"
NEEDS = {
    "dry": "",
    "lekiwi": "its network address, such as 192.168.1.20",
    "so101": "its serial port and cameras, such as /dev/ttyACM0 front=0 wrist=2",
}
"""Robots other than the simulated one, and what must be known to find them."""


def kinds_for(features: Features) -> tuple[str, ...]:
    """Return the kinds of robots that a policy could drive."""
    return SIMULATION, "dry", *(kind for kind in NEEDS if kind == our_name(features.robot_type))


def connected_robot(address: str, features: Features, id: str, tell: Callable[[str], None]) -> Robot:
    """Return the robot at an address, connected.

    Args:
        address: as above.
        features: of the policy that is to drive it.
        id: name under which LeRobot keeps its calibration.
        tell: what hears what would be sent to a robot that is not there.

    Raises:
        SaysoError: if it cannot be found or connected, or is not one that the policy knows.
    """
    robot = make_robot(_read(address, features, id), features, "", tell)
    connect(robot, features)
    return robot


def _read(address: str, features: Features, id: str) -> RunConfig:
    kind, _, where = address.strip().partition(" ")
    known("robot for this policy", kind, kinds_for(features)[1:])
    words = where.split()
    if NEEDS[kind] and not words:
        raise SaysoError(f"to find it, name {NEEDS[kind]}")
    match kind:
        case "lekiwi":
            return RunConfig(robot="lekiwi", ip=words[0], id=id)
        case "so101":
            return RunConfig(robot="so101", port=words[0], cameras=tuple(words[1:]), id=id)
    return RunConfig(robot="dry")
