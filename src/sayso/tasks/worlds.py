"""Table of worlds: what is known of each before it is built, and how it is built.

A package of somebody else's adds a row by an entry point, and nothing here changes::

    [project.entry-points."sayso.worlds"]
    toy = "my_package.toy:ENTRY"                  # a `WorldEntry`
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sayso.extensions import Own, Table
from sayso.robots import our_name
from sayso.spec import ConfigError, Features, SaysoError, UnknownNameError, known
from sayso.tasks.axes import METAWORLD, RENDERER, Axis, household_axes
from sayso.tasks.contract import World

GROUP = "sayso.worlds"
"""Entry points under which packages offer worlds."""
Point = tuple[float, float, float]
OtherWordings = Callable[[str, int], Sequence[str]]
"""Returns so many other wordings of a sentence, always the same; none of one that it does not know."""


@dataclass(frozen=True, kw_only=True)
class WorldEntry:
    """Row of the table: static facts, and what builds the world."""

    make: Callable[..., World]
    """Builds it, from options of its own; picklable, for it is called in other processes. What it needs is
    imported there and not before."""
    families: tuple[str, ...]
    """Names of its families of tasks."""
    features: Features
    """What its robot shows and accepts."""
    read: Callable[[str], object] | None = None
    """Reads a sentence and raises `SaysoError` if nothing here can be meant by it; None cannot tell."""
    checkpoint: str = ""
    """Folder of the policy that was shipped for it."""
    wordings: Path | OtherWordings | None = None
    """Other wordings of what is asked in it, to be taught: a file, or what words a sentence otherwise. Where
    ``--wordings`` is asked for, the world's name stands for them."""
    language: str = ""
    """What the wordings are called that several worlds share."""
    extra: str = ""
    """Extra of ours that it needs, which is also the name of the module that brings it."""
    axes: tuple[Axis, ...] = ()
    """Along which it may differ from training."""
    domains: bool = False
    """Whether domains (`sayso.sim.domains`) can be laid over it: `make` takes the name of one, ``domain``."""
    horizon: int = 0
    """Steps after which the longest of its episodes is over; 0 is not said."""
    shown_seed: int = 0
    """Which scene of the test split the demonstration shows first."""
    eye_m: Point = (1.0, 1.0, 1.0)
    """Where people look from at first on the live page, metres."""
    target_m: Point = (0.0, 0.0, 0.0)
    """What they look at."""


class Worlds(Table[WorldEntry]):
    """Registry of worlds."""

    def __init__(self, own: Own[WorldEntry]) -> None:
        """Begin with rows of our own."""
        super().__init__("world", GROUP, WorldEntry, own)

    def ready(self, name: str) -> WorldEntry:
        """Return the row of a world that can be built here.

        Raises:
            SaysoError: if what it needs is not installed.
        """
        entry = self[name]
        if entry.extra and find_spec(entry.extra) is None:
            raise SaysoError(f"the world {name!r} is not installed: pip install 'sayso[{entry.extra}]'")
        return entry


def _build(where: str, **options: Any) -> World:
    """Import a class and make a world of it."""
    module, _, name = where.partition(":")
    world: World = getattr(importlib.import_module(module), name)(**options)
    return world


@cache
def _household(name: str, **facts: Any) -> WorldEntry:
    from sayso.sim.scene import SPECS
    from sayso.tasks.household.catalogue import TASKS, families_with
    from sayso.tasks.household.layout import require
    from sayso.tasks.household.words.language import parse
    from sayso.tasks.household.words.wide import other_wordings

    return WorldEntry(
        make=partial(_build, "sayso.tasks.household.world:HouseholdWorld", world=name),
        families=tuple(TASKS[name].families),
        features=SPECS[name][0].features(),
        read=partial(parse, families=tuple(TASKS[name].families)),
        axes=household_axes(partial(families_with, name), require),
        wordings=other_wordings,
        language="household",
        domains=True,
        horizon=max(row.horizons[name] for rows in TASKS[name].families.values() for row in rows),
        checkpoint=f"checkpoints/{name}",
        **facts,
    )


@cache
def _metaworld(*, lerobot: bool) -> WorldEntry:
    from sayso.tasks.mt50 import TASKS, WORDINGS
    from sayso.tasks.sawyer import HORIZON, features

    return WorldEntry(
        make=partial(_build, "sayso.tasks.metaworld:MetaWorld", lerobot=lerobot),
        families=tuple(TASKS),
        features=features(),
        axes=(*METAWORLD, *(() if lerobot else (RENDERER,))),
        horizon=HORIZON,
        wordings=WORDINGS,
        checkpoint="checkpoints/metaworld",
        extra="metaworld",
        eye_m=(0.9, 0.1, 0.8),
        target_m=(0.0, 0.65, 0.15),
    )


@cache
def _libero(*, lerobot: bool = False, pro: bool = False) -> WorldEntry:
    from sayso.tasks.libero.axes import LIBERO, PRO
    from sayso.tasks.libero.panda import features
    from sayso.tasks.libero.paraphrases import other_wordings
    from sayso.tasks.libero.suites import FAMILIES, PRO_FAMILIES, SUITES

    return WorldEntry(
        make=partial(_build, "sayso.tasks.libero.world:Libero", lerobot=lerobot, pro=pro),
        families=PRO_FAMILIES if pro else FAMILIES,
        features=features(),
        axes=(*(PRO if pro else LIBERO), *(() if lerobot else (RENDERER,))),
        horizon=max(suite.steps for suite in SUITES.values()),
        wordings=None if pro else other_wordings,
        extra="libero",
        eye_m=(0.9, 0.7, 1.6),
        target_m=(-0.1, 0.0, 0.95),
    )


SHOWN, STUDIED = "home", "tabletop"
"""Where the demonstration and the chapter happen, and what the live page shows, unless said otherwise."""
WORLDS = Worlds(
    {
        "tabletop": partial(
            _household, "tabletop", shown_seed=1, eye_m=(0.69, 0.28, 0.37), target_m=(0.24, -0.09, 0.05)
        ),
        "home": partial(
            _household, "home", shown_seed=1, eye_m=(-1.35, -1.15, 1.65), target_m=(0.55, 0.10, 0.10)
        ),
        "metaworld": partial(_metaworld, lerobot=False),
        "metaworld-lerobot": partial(_metaworld, lerobot=True),
        "libero": _libero,
        "libero-lerobot": partial(_libero, lerobot=True),
        "libero-pro": partial(_libero, pro=True),
    }
)
"""The worlds there are: our own rooms, and other people's tasks, drawn fast or as LeRobot draws them."""
GYMNASIUM_IDS = {
    "sayso/Tabletop-v0": "tabletop",
    "sayso/Home-v0": "home",
    "sayso/MetaWorld-v0": "metaworld",
    "sayso/Libero-v0": "libero",
}
"""What Gymnasium calls ours."""


def make_world(name: str, family: str | None = None, **options: Any) -> World:
    """Return a world by its name; `options` are those of its class."""
    return WORLDS.ready(name).make(**options | ({} if family is None else {"family": family}))


def in_domain(world: str, domain: str, entry: WorldEntry | None = None) -> dict[str, str]:
    """Return the options of making a world, of a row or by its name, in a domain; none without one.

    Raises:
        UnknownNameError: if there is no such domain, with the nearest that is.
        ConfigError: if no domain can be laid over that world.
        SaysoError: if it cannot be drawn here, with what to install.
    """
    if not domain:
        return {}
    from sayso.sim.domains import DOMAINS  # as late as this: whoever asks for none needs no renderer

    found = DOMAINS[domain]
    if not (entry or WORLDS[world]).domains:
        able = ", ".join(name for name in WORLDS if WORLDS[name].domains)
        raise ConfigError(f"domain is {domain}, but {world} has none; leave it out, or choose among {able}")
    found.needs()
    return {"domain": domain}


def told_of(domain: str, within: Mapping[str, tuple[float, float]] | None) -> list[str]:
    """Return what a report says of a domain, and whether a training shows it; nothing without one."""
    if not domain:
        return []
    from sayso.sim.domains import DOMAINS

    return [DOMAINS[domain].told(within)]


def read_elsewhere(sentence: str, here: str) -> str:
    """Say which other worlds can make sense of a sentence that one cannot; empty if that can, or none."""
    able = {WORLDS[name].checkpoint or name: name for name in reversed([*WORLDS]) if _reads(name, sentence)}
    if not able or here in able.values():
        return ""
    where = " or ".join(f"{name} ({checkpoint})" for checkpoint, name in reversed(able.items()))
    return f" It can be asked for in another world: {where}."


def _reads(name: str, sentence: str) -> bool:
    try:
        read = WORLDS[name].read
        return read is not None and read(sentence) is not None
    except SaysoError:
        return False


def shipped_for(name: str, flag: str) -> str:
    """Return the folder of the policy that is shipped for a world.

    Raises:
        SaysoError: if none is, with the flag that names one.
    """
    if not WORLDS[name].checkpoint:
        raise SaysoError(f"no policy is shipped for the world {name!r}; name one with {flag}")
    return WORLDS[name].checkpoint


def world_of(robot_type: str) -> str:
    """Return the name of the world in which a robot lives.

    Raises:
        UnknownNameError: if it lives in none.
    """
    for name in WORLDS:
        if our_name(WORLDS[name].features.robot_type) == our_name(robot_type):
            return name
    robots = {entry.features.robot_type for entry in WORLDS.values()}
    raise UnknownNameError("simulated robot", robot_type, robots)


def chosen_families(offered: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """Return the families that were named, or all of a world's, sorted so that their order decides nothing.

    Raises:
        UnknownNameError: if the world does not offer one of them.
        ConfigError: if one is named twice.
    """
    chosen = [known("family", family, offered) for family in named or offered]
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"name each family once, not {', '.join(chosen)}")
    return tuple(sorted(chosen))
