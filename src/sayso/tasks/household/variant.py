"""Variant of a family of tasks: its sentences, its skill, when it is done, and what goes before it.

A family of tasks is one file of rows in `families/`; `variants` lists them all. Who adds a variant writes one
row, and nothing outside of it names a family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation, Vector
from sayso.tasks.household.motions.motion import Skill
from sayso.tasks.household.words.vocabulary import Intent, Sentences


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One variant of a family of tasks."""

    family: str
    name: str
    sentences: Sentences
    skill: Skill[Any]
    """Shows how it is done."""
    horizons: Mapping[str, int]
    """World in which it is asked -> steps of 1/20 s after which an episode is cut off."""

    success: Callable[[Simulation, str, str], dict[str, bool]]
    """Simulation, name of what is moved and of the place -> the conditions that must all hold at once."""
    placed: Callable[[Simulation, str, str], bool] = lambda simulation, name, place: False
    """Whether the thing is where it should be, whoever still holds it; False where nothing is moved."""
    feasible: Callable[[Layout, Intent], bool] = lambda layout, intent: True
    """Whether it can be carried out in a scene; scenes are drawn until it can."""
    makes_sense: Callable[[Layout, Intent], bool] = lambda layout, intent: True
    """Whether anybody would ask for it in a scene."""
    place_point: Callable[[Simulation, str], Vector] = Simulation.position
    """Where to point at for the place, metres in the world [3]."""

    preposition: Literal["on", "beside", ""] = ""
    """How the thing stands to its place in the end; "" is as the place wants it."""
    pushed: bool = False
    """The thing is pushed: what is moved first was chosen, and not what is grasped first."""
    precise: bool = False
    """The thing must be put down gently and exactly, as on a stack."""
    starts_anywhere: bool = False
    """The robot may begin anywhere; all else begins at the table."""
    drawer: Literal["open", "shut", ""] = ""
    """How the drawer stands at first; "" is mostly shut."""

    needs_first: Intent | None = None
    """What must hold before it can begin."""
    ends_at_table: bool = False
    """The robot stays at the table; else it ends at the place."""
    opens: bool | None = None
    """What it makes of the drawer: open, shut, or nothing."""
    builds: bool = False
    """It may go on top of what was moved before, and in an order that matters."""
    may_be_built_on: bool = False
    """What it moved may carry another thing afterwards."""

    def ends_at(self, intent: Intent) -> str:
        """Return the kind of place at which the robot is afterwards."""
        return "table" if self.ends_at_table else intent.place.kind
