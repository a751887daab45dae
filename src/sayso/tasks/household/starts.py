"""First poses that training never begins with: the hand higher, the base farther aside and more turned."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sayso.sim.scene import HOME
from sayso.spec import SaysoError
from sayso.tasks.household import home, tabletop
from sayso.tasks.household.layout import Postures, draw_posture, hand_m
from sayso.tasks.household.stations import STATIONS
from sayso.tasks.household.task import HouseholdTask

_STREAM, _BASE_STREAM = 0x07E9, 0x07EA  # keep these independent of the scene drawn from the seed
ATTEMPTS, NEAR_M = 8, 0.002
TURN_RAD_PER_M = math.radians(200.0)
"""How much farther the base is turned, for how much farther it stands."""


def started_beyond(task: HouseholdTask, beyond_m: float, seed: int) -> HouseholdTask:
    """Return a task that begins with the robot so far from every pose that training begins with.

    The hand is that much higher than training has it at most, over the places that training has it over. The
    base stands that much farther aside, and is turned 2 degrees farther for each centimetre of it.
    """
    usual = home.POSTURES if task.world == HOME else tabletop.POSTURES
    layout = replace(task.layout, arm_rad=_raised(usual, beyond_m, seed))
    if task.world == HOME:
        rng = np.random.default_rng([_BASE_STREAM, seed])
        layout = replace(layout, robot_pose=_base(rng, task, beyond_m))
    return replace(task, layout=layout)


def _raised(usual: Postures, beyond_m: float, seed: int) -> tuple[float, ...]:
    """Return start joints with the hand so far above all usual ones.

    Inverse kinematics weighs the hand's place against how it is held, which costs height up there: more of it
    is asked for until the hand is where it should be.
    """
    high_m = usual.height_m[1] + beyond_m
    for place in range(ATTEMPTS):  # not over every place can the hand be so high
        asked_m = high_m
        for _ in range(ATTEMPTS):
            rng = np.random.default_rng([_STREAM, seed, place])
            posture = draw_posture(rng, usual.reach_m, usual.side_rad, (asked_m, asked_m))
            missing_m = high_m - float(hand_m(posture)[2])
            if abs(missing_m) < NEAR_M:
                return posture
            asked_m += missing_m
    raise SaysoError(f"the hand cannot start {beyond_m:g} m higher than training has it; ask for less")


def _base(rng: np.random.Generator, task: HouseholdTask, beyond_m: float) -> home.Base:
    x, y, _ = task.layout.robot_pose
    aside, turned = rng.choice((-1.0, 1.0), 2)
    middle, usual_m = 0.0, home.START_ASIDE_M
    if task.row.starts_anywhere:  # at one of the places of the room: counted from the nearest
        middle, usual_m = (
            min((place[1] for place in STATIONS.values()), key=lambda at: abs(at - y)),
            home.PLACE_ASIDE_M,
        )
    heading = turned * (home.START_TURN_RAD + TURN_RAD_PER_M * beyond_m)
    return x, float(middle + aside * (usual_m + beyond_m)), float(heading)
