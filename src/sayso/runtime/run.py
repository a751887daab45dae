"""Join a policy, a robot and an instruction: what ``sayso run`` does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from sayso.runtime.limits import SERVO_DEG_S, Point, limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport
from sayso.runtime.robot import DRIVER_ERRORS, DryRun, ImaginedRobot, SimulatedRobot
from sayso.runtime.stopping import Stop, on_key, on_signals
from sayso.sim.scene import WORLD_OF
from sayso.spec import Features, Policy, Robot, SaysoError, at_least, known, seeds
from sayso.tasks.language import Intent, parse
from sayso.tasks.scenes import objects_for, scenes_with
from sayso.tasks.task import TASKS
from sayso.tasks.world import World

SCENES = 20_000
"""In how many scenes to look for the things that an instruction names: for a few seconds at most."""
LIKELY = 50
"""How many scenes that have them to enter, should all be so already."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(LoopConfig):
    """Say which robot to drive, and how."""

    robot: Literal["sim", "so101", "lekiwi", "dry"] = "sim"
    """sim: the simulated robot that the policy learned on. so101, lekiwi: through LeRobot's drivers, see
    docs/runtime.md. dry: no robot at all; prints what would be sent."""
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
    out: Path | None = None
    """File for the report, as JSON."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        at_least(self, seed=0, threads=1)


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
    limits = limits_of(
        features,
        speed_deg_s=config.max_speed_deg_s,
        low_m=config.workspace_low_m,
        high_m=config.workspace_high_m,
    )
    robot, stop = make_robot(config, features, instruction, tell), Stop()
    with connected(robot, tell):
        if isinstance(robot, SimulatedRobot):
            instruction = robot.instruction
        with on_signals(stop), on_key(stop) as keys:
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
            )
        tell(str(report))
        if isinstance(robot, SimulatedRobot) and (why := robot.why_not()):
            tell(f"not done: {why}")
    if config.out:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        config.out.write_text(json.dumps(report.to_json(), indent=2) + "\n")
    return report


@contextlib.contextmanager
def connected(robot: Robot, tell: Callable[[str], None] = print) -> Iterator[None]:
    """Connect a robot, and disconnect it whatever happens; tell if that fails, for the run is over.

    Raises:
        SaysoError: if it cannot be connected.
    """
    try:
        robot.connect()
    except DRIVER_ERRORS as error:
        with contextlib.suppress(*DRIVER_ERRORS):  # its motors may be open though its cameras are not
            robot.disconnect()
        if isinstance(error, SaysoError):
            raise
        raise SaysoError(f"the robot cannot be connected: {type(error).__name__}: {error}") from error
    try:
        yield
    finally:
        try:
            robot.disconnect()
        except DRIVER_ERRORS as error:
            tell(f"the robot was not disconnected in good order: {type(error).__name__}: {error}")


def ending(robot: Robot) -> str:
    """Return why an episode in simulation is over, or nothing; other robots' never is."""
    if not isinstance(robot, SimulatedRobot):
        return ""
    if robot.succeeded:
        return "success"
    return "not done within the time of the task" if robot.over else ""


def make_robot(
    config: RunConfig, features: Features, instruction: str, tell: Callable[[str], None] = print
) -> Robot:
    """Return the robot that a config names.

    Raises:
        SaysoError: if what is needed to find it was not given, or LeRobot is not installed.
        NotUnderstoodError: if no scene of the simulation has what the instruction names.
    """
    robot: Robot
    match config.robot:
        case "dry":
            return DryRun(ImaginedRobot(features), tell)
        case "sim":
            robot = simulated(features, instruction, config.seed, tell)
        case "so101":
            from sayso.runtime.lerobot import so101

            port = _given("port", config.port, "/dev/ttyACM0")
            robot = so101(port, id=config.id, cameras=cameras_of(config.cameras), limp=config.limp)
        case "lekiwi":
            from sayso.runtime.lerobot import lekiwi

            robot = lekiwi(_given("ip", config.ip, "192.168.1.20"), id=config.id)
    return DryRun(robot, tell) if config.dry_run else robot


def simulated(
    features: Features, instruction: str, seed: int | None = None, tell: Callable[[str], None] = print
) -> SimulatedRobot:
    """Return the simulated robot that features describe, in a scene in which what is asked can be done.

    Args:
        features: of the policy.
        instruction: what is asked for.
        seed: which scene of the test split; None looks for the first in which it can be done.
        tell: who is told which scene that is.

    Raises:
        UnknownNameError: if the robot is none of ours.
        NotUnderstoodError: if the words mean nothing, or what is named is not there; it then says what is.
        SaysoError: if it all is as the words want it already, or cannot be done for want of room.
    """
    name = WORLD_OF[known("simulated robot", features.robot_type, WORLD_OF)]
    intent = parse(instruction, families=TASKS[name].families)
    options = {"family": intent.family, "instruction": instruction, "objects": objects_for(intent)}
    world = World(name)
    try:
        if seed is not None:
            return _standing(world, seeds("test", 1, seed)[0], options)
        return _found(world, intent, options, tell)
    except SaysoError:
        world.close()
        raise


def _found(
    world: World, intent: Intent, options: Mapping[str, str], tell: Callable[[str], None]
) -> SimulatedRobot:
    """Return the robot in the first scene in which an intent can be carried out."""
    first = seeds("test", 1)[0]
    likely = islice(scenes_with(world.name, intent, seeds("test", SCENES)), LIKELY)
    for one in (*likely, first):
        try:
            robot = _standing(world, one, options)
        except SaysoError as error:  # it is so already: the next one
            failed = error
            continue
        tell(f"in scene {one - first}, the first in which it can be done; --seed takes another")
        return robot
    raise type(failed)(f"none of {SCENES} scenes will do. Of the first: {failed}")


def _standing(world: World, seed: int, options: Mapping[str, str]) -> SimulatedRobot:
    """Return a robot that has entered a scene.

    Raises:
        NotUnderstoodError: if what is named is not there.
        SaysoError: if there is nothing to do, or no room to do it.
    """
    robot = SimulatedRobot(world, seed, options)
    robot.connect()
    scene, asked = seed - seeds("test", 1)[0], options["instruction"]
    if robot.succeeded:
        raise SaysoError(f"{asked!r} is so already in scene {scene}; leave --seed out, and another is found")
    if not TASKS[world.name].feasible(world.task.layout, world.task.intent):
        raise SaysoError(
            f"there is no room for {asked!r} in scene {scene}; leave --seed out, and another is found"
        )
    return robot


def cameras_of(words: tuple[str, ...]) -> Mapping[str, int | str]:
    """Return camera -> number or device from words such as ``front=0``.

    Raises:
        SaysoError: if a word is none.
    """
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, (name, _, where) in zip(words, pairs, strict=True) if not name or not where]:
        raise SaysoError(f"a camera is NAME=NUMBER or NAME=DEVICE, such as front=0, but got {bad[0]!r}")
    return {name: int(where) if where.isdecimal() else where for name, _, where in pairs}


def _given(flag: str, value: str, example: str) -> str:
    if not value:
        raise SaysoError(f"this robot needs --{flag}, such as --{flag} {example}")
    return value
