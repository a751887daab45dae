"""Scenery of an episode: how its layout looks, in which domain it stands, and the physics of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sayso.sim.domain import Domain
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.sim.textures import patterned, photographed
from sayso.sim.variation import repainted
from sayso.tasks.departing import dynamics_of

_PAINT_STREAM = 0x07E6  # keep it independent of the scene drawn from the seed


def built(
    world: str, layout: Layout, options: Mapping[str, Any], domain: Domain | None, stream: tuple[int, int]
) -> Simulation:
    """Return the physics of a layout as the options of a reset want it, in a domain if there is one.

    Args:
        world: which room.
        layout: what was drawn from the seed.
        options: as `HouseholdWorld` understands them.
        domain: what else differs.
        stream: numbers of family and seed, which directions follow.
    """
    layout, dynamics = painted(layout, options, stream[1]), dynamics_of(options, *stream)
    if domain is None:
        return Simulation(world, layout, dynamics)
    dynamics = domain.dynamics.besides(dynamics)
    found = Simulation(world, domain.covered(layout), dynamics, late_s=domain.camera.late_s)
    domain.furnish(found.model)
    found.take_note()
    return found


def painted(layout: Layout, options: Mapping[str, Any], seed: int) -> Layout:
    """Return a layout, in other colours or covered with textures if the options of a reset want it."""
    rng, look = np.random.default_rng([_PAINT_STREAM, seed]), layout.appearance
    if options.get("background"):
        look = repainted(look, float(options["background"]), rng)
    if options.get("photographs"):
        look = replace(look, textures=photographed(rng, float(options["photographs"])))
    elif options.get("patterns"):
        look = replace(look, textures=patterned(rng))
    return replace(layout, appearance=look)
