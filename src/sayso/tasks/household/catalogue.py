"""Catalogue of the household's worlds: how each is laid out, and which families of tasks are asked there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sayso.sim.scene import HOME, TABLETOP, Layout
from sayso.tasks.household import home, tabletop
from sayso.tasks.household.layout import Demand, moves
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.variants import VARIANTS
from sayso.tasks.household.words.kinds import Thing


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the scenes of one world are laid out, and what is asked there."""

    layout: Callable[..., tuple[Layout, Mapping[str, Thing]]]
    """Takes a source of random numbers and a `Demand` and, if need be, the things that shall be there."""
    things: Callable[[np.random.Generator, Demand], Sequence[Thing]]
    """Draws what `layout` draws first: what stands in a scene, but not where."""
    families: Mapping[str, tuple[Variant, ...]]
    """Family -> its variants, each of which is asked equally often."""


def families_with(world: str, things: str) -> tuple[str, ...]:
    """Return the families of a world in which some things can be asked for, a name of `OBJECTS`."""
    families = TASKS[world].families
    return tuple(name for name, rows in families.items() if any(moves(row, things) for row in rows))


def _asked_in(world: str) -> Mapping[str, tuple[Variant, ...]]:
    rows = [row for row in VARIANTS.values() if world in row.horizons]
    return {row.family: tuple(one for one in rows if one.family == row.family) for row in rows}


TASKS: Mapping[str, Setting] = {
    TABLETOP: Setting(layout=tabletop.layout, things=tabletop.things, families=_asked_in(TABLETOP)),
    HOME: Setting(layout=home.layout, things=home.things, families=_asked_in(HOME)),
}
