"""Imagination: what would be so if a thing stood somewhere else, without any physics.

A point is said as an offset in the frame of the things that are named: how far to the right and how far
nearer to the eye, as the front camera sees it; between two things, how far along and across the line that
joins them. Metres.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import mujoco
import numpy as np

from sayso.geometry import Vector, quat_about_z
from sayso.sim.kinematics import PAN_AXIS_X_M
from sayso.sim.objects import Item
from sayso.sim.scene import TABLE_EDGE_X_M, TABLE_WIDTH_M
from sayso.sim.simulation import IN_THE_ROOM, Simulation
from sayso.tasks.household.goals.grounding import Asked
from sayso.tasks.household.goals.relations import RELATIONS, eye_axes, foot, table_m
from sayso.tasks.household.motions import pushing

Offset = tuple[float, float]
Level = Literal["table", "on"]
"""Whether a thing is put on the table, or on or into what it is related to."""
RING_M, SIDE_RAD = (0.13, 0.285), math.radians(64)
"""Where the arm on the table can put a thing down, from its pan axis."""
STRIP_M, EDGE_M = (0.025, 0.13), 0.03
"""How far behind the edge of the home's table, and how far from its sides, an arm on the floor can."""
SURE_M = 0.005
"""How far beside a spot all should be as asked, too."""
ROOM_M, SHARED_M = 0.008, -0.012
"""What is left free between things where one is put down; in a container they may lean on each other."""


@dataclass(frozen=True)
class Spot:
    """Where one thing shall stand, and what for."""

    asked: Asked
    way: tuple[str, ...]
    moved: str
    foot: Vector
    """Where its foot shall be, [3] in the world."""
    level: Level
    offset: Offset
    """What it is in the frame of the things that are named."""

    @property
    def carrier(self) -> str:
        """Return the name of what it shall stand on or in; empty if that is the table."""
        return next((name for name in self.way if name != self.moved), "") if self.level == "on" else ""


def spot(
    simulation: Simulation, asked: Asked, way: tuple[str, ...], moved: str, offset: Offset, level: Level
) -> Spot | None:
    """Return where an offset is in the present scene; None where the named things give no frame."""
    anchors = [name for name in way if name != moved]
    if not anchors:
        return None
    first, last = simulation.position(anchors[0]), simulation.position(anchors[-1])
    if len(anchors) > 1 and (length := float(np.linalg.norm((last - first)[:2]))) > 1e-3:
        along = (last - first)[:2] / length
        axes, origin = (along, np.array([-along[1], along[0]])), (first + last)[:2] / 2
    else:
        axes, origin = eye_axes(simulation), first[:2]
    across = origin + offset[0] * axes[0] + offset[1] * axes[1]
    height = table_m(simulation)
    if level == "on":
        height = float(foot(simulation, anchors[0])[2])
        if simulation.shape(anchors[0]).movable:
            height += simulation.shape(anchors[0]).height_m
    return Spot(asked, way, moved, np.array([*across, height]), level, offset)


@contextlib.contextmanager
def imagined(simulation: Simulation, name: str, where: Vector) -> Iterator[None]:
    """Let a thing stand with its foot at a point, [3], inside the `with`; afterwards all is as it was."""
    data, model = simulation.data, simulation.model
    kept = data.qpos.copy()
    place(simulation, name, where)
    try:
        yield
    finally:
        data.qpos[:] = kept
        mujoco.mj_kinematics(model, data)


def place(simulation: Simulation, name: str, where: Vector) -> None:
    """Put a thing upright with its foot at a point, [3], and compute where everything is."""
    start = int(simulation.model.joint(int(simulation.model.body(name).jntadr[0])).qposadr[0])
    yaw = simulation.yaw(name)
    simulation.data.qpos[start : start + 3] = where
    simulation.data.qpos[start + 3 : start + 7] = quat_about_z(yaw)
    mujoco.mj_kinematics(simulation.model, simulation.data)


def missing_at(simulation: Simulation, found: Spot) -> float:
    """Return how many metres would be missing for what a spot is for, if the thing stood there."""
    with imagined(simulation, found.moved, found.foot):
        return RELATIONS[found.asked.atom.relation].missing(simulation, found.way)


def beyond_reach_m(simulation: Simulation, found: Spot) -> float:
    """Return how far a spot is from where the arm can put something down; 0.0 if it can."""
    x, y = found.foot[:2]
    if simulation.kind.mobile:
        if found.level == "on" and not simulation.shape(found.carrier).movable:
            return 0.0  # the layout puts containers in reach
        near, far = TABLE_EDGE_X_M + np.array(STRIP_M)
        side = TABLE_WIDTH_M / 2 - EDGE_M
        return float(max(0.0, near - x, x - far) + max(0.0, abs(y) - side))
    radius, bearing = math.hypot(x - PAN_AXIS_X_M, y), abs(math.atan2(y, x - PAN_AXIS_X_M))
    return max(0.0, RING_M[0] - radius, radius - RING_M[1]) + radius * max(0.0, bearing - SIDE_RAD)


def crowded_m(simulation: Simulation, found: Spot) -> float:
    """Return how much room is missing around a spot for the thing to stand there; 0.0 if it is free."""
    radius = simulation.shape(found.moved).radius_m
    short = 0.0
    for item in simulation.layout.items:
        shape = simulation.shape(item.name)
        if item.name in (found.moved, found.carrier) or shape.height_m < 0.003:
            continue
        apart = simulation.position(item.name) - found.foot
        inside = found.carrier and shape.movable and _carried(simulation, item.name, found.carrier)
        room = SHARED_M if inside else ROOM_M
        short = max(short, radius + shape.radius_m + room - math.hypot(*apart[:2]))
    return short


def _carried(simulation: Simulation, name: str, place_name: str) -> bool:
    return not simulation.shape(place_name).movable and simulation.inside(name, place_name)


def upset_m(simulation: Simulation, found: Spot, others: Sequence[Asked]) -> float:
    """Return how many metres other relations, which hold now, would lose by it."""
    holding = [one for one in others if one is not found.asked and one.holds(simulation)]
    if not holding:
        return 0.0
    with imagined(simulation, found.moved, found.foot):
        return sum(one.distance(simulation) for one in holding)


def way_m(simulation: Simulation, found: Spot) -> float:
    """Return 0.0 if the thing can be pushed to a spot from where it is, and more if not."""
    return 0.0 if pushing.feasible_to(present_items(simulation), found.moved, found.foot[:2]) else 0.05


def present_items(simulation: Simulation) -> list[Item]:
    """Return the layout's items where they are now."""
    return [
        replace(item, position_m=(float(x), float(y), float(z)))
        for item in simulation.layout.items
        for x, y, z in (foot(simulation, item.name),)
    ]


def suits(simulation: Simulation, found: Spot, others: Sequence[Asked], *, pushed: bool) -> bool:
    """Tell whether a thing can be brought to a spot, and all would be as asked if it stood there."""
    return (
        beyond_reach_m(simulation, found) <= 0.0
        and missing_at(simulation, found) <= 0.0
        and crowded_m(simulation, found) <= 0.0
        and upset_m(simulation, found, others) <= 0.0
        and (not pushed or way_m(simulation, found) <= 0.0)
    )


def sure(simulation: Simulation, found: Spot) -> bool:
    """Tell whether all would be as asked a few millimetres beside a spot, too."""
    return all(
        missing_at(simulation, replace(found, foot=found.foot + [x, y, 0.0])) <= 0.0
        for x, y in ((SURE_M, 0.0), (-SURE_M, 0.0), (0.0, SURE_M), (0.0, -SURE_M))
    )


RADII_M = (0.045, 0.06, 0.075, 0.09, 0.11, 0.13, 0.15, 0.18, 0.22)
_AROUND = tuple(
    (r * math.cos(a), r * math.sin(a))
    for r in RADII_M
    for a in np.linspace(0, 2 * math.pi, 16, endpoint=False)
)
_ALONG = tuple((x, y) for x in np.arange(-0.26, 0.27, 0.02) for y in (0.0, -0.01, 0.01))
FAN: tuple[Offset, ...] = ((0.0, 0.0), *sorted(_ALONG, key=lambda at: abs(at[0])), *_AROUND)
"""Offsets at which to look for a place, whoever asks."""


def movers(asked: Asked, way: tuple[str, ...]) -> tuple[str, ...]:
    """Return the things of which one may be moved so that a relation comes to hold."""
    return way if RELATIONS[asked.atom.relation].together else way[:1]


def somewhere(simulation: Simulation, asked: Asked, others: Sequence[Asked]) -> Spot | None:
    """Return a spot at which a thing would stand as asked; None if there is no room for it."""
    if asked.holds(simulation) or not RELATIONS[asked.atom.relation].pointed:
        return None
    for level in ("on", "table") if RELATIONS[asked.atom.relation].on else ("table",):
        for way in asked.ways:
            for moved in movers(asked, way):
                if moved in IN_THE_ROOM or not simulation.shape(moved).movable:
                    continue
                for offset in FAN:
                    found = spot(simulation, asked, way, moved, offset, level)
                    if found and suits(simulation, found, others, pushed=asked.atom.pushed):
                        return found
    return None


def arranged(simulation: Simulation, asked: Sequence[Asked]) -> list[Asked]:
    """Place things, one after another, until all is as asked; return what found no room.

    The simulation is left as it was imagined: it is for looking at, not for acting in.
    """
    short = []
    for one in asked:
        if one.holds(simulation):
            continue
        relation = one.atom.relation
        if relation in ("open", "shut"):
            simulation.data.joint("drawer").qpos[0] = 0.15 if relation == "open" else 0.0
            mujoco.mj_kinematics(simulation.model, simulation.data)
        elif relation == "held":
            place(simulation, one.ways[0][0], foot(simulation, one.ways[0][0]) + [0.0, 0.0, 0.08])
        elif RELATIONS[relation].pointed:
            found = somewhere(simulation, one, asked)
            if found is None:
                short.append(one)
            else:
                place(simulation, found.moved, found.foot + [0.0, 0.0, 0.001])
    return short
