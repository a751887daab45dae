"""Relations between things: when each holds in a simulation, and how many metres are missing.

Left, right, in front of and behind are as the front camera sees them. On the tabletop that is a person who
sits at the table across from the arm; at home it is the robot itself, as it stands before the table. In front
of a thing is nearer to the eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sayso.geometry import Vector
from sayso.sim.objects import SHAPES
from sayso.sim.scene import TABLE_HEIGHT_M
from sayso.sim.simulation import IN_THE_ROOM, Simulation
from sayso.tasks.household.stations import station_of
from sayso.tasks.household.success import (
    BESIDE_M,
    DRAWER_OPEN_M,
    DRAWER_SHUT_M,
    LIFTED_M,
    NEAR_M,
    STACK_GAP_M,
    STACK_OFF_M,
)

Names = Sequence[str]
GAP_M = 0.10
"""Largest gap between two things of which one is to the left of the other, and so on."""
FAR_M = 0.12
"""Least gap between things that are far from each other."""
ROW_M, ROW_GAP_M = 0.012, 0.12
"""How far each of a row may be off the line through its ends, and the largest gap between neighbours."""
BETWEEN_M, BETWEEN_SHARE = 0.02, 0.2
"""How far off the line between two things what is between may be, and how near to either as a share."""
CLEAR_M = 0.002
"""What is off a place, or beside a thing, leaves so much free."""
HELD_M = 0.03
"""How high a thing is held, at least."""
LEVEL_M = 0.012
"""By how much the feet of things that stand side by side may differ."""
UPRIGHT = 0.95
"""Cosine of the angle from the vertical up to which a thing stands upright."""
FALLEN_M = 0.03
"""How far below the table top a thing is no longer on it."""


@dataclass(frozen=True)
class Relation:
    """When things stand in a relation to each other, and how much is missing."""

    missing: Callable[[Simulation, Names], float]
    """Metres that are missing, at least about; 0.0 where it holds. Names: what is in it, subject first."""
    others: int = 1
    """How many things the subject is related to."""
    moves: bool = True
    """Something is moved for it."""
    together: bool = False
    """It is about all of its subjects at once."""
    on: bool = False
    """The subject stands on or in the other, rather than on the table."""
    flat: bool = False
    """It is about where things stand on the table, so that a push may bring it about."""
    pointed: bool = True
    """It is about a place near the others, so that offsets from them say where."""


def table_m(simulation: Simulation) -> float:
    """Return the height of the table's top, in the world."""
    return TABLE_HEIGHT_M if simulation.kind.mobile else 0.0


def eye_axes(simulation: Simulation) -> tuple[Vector, Vector]:
    """Return what is right, and what is nearer to the eye, for the front camera: unit vectors [2]."""
    right, nearer = simulation.kind.eye_axes
    return np.array(right), np.array(nearer)


def foot(simulation: Simulation, name: str) -> Vector:
    """Return where a thing stands, [3] in the world; of a place, its floor."""
    if name in IN_THE_ROOM:
        return simulation.position(name)
    return np.array(simulation.data.body(name).xpos)


def apart_m(simulation: Simulation, first: str, second: str) -> float:
    """Return how far the footprints of two things are from each other; below zero they overlap."""
    across, along = (simulation.position(first) - simulation.position(second))[:2]
    return math.hypot(across, along) - _radius(simulation, first) - _radius(simulation, second)


def _radius(simulation: Simulation, name: str) -> float:
    return simulation.shape(name).radius_m


def _short(value: float, least: float, most: float = math.inf) -> float:
    return max(0.0, least - value, value - most)


def _level(simulation: Simulation, first: str, second: str) -> float:
    """Return how far the first is from standing on what the second stands on; a place stands on the table."""
    standing = foot(simulation, second)[2] if simulation.shape(second).movable else table_m(simulation)
    return _short(abs(foot(simulation, first)[2] - standing), 0.0, LEVEL_M)


def _in(simulation: Simulation, names: Names) -> float:
    thing, place = names
    if simulation.inside(thing, place):
        return 0.0
    across, along, up = simulation.position(thing) - simulation.position(place)
    room = simulation.shape(place).radius_m - 0.004
    return max(0.004, math.hypot(across, along) - room) + _short(up, -0.02, 0.05)


def _on(simulation: Simulation, names: Names) -> float:
    thing, place = names
    if not simulation.shape(place).movable:
        return _in(simulation, names)
    apart = foot(simulation, thing) - foot(simulation, place)
    gap = abs(apart[2] - simulation.shape(place).height_m)
    return _short(math.hypot(*apart[:2]), 0.0, STACK_OFF_M) + _short(gap, 0.0, STACK_GAP_M)


def _beside(simulation: Simulation, names: Names) -> float:
    thing, other = names
    gap = apart_m(simulation, thing, other)
    # Against a bowl's sloping wall a thing stands within the circle of its rim, and still beside it.
    walled = simulation.shape(other).height_m > LEVEL_M and not simulation.inside(thing, other)
    return _short(gap, -math.inf if walled else -0.004, BESIDE_M) + _level(simulation, thing, other)


def _towards(right: float, near: float) -> Callable[[Simulation, Names], float]:
    """Return what is missing for standing to one side of a thing, as the front camera sees it."""

    def missing(simulation: Simulation, names: Names) -> float:
        sideways, nearer = eye_axes(simulation)
        way = right * sideways + near * nearer
        apart = (simulation.position(names[0]) - simulation.position(names[1]))[:2]
        along, across = float(apart @ way), abs(float(apart @ [-way[1], way[0]]))
        gap = apart_m(simulation, *names)
        return max(0.0, across - along) + _short(gap, CLEAR_M, GAP_M) + _level(simulation, *names)

    return missing


def _between(simulation: Simulation, names: Names) -> float:
    thing, first, second = (simulation.position(name)[:2] for name in names)
    line = second - first
    length = max(float(np.linalg.norm(line)), 1e-6)
    along = float((thing - first) @ line) / length
    across = abs(float((thing - first) @ [-line[1], line[0]])) / length
    ends = _short(along / length, BETWEEN_SHARE, 1 - BETWEEN_SHARE) * length
    free = sum(_short(apart_m(simulation, names[0], other), -0.004) for other in names[1:])
    return ends + _short(across, 0.0, BETWEEN_M) + free + _level(simulation, names[0], names[1])


def _off(simulation: Simulation, names: Names) -> float:
    thing, place = names
    if simulation.shape(place).movable:
        return _short(apart_m(simulation, thing, place), CLEAR_M) + _fallen(simulation, thing)
    return _short(apart_m(simulation, thing, place), CLEAR_M)


def _far(simulation: Simulation, names: Names) -> float:
    return _short(apart_m(simulation, *names), FAR_M)


def _row(simulation: Simulation, names: Names) -> float:
    points = np.array([simulation.position(name)[:2] for name in names])
    ends = max(
        ((i, j) for i in range(len(points)) for j in range(i)),
        key=lambda pair: float(np.linalg.norm(points[pair[0]] - points[pair[1]])),
        default=(0, 0),
    )
    line = points[ends[0]] - points[ends[1]]
    line = line / max(float(np.linalg.norm(line)), 1e-6)
    off = max(abs(float((point - points[ends[1]]) @ [-line[1], line[0]])) for point in points)
    order = sorted(range(len(points)), key=lambda i: float(points[i] @ line))
    gaps = [apart_m(simulation, names[a], names[b]) for a, b in pairwise(order)]
    return _short(off, 0.0, ROW_M) + sum(_short(gap, -0.004, ROW_GAP_M) for gap in gaps)


def _upright(simulation: Simulation, names: Names) -> float:
    up = float(simulation.data.body(names[0]).xmat.reshape(3, 3)[2, 2])
    return _short(up, UPRIGHT) * 0.05


def _held(simulation: Simulation, names: Names) -> float:
    # Seen while it is imagined too, where no pad presses: how high it is says most.
    height = foot(simulation, names[0])[2] - table_m(simulation)
    return _short(float(height), HELD_M) + (0.0 if simulation.held(names[0]) else 0.01)


def _at(simulation: Simulation, names: Names) -> float:
    x, y, _ = station_of(names[1]) - simulation.base_pose
    return _short(math.hypot(x, y), 0.0, NEAR_M)


def _fallen(simulation: Simulation, name: str) -> float:
    return _short(float(foot(simulation, name)[2]) - table_m(simulation), -FALLEN_M)


def fallen(simulation: Simulation, name: str) -> bool:
    """Tell whether a thing that was on the table is on the floor, and in nothing that stands there."""
    return bool(simulation.position(name)[2] < table_m(simulation) - FALLEN_M)


def lifted(simulation: Simulation, name: str) -> bool:
    """Tell whether a thing was lifted since the episode began."""
    return simulation.highest(name) >= LIFTED_M


RELATIONS: Mapping[str, Relation] = {
    "in": Relation(_in, on=True),
    "on": Relation(_on, on=True, flat=True),
    "beside": Relation(_beside, flat=True),
    "to the left of": Relation(_towards(-1.0, 0.0), flat=True),
    "to the right of": Relation(_towards(1.0, 0.0), flat=True),
    "in front of": Relation(_towards(0.0, 1.0), flat=True),
    "behind": Relation(_towards(0.0, -1.0), flat=True),
    "between": Relation(_between, others=2, flat=True),
    "off": Relation(_off, flat=True),
    "far from": Relation(_far, flat=True),
    "in a row": Relation(_row, others=0, together=True, flat=True),
    "upright": Relation(_upright, others=0, pointed=False),
    "held": Relation(_held, others=0, pointed=False),
    "open": Relation(
        lambda sim, names: _short(sim.drawer_m, DRAWER_OPEN_M), others=0, moves=False, pointed=False
    ),
    "shut": Relation(
        lambda sim, names: _short(sim.drawer_m, 0.0, DRAWER_SHUT_M), others=0, moves=False, pointed=False
    ),
    "at": Relation(_at, moves=False, pointed=False),
}
"""Name of each relation, as it is said in plain words -> when it holds."""
FLAT_KINDS = tuple(kind for kind, shape in SHAPES.items() if shape.height_m < 0.003)
"""Kinds of place that things can be pushed onto and off."""
