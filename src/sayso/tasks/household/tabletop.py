"""Layout of the fixed arm's table: three things to grasp and two places for them, in reach and in view."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sayso.sim.objects import SHAPES, Item
from sayso.sim.scene import Layout
from sayso.sim.variation import sample_appearance
from sayso.tasks.household.layout import Demand, Postures, Spot, draw_objects, draw_places, scatter
from sayso.tasks.household.words.language import Thing

REACH_FROM_X_M = 0.039
"""Where the arm's first joint stands, from which reach is measured."""
CONTAINERS = ("tray", "bowl", "basket", "plate")
MAT_SHARE = 0.4
"""How often a mat lies in a scene where nothing is asked to be pushed onto it."""
ON_MAT_SHARE = 0.5
"""How often one of the things to grasp lies on such a mat, as after an earlier push."""
ON_MAT_M = 0.015
"""How far from the middle of the mat it may lie, along either axis."""
MOVED_START_SHARE = 0.4
"""How often the arm starts somewhere over the table, as after an earlier task."""
POSTURES = Postures(reach_m=(0.17, 0.26), side_rad=0.9, height_m=(0.10, 0.15))
"""Where it starts then."""


def layout(
    rng: np.random.Generator, demand: Demand, chosen: Sequence[Thing] | None = None
) -> tuple[Layout, Mapping[str, Thing]]:
    """Draw a scene, with things that were chosen if any were; return it with the things in it, by name."""
    drawn = things(rng, demand) if chosen is None else chosen
    items = scatter(rng, drawn, _spot, height_m=0.0)
    if any(thing.kind == "mat" for thing in drawn) and not demand.row.pushed and rng.random() < ON_MAT_SHARE:
        items = _pushed(rng, items)
    moved = rng.random() < MOVED_START_SHARE
    posture = POSTURES.draw(rng) if moved else None
    found = Layout(items=tuple(items), appearance=sample_appearance(rng), arm_rad=posture)
    return found, {thing.name: thing for thing in drawn}


def things(rng: np.random.Generator, demand: Demand) -> list[Thing]:
    """Draw what stands in a scene: the first that is drawn of it."""
    kinds = [str(kind) for kind in rng.permutation(CONTAINERS)[:2]]
    if "mat" in demand.places or rng.random() < MAT_SHARE:
        kinds = ["mat", kinds[0]]
    return [*draw_places(rng, kinds), *draw_objects(rng, demand)]


def _pushed(rng: np.random.Generator, items: list[Item]) -> list[Item]:
    """Lay one of the things to grasp on the mat; it is smaller, so it stays clear of the others."""
    (mat,) = (item for item in items if item.kind == "mat")
    moved = int(rng.choice([i for i, item in enumerate(items) if SHAPES[item.kind].movable]))
    x, y = rng.uniform(-ON_MAT_M, ON_MAT_M, size=2) + mat.position_m[:2]
    spot = (float(x), float(y), items[moved].position_m[2])
    return [replace(item, position_m=spot) if i == moved else item for i, item in enumerate(items)]


def _spot(rng: np.random.Generator, thing: Thing) -> Spot:
    """Draw a spot on the ring that the arm reaches: objects a little nearer than containers."""
    near, far, side = (0.15, 0.25, 52) if SHAPES[thing.kind].movable else (0.19, 0.27, 65)
    radius, angle = rng.uniform(near, far), math.radians(rng.uniform(-side, side))
    yaw = rng.uniform(-math.pi, math.pi) if SHAPES[thing.kind].movable else angle
    return REACH_FROM_X_M + radius * math.cos(angle), radius * math.sin(angle), yaw
