"""Plans from a task's goal: which of its predicates comes next, and where a thing has to go for it.

Knobs are turned first, then what must be open is opened, things are carried, and what shall be shut comes
last. Nothing is remembered: what holds already is skipped, and what no longer holds is done again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sayso.geometry import Vector, cross, rotate_z, yaw_of
from sayso.tasks.libero.motions import doors
from sayso.tasks.libero.motions.carrying import Target
from sayso.tasks.libero.motions.grasping import FITS_M
from sayso.tasks.libero.motions.motion import DOWN, over
from sayso.tasks.libero.motions.things import Boxes, Things

Goal = Sequence[str]
ORDER = ("turnon", "turnoff", "open", "in", "on", "close")
CARRIED = ("in", "on")
OPENED, STILL_OPEN = 0.94, 0.78
"""How far a drawer is pulled out to put something in, and how far it then has to stay, of its way."""
LONG = 1.5
"""How much longer than wide a thing or a region is whose heading matters."""
UPRIGHT, UP_THE_SLOPE_M = 0.8, 0.05
"""Cosine of the slope of a region that counts as level, and how far up a slope a thing is put."""
FLAT_M = 0.045
"""Height of what counts as flat."""
FRONT_M = 0.015
"""How far behind a door's inner side what stands there begins."""
SPREAD = {"on": 0.73, "in": 0.35}
"""How far from the middle of a region two things stand that share it, of its half width."""


@dataclass(frozen=True)
class Step:
    """Predicate that should come to hold next."""

    kind: str
    name: str
    """Thing that is to be carried, or the region or fixture that is to be opened, shut or turned."""
    place: str = ""
    """Where the thing should go; empty for anything else."""
    holds: bool = False


def next_goal(goals: Sequence[Goal], holds: Callable[[Goal], bool]) -> Goal:
    """Return the predicate that comes next; the last if all of them hold."""
    ordered = in_order(goals)
    return next((goal for goal in ordered if not holds(goal)), ordered[-1])


def in_order(goals: Sequence[Goal]) -> list[Goal]:
    """Return predicates in the order in which they are brought about."""
    return sorted(goals, key=lambda goal: ORDER.index(goal[0]))


def next_step(things: Things, goals: Sequence[Goal], holds: Callable[[Goal], bool]) -> Step:
    """Return what to do now; the last step if all of it is done.

    A thing counts as placed only when it was let go.
    """
    ordered = in_order(goals)
    for goal in ordered:
        kind, name = goal[0], goal[1]
        if kind not in CARRIED:
            if not holds(goal):
                return Step(kind, name)
            continue
        place, there = goal[2], holds(goal)
        if there and not things.fingers_on(things.geoms(name)):
            continue
        if not there and _has_joint(things, place) and not is_open_enough(things, place):
            return Step("open", place)
        return Step(kind, name, place, there)
    last = ordered[-1]
    return Step(last[0], last[1], last[2] if last[0] in CARRIED else "", True)


def target(things: Things, step: Step, goals: Sequence[Goal]) -> Target:
    """Return where the thing of a step has to go."""
    spot = _spot(things, step, goals)
    parent = things.parent(step.place)
    if parent is None:
        floor = things.top_under(spot[:2] - 0.01, spot[:2] + 0.01, [step.name])
        if is_flat(things, step.name):
            return Target(origin=spot, floor_m=floor, room_m=0.003, slack_m=0.02, slides=True)
        return Target(origin=spot, floor_m=floor)
    boxes, support = things.of(parent), things.geoms(parent)
    if things.is_region(step.place) and things.region(step.place).joints:
        support = things.moved_by(things.joint_of(step.place))
        boxes = things.boxes(support)
    floor = top_at(boxes, spot)
    if (
        things.is_region(step.place)
        and abs(things.place(step.place)[1][2, 2]) < UPRIGHT
        and step.kind == "on"
    ):
        spot = spot + UP_THE_SLOPE_M * things.place(step.place)[1][:, 2]
        return Target(origin=spot, floor_m=float(spot[2]) - 0.02, support=support, slack_m=0.012)
    if step.kind == "on":
        return Target(origin=spot, floor_m=floor, support=support, slack_m=0.012)
    rim = float(boxes.high[2])
    if rim - floor > 0.1:
        heading = _fitting(things, step)
        return Target(
            origin=spot,
            floor_m=floor,
            rim_m=rim,
            hand_m=rim - 0.015,
            high_m=0.02,
            slack_m=0.015,
            heading_rad=heading,
        )
    return Target(origin=spot, floor_m=floor, rim_m=rim, support=support)


def door_of(things: Things, place: str) -> str | None:
    """Return the hinge of the door before a place; None if it has none."""
    parent = things.parent(place)
    if parent is None or not articulation(things, parent)["default_open_ranges"]:
        return None
    joint = str(things.named.get_object(parent).joints[0])
    hinged = int(things.model.joint(joint).type[0]) == int(mujoco.mjtJoint.mjJNT_HINGE)
    return joint if hinged else None


def articulation(things: Things, name: str) -> Mapping[str, Sequence[float]]:
    """Return between which values of its joints a fixture is open, shut, on and off; lists may be empty."""
    properties = getattr(things.named.get_object(name), "object_properties", {})
    found = {"default_open_ranges": [], **dict(properties.get("articulation", {}))}
    return found


def niche(things: Things, step: Step, joint: str) -> tuple[Vector, float, Vector]:
    """Return where behind a door a thing's origin should be, the height of the floor, and the way out."""
    parent = things.parent(step.place)
    assert parent is not None
    door = doors.read(things, joint, opening_sign(things, step.place))
    turned = things.joint_value(joint)
    outward = rotate_z(door.out, -turned * float(np.sign(things.joint_axis(joint)[1][2])))
    leaf = set(things.moved_by(joint).tolist())
    walls = things.boxes(np.array([geom for geom in things.geoms(parent) if geom not in leaf]))
    middle, _ = things.place(step.place)
    aside = cross(DOWN, outward)
    free = [
        next(
            (
                far
                for far in np.arange(0.0, 0.3, 0.005)
                if walls.inside((middle + sign * far * aside)[None])[0]
            ),
            0.3,
        )
        for sign in (1.0, -1.0)
    ]
    origin, boxes = things.place(step.name)[0], things.of(step.name)
    front = float(((boxes.corners.reshape(-1, 3) - origin) @ outward).max())
    depth = float(door.hinge @ outward) - FRONT_M - front
    spot = middle + 0.5 * (free[0] - free[1]) * aside
    spot = spot + (depth - float(spot @ outward)) * outward
    return spot, top_at(walls, middle, float(middle[2])), outward


def is_flat(things: Things, name: str) -> bool:
    """Tell whether a thing is too wide for the jaws, and too flat to be held by its rim."""
    corners = things.of(name).corners.reshape(-1, 3) @ things.place(name)[1]
    wide, long, high = np.ptp(corners, axis=0)
    return bool(high < FLAT_M and min(wide, long) > FITS_M)


def opening_sign(things: Things, name: str) -> float:
    """Return the sign that the joint of a region or a fixture has when it is open."""
    parent = things.parent(name)
    assert parent is not None
    return float(np.sign(np.mean(articulation(things, parent)["default_open_ranges"])))


def top_at(boxes: Boxes, spot: Vector, below_m: float = math.inf) -> float:
    """Return the height of the topmost of some boxes at a point, below a height; else of their foot."""
    least, most = boxes.middle - boxes.reach, boxes.middle + boxes.reach
    there = ((least[:, :2] < spot[:2] + 0.004) & (most[:, :2] > spot[:2] - 0.004)).all(axis=1)
    there &= most[:, 2] < below_m
    return float(most[there, 2].max()) if there.any() else float(boxes.low[2])


def _spot(things: Things, step: Step, goals: Sequence[Goal]) -> Vector:
    """Return where in a place a thing should go: its middle, or aside if another shares it."""
    middle, turned = things.place(step.place)
    if not things.is_region(step.place):
        return middle
    sharing = [goal[1] for goal in goals if goal[0] in CARRIED and goal[2] == step.place]
    if len(sharing) < 2:
        return middle
    half = np.abs(turned @ np.asarray(things.region(step.place).size))
    share = 2.0 * sharing.index(step.name) / (len(sharing) - 1) - 1.0
    return over(middle + [SPREAD[step.kind] * share * half[0], 0.0, 0.0], middle[2])


def _fitting(things: Things, step: Step) -> float | None:
    """Return the heading with which a long thing fits a long region; None if either is as wide as long."""
    corners = things.of(step.name).corners.reshape(-1, 3)
    turned = things.place(step.name)[1]
    yaw = yaw_of(turned)
    along = np.array([math.cos(yaw), math.sin(yaw)])
    across = corners[:, :2] @ [-along[1], along[0]]
    wide, long = float(np.ptp(corners[:, :2] @ along)), float(np.ptp(across))
    frame = things.place(step.place)[1]
    half = np.abs(frame @ np.asarray(things.region(step.place).size))
    if max(wide, long) < LONG * min(wide, long) or max(half[:2]) < LONG * min(half[:2]):
        return None
    thing_rad = yaw + (0.0 if wide > long else math.pi / 2)
    place_rad = 0.0 if half[0] > half[1] else math.pi / 2
    return yaw + place_rad - thing_rad


def _has_joint(things: Things, place: str) -> bool:
    return things.is_region(place) and bool(things.region(place).joints)


def is_open_enough(things: Things, place: str) -> bool:
    """Tell whether a drawer is out so far that things can be put in: farther while it is being pulled."""
    joint = things.joint_of(place)
    farthest = float(np.abs(things.model.joint(joint).range).max())
    pulled = things.fingers_on(things.moved_by(joint)) == 2
    share = OPENED if pulled else STILL_OPEN
    return opening_sign(things, place) * things.joint_value(joint) > share * farthest
