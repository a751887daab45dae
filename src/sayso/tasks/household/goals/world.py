"""World in which one description is asked: scenes that have what it names, and success as it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sayso.sim.simulation import IN_THE_ROOM, Simulation
from sayso.sim.simulation import Vector as Point
from sayso.spec import Array, ConfigError, Observation, Policy, SaysoError
from sayso.tasks.household.goals.goal import Goal
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.household.goals.grounding import Asked, conditions, fits
from sayso.tasks.household.goals.recipe import Practised, Recipe
from sayso.tasks.household.goals.scenes import DESCRIBED, draw_scene
from sayso.tasks.household.goals.sense import refuse_senseless
from sayso.tasks.household.goals.trial import horizon_of
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.words.kinds import KINDS, Thing
from sayso.tasks.household.words.language import Intent
from sayso.tasks.household.words.own import in_full
from sayso.tasks.household.words.references import NotUnderstoodError
from sayso.tasks.household.world import HouseholdWorld
from sayso.tasks.worlds import WORLDS, WorldEntry, Worlds

FAMILY = DESCRIBED.family


class DescribedWorld(HouseholdWorld):
    """World of the household in which every episode asks for one description.

    There is no drawn sentence: policies hear the description, in which things have the colours that tell them
    from others there ("put the can in the bowl" where two bowls are), as in what a person says. With a recipe
    there is an expert, who acts by it; where it brings which thing is what labels point at.
    """

    def __init__(
        self,
        world: str,
        description: str,
        *,
        canonical: str = "",
        recipe: dict[str, Any] | None = None,
        family: str | None = None,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Open the cameras.

        Args:
            world: whose scenes to draw.
            description: what a policy is asked.
            canonical: what is meant by it in words of the grammar, if a language model said so.
            recipe: how an expert does it, as plain JSON.
            family: none but the one that there is.
            render_mode: as of any environment.

        Raises:
            NotUnderstoodError: if the description is not understood.
            ImpossibleError: if it cannot come true.
        """
        super().__init__(world, render_mode=render_mode)
        self.families = (FAMILY,)
        self._family = family
        self.goal: Goal = replace(read_goal(canonical or description), said=description)
        refuse_senseless(self.goal, world)
        self._recipe = None if recipe is None else Recipe.from_json(recipe)
        self._stages: Sequence[Sequence[Asked]] = ()
        self.stage = 0

    @property
    def asked(self) -> Sequence[Asked]:
        """Return what is asked in the present stage."""
        return self._stages[self.stage]

    def conditions(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now, those of later stages included."""
        found = conditions(self.asked, self.simulation)
        later = {one.called(): False for stage in self._stages[self.stage + 1 :] for one in stage}
        return found | later

    def why_not(self) -> str:
        """Return in words what is missing for success; empty if nothing is."""
        missing = [one.called() for one in self.asked if not one.holds(self.simulation)]
        if missing:
            return f"it is not so that {' and '.join(missing)}"
        return "" if all(self.conditions().values()) else "it was not left alone"

    def in_short(self) -> str:
        """Return the description."""
        return self.goal.said

    def feasible(self) -> bool:
        """Tell whether there is room to do what is asked; scenes are drawn until there is."""
        return True

    def labels(self) -> Array:
        """Return where that which is moved next, and where to, are in every picture; see `HouseholdWorld`."""
        return self._where_to_point(*self._next())

    def expert(self) -> Policy:
        """Return who acts by the recipe.

        Raises:
            SaysoError: if there is none.
        """
        if self._recipe is None:
            raise SaysoError(f"nobody has practised {self.goal.said!r} here: sayso practice does")
        return Practised(self, self._recipe)

    def instruct(self, sentence: str) -> Observation:
        """Refuse to ask for anything else.

        Raises:
            NotUnderstoodError: always.
        """
        raise NotUnderstoodError(f"here only this is asked: {self.goal.said}")

    def _drawn(self, family: str, wording: str, objects: str, *, swappable: bool) -> HouseholdTask:
        if objects != "train" or swappable:
            raise ConfigError("a description names its own things: no other objects, and no swap")
        scene = draw_scene(self.name, self.goal, self.np_random)
        self._stages, self.stage = scene.asked, 0
        anything = next(iter(scene.things.values()))
        return HouseholdTask(
            world=self.name,
            row=DESCRIBED,
            intent=Intent(FAMILY, DESCRIBED.name, None, anything),
            instruction=in_own_words(self.goal, scene.things),
            horizon=horizon_of(Simulation(self.name, scene.layout), scene.asked),
            layout=scene.layout,
            things=scene.things,
        )

    def _note_choice(self) -> None:
        """Go on to the next stage when the present one holds."""
        last = len(self._stages) - 1
        while self.stage < last and all(conditions(self.asked, self.simulation).values()):
            self.stage += 1

    def _next(self) -> tuple[Point | None, Point | None]:
        """Return the point of what is moved next, and the one that it goes to; either may be missing."""
        simulation = self.simulation
        doing = Practised(self, self._recipe).doing() if self._recipe else None
        if doing is not None and doing.spot is not None:
            return simulation.position(doing.spot.moved), doing.spot.foot
        way = next((one.ways[0] for one in self.asked if not one.holds(simulation)), self.asked[0].ways[0])
        there = [name for name in way if name in self.task.things and name not in ("drawer",)]
        places = [name for name in way if name in IN_THE_ROOM]
        if not places and not there[1:]:
            return None, simulation.position(there[0]) if there else None
        return (simulation.position(there[0]) if there else None), simulation.position(
            [*places, *there[1:]][0]
        )


def in_own_words(goal: Goal, things: Mapping[str, Thing]) -> str:
    """Return a description with the colours of what it names, where that is one thing of a scene."""
    text = goal.said
    for reference in goal.references:
        fitting = [thing for thing in things.values() if fits(reference, thing)]
        if reference.kind in KINDS and reference.quantifier == "the" and len(fitting) == 1:
            text = in_full(text, Thing(colour=reference.colour, kind=reference.kind), fitting[0])
    return text


def described(
    world: str, description: str, *, canonical: str = "", recipe: dict[str, Any] | None = None
) -> WorldEntry:
    """Return the row of a world in which a description is asked, as `sayso.tasks.worlds` has them.

    Raises:
        SaysoError: if the world does not know things by name.
        NotUnderstoodError: if the description is not understood.
        ImpossibleError: if it cannot come true.
    """
    entry = WORLDS[world]
    if entry.language != "household":
        able = [name for name in WORLDS if WORLDS[name].language == "household"]
        raise SaysoError(f"the world {world!r} takes no descriptions; {' and '.join(able)} do")
    refuse_senseless(read_goal(canonical or description), world)
    make: Callable[..., DescribedWorld] = partial(
        DescribedWorld, world=world, description=description, canonical=canonical, recipe=recipe
    )
    axes = tuple(axis for axis in entry.axes if axis.name not in ("objects", "words", "layout"))
    return replace(entry, make=make, families=(FAMILY,), axes=axes, read=None, horizon=0)


def only(world: str, entry: WorldEntry) -> Worlds:
    """Return a table of worlds that has one row."""
    return Worlds({world: entry})
