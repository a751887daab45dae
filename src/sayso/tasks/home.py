"""Lay out the home: a low table with three things, a tray and a bowl, and two bins on the floor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sayso.sim.scene import SHAPES, TABLE_EDGE_X_M, TABLE_HEIGHT_M, TABLE_WIDTH_M, Item, Layout
from sayso.sim.variation import sample_look
from sayso.tasks.language import OBJECT_COLOURS, Place, Thing
from sayso.tasks.layout import Spot, draw_things, place_item, scatter

BINS_M: Mapping[str, tuple[float, float]] = {"sofa": (0.80, 0.74), "cabinet": (0.80, -0.74)}
"""Where the bin stands beside each landmark."""


def layout(rng: np.random.Generator) -> tuple[Layout, Mapping[str, Thing]]:
    """Draw a scene; return it with the things in it, by name."""
    on_table = draw_things(rng, containers=("tray", "bowl"))
    colours = rng.permutation(OBJECT_COLOURS)
    bins = [Place(str(colour), "bin", landmark) for colour, landmark in zip(colours, BINS_M, strict=False)]
    items = scatter(rng, on_table, _spot, TABLE_HEIGHT_M) + [_bin(rng, bin_) for bin_ in bins]
    return (
        Layout(items=tuple(items), look=sample_look(rng), robot_pose=start_pose(rng)),
        {thing.name: thing for thing in (*on_table, *bins)},
    )


def start_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw where LeKiwi starts: in front of the table, a little off and a little turned."""
    return float(rng.uniform(-0.15, 0.10)), float(rng.uniform(-0.30, 0.30)), float(rng.uniform(-0.3, 0.3))


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
