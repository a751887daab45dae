"""Build a tiny room to be told things in: the small world of spots, whose spots are called blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sayso.sim.scene import Layout
from sayso.spec import Array, Image, Observation
from sayso.tasks.household.words.language import Intent, Place, Thing, parse
from small_worlds import NEAR_M, SpotTask, SpotWorld

CONTAINERS = (Place("blue", "tray"), Place("white", "bowl"), Place("black", "plate"))


@dataclass(frozen=True, kw_only=True)
class BlockTask(SpotTask):
    """Ask for one of the blocks."""

    things: Mapping[str, Thing]
    layout: Layout = Layout(items=())


class SpotRoom(SpotWorld):
    """Bring the point to the block that is asked for, whatever is to be done with it."""

    name = "tabletop"
    moves = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw spots and ask for the first; a family in `options` is not needed."""
        self.families = SpotWorld.families  # the small world draws its own sentence, which nobody hears here
        _, info = super().reset(seed=seed)
        self.families = ("put",)
        things = [*CONTAINERS, *(Thing(colour, "block") for colour in self.spots)]
        self._things = {thing.name: thing for thing in things}
        return self.instruct(f"put the {self.task.colour} block in the blue tray"), info

    def instruct(self, sentence: str) -> Observation:
        """Ask for another block; the point stays where it is."""
        intent = parse(sentence, self._things.values())
        self.task = BlockTask(
            family="put",
            instruction=sentence,
            horizon=self.horizon,
            colour=intent.object.colour,
            things=self._things,
        )
        self.steps = 0
        return self._observe()

    def holds(self, intent: Intent) -> bool:
        """Tell whether the point is at a block."""
        return bool(np.linalg.norm(self.point - self.spots[intent.object.colour]) < NEAR_M)

    def conditions(self) -> dict[str, bool]:
        """Return what holds now."""
        return self._info()["conditions"]

    def describe(self) -> list[str]:
        """Name what is there."""
        return list(self._things)

    def render(self) -> Image | None:
        """Return nothing: no camera sees all of it."""
        return None

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move, and count it."""
        self.moves += 1
        return super().step(action, render=render)
