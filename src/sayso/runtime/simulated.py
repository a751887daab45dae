"""Simulated robot in a scene where what is asked can be done, found among those of the test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain, islice
from typing import Any

from sayso.data.fit import as_shown, names_of
from sayso.models.repacked import knowing
from sayso.robots import NORMALIZED
from sayso.runtime.hearing import reading_of
from sayso.runtime.robot import SimulatedRobot
from sayso.spec import FeatureMismatchError, Features, Policy, SaysoError, UnknownNameError, seeds
from sayso.tasks.contract import Brief, Sought, World, asking
from sayso.tasks.worlds import WORLDS, make_world, read_elsewhere, world_of


class UnsimulatedError(FeatureMismatchError):
    """Policy that the simulated robot was asked for and that is of another robot, or of other cameras."""


SCENES = 20_000
"""In how many scenes to look for the things that an instruction names: for a few seconds at most."""
LIKELY = 50
"""How many scenes that have them to enter, should all be so already."""


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
        NotUnderstoodError: if the words mean nothing, or what is named is not there; it then says what is.
        SaysoError: if the robot lives in no world, if all is as the words want it already, or if there is no
            room to do it.
    """
    name = world_of(features.robot_type)
    if NORMALIZED in (d.unit for d in features.action):
        raise SaysoError(
            "the simulated robot speaks of its joints in degrees, the policy in per cent of a calibrated "
            "range; --robot dry shows what it would do"
        )
    world = make_world(name)
    try:
        options = _asked(world, instruction)
        if seed is not None:
            return _standing(world, seeds("test", 1, seed)[0], options)
        return _found(world, instruction, options, tell)
    except SaysoError:
        world.close()
        raise


def refuse_other_setup(features: Features, names: Mapping[str, str]) -> None:
    """Refuse a policy of a recording that no simulated robot is like, before a scene is built for it.

    Args:
        features: of the policy.
        names: what the robot calls cameras and numbers -> what the policy does, as it was typed.

    Raises:
        SaysoError: it says what the robot lacks, and how else such a policy is run.
    """
    others = (
        "the policy learned from another set-up. `--robot dry` runs it without a robot; your own robot is "
        "named by --robot, such as --robot so101 --port /dev/ttyACM0 --cameras NAME=0"
    )
    try:
        shown = names_of(WORLDS[world_of(features.robot_type)].features)
    except UnknownNameError as error:
        raise UnsimulatedError(f"{str(error).rstrip('.')}: {others}") from error
    there = as_shown(knowing(features, names, shown), shown)
    if missing := [name for name in names_of(there) if name not in shown]:
        raise UnsimulatedError(
            f"the simulated robot has no {', '.join(missing)} (it has {', '.join(shown)}): {others}; if they "
            f"are the same things by other names, --rename {next(iter(shown))}={missing[0]}"
        )


def _asked(world: World, instruction: str) -> Mapping[str, Any]:
    """Return the options with which a world is asked for something, or say which other world can be."""
    try:
        return asking(world, instruction)
    except SaysoError as error:
        if hint := read_elsewhere(instruction, world.name):
            raise SaysoError(f"{error}{hint}") from error
        raise


def _found(
    world: World, instruction: str, options: Mapping[str, Any], tell: Callable[[str], None]
) -> SimulatedRobot:
    """Return the robot in the first scene in which an instruction can be carried out."""
    first, all_ = seeds("test", 1)[0], seeds("test", SCENES)
    likely = islice(world.scenes(instruction, all_) if isinstance(world, Sought) else all_, LIKELY)
    for one in chain(likely, [first]):  # one after another: the first will mostly do
        try:
            robot = _standing(world, one, options)
        except SaysoError as error:  # it is so already: the next one
            failed = error
            continue
        tell(f"in scene {one - first}, the first in which it can be done; --seed takes another")
        return robot
    raise type(failed)(f"none of {SCENES} scenes will do. Of the first: {failed}")


def _standing(world: World, seed: int, options: Mapping[str, Any]) -> SimulatedRobot:
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
    if isinstance(world, Sought) and not world.feasible():
        raise SaysoError(
            f"there is no room for {asked!r} in scene {scene}; leave --seed out, and another is found"
        )
    return robot


def short_enough(policy: Policy, robot: SimulatedRobot, tell: Callable[[str], None]) -> str:
    """Return what a policy is to be told: what the world understood, and that in short if its end is lost."""
    instruction = robot.instruction
    reading = reading_of(policy, instruction)
    if reading is None or not reading.lost or not isinstance(robot.world, Brief):
        return instruction
    for fault in reading.faults:
        tell(fault)
    short = robot.world.in_short()
    tell(f"the simulation understood all of it, and tells the policy {short!r}")
    return short
