"""Deployment of a policy: joined with a robot and an instruction, which is what ``sayso run`` does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sayso.data.fit import CONVERSIONS, names_of, read_names
from sayso.data.statistics import Stats
from sayso.data.units import JointUnit, with_units
from sayso.models.repacked import knowing, on_robot
from sayso.robots import (
    DEGREES,
    NORMALIZED,
    PERCENT,
    RADIANS,
    ROBOTS,
    Connection,
    RobotEntry,
    drivable,
    known_robot,
)
from sayso.runtime.hearing import not_heard
from sayso.runtime.limits import SERVO_DEG_S, Limits, Point, boundless, limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport
from sayso.runtime.robot import DRIVER_ERRORS, DryRun, ImaginedRobot, SimulatedRobot, check_robot
from sayso.runtime.simulated import short_enough, simulated
from sayso.runtime.standing import is_speed
from sayso.runtime.stopping import Stop, on_key, on_signals
from sayso.spec import STATE, Features, Policy, Robot, SaysoError, at_least, known
from sayso.tasks.worlds import WORLDS, world_of
from sayso.work.replace import appearing

SIMULATION, DRY = "sim", "dry"
"""What ``--robot`` says of a robot that is none: one in a simulation, and one that is only imagined."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(LoopConfig):
    """Which robot to drive, and how."""

    robot: str = SIMULATION
    """sim: the simulated robot that the policy learned on. dry: no robot at all; prints what would be sent.
    so101, lekiwi: through LeRobot's drivers, see docs/runtime.md. Others: by packages that bring them. Where
    it is may stand behind: "lekiwi 192.168.1.20", "so101 /dev/ttyACM0 front=0 wrist=2"."""
    dry_run: bool = False
    """Look through the robot's cameras, but print what would be sent instead of sending it."""
    seed: int | None = None
    """Which scene of the simulation: the seed-th of the test split. By default the first of them that has
    what the instruction names, and where it is not so already; the run says which that is."""
    port: str = ""
    """Serial port of the so101, such as /dev/ttyACM0."""
    ip: str = ""
    """Network address of the lekiwi."""
    id: str = "sayso"
    """Name under which LeRobot keeps the robot's calibration."""
    cameras: tuple[str, ...] = ()
    """Cameras of the so101, such as front=0 wrist=/dev/video2."""
    limp: bool = False
    """Let go of the so101's motors at the end; the arm falls if nothing holds it."""
    max_speed_deg_s: float = SERVO_DEG_S
    """Fastest change of a joint's target. Begin with 60 on a robot you do not know."""
    workspace_low_m: Point | None = None
    """Corner x y z of the box that the hand may be in, metres from the arm's base; by default its reach,
    down to the table or the floor."""
    workspace_high_m: Point | None = None
    """The opposite corner."""
    threads: int = 1
    """Threads of the policy; the loop needs a core of its own."""
    units: JointUnit = ""
    """Unit of the arm's joints, where the policy's recording named none: deg, normalized (-100 to 100) or
    rad. By default it is seen from how far they go."""
    rename: tuple[str, ...] = ()
    """Cameras and numbers that the robot calls otherwise than the policy, such as image=front: what the
    robot calls it, and what the policy does. What it was trained with is known already."""
    out: Path | None = None
    """File for the report, as JSON."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        read_names(self.rename)
        at_least(self, seed=0, threads=1)
        known("--robot", self.kind, (SIMULATION, *drivable(), DRY))

    @property
    def kind(self) -> str:
        """Return which robot, without where it is."""
        return (self.robot.split() or [""])[0]


def run(
    policy: Policy,
    features: Features,
    instruction: str,
    config: RunConfig,
    tell: Callable[[str], None] = print,
) -> RunReport:
    """Let a policy drive the robot that the config names, and return the report.

    Args:
        policy: who acts.
        features: of the policy.
        instruction: what is asked for.
        config: which robot, and how.
        tell: what to do with each line for the person who watches.

    Raises:
        SaysoError: if the robot cannot be found, or does not fit the policy. Nothing has moved then.
    """
    if not instruction.strip():
        raise SaysoError('the instruction is empty; say what to do, such as "put the can in the bowl"')
    not_heard(policy, instruction, moves=config.kind not in (SIMULATION, DRY) and not config.dry_run)
    stats, stop = demonstrated(policy), Stop()
    features = measured(features, stats, config.units, tell)
    robot = make_robot(config, features, instruction, tell, stats)
    try:
        policy, features = _spoken(policy, features, robot, config, tell)
        stats = demonstrated(policy)
        limits = _limits(features, stats, config, tell)
    except SaysoError:
        _let_go(robot)
        raise
    # Whoever interrupts while a robot is being connected or let go of must not leave it half open.
    with on_signals(stop), connected(robot, tell):
        if isinstance(robot, SimulatedRobot):
            instruction = short_enough(policy, robot, tell)
        with on_key(stop) as keys:
            tell(f'"{instruction}"; {"any key" if keys else "Ctrl-C"} stops the robot')
            report = drive(
                robot,
                policy,
                instruction,
                features=features,
                limits=limits,
                config=config,
                stop=stop,
                until=lambda: ending(robot),
                stats=stats,
                tell=tell,
            )
        tell(str(report))
        if isinstance(robot, SimulatedRobot) and (why := robot.why_not()):
            tell(f"not done: {why}")
    if config.out:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        with appearing(config.out) as partial:
            partial.write_text(json.dumps(report.to_json(), indent=2) + "\n")
    return report


def demonstrated(policy: Policy) -> Mapping[str, Stats]:
    """Return the statistics of what a policy learned from; empty if it does not tell."""
    stats: Mapping[str, Stats] = getattr(policy, "stats", {})
    return stats


def measured(
    features: Features, stats: Mapping[str, Stats], joints: JointUnit, tell: Callable[[str], None]
) -> Features:
    """Return features with units, and tell what had to be assumed for them."""
    found, said = with_units(features, stats, joints)
    for line in said:
        tell(line)
    return found


def _spoken(
    policy: Policy, features: Features, robot: Robot, config: RunConfig, tell: Callable[[str], None]
) -> tuple[Policy, Features]:
    """Return a policy as it acts on a robot, and its features in the robot's names and units.

    Raises:
        UnknownNameError: if the robot has none of a name that is to be renamed.
    """
    shown = dict.fromkeys((*robot.observation_features, *robot.action_features), "")
    if config.kind == SIMULATION:
        shown |= names_of(WORLDS[world_of(features.robot_type)].features)
    elif config.kind != DRY:
        shown |= {name: unit or DEGREES for name, unit in ROBOTS[config.kind].units.items()}
    here = knowing(features, read_names(config.rename), shown)
    policy, there = on_robot(policy, here, shown)
    pairs = zip(names_of(here).items(), names_of(there).items(), strict=True)
    for (name, unit), (its, its_unit) in pairs:
        if (name, unit) != (its, its_unit):
            tell(f"the robot's {its} {its_unit}".rstrip() + f" is {name} {unit}".rstrip() + " to the policy")
    return policy, there


def _limits(
    features: Features, stats: Mapping[str, Stats], config: RunConfig, tell: Callable[[str], None]
) -> Limits:
    if config.robot == DRY and not stats and known_robot(features.robot_type) is None:
        tell("no limits are known for this robot; a real one would be refused")
        return boundless(features)
    return limits_of(
        features,
        stats,
        speed_deg_s=config.max_speed_deg_s,
        low_m=config.workspace_low_m,
        high_m=config.workspace_high_m,
        tell=tell,
    )


def connect(robot: Robot, features: Features | None = None) -> None:
    """Connect a robot, and let go of it again if that fails half-way or somebody interrupts it.

    Args:
        robot: whom.
        features: of the policy that it must fit; None checks nothing.

    Raises:
        SaysoError: if it cannot be connected, or is not one that the policy knows.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(_let_go, robot)  # its motors may be open though its cameras are not
        try:
            robot.connect()
            if features is not None:
                check_robot(robot, features)
        except SaysoError:
            raise
        except DRIVER_ERRORS as error:
            raise SaysoError(f"the robot cannot be connected: {type(error).__name__}: {error}") from error
        undo.pop_all()


def _let_go(robot: Robot) -> None:
    with contextlib.suppress(*DRIVER_ERRORS):
        robot.disconnect()


@contextlib.contextmanager
def connected(robot: Robot, tell: Callable[[str], None] = print) -> Iterator[None]:
    """Connect a robot, and disconnect it whatever happens; tell if that fails, for the run is over.

    Raises:
        SaysoError: if it cannot be connected.
    """
    connect(robot)
    try:
        yield
    finally:
        try:
            robot.disconnect()
        except DRIVER_ERRORS as error:
            tell(f"the robot was not disconnected in good order: {type(error).__name__}: {error}")
        except KeyboardInterrupt:  # half let go of: its motors may still be on
            _let_go(robot)
            raise


def ending(robot: Robot) -> str:
    """Return why an episode in simulation is over, or nothing; other robots' never is."""
    if not isinstance(robot, SimulatedRobot):
        return ""
    if robot.succeeded:
        return "success"
    return "not done within the time of the task" if robot.over else ""


def make_robot(
    config: RunConfig,
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
    if config.kind == DRY:
        usual = stats[STATE].mean if stats and STATE in stats else ()
        return DryRun(ImaginedRobot(features, usual), tell, imagined=True)
    robot: Robot
    if config.kind == SIMULATION:
        robot = simulated(features, instruction, config.seed, tell)
        tell_pace(features, robot.features, tell)
    else:
        robot = _driven(ROBOTS[config.kind], config, features, tell)
    return DryRun(robot, tell) if config.dry_run else robot


def _driven(entry: RobotEntry, config: RunConfig, features: Features, tell: Callable[[str], None]) -> Robot:
    """Return the robot of a row where a config says that it is, not connected yet."""
    address = config.robot.split()[1:]
    where = address[0] if address else str(getattr(config, entry.flag, ""))
    if entry.address and not where:
        example = f'--robot "{entry.name} {entry.address}"'
        if entry.flag:
            example = f"--{entry.flag} {entry.address.split()[0]}"
        raise SaysoError(f"this robot needs {example.split()[0]}, such as {example}; see {entry.page}")
    return entry.connected_by(
        Connection(
            where=where,
            cameras=cameras_of(tuple(address[1:]) or config.cameras),
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
    units = {DEGREES if unit == RADIANS else unit for unit in units}  # which are converted
    if len(units) == 1 and units <= {DEGREES, NORMALIZED}:
        return units.pop()
    given = ", ".join(sorted(unit or "unknown" for unit in units))
    raise SaysoError(
        f"a {robot.name} speaks of its joints in deg or normalized, but the policy's unit is {given}; train "
        "with --units deg or --units normalized if that is what was recorded"
    )


def cameras_of(words: tuple[str, ...]) -> Mapping[str, int | str]:
    """Return camera -> number or device from words such as ``front=0``.

    Raises:
        SaysoError: if a word is none.
    """
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, (name, _, where) in zip(words, pairs, strict=True) if not name or not where]:
        raise SaysoError(f"a camera is NAME=NUMBER or NAME=DEVICE, such as front=0, but got {bad[0]!r}")
    return {name: int(where) if where.isdecimal() else where for name, _, where in pairs}
