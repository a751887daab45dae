"""Say what is asked in one episode of the household.

A task is a frozen value: a scene, an instruction, a horizon, and success as a conjunction of named
conditions, so that a failure says why it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.tasks.household import success
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.vocabulary import Intent


@dataclass(frozen=True, kw_only=True)
class Task:
    """Say what is asked in one episode, of which scene, and how long it may take."""

    world: str
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
        name = self.object_name
        if self.family == "goto":
            return success.standing_at(simulation, self.place_name)
        if not name:
            return success.drawer_stands(simulation, self.place_name, open_=self.intent.manner == "open")
        goal = {"on": "object_on_top", "beside": "object_beside"}.get(self.intent.manner, "object_in_place")
        lifted = success.never_lifted(simulation, name) if self.family == "push" else {}
        return {goal: self.placed(simulation)} | success.let_go(simulation, name) | lifted

    def placed(self, simulation: Simulation) -> bool:
        """Tell whether the object is where it should be, whoever still holds it."""
        name, place = self.object_name, self.place_name
        if self.intent.manner == "on":
            return success.on_top(simulation, name, place)
        if self.intent.manner == "beside":
            return success.beside(simulation, name, place)
        return simulation.inside(name, place)
