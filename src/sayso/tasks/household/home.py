"""Layout of the home: a low table with three things and two containers, two bins, a drawer and a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sayso.sim.objects import SHAPES, Item
from sayso.sim.scene import TABLE_EDGE_X_M, TABLE_HEIGHT_M, TABLE_WIDTH_M, Layout
from sayso.sim.variation import sample_appearance
from sayso.tasks.household.layout import (
    Demand,
    Postures,
    Spot,
    draw_objects,
    draw_places,
    place_item,
    scatter,
)
from sayso.tasks.household.stations import STATIONS
from sayso.tasks.household.words.language import OBJECT_COLOURS, Place, Thing

BINS_M: Mapping[str, tuple[float, float]] = {"sofa": (0.80, 0.74), "cabinet": (0.80, -0.74)}
"""Where the bin stands beside each landmark."""
CONTAINERS = ("tray", "bowl", "basket", "plate")
FIXTURES = ("sofa", "cabinet", "table", "drawer", "person")
"""What is in every home."""
MOVED_START_SHARE = 0.3
"""How often the arm starts out of its folded posture, as after an earlier task."""
POSTURES = Postures(reach_m=(0.20, 0.32), side_rad=0.4, height_m=(0.10, 0.22))
"""Where it starts then."""
START_ASIDE_M, PLACE_ASIDE_M, START_TURN_RAD = 0.30, 0.12, 0.3
"""How far aside the base starts, at most, before the table and at a place of the room, and how turned."""

Base = tuple[float, float, float]
"""x and y in metres and a heading in radians."""


def layout(
    rng: np.random.Generator, demand: Demand, chosen: Sequence[Thing] | None = None
) -> tuple[Layout, Mapping[str, Thing]]:
    """Draw a scene, with things that were chosen if any were; return it with the things in it, by name."""
    drawn = things(rng, demand) if chosen is None else chosen
    bins = [thing for thing in drawn if isinstance(thing, Place) and thing.kind == "bin"]
    on_table = [thing for thing in drawn if thing not in bins and thing.kind not in FIXTURES]
    items = scatter(rng, on_table, _spot, TABLE_HEIGHT_M) + [_bin(rng, bin_) for bin_ in bins]
    anywhere = demand.row.starts_anywhere
    moved = rng.random() < (0.5 if anywhere else MOVED_START_SHARE)
    found = Layout(
        items=tuple(items),
        appearance=sample_appearance(rng),
        robot_pose=anywhere_pose(rng) if anywhere else start_pose(rng),
        arm_rad=POSTURES.draw(rng) if moved else None,
        drawer_m=_opening(rng, demand.row.drawer),
    )
    return found, {thing.name: thing for thing in drawn}


def things(rng: np.random.Generator, demand: Demand) -> list[Thing]:
    """Draw what stands in a scene, what is in every home included: the first that is drawn of it."""
    kinds = [str(kind) for kind in rng.permutation(CONTAINERS)[:2]]
    on_table = [*draw_places(rng, kinds), *draw_objects(rng, demand)]
    colours = rng.permutation(OBJECT_COLOURS)
    bins = [Place(str(colour), "bin", landmark) for colour, landmark in zip(colours, BINS_M, strict=False)]
    return [*on_table, *bins, *(Place("", kind) for kind in FIXTURES)]


def start_pose(rng: np.random.Generator) -> Base:
    """Draw where LeKiwi starts: in front of the table, a little off and a little turned."""
    return (
        float(rng.uniform(-0.15, 0.10)),
        float(rng.uniform(-START_ASIDE_M, START_ASIDE_M)),
        float(rng.uniform(-START_TURN_RAD, START_TURN_RAD)),
    )


def anywhere_pose(rng: np.random.Generator) -> Base:
    """Draw where LeKiwi is when it is sent somewhere: at one of the places of the room, a little off."""
    x, y = list(STATIONS.values())[rng.integers(len(STATIONS))]
    return (
        x + float(rng.uniform(-0.15, 0.0)),
        y + float(rng.uniform(-PLACE_ASIDE_M, PLACE_ASIDE_M)),
        float(rng.uniform(-START_TURN_RAD, START_TURN_RAD)),
    )


def _opening(rng: np.random.Generator, stands: str) -> float:
    """Draw how far the drawer stands open, in metres: as the task needs it, else mostly shut."""
    ajar, wide = float(rng.uniform(0.0, 0.012)), float(rng.uniform(0.12, 0.155))
    opened = stands == "open" or (stands != "shut" and rng.random() < 0.3)
    return wide if opened else ajar


def _spot(rng: np.random.Generator, thing: Thing) -> Spot:
    """Draw a spot in the strip along the table's front edge that an arm on the floor can reach."""
    margin = SHAPES[thing.kind].radius_m
    movable = SHAPES[thing.kind].movable
    depth = rng.uniform(0.03, 0.10) if movable else rng.uniform(margin + 0.005, margin + 0.03)
    side = TABLE_WIDTH_M / 2 - margin - 0.02
    yaw = rng.uniform(-math.pi, math.pi) if movable else 0.0
    return TABLE_EDGE_X_M + depth, rng.uniform(-side, side), yaw


def _bin(rng: np.random.Generator, bin_: Place) -> Item:
    x, y = np.array(BINS_M[bin_.landmark]) + rng.uniform(-0.04, 0.04, 2)
    return place_item(bin_, (float(x), float(y), 0.0))
