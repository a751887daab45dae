"""Navigation skill: drive to a place in the room and stop there, the arm folded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions.motion import (
    OPEN,
    READY_M,
    Command,
    Phase,
    Pose,
    Skill,
    Vector,
    drive,
    over,
    read_pose,
)
from sayso.tasks.household.stations import station_of
from sayso.tasks.household.task import HouseholdTask


@dataclass(frozen=True)
class Situation:
    """How the robot stands and where it should."""

    pose: Pose
    station: Vector

    @property
    def arrived(self) -> bool:
        """Tell whether the base may stop."""
        dx, dy, turn = self.station - self.pose.base
        return math.hypot(dx, dy) < 0.03 and abs(wrap_angle(turn)) < 0.08


def observe(simulation: Simulation, task: HouseholdTask) -> Situation:
    """Read the state that decides the phase."""
    return situation(simulation, task.place_name)


def situation(simulation: Simulation, place: str) -> Situation:
    """Read the state that decides the phase on the way to a place of the room."""
    return Situation(read_pose(simulation), station_of(place))


SKILL: Skill[Situation] = Skill(
    observe=observe,
    phases=(
        Phase("stay", lambda s: s.arrived, lambda s: Command(READY_M, OPEN, base=np.zeros(3))),
        Phase(
            "rise",  # a hand left low over the table or in a bin comes up before the base moves
            lambda s: s.pose.hand[2] < 0.06,
            lambda s: Command(over(s.pose.hand, READY_M[2]), OPEN, base=np.zeros(3)),
        ),
        Phase("drive", lambda s: True, lambda s: Command(READY_M, OPEN, base=drive(s.pose, s.station))),
    ),
)
