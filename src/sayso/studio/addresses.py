"""Address of a robot: ``dry``, ``lekiwi 192.168.1.20``, ``so101 /dev/ttyACM0 front=0 wrist=2``.

Of a robot that only LeRobot knows, ``lerobot:my_arm port=/dev/ttyACM0 top=0``: what is called as the policy
calls a camera is one, all else a field of the config of LeRobot's driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sayso.robots import LEROBOT, ROBOTS, drivable, our_name
from sayso.runtime.connecting import connect
from sayso.runtime.finding import DRY, SIMULATION, RobotChoice, make_robot
from sayso.spec import Features, Robot, SaysoError, known

TITLES = {SIMULATION: "simulation", DRY: "dry run: no robot", LEROBOT: "another of LeRobot's"}
"""What people call what is no row of the table of robots."""


def kinds_for(features: Features) -> tuple[str, ...]:
    """Return the kinds of robots that a policy could drive."""
    ours = (kind for kind in drivable() if kind == our_name(features.robot_type))
    return SIMULATION, DRY, *ours, LEROBOT


def title_of(kind: str) -> str:
    """Return what people call a kind of robot."""
    return TITLES.get(kind) or ROBOTS[kind].title or kind


def needs_of(kind: str) -> str:
    """Return what must be known to find a kind of robot, with an example; empty if nothing."""
    if kind == LEROBOT:
        return "its type and the fields of its config, such as my_arm port=/dev/ttyACM0 front=0"
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
    kind, _, where = address.strip().replace(f"{LEROBOT}:", f"{LEROBOT} ", 1).partition(" ")
    known("robot for this policy", kind, kinds_for(features)[1:])
    if (needs := needs_of(kind)) and not where.strip():
        raise SaysoError(f"to find it, name {needs}")
    robot = make_robot(_choice(kind, where.split(), features, id), features, "", tell)
    connect(robot, features)
    return robot


def _choice(kind: str, words: Sequence[str], features: Features, id: str) -> RobotChoice:
    if kind != LEROBOT:
        choice = RobotChoice(robot=" ".join((kind, *words)))
        return replace(choice, id=id) if needs_of(kind) else choice
    there = {there for there, here in features.renamed.items() if here in features.cameras}
    cameras = [word for word in words if word.partition("=")[0] in {*features.cameras, *there}]
    fields = [word for word in words if word not in cameras]
    return RobotChoice(robot=f"{LEROBOT}:{' '.join(fields)}", cameras=tuple(cameras), id=id)
