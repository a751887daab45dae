"""Choice of a robot: from what a person types behind ``--robot`` to something that can be connected.

sim                                  the simulated robot that the policy learned on
dry                                  none; what would be sent is printed
so101 /dev/ttyACM0 front=0           a row of the table of robots, where it is, cameras
lerobot:my_arm port=/dev/ttyACM0     whatever LeRobot registers, by the fields of its config
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from sayso.data.fit import CONVERSIONS, read_names
from sayso.data.statistics import Stats
from sayso.data.units import joint_of
from sayso.robots import (
    DEGREES,
    GRIPPER,
    LEROBOT,
    NORMALIZED,
    PERCENT,
    RADIANS,
    Connection,
    RobotEntry,
    drivable,
    driven_robot,
    known_robot,
)
from sayso.runtime.robot import DryRun, ImaginedRobot
from sayso.runtime.simulated import simulated
from sayso.runtime.standing import is_speed
from sayso.spec import STATE, ConfigError, Features, Robot, SaysoError, at_least, known

SIMULATION, DRY = "sim", "dry"
"""What ``--robot`` says of a robot that is none: one in a simulation, and one that is only imagined."""


@dataclass(frozen=True, kw_only=True)
class RobotChoice:
    """Which robot, and how to reach it."""

    robot: str = SIMULATION
    """sim: the simulated robot that the policy learned on. dry: no robot at all; prints what would be sent.
    so101, lekiwi, koch, omx, bi_so, openarm, bi_openarm: through LeRobot's drivers, see docs/runtime.md.
    lerobot:TYPE: any other that LeRobot or a plugin of it registers. Others: by packages that bring them.
    Where it is may stand behind: "lekiwi 192.168.1.20", "so101 /dev/ttyACM0 front=0 wrist=2",
    "bi_so /dev/ttyACM0 /dev/ttyACM1", "lerobot:my_arm port=/dev/ttyACM0"."""
    dry_run: bool = False
    """Look through the robot's cameras, but print what would be sent instead of sending it."""
    seed: int | None = None
    """Which scene of the simulation: the seed-th of the test split. By default the first of them that has
    what the instruction names, and where it is not so already; the run says which that is."""
    port: str = ""
    """Serial port of an arm, such as /dev/ttyACM0; those of two arms are one word, "/dev/ttyACM0
    /dev/ttyACM1", left and right."""
    ip: str = ""
    """Network address of the lekiwi."""
    id: str = "sayso"
    """Name under which LeRobot keeps the robot's calibration."""
    cameras: tuple[str, ...] = ()
    """Cameras of an arm, such as front=0 wrist=/dev/video2. They are opened in the size that was recorded."""
    robot_config: tuple[str, ...] = ()
    """What else LeRobot's driver is to be told, by the fields of its config, such as max_relative_target=5
    left_arm_config.port=/dev/ttyACM0."""
    limp: bool = False
    """Let go of an arm's motors at the end; it falls if nothing holds it."""
    rename: tuple[str, ...] = ()
    """Cameras and numbers that the robot calls otherwise than the policy, such as image=front: what the
    robot calls it, and what the policy does. What it was trained with is known already."""

    def __post_init__(self) -> None:
        """Refuse what names no robot."""
        read_names(self.rename)
        at_least(self, seed=0)
        words_of(self.robot_config)
        cameras_of(self.cameras)
        if not self.kind.startswith(LEROBOT + ":"):
            robots = (SIMULATION, *drivable(), DRY)
            row = None if self.kind in robots else known_robot(self.kind)
            known("--robot", row.name if row else self.kind, robots)

    @property
    def kind(self) -> str:
        """Return which robot, without where it is."""
        return (self.robot.split() or [""])[0]


def make_robot(
    config: RobotChoice,
    features: Features,
    instruction: str,
    tell: Callable[[str], None] = print,
    stats: Mapping[str, Stats] | None = None,
) -> Robot:
    """Return the robot that a config names.

    Args:
        config: which robot.
        features: of the policy, with units.
        instruction: what is asked for, which the scene of a simulated robot must have.
        tell: what to do with each line for the person who watches.
        stats: of the demonstrations; a robot that does not exist begins where they usually were.

    Raises:
        SaysoError: if what is needed to find it was not given, LeRobot is not installed, or the policy was
            made for another robot or in another unit.
        NotUnderstoodError: if no scene of the simulation has what the instruction names.
    """
    if config.kind in (SIMULATION, DRY) and (idle := _idle(config)):
        tell(f"--robot {config.kind} has nothing to connect, so that these say nothing: {', '.join(idle)}")
    if config.kind == DRY:
        usual = stats[STATE].mean if stats and STATE in stats else ()
        return DryRun(ImaginedRobot(features, usual), tell, imagined=True)
    robot: Robot
    if config.kind == SIMULATION:
        robot = simulated(features, instruction, config.seed, tell)
        tell_pace(features, robot.features, tell)
    else:
        robot = _driven(driven_robot(config.kind), config, features, tell)
    return DryRun(robot, tell) if config.dry_run else robot


def _idle(config: RobotChoice) -> list[str]:
    """Return what was typed that finds a robot, where none is to be found."""
    given = dataclasses.replace(config, seed=None, rename=(), dry_run=False, robot=SIMULATION)
    usual = {field.name: field.default for field in dataclasses.fields(RobotChoice)}
    idle = [f"--{name.replace('_', '-')}" for name in usual if getattr(given, name) != usual[name]]
    return [*idle, *config.robot.split()[1:], *(["--seed"] if config.kind == DRY and config.seed else [])]


def _driven(entry: RobotEntry, config: RobotChoice, features: Features, tell: Callable[[str], None]) -> Robot:
    """Return the robot of a row where a config says that it is, not connected yet."""
    words = config.robot.split()[1:]
    address = tuple(takewhile(lambda word: "=" not in word, words[: max(1, len(entry.ports))]))
    named = tuple(words[len(address) :])
    where = " ".join(address) or str(getattr(config, entry.flag, ""))
    by_fields = config.kind.startswith(LEROBOT + ":")  # as LeRobot has it: cameras are told by a flag only
    settings = words_of((*(named if by_fields else ()), *config.robot_config))
    said = entry.ports and {*entry.ports} <= settings.keys()
    if entry.address and not where and not said:
        example = f'--robot "{entry.name} {entry.address}"'
        if entry.flag and len(entry.ports) <= 1:
            example = f"--{entry.flag} {entry.address.split()[0]}"
        raise SaysoError(f"this robot needs {example.split()[0]}, such as {example}; see {entry.page}")
    here = {**features.renamed, **read_names(config.rename)}
    sizes = {**features.cameras, **features.scaled_from}
    return entry.connected_by(
        Connection(
            where=where,
            cameras=(cameras := cameras_of((() if by_fields else named) or config.cameras)),
            sizes={name: sizes[here.get(name, name)] for name in cameras if here.get(name, name) in sizes},
            settings=settings,
            unit=_joint_unit(features, entry),
            id=config.id,
            limp=config.limp,
            tell=tell,
        )
    )


def tell_pace(policy: Features, simulation: Features, tell: Callable[[str], None]) -> None:
    """Tell it if a policy learned at another rate than the simulation's."""
    if policy.fps != simulation.fps:
        tell(
            f"the policy learned at {policy.fps:g} steps per second, the simulation has "
            f"{simulation.fps:g}: motions are that much faster or slower"
        )


def _joint_unit(features: Features, robot: RobotEntry) -> str:
    """Return the unit in which the joints of a robot must speak for a policy; empty if it has but one.

    Raises:
        SaysoError: if the policy was made for another robot, or the unit is none that it speaks.
    """
    if not robot.dimensions:  # nobody here knows it: by names and units it is what the policy learned on
        units = {d.unit for d in features.action if d.unit in (DEGREES, NORMALIZED, RADIANS)}
        return units.pop() if len(units) == 1 else ""
    learned_on = known_robot(features.robot_type)
    if learned_on and learned_on.name != robot.name:
        raise SaysoError(
            f"the policy was made for {features.robot_type!r}, which --robot {robot.name} is not"
        )
    if all(robot.units.values()):
        spoken = ((d, robot.units.get(d.name, d.unit)) for d in features.action)
        if wrong := [d for d, unit in spoken if unit != d.unit and (unit, d.unit) not in CONVERSIONS]:
            one = wrong[0]
            raise SaysoError(
                f"a {robot.name} speaks of {one.name} in {robot.units[one.name]}, the policy in "
                f"{one.unit or 'an unknown unit'}"
            )
        return ""
    units = {d.unit for d in features.action if d.unit != PERCENT and not is_speed(d)}
    if units == {""} and all(joint_of(d.name) in ("", GRIPPER) for d in robot.dimensions):
        return ""  # nobody knows, and the arms that have two units are called otherwise
    units = {DEGREES if unit == RADIANS else unit for unit in units}  # which are converted
    if len(units) == 1 and units <= {DEGREES, NORMALIZED}:
        return units.pop()
    given = ", ".join(sorted(unit or "unknown" for unit in units))
    raise SaysoError(
        f"a {robot.name} speaks of its joints in deg or normalized, but the policy's unit is {given}; train "
        "with --units deg or --units normalized if that is what was recorded"
    )


def words_of(words: tuple[str, ...]) -> Mapping[str, str]:
    """Return field -> what it is to be from words such as ``port=/dev/ttyACM0``.

    Raises:
        ConfigError: if a word is none.
    """
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, (name, equals, _) in zip(words, pairs, strict=True) if not (name and equals)]:
        raise ConfigError(f"robot_config is FIELD=VALUE, such as port=/dev/ttyACM0, but got {bad[0]!r}")
    return {name.removeprefix("robot."): value for name, _, value in pairs}


def cameras_of(words: tuple[str, ...]) -> Mapping[str, int | str]:
    """Return camera -> number or device from words such as ``front=0``.

    Raises:
        SaysoError: if a word is none.
    """
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, (name, _, where) in zip(words, pairs, strict=True) if not name or not where]:
        raise SaysoError(f"a camera is NAME=NUMBER or NAME=DEVICE, such as front=0, but got {bad[0]!r}")
    return {name: int(where) if where.isdecimal() else where for name, _, where in pairs}
