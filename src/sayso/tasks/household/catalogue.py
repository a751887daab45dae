"""List the worlds of the household: how each is laid out, and which families of tasks are asked there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sayso.sim.scene import Layout
from sayso.tasks.household import home, tabletop
from sayso.tasks.household.layout import Draw
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.vocabulary import Intent


@dataclass(frozen=True, kw_only=True)
class Family:
    """Describe one family of tasks in one world: a row of `TASKS`."""

    horizon: int
    """Steps of 1/20 s after which the episode is cut off."""
    manners: tuple[str, ...]
    """What may be asked of it, each equally often; see `Intent`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Say how the scenes of one world are laid out, and what is asked there."""

    layout: Callable[[np.random.Generator, Draw], tuple[Layout, Mapping[str, Thing]]]
    things: Callable[[np.random.Generator, Draw], Sequence[Thing]]
    """Draws what `layout` draws first: what stands in a scene, but not where."""
    families: Mapping[str, Family]
    feasible: Callable[[Layout, Intent], bool] = lambda layout, intent: True
    """Whether an intent can be carried out in a scene; scenes are drawn until one can."""


TASKS: Mapping[str, Setting] = {
    "tabletop": Setting(
        layout=tabletop.layout,
        things=tabletop.things,
        feasible=tabletop.feasible,
        families={
            "put": Family(horizon=240, manners=("in",)),
            "stack": Family(horizon=240, manners=("on",)),
            "push": Family(horizon=240, manners=("onto", "beside")),
        },
    ),
    "home": Setting(
        layout=home.layout,
        things=home.things,
        families={
            "put": Family(horizon=360, manners=("in",)),
            "drawer": Family(horizon=480, manners=("open", "close", "in")),
            "fetch": Family(horizon=480, manners=("to", "bring")),
            "goto": Family(horizon=300, manners=("to",)),
        },
    ),
}
