"""Clutter in a scene: more things than training shows, and one of them close to the thing that is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from sayso.sim.objects import Item, shape_of
from sayso.sim.scene import HOME, TABLE_DEPTH_M, TABLE_EDGE_X_M, TABLE_HEIGHT_M, TABLE_WIDTH_M, TABLETOP
from sayso.spec import SaysoError
from sayso.tasks.household.layout import FINGER_ROOM_M, SCALES, held_out, place_item, room_m
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.words.kinds import EVERYDAY, OBJECT_COLOURS, Thing

_STREAM = 0x07E8  # keeps it independent of the scene drawn from the seed
ATTEMPTS, TRIES = 60, 100
TOUCHING_M = 0.005
"""Least room between two footprints at all."""
USUAL_GAP_M = 2 * FINGER_ROOM_M
"""Least room between the footprints of two things that training shows."""
CLEAR_OF_ARM_M = 0.13
"""How far from the fixed arm's foot things lie."""
MARGIN_M = 0.03

Spot = Callable[[np.random.Generator], tuple[float, float]]


def cluttered(task: HouseholdTask, count: int, gap_m: float, seed: int) -> HouseholdTask:
    """Return a task in whose scene so many things more lie.

    Args:
        task: what is asked; where it moves a thing, one of the others lies close to that.
        count: how many more.
        gap_m: how much room is left between the footprints of those two.
        seed: decides which things, and where.

    Raises:
        SaysoError: if there is no room for them, or they are in the way of what is asked wherever they lie.
    """
    rng = np.random.default_rng([_STREAM, seed])
    for attempt in range(ATTEMPTS):
        # Where things stand so that there is no room beside one, what is laid there comes closer to all.
        least_m = USUAL_GAP_M if attempt < ATTEMPTS // 4 else gap_m if attempt < ATTEMPTS // 2 else TOUCHING_M
        items, things = list(task.layout.items), dict(task.things)
        for number in range(count):
            thing = _another(rng, things)
            near = task.object_name if number == 0 else ""
            item = _laid(rng, task.world, thing, items, near, gap_m, least_m)
            if item is None:
                break
            items.append(item)
            things[thing.name] = thing
        found = replace(task, layout=replace(task.layout, items=tuple(items)), things=things)
        if len(items) == len(task.layout.items) + count and found.feasible():
            return found
    raise SaysoError(f"found no room for {count} more things in the scene of seed {seed} of {task.world}")


def _another(rng: np.random.Generator, things: Mapping[str, Thing]) -> Thing:
    """Draw a thing that training shows, and that is not in the scene yet."""
    while True:
        colour, kind = (
            OBJECT_COLOURS[rng.integers(len(OBJECT_COLOURS))],
            EVERYDAY[rng.integers(len(EVERYDAY))],
        )
        thing = Thing(colour, kind)
        if not held_out(thing) and thing.name not in things:
            return thing


def _laid(
    rng: np.random.Generator,
    world: str,
    thing: Thing,
    items: list[Item],
    near: str,
    gap_m: float,
    least_m: float,
) -> Item | None:
    """Return a thing at a free spot: anywhere, or so far from one that is named; None if there is none.

    From the others it keeps as far as training has it, but `least_m` is enough where one is named.
    """
    height_m = TABLE_HEIGHT_M if world == HOME else 0.0
    scale = float(rng.uniform(*SCALES))
    drawn = shape_of(place_item(thing, (0.0, 0.0, 0.0), scale=scale))
    beside = next((item for item in items if item.name == near), None)
    others = [item for item in items if item is not beside and not (beside and _lies_on(beside, item))]
    rooms = [(_room_m(thing, scale, i, least_m if beside else USUAL_GAP_M), i) for i in others]
    for _ in range(TRIES):
        if beside is None:
            x, y = SPOTS[world](rng)
        else:
            distance, angle = (
                drawn.radius_m + shape_of(beside).radius_m + gap_m,
                rng.uniform(-math.pi, math.pi),
            )
            x, y = (
                beside.position_m[0] + distance * math.cos(angle),
                beside.position_m[1] + distance * math.sin(angle),
            )
        free = all(math.dist((x, y), item.position_m[:2]) >= room for room, item in rooms)
        if free and ON_TABLE[world](x, y):
            yaw = float(rng.uniform(-math.pi, math.pi))
            return place_item(thing, (float(x), float(y), height_m), yaw, scale)
    return None


def _lies_on(thing: Item, place: Item) -> bool:
    """Tell whether a thing lies on a mat."""
    return math.dist(thing.position_m[:2], place.position_m[:2]) < shape_of(place).radius_m


def _room_m(thing: Thing, scale: float, other: Item, least_m: float) -> float:
    """Return how far apart the middles of two things must be, if so much between them is enough."""
    radii = shape_of(place_item(thing, (0.0, 0.0, 0.0), scale=scale)).radius_m + shape_of(other).radius_m
    return min(room_m(thing, scale, other), radii + least_m)


def _on_tabletop(x: float, y: float) -> bool:
    return 0.02 < x < 0.42 and abs(y) < 0.34 and math.hypot(x, y) > CLEAR_OF_ARM_M


def _on_low_table(x: float, y: float) -> bool:
    inner = TABLE_EDGE_X_M + MARGIN_M < x < TABLE_EDGE_X_M + TABLE_DEPTH_M - MARGIN_M
    return inner and abs(y) < TABLE_WIDTH_M / 2 - MARGIN_M


SPOTS: Mapping[str, Spot] = {
    TABLETOP: lambda rng: (float(rng.uniform(0.02, 0.42)), float(rng.uniform(-0.34, 0.34))),
    HOME: lambda rng: (
        TABLE_EDGE_X_M + float(rng.uniform(0.0, 0.25)),
        float(rng.uniform(-TABLE_WIDTH_M / 2, TABLE_WIDTH_M / 2)),
    ),
}
"""World -> where on its table more things may lie."""
ON_TABLE: Mapping[str, Callable[[float, float], bool]] = {TABLETOP: _on_tabletop, HOME: _on_low_table}
