"""Lay out the fixed arm's table: three things to grasp, a tray and a bowl, within reach and in view."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sayso.sim.scene import SHAPES, Layout
from sayso.sim.variation import sample_look
from sayso.tasks.language import Thing
from sayso.tasks.layout import Spot, draw_things, scatter

REACH_FROM_X_M = 0.039
"""Where the arm's first joint stands, from which reach is measured."""


def layout(rng: np.random.Generator) -> tuple[Layout, Mapping[str, Thing]]:
    """Draw a scene; return it with the things in it, by name."""
    things = draw_things(rng, containers=("tray", "bowl"))
    items = scatter(rng, things, _spot, height_m=0.0)
    return Layout(items=tuple(items), look=sample_look(rng)), {thing.name: thing for thing in things}


def _spot(rng: np.random.Generator, thing: Thing) -> Spot:
    """Draw a spot on the ring that the arm reaches: objects a little nearer than containers."""
    near, far, side = (0.15, 0.25, 50) if SHAPES[thing.kind].movable else (0.19, 0.27, 60)
    radius, angle = rng.uniform(near, far), math.radians(rng.uniform(-side, side))
    yaw = rng.uniform(-math.pi, math.pi) if SHAPES[thing.kind].movable else angle
    return REACH_FROM_X_M + radius * math.cos(angle), radius * math.sin(angle), yaw
