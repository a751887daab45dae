"""Scatter things so that every one can be seen and reached and none touches another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sayso.sim.scene import SHAPES, Item
from sayso.spec import SaysoError
from sayso.tasks.language import COLOURS, OBJECT_COLOURS, Place, Thing

Spot = tuple[float, float, float]
"""x and y in metres and a heading in radians."""

FINGER_ROOM_M = 0.026
"""Free space around a graspable thing, so that an open jaw fits between it and its neighbour."""


def draw_things(rng: np.random.Generator, containers: Sequence[str], n_objects: int = 3) -> list[Thing]:
    """Draw objects of different colours, and one container of each given kind, again of different colours."""
    colours = rng.permutation(OBJECT_COLOURS)[:n_objects]
    objects = [Thing(str(colour), str(rng.choice(["block", "can"]))) for colour in colours]
    places = [
        Place(str(c), kind) for c, kind in zip(rng.permutation(OBJECT_COLOURS), containers, strict=False)
    ]
    return [*places, *objects]


def scatter(
    rng: np.random.Generator,
    things: Sequence[Thing],
    spot: Callable[[np.random.Generator, Thing], Spot],
    height_m: float,
) -> list[Item]:
    """Place things one after another at random spots that leave room, all standing at one height.

    Raises:
        SaysoError: if a hundred fresh starts found no arrangement; the region is too small for the things.
    """
    for _ in range(100):
        items: list[Item] = []
        for thing in things:
            for _ in range(50):
                x, y, yaw = spot(rng, thing)
                if all(_apart((x, y), thing.kind, other) for other in items):
                    items.append(place_item(thing, (x, y, height_m), yaw))
                    break
            else:
                break
        if len(items) == len(things):
            return items
    raise SaysoError(
        f"found no room for {', '.join(thing.name for thing in things)}; give them a larger region"
    )


def place_item(thing: Thing, position_m: tuple[float, float, float], yaw_rad: float = 0.0) -> Item:
    """Return the item of a thing at a position."""
    return Item(
        name=thing.name, kind=thing.kind, rgb=COLOURS[thing.colour], position_m=position_m, yaw_rad=yaw_rad
    )


def _apart(spot: tuple[float, float], kind: str, other: Item) -> bool:
    room = FINGER_ROOM_M * (SHAPES[kind].movable + SHAPES[other.kind].movable)
    need = SHAPES[kind].radius_m + SHAPES[other.kind].radius_m + max(room, 0.01)
    return float(np.hypot(spot[0] - other.position_m[0], spot[1] - other.position_m[1])) >= need
