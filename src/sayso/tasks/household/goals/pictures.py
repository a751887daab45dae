"""Pictures of what was understood: one scene where a goal holds, one where it does not."""

from __future__ import annotations

import numpy as np

from sayso.sim.render import Cameras
from sayso.sim.simulation import Simulation
from sayso.spec import Image
from sayso.tasks.household.goals.imagination import arranged
from sayso.tasks.household.goals.scenes import Scene

HEIGHT_PX, WIDTH_PX = 360, 480


def pictures(world: str, scene: Scene) -> tuple[Image, Image]:
    """Return what the front camera sees where a goal holds, and where it does not: uint8 [360, 480, 3] each.

    The former is made by placing things, so that nobody had to bring it about.
    """
    simulation = Simulation(world, scene.layout)
    cameras = Cameras(HEIGHT_PX, WIDTH_PX)
    try:
        cameras.load(simulation.model)
        before = cameras.picture(simulation.data, "front")
        for stage in scene.asked:
            arranged(simulation, stage)
        after = cameras.picture(simulation.data, "front")
    finally:
        cameras.close()
    return np.asarray(after), np.asarray(before)
