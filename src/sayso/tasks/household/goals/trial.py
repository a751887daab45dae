"""Trial of a recipe on one scene: physics alone, without any pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gymnasium.utils import seeding

from sayso.sim.simulation import Simulation
from sayso.spec import Observation
from sayso.tasks.household.goals.goal import Goal
from sayso.tasks.household.goals.grounding import Asked, conditions, distance
from sayso.tasks.household.goals.imagination import Offset
from sayso.tasks.household.goals.recipe import Practised, Recipe
from sayso.tasks.household.goals.scenes import Scene, draw_scene

BEGIN_STEPS, EACH_STEPS = 60, 180
HOME_BEGIN_STEPS, HOME_EACH_STEPS = 300, 420
"""How long an episode may take: at first, and for each relation that does not hold yet; steps of 1/20 s."""
_NOTHING: Observation = {}


def scene_of(world: str, goal: Goal, seed: int) -> Scene:
    """Return the scene of a seed, as a world with that goal begins with it.

    Raises:
        NoSceneError: if none was found.
    """
    return draw_scene(world, goal, seeding.np_random(seed)[0])


def horizon_of(simulation: Simulation, asked: Sequence[Sequence[Asked]]) -> int:
    """Return how many steps an episode may take."""
    todo = sum(not one.holds(simulation) for stage in asked for one in stage)
    begin, each = (HOME_BEGIN_STEPS, HOME_EACH_STEPS) if simulation.kind.mobile else (BEGIN_STEPS, EACH_STEPS)
    return begin + each * max(1, todo)


@dataclass(frozen=True)
class Tried:
    """How a trial ended."""

    success: bool
    distance_m: float
    """How much was missing in the end, metres."""
    steps: int
    why: str = ""
    """What was missing, in words."""
    offset: Offset = (0.0, 0.0)
    """Where the last thing was brought to, relative to what is named."""


class Trial:
    """One episode of a goal in physics; a `Practising` world."""

    def __init__(self, world: str, scene: Scene, stages: Sequence[Sequence[Asked]] | None = None) -> None:
        """Begin in a scene, with all that is asked there or a part of it."""
        self.simulation = Simulation(world, scene.layout)
        self.simulation.watch_heights()
        self.stages = scene.asked if stages is None else stages
        self.stage = 0

    @property
    def asked(self) -> Sequence[Asked]:
        """Return what is asked in the present stage."""
        return self.stages[self.stage]

    def run(self, recipe: Recipe) -> Tried:
        """Act by a recipe until the goal holds or the time is up."""
        expert, last = Practised(self, recipe), len(self.stages) - 1
        horizon = horizon_of(self.simulation, self.stages)
        offset = (0.0, 0.0)
        for step in range(1, horizon + 1):
            self.simulation.apply(expert.act(_NOTHING).actions[0])
            offset = expert.last.spot.offset if expert.last and expert.last.spot else offset
            if all(conditions(self.asked, self.simulation).values()):
                if self.stage == last:
                    return Tried(True, 0.0, step, offset=offset)
                self.stage += 1
        missing = [name for name, held in conditions(self.asked, self.simulation).items() if not held]
        return Tried(
            False,
            float(distance(self.asked, self.simulation)),
            horizon,
            "not " + ", not ".join(missing),
            offset,
        )
