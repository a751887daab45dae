"""Task of the household: what is asked in one episode.

A task is a frozen value: a scene, an instruction, a horizon, and success as a conjunction of named
conditions, so that a failure says why it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.vocabulary import Intent


@dataclass(frozen=True, kw_only=True)
class HouseholdTask:
    """What is asked in one episode, of which scene, and how long it may take."""

    world: str
    row: Variant
    """What its family says of it."""
    intent: Intent
    instruction: str
    horizon: int
    """Steps of 1/20 s after which the episode is cut off."""
    layout: Layout
    things: Mapping[str, Thing]
    """Every thing in the scene, by its name there."""

    @property
    def family(self) -> str:
        """Return the family of tasks."""
        return self.intent.family

    @property
    def object_name(self) -> str:
        """Return the scene's name of the thing to move; empty if nothing is to be moved."""
        return self.intent.object.name if self.intent.object else ""

    @property
    def place_name(self) -> str:
        """Return the scene's name of where it should go, or of what is acted on."""
        return self.intent.place.name

    def conditions(self, simulation: Simulation) -> dict[str, bool]:
        """Return the named conditions of success, all of which must hold at once."""
        return self.row.success(simulation, self.object_name, self.place_name)

    def placed(self, simulation: Simulation) -> bool:
        """Tell whether the object is where it should be, whoever still holds it."""
        return self.row.placed(simulation, self.object_name, self.place_name)

    def feasible(self) -> bool:
        """Tell whether there is room for it in the scene."""
        return self.row.feasible(self.layout, self.intent)
