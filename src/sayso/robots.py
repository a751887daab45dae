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

from sayso.extensions import Table
from sayso.spec import Dimension, Robot, SaysoError

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
    """Port or network address."""
    cameras: Mapping[str, int | str] = field(default_factory=dict)
    """Camera -> its number or device."""
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
    address: str = ""
    """Example of what stands behind its name in ``--robot``: port or network address, then cameras; empty
    if it is found without."""
    needs: str = ""
    """What the address is, in words."""
    flag: str = ""
    """Flag of ``sayso run`` that may say where it is instead."""
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
            SaysoError: if nothing drives it, or what does is not installed.
        """
        if not self.driver:
            raise SaysoError(f"nothing here drives a {self.title or self.name}; see {self.page}")
        module, _, name = self.driver.partition(":")
        robot: Robot = getattr(importlib.import_module(module), name)(connection)
        return robot


def _arm(prefix: str = "") -> tuple[Dimension, ...]:
    return tuple(Dimension(name=f"{prefix}{j}.pos", unit=PERCENT if j == GRIPPER else "") for j in JOINTS)


def _arm_ranges(prefix: str = "") -> dict[str, Range]:
    turns = [(math.degrees(low), math.degrees(high)) for low, high in JOINT_RANGE_RAD[:-1]]
    return {f"{prefix}{j}.pos": r for j, r in zip(JOINTS, [*turns, (0.0, 100.0)], strict=True)}


SO101 = RobotEntry(
    name="so101",
    title="SO-101",
    aliases=("so101_follower", "so_follower", "so100", "so100_follower", "so_arm"),
    dimensions=_arm(),
    ranges=_arm_ranges(),
    rate_hz=20,
    floor_m=0.0,
    driver="sayso.runtime.lerobot:so101_at",
    address="/dev/ttyACM0 front=0 wrist=2",
    needs="its serial port and cameras",
    flag="port",
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
    driver="sayso.runtime.lerobot:lekiwi_at",
    address="192.168.1.20",
    needs="its network address",
    flag="ip",
)
OWN = (
    SO101,
    LEKIWI,
    RobotEntry(name="koch", aliases=("koch_follower",), dimensions=_arm()),
    RobotEntry(name="omx", aliases=("omx_follower",), dimensions=_arm()),
    RobotEntry(
        name="two so101",
        aliases=("bi_so_follower", "bi_so100_follower", "bi_so101_follower", "bi_so100", "bi_so101"),
        dimensions=_arm("left_") + _arm("right_"),
    ),
    RobotEntry(
        name="two koch",
        aliases=("bi_koch_follower", "koch_bimanual"),
        dimensions=_arm("left_") + _arm("right_"),
    ),
    RobotEntry(name="two omx", aliases=("bi_omx_follower",), dimensions=_arm("left_") + _arm("right_")),
)
"""Our rows. Of LeRobot's other arms only the names are known: units and limits come from their data."""


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
