"""Address of a robot: ``dry``, ``lekiwi 192.168.1.20``, ``so101 /dev/ttyACM0 front=0 wrist=2``."""

from __future__ import annotations

from collections.abc import Callable

from sayso.robots import ROBOTS, drivable, our_name
from sayso.runtime.connecting import connect
from sayso.runtime.finding import DRY, SIMULATION, RobotChoice, make_robot
from sayso.spec import Features, Robot, SaysoError, known

TITLES = {SIMULATION: "simulation", DRY: "dry run: no robot"}
"""What people call robots that are none."""


def kinds_for(features: Features) -> tuple[str, ...]:
    """Return the kinds of robots that a policy could drive."""
    return SIMULATION, DRY, *(kind for kind in drivable() if kind == our_name(features.robot_type))


def title_of(kind: str) -> str:
    """Return what people call a kind of robot."""
    return TITLES.get(kind) or ROBOTS[kind].title or kind


def needs_of(kind: str) -> str:
    """Return what must be known to find a kind of robot, with an example; empty if nothing."""
    if kind in TITLES or not ROBOTS[kind].address:
        return ""
    return f"{ROBOTS[kind].needs or 'its address'}, such as {ROBOTS[kind].address}"


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
    kind, _, where = address.strip().partition(" ")
    known("robot for this policy", kind, kinds_for(features)[1:])
    if (needs := needs_of(kind)) and not where.strip():
        raise SaysoError(f"to find it, name {needs}")
    robot = make_robot(RobotChoice(robot=address.strip(), id=id), features, "", tell)
    connect(robot, features)
    return robot
