"""Simulated robot in a scene where what is asked can be done, found among those of the test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from sayso.robots import NORMALIZED, our_name
from sayso.runtime.robot import SimulatedRobot
from sayso.sim.scene import WORLD_OF
from sayso.spec import Features, SaysoError, known, seeds
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.scenes import objects_for, scenes_with
from sayso.tasks.household.words.language import Intent, parse
from sayso.tasks.household.world import World

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
        UnknownNameError: if the robot is none of ours.
        NotUnderstoodError: if the words mean nothing, or what is named is not there; it then says what is.
        SaysoError: if it all is as the words want it already, or cannot be done for want of room.
    """
    name = WORLD_OF[known("simulated robot", our_name(features.robot_type), WORLD_OF)]
    if NORMALIZED in (d.unit for d in features.action):
        raise SaysoError(
            "the simulated robot speaks of its joints in degrees, the policy in per cent of a calibrated "
            "range; --robot dry shows what it would do"
        )
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
    if not world.task.feasible():
        raise SaysoError(
            f"there is no room for {asked!r} in scene {scene}; leave --seed out, and another is found"
        )
    return robot
