"""Make a world by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sayso.spec import known
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.world import World

if TYPE_CHECKING:
    from sayso.tasks.metaworld import MetaWorld

METAWORLD = ("metaworld", "metaworld-lerobot")
"""Names of somebody else's world: as it is drawn fast, and as LeRobot draws it."""


def make_world(name: str, family: str | None = None, **options: Any) -> World | MetaWorld:
    """Return a world by its short name: ``tabletop``, ``home``, ``metaworld`` or ``metaworld-lerobot``."""
    if known("world", name, (*TASKS, *METAWORLD)) in METAWORLD:
        from sayso.tasks.metaworld import LEROBOT, MetaWorld  # who never asks for it need not have its parts

        options.setdefault("lerobot", name == LEROBOT)
        return MetaWorld(family=family, **options)
    return World(name, family=family, **options)
