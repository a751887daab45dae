"""Drive to a place in the room and stop there, the arm folded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sayso.geometry import wrap_angle
from sayso.tasks.motion import OPEN, READY_M, Command, Phase, Pose, Skill, Vector, drive, over, read_pose

if TYPE_CHECKING:
    from sayso.tasks.world import World

STATIONS: Mapping[str, tuple[float, float]] = {
    "table": (0.0, 0.0),
    "sofa": (0.62, 1.0),
    "cabinet": (0.66, -1.25),
    "drawer": (0.66, -1.25),
    "person": (0.07, 1.30),
}
"""Where the base stands when it is said to be at a place, x and y in metres; it always looks along x."""


@dataclass(frozen=True)
class Situation:
    """Hold how the robot stands and where it should."""

    pose: Pose
    station: Vector

    @property
    def arrived(self) -> bool:
        """Tell whether the base may stop."""
        dx, dy, turn = self.station - self.pose.base
        return math.hypot(dx, dy) < 0.03 and abs(wrap_angle(turn)) < 0.08


def observe(world: World) -> Situation:
    """Read the state that decides the phase."""
    return Situation(read_pose(world.simulation), station_of(world.task.place_name))


def station_of(place: str) -> Vector:
    """Return the base pose (x, y, heading) at a place of the room."""
    return np.array([*STATIONS[place], 0.0])


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
