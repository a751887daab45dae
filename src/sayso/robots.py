"""Table of robots: names, numbers with units and ranges, address and driver, one row a robot.

A package of somebody else's adds a row by an entry point, and nothing here changes::

    [project.entry-points."sayso.robots"]
    toy = "my_package.toy:ROBOT"                  # a `RobotEntry` of that name

There are facts here and no physics: simulated bodies are in `sayso.sim.robots`, drivers are imported when a
robot is connected, and worlds say which robot they have.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sayso.extensions import Table
from sayso.spec import Dimension, Robot, SaysoError, known

GROUP = "sayso.robots"
"""Entry points under which packages offer robots."""
Range = tuple[float, float]
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
GRIPPER = "gripper"
BASE: Mapping[str, str] = {"x.vel": "m/s", "y.vel": "m/s", "theta.vel": "deg/s"}
DEGREES, NORMALIZED, RADIANS, PERCENT = "deg", "normalized", "rad", "%"
JOINT_RANGE_RAD = (
    (-1.91986, 1.91986), (-1.74533, 1.74533), (-1.69, 1.69),
    (-1.65806, 1.65806), (-2.74385, 2.84121), (-0.17453, 1.74533),
)  # fmt: skip
"""How far the joints of an SO-101 go, in the order of `JOINTS`; the gripper from closed to open."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What a driver is told: where its robot is, and how to speak with it."""

    where: str = ""
    """Ports or network address, with spaces between."""
    cameras: Mapping[str, int | str] = field(default_factory=dict)
    """Camera -> its number or device."""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Camera -> (height, width) in which it was recorded, where that is known."""
    lerobot: str = ""
    """What LeRobot calls the robot, where its driver is LeRobot's."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What else the driver's config is to say, by the names of its fields."""
    id: str = ""
    """Name under which a calibration is kept."""
    limp: bool = False
    """Whether to let go of the motors at the end."""
    unit: str = ""
    """Unit of the joints that the policy speaks; empty where the robot has only one."""
    tell: Callable[[str], None] = print
    """What to do with each line for the person who watches."""


@dataclass(frozen=True, kw_only=True)
class RobotEntry:
    """Row of the table: what a robot is called, what it feels and takes, and how it is reached."""

    name: str
    title: str = ""
    """What people call it."""
    aliases: tuple[str, ...] = ()
    """What recordings call it besides."""
    dimensions: tuple[Dimension, ...]
    """Numbers of its state and of its action. A joint without unit speaks degrees or per cent of its
    calibrated range: that is decided when it is recorded."""
    ranges: Mapping[str, Range] = field(default_factory=dict)
    """Number -> the lowest and highest that may be sent, in its unit; in degrees where there are two."""
    rate_hz: float = 0.0
    """Control steps per second of its simulated body; 0 if it has none of ours."""
    floor_m: float | None = None
    """Height of table or floor in the frame of the SO-101 that it has for an arm, whose hand stays in a box;
    None if it has no such arm."""
    driver: str = ""
    """Where the function is that makes a `Robot` of a `Connection`, as ``module:name``; empty if it cannot be
    driven."""
    lerobot: str = ""
    """What LeRobot calls it (``--robot.type``), where its driver is LeRobot's."""
    ports: tuple[str, ...] = ()
    """Fields of that driver's config which the words of its address are."""
    address: str = ""
    """Example of what stands behind its name in ``--robot``: port or network address, then cameras; empty
    if it is found without."""
    needs: str = ""
    """What the address is, in words."""
    flag: str = ""
    """Flag of ``sayso run`` that may say where it is instead."""
    advice: str = ""
    """What a person must see to before it is connected; ``{degrees}`` stands for true or false."""
    page: str = "docs/runtime.md"
    """What to read about it."""

    @property
    def units(self) -> dict[str, str]:
        """Return the name of each number -> its unit; empty of a joint that has two."""
        return {d.name: d.unit for d in self.dimensions}

    @property
    def in_degrees(self) -> tuple[Dimension, ...]:
        """Return its numbers where the joints speak degrees."""
        return tuple(d if d.unit else dataclasses.replace(d, unit=DEGREES) for d in self.dimensions)

    @property
    def drives(self) -> bool:
        """Tell whether it has a base that drives."""
        return BASE.keys() <= self.units.keys()

    def connected_by(self, connection: Connection) -> Robot:
        """Return the robot at the other end, not connected yet.

        Raises:
            SaysoError: if nothing drives it, what does is not installed, or it cannot be found with what is
                said of it.
        """
        if not self.driver:
            raise SaysoError(f"nothing here drives the {self.title or self.name}; see {self.page}")
        if self.lerobot:
            connection = self._for_lerobot(connection)
        module, _, name = self.driver.partition(":")
        robot: Robot = getattr(importlib.import_module(module), name)(connection)
        if self.advice:
            connection.tell(self.advice.format(degrees=str(connection.unit == DEGREES).lower()))
        return robot

    def _for_lerobot(self, connection: Connection) -> Connection:
        where = connection.where.split()
        if where and len(where) != len(self.ports):
            raise SaysoError(
                f"a {self.name} is found by {self.needs}, such as {self.address!r}, but got "
                f"{connection.where!r}"
            )
        settings = {**dict(zip(self.ports, where, strict=False)), **connection.settings}
        return dataclasses.replace(connection, lerobot=self.lerobot, settings=settings)


def _arm(prefix: str = "") -> tuple[Dimension, ...]:
    return tuple(Dimension(name=f"{prefix}{j}.pos", unit=PERCENT if j == GRIPPER else "") for j in JOINTS)


def _arm_ranges(prefix: str = "") -> dict[str, Range]:
    turns = [(math.degrees(low), math.degrees(high)) for low, high in JOINT_RANGE_RAD[:-1]]
    return {f"{prefix}{j}.pos": r for j, r in zip(JOINTS, [*turns, (0.0, 100.0)], strict=True)}


def _seven_joints(prefix: str = "") -> tuple[Dimension, ...]:
    """Return the numbers of an OpenArm: LeRobot's driver of its motors knows degrees only.

    Its gripper opens in degrees, too, from 0 to -65. It has no unit here, so that policies which took it for
    per cent go on driving it; its limits are those of its recordings.
    """
    joints = tuple(Dimension(name=f"{prefix}joint_{k}.pos", unit=DEGREES) for k in range(1, 8))
    return (*joints, Dimension(name=f"{prefix}{GRIPPER}.pos", unit=""))


def _aloha(prefix: str) -> tuple[Dimension, ...]:
    """Return the numbers of one arm of an ALOHA, without units: who recorded it decides them.

    Its authors' recordings are in radians with a gripper from 0 to 1, those of LeRobot's former driver in
    degrees, and both have these names. ``--units`` says it.
    """
    names = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", GRIPPER)
    return tuple(Dimension(name=prefix + name, unit="") for name in names)


LEROBOT = "lerobot"
"""What ``--robot`` says before a colon and LeRobot's name of a robot that has no row here."""
_DRIVER = "sayso.runtime.drivers:lerobot_at"
_ONE_PORT: Mapping[str, Any] = {
    "driver": _DRIVER, "ports": ("port",), "flag": "port",
    "address": "/dev/ttyACM0 front=0 wrist=2", "needs": "its serial port and cameras",
}  # fmt: skip
_TWO_PORTS: Mapping[str, Any] = {
    "driver": _DRIVER, "ports": ("left_arm_config.port", "right_arm_config.port"), "flag": "port",
    "address": "/dev/ttyACM0 /dev/ttyACM1 front=0 left_wrist=2 right_wrist=4",
    "needs": "the ports of its left and of its right arm, and cameras",
}  # fmt: skip

SO101 = RobotEntry(
    name="so101",
    title="SO-101",
    aliases=("so101_follower", "so_follower", "so100", "so100_follower", "so_arm"),
    dimensions=_arm(),
    ranges=_arm_ranges(),
    rate_hz=20,
    floor_m=0.0,
    lerobot="so101_follower",
    **_ONE_PORT,
)
LEKIWI = RobotEntry(
    name="lekiwi",
    title="LeKiwi",
    aliases=("lekiwi_client",),
    dimensions=_arm("arm_") + tuple(Dimension(name=name, unit=unit) for name, unit in BASE.items()),
    ranges=_arm_ranges("arm_")  # and its middle speed of teleoperation
    | {"x.vel": (-0.3, 0.3), "y.vel": (-0.3, 0.3), "theta.vel": (-90.0, 90.0)},
    rate_hz=20,
    floor_m=-0.114,
    driver=_DRIVER,
    lerobot="lekiwi_client",
    ports=("remote_ip",),
    address="192.168.1.20",
    needs="its network address",
    flag="ip",
    advice="its host must run with --robot.use_degrees={degrees}",
)
OWN = (
    SO101,
    LEKIWI,
    RobotEntry(
        name="koch",
        title="Koch",
        aliases=("koch_follower",),
        dimensions=_arm(),
        lerobot="koch_follower",
        **_ONE_PORT,
    ),
    RobotEntry(
        name="omx",
        title="OMX",
        aliases=("omx_follower",),
        dimensions=_arm(),
        lerobot="omx_follower",
        **_ONE_PORT,
    ),
    RobotEntry(
        name="openarm",
        title="OpenArm",
        aliases=("openarm_follower",),
        dimensions=_seven_joints(),
        lerobot="openarm_follower",
        **{**_ONE_PORT, "address": "can0 front=0", "needs": "its CAN interface and cameras"},
    ),
    RobotEntry(
        name="bi_so",
        title="two SO-101",
        aliases=("bi_so_follower", "bi_so100_follower", "bi_so101_follower", "bi_so100", "bi_so101"),
        dimensions=_arm("left_") + _arm("right_"),
        ranges=_arm_ranges("left_") | _arm_ranges("right_"),
        lerobot="bi_so_follower",
        **_TWO_PORTS,
    ),
    RobotEntry(
        name="bi_openarm",
        title="two OpenArm",
        aliases=("bi_openarm_follower",),
        dimensions=_seven_joints("left_") + _seven_joints("right_"),
        lerobot="bi_openarm_follower",
        **{**_TWO_PORTS, "address": "can0 can1 front=0"},
    ),
    RobotEntry(
        name="bi_koch",
        aliases=("bi_koch_follower", "koch_bimanual"),
        dimensions=_arm("left_") + _arm("right_"),
    ),
    RobotEntry(name="bi_omx", aliases=("bi_omx_follower",), dimensions=_arm("left_") + _arm("right_")),
    RobotEntry(
        name="aloha",
        title="ALOHA",
        aliases=("aloha_stationary", "bi_vx300s", "bi_viperx"),
        dimensions=_aloha("left_") + _aloha("right_"),
    ),
)
"""Our rows. Of most other arms only the names are known: units and limits come from their data."""


ROBOTS = Table("robot", GROUP, RobotEntry, {row.name: row for row in OWN})


def known_robot(robot_type: str) -> RobotEntry | None:
    """Return the robot that a recording calls so; None if it is none of those in the table."""
    return next((r for r in ROBOTS.values() if robot_type in (r.name, *r.aliases)), None)


def our_name(robot_type: str) -> str:
    """Return what we call a robot: ``so_follower`` -> ``so101``. Unknown ones keep their name."""
    robot = known_robot(robot_type)
    return robot.name if robot else robot_type


def drivable() -> tuple[str, ...]:
    """Return the names of the robots that something drives, and of all that packages outside offer."""
    return tuple(name for name in ROBOTS if name not in ROBOTS.own or ROBOTS[name].driver)


def driven_robot(kind: str) -> RobotEntry:
    """Return the robot that ``--robot`` calls so: by our name, by LeRobot's, or as ``lerobot:TYPE``.

    Raises:
        UnknownNameError: if nobody here knows it, or nothing drives it.
    """
    scheme, colon, theirs = kind.partition(":")
    if colon and scheme == LEROBOT:
        of_ours = (ROBOTS[name] for name in ROBOTS.own)
        found = next((row for row in of_ours if theirs and row.lerobot == theirs), None)
        return found or RobotEntry(name=kind, dimensions=(), driver=_DRIVER, lerobot=theirs)
    row = known_robot(kind)
    return ROBOTS[known("--robot", row.name if row else kind, drivable())]
