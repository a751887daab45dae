"""Goal poses of the base: where it stands when it is at a place of the room."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sayso.geometry import Vector
from sayso.sim.scene import Layout

STATIONS: Mapping[str, tuple[float, float]] = {
    "table": (0.0, 0.0),
    "sofa": (0.62, 1.0),
    "cabinet": (0.66, -1.25),
    "drawer": (0.66, -1.25),
    "person": (0.07, 1.30),
}
"""Where the base stands when it is said to be at a place, x and y in metres; it always looks along x."""
AWAY_M = 0.5
"""From how far one can be sent to a place."""


def station_of(place: str) -> Vector:
    """Return the base pose (x, y, heading) at a place of the room."""
    return np.array([*STATIONS[place], 0.0])


def is_away(layout: Layout, place: str) -> bool:
    """Tell whether the robot starts far enough from a place to be sent there."""
    return math.dist(layout.robot_pose[:2], STATIONS[place]) > AWAY_M
