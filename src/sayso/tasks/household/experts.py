"""Scripted experts that see the simulator's state (privileged), one skill per variant of a family."""

from __future__ import annotations

from typing import Protocol

from sayso.sim.simulation import Simulation
from sayso.spec import Chunk, Observation
from sayso.tasks.household.motions import motion
from sayso.tasks.household.task import HouseholdTask


class Watched(Protocol):
    """A world whose physics and task an expert may look into."""

    @property
    def simulation(self) -> Simulation:
        """Return the physics of the running episode."""
        ...

    @property
    def task(self) -> HouseholdTask:
        """Return what is asked in it."""
        ...


class Expert:
    """Scripted expert: the running task, carried out with privileged sight, one step at a time."""

    sees_pictures = False
    """So that `rollout` has none drawn for it."""

    def __init__(self, world: Watched) -> None:
        """Watch a world; which task it is may change between episodes."""
        self._world = world
        self.phase = ""

    def reset(self) -> None:
        """Have nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next action, [1, A] in robot units. The observation is not needed."""
        skill = self._world.task.row.skill
        situation = skill.observe(self._world.simulation, self._world.task)
        phase = next(phase for phase in skill.phases if phase.enters(situation))
        self.phase = phase.name
        action = motion.act(situation.pose, phase.do(situation))
        return Chunk(self._world.simulation.as_read(action)[None])
