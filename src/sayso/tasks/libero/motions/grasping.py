"""Grasps from geometry: what fits between the jaws is held across its middle, what does not by its rim.

The hand comes from above. Of the headings along which it could close, that one is chosen whose open hand
meets the least of what stands around, here and where the thing is to go, and turns the wrist least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sayso.geometry import Vector, wrap_angle
from sayso.tasks.libero.motions.motion import ACROSS_RAD, FAR_M, downward
from sayso.tasks.libero.motions.things import Array, Boxes, Ids, Things

FITS_M = 0.071
"""Width that still goes between the open jaws, which leave 8 cm."""
EASY_M = 0.055
"""Width up to which the hand may miss by a centimetre."""
PALM_M = 0.024
"""How far a thing may reach up between the fingers, over the point between their tips."""
PALM_ROOM_M = 0.008
"""Room that the palm should have around it."""
TIPS_M = 0.011
"""How far the fingers reach out beyond that point."""
ASKEW_RAD, INWARD_M = math.radians(22), 0.026
HANDLE_M = 0.015
"""How far from a wall a part of it is not that of an open thing's own."""
EDGE_M = 0.008
"""How far from its edge a flat thing is taken."""
KNOB_M = 0.014
"""How far a knob sticks out that can be held."""
RIM_M = 0.016
"""How deep a rim is taken."""
WEIGHTS = (2.0, 0.5)
"""How much it matters what an open hand meets where it takes a thing, and where it leaves it."""
HEADINGS = 16
_STEPS = (-0.8, -0.4, 0.0, 0.4, 0.8)
GRID = np.array([[x, y, z] for x in _STEPS for y in _STEPS for z in _STEPS])
WALL_M = 0.012
"""Half width of the fingers, along which a wall is looked for."""


@dataclass(frozen=True)
class Grasp:
    """Where the hand closes, and along which heading."""

    point: Vector
    closing_rad: float
    width_m: float = 0.0
    """Width of what goes between the jaws."""
    askew_rad: float = 0.0
    """How far the jaws close aslant through a wall."""
    inward_m: float = 0.0
    """How far inside a wall the hand is, so that the outer finger takes less room."""


def _hand_points() -> Array:
    """Return points of an open hand in its own frame, [P, 3]: along its jaws, aside, and up from the tips."""
    points: list[tuple[float, float, float]] = []
    for aside in (-0.011, 0.011):
        for up in (-TIPS_M, 0.01):
            points += [(across, aside, up) for across in (-0.062, -0.051, -0.041, 0.041, 0.051, 0.062)]
    for aside in (-0.03, 0.0, 0.03):
        for up in (0.035, 0.08, 0.125, 0.17):
            points += [(across, aside, up) for across in (-0.1, -0.06, -0.02, 0.02, 0.06, 0.1)]
    return np.array(points)


HAND = _hand_points()
FINGER_POINTS = 24
"""How many of these are of the fingers; the others are of the palm."""


def grasps(boxes: Boxes) -> list[Grasp]:
    """Return where a thing of some boxes could be held from above."""
    low, high = boxes.low, boxes.high
    corners = boxes.corners.reshape(-1, 3)
    found: list[Grasp] = []
    for heading in np.arange(HEADINGS) * math.pi / HEADINGS:
        along = corners[:, :2] @ [math.cos(heading), math.sin(heading)]
        if (width := float(along.max() - along.min())) <= FITS_M:
            found.append(Grasp(_across(boxes, heading, low, high), float(heading), width))
    return found or _knobs(boxes) or _rims(boxes, high) or _edges(low, high)


def _across(boxes: Boxes, heading: float, low: Vector, high: Vector) -> Vector:
    """Return the point in the middle of a thing, as deep as the palm and what it stands on allow."""
    height = max(high[2] - PALM_M, (low[2] + high[2]) / 2 if high[2] - low[2] < 2 * PALM_M else low[2])
    height = max(height, low[2] + TIPS_M + 0.002)
    corners = boxes.corners
    at_height = (corners[..., 2].min(axis=1) < height + 0.008) & (
        corners[..., 2].max(axis=1) > height - 0.008
    )
    reached = corners[at_height].reshape(-1, 3) if at_height.any() else corners.reshape(-1, 3)
    middle = (reached[:, :2].min(axis=0) + reached[:, :2].max(axis=0)) / 2
    return np.array([*middle, height])


def _edges(low: Vector, high: Vector) -> list[Grasp]:
    """Return where a flat round thing could be held, all around its edge."""
    middle, radius = (low + high)[:2] / 2, float((high - low)[:2].min()) / 2 - EDGE_M
    found: list[Grasp] = []
    for heading in np.arange(2 * HEADINGS) * math.pi / HEADINGS:
        outward = np.array([math.cos(heading), math.sin(heading)])
        found.append(Grasp(np.array([*(middle + radius * outward), low[2] + TIPS_M + 0.002]), float(heading)))
    return found


def _knobs(boxes: Boxes) -> list[Grasp]:
    """Return where what sticks out on top of a wide thing could be held."""
    tops = boxes.middle[:, 2] + boxes.reach[:, 2]
    highest = tops > tops.max() - 0.005
    if highest.all() or tops.max() - (shoulder := float(tops[~highest].max())) < KNOB_M:
        return []
    knob = boxes.some(highest)
    height = max(shoulder + TIPS_M + 0.001, float(tops.max()) - PALM_M)
    corners = knob.corners.reshape(-1, 3)[:, :2]
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    headings = np.arange(HEADINGS) * math.pi / HEADINGS
    widths = [float(np.ptp(corners @ [math.cos(h), math.sin(h)])) for h in headings]
    return [
        Grasp(np.array([*middle, height]), float(h), w)
        for h, w in zip(headings, widths, strict=True)
        if w < FITS_M
    ]


def _rims(boxes: Boxes, high: Vector) -> list[Grasp]:
    """Return where the walls of an open thing could be held, all around."""
    depth = high[2] - RIM_M
    walls = boxes.some(np.abs(boxes.middle[:, 2] - depth) < boxes.reach[:, 2] + 0.010)
    spread = GRID[None] * walls.half[:, None]
    points = walls.middle[:, None] + np.matmul(spread, walls.rotation.transpose(0, 2, 1))
    points = points.reshape(-1, 3)
    wall = points[np.abs(points[:, 2] - depth) < 0.010]
    if not len(wall):
        return []
    middle = np.median(wall[:, :2], axis=0)
    away = np.hypot(*(wall[:, :2] - middle).T)
    around = wall[np.abs(away - np.median(away)) < HANDLE_M]  # without a handle
    middle = (around[:, :2].min(axis=0) + around[:, :2].max(axis=0)) / 2
    found: list[Grasp] = []
    for heading in np.arange(2 * HEADINGS) * math.pi / HEADINGS:
        outward = np.array([math.cos(heading), math.sin(heading)])
        away = wall[:, :2] - middle
        along, aside = away @ outward, away @ [-outward[1], outward[0]]
        there = along[(along > 0) & (np.abs(aside) < WALL_M)]
        if len(there) and there.max() - there.min() < 0.02:
            point = np.array([*(middle + outward * float(there.mean())), depth])
            found += [
                Grasp(point, float(heading + askew), askew_rad=abs(askew))
                for askew in (0.0, ASKEW_RAD, -ASKEW_RAD)
            ]
            found.append(Grasp(point - [*(INWARD_M * outward), 0.0], float(heading), inward_m=INWARD_M))
    return found


def choose(things: Things, candidates: Sequence[Grasp], around: Sequence[tuple[Vector, Ids]]) -> Grasp:
    """Return the best of some grasps.

    Args:
        things: what stands in the scene.
        candidates: the grasps.
        around: for each place the hand will be at, how far it is from the thing as it stands now, [3], and
            the geometry that it must not meet there.
    """
    near = [(shift, _near(things.boxes(ids), candidates, shift)) for shift, ids in around]
    best, least = candidates[0], math.inf
    for grasp in sorted(candidates, key=_effort):
        cost = _effort(grasp)
        if cost >= least:
            break
        for weight, (shift, boxes) in zip(WEIGHTS, near, strict=False):
            far = float(np.hypot(*(grasp.point + shift - things.shoulder)[:2]))
            cost += 60.0 * max(0.0, far - FAR_M)
            points = _placed(grasp, shift)
            met = 3.0 * float(boxes.inside(points[:FINGER_POINTS], 0.003).sum())
            met += float(boxes.inside(points[FINGER_POINTS:], PALM_ROOM_M).sum())
            cost += weight * met
        if cost < least:
            best, least = grasp, cost
    return best


def _effort(grasp: Grasp) -> float:
    """Return what a grasp costs whatever stands around: turning the wrist, and a tight fit."""
    ahead = abs(wrap_angle(grasp.closing_rad - ACROSS_RAD))
    wrist = 1.5 * min(ahead, math.pi - ahead)
    return wrist + 2.0 * grasp.askew_rad + 30.0 * grasp.inward_m + 100.0 * max(0.0, grasp.width_m - EASY_M)


def _placed(grasp: Grasp, shift: Vector) -> Array:
    points = HAND @ (downward(grasp.closing_rad) * [1.0, 1.0, -1.0]).T + grasp.point + shift
    return np.asarray(points)


def _near(boxes: Boxes, candidates: Sequence[Grasp], shift: Vector) -> Boxes:
    """Return those of some boxes that any of the hands could meet."""
    points = np.array([grasp.point for grasp in candidates]) + shift
    high, low = points.max(axis=0) + [0.13, 0.13, 0.2], points.min(axis=0) - [0.13, 0.13, 0.02]
    near = (boxes.middle - boxes.reach < high) & (boxes.middle + boxes.reach > low)
    return boxes.some(near.all(axis=1))
