"""Object placement: things scattered so that every one can be seen and reached and none touches another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sayso.sim.kinematics import ArmKinematics
from sayso.sim.objects import MESHES, SETS, SHAPES, WHITE, Item, shape_of
from sayso.sim.robots import REST_RAD, gripper_rad
from sayso.spec import SaysoError, known
from sayso.tasks.household.motions.motion import CLOSING_AT_REST_RAD, OPEN, TILT_RAD
from sayso.tasks.household.variant import Variant
from sayso.tasks.household.words.kinds import (
    COLOURS,
    HELD_OUT_KINDS,
    HELD_OUT_PAIRS,
    MOVABLE,
    OBJECT_COLOURS,
    Place,
    Thing,
    as_drawn,
)

Spot = tuple[float, float, float]
"""x and y in metres and a heading in radians."""

FINGER_ROOM_M = 0.026
"""Free space around a graspable thing, so that an open jaw fits between it and its neighbour."""
SCALES = (1.0, 1.2)
"""Smallest and largest size of a graspable thing, relative to its kind's."""


class NoRoomError(SaysoError):
    """Things that do not fit on a surface together."""


@dataclass(frozen=True)
class Demand:
    """What a scene must offer."""

    row: Variant
    things: str = "train"
    """Which things may be asked for, by a name of `OBJECTS`."""

    @property
    def objects(self) -> tuple[str, ...]:
        """Return the kinds that may be asked for; none if nothing is to be moved."""
        return self.row.sentences.objects

    @property
    def places(self) -> tuple[str, ...]:
        """Return the kinds of place they may be brought to."""
        return self.row.sentences.places

    def shows(self, thing: Thing) -> bool:
        """Tell whether this scene may ask for a thing."""
        return OBJECTS[self.things].named(thing)


def held_out(thing: Thing) -> bool:
    """Tell whether a thing is kept from every training set."""
    return thing.kind in HELD_OUT_KINDS or (thing.colour, thing.kind) in HELD_OUT_PAIRS


def from_mesh(thing: Thing) -> bool:
    """Tell whether a thing is made of a mesh; no training set shows one."""
    return thing.kind in MESHES


def _shown(thing: Thing) -> bool:
    """Tell whether training shows a thing."""
    return not held_out(thing) and not from_mesh(thing)


@dataclass(frozen=True)
class Choice:
    """Which things a scene may ask for, and which stand beside them."""

    named: Callable[[Thing], bool]
    beside: Callable[[Thing], bool] = _shown


OBJECTS: Mapping[str, Choice] = {
    "train": Choice(_shown),
    "heldout": Choice(held_out),
    "pairs": Choice(lambda thing: (thing.colour, thing.kind) in HELD_OUT_PAIRS),
    "kinds": Choice(lambda thing: thing.kind in HELD_OUT_KINDS),
    "meshes": Choice(from_mesh),
    "meshes alone": Choice(from_mesh, beside=from_mesh),
    "any": Choice(lambda thing: not held_out(thing)),
}
"""Which things may be asked for: those of training; what no training set shows of the same sorts, and its two
halves, pairs of colour and kind of which it shows each, and kinds; things from meshes, beside everyday ones
or each other. ``any`` is whatever may be named in a scene that stands there."""


def moves(row: Variant, things: str) -> bool:
    """Tell whether a row can be asked of any of some things, a name of `OBJECTS`."""
    named = OBJECTS[things].named
    return any(named(as_drawn(colour, kind)) for kind in row.sentences.objects for colour in OBJECT_COLOURS)


def require(things: str) -> None:
    """Do nothing if some things, a name of `OBJECTS`, are installed.

    Raises:
        UnknownNameError: if there is no such name.
        MissingMeshesError: if they are not, with what to type.
    """
    named = OBJECTS[known("objects", things, OBJECTS)].named
    for one in SETS:
        if things != "any" and any(named(Thing("", kind)) for kind in one.kinds):
            one.require()


def draw_objects(rng: np.random.Generator, demand: Demand, count: int = 3) -> list[Thing]:
    """Draw different things to grasp, as many of which as are needed are of kinds that may be asked for.

    Now and then two share a colour, so that only the kind tells them apart.
    """
    wanted = [kind for kind in demand.objects if kind in MOVABLE] or list(MOVABLE)
    movable_places = [kind for kind in demand.places if kind in MOVABLE]
    found: list[Thing] = []
    shared = rng.random() < SAME_COLOUR_SHARE
    colours = [str(colour) for colour in rng.permutation(OBJECT_COLOURS)[:count]]
    if shared:
        colours[-1] = colours[0]
    for i, colour in enumerate(colours):
        pool = movable_places if movable_places and i == 1 else wanted if i < 2 else list(MOVABLE)
        choice = OBJECTS[demand.things]
        shown = choice.beside if i else choice.named
        allowed = [thing for thing in _in_colour(colour, tuple(pool), shown) if thing not in found]
        if not allowed:  # this colour has nothing to offer; another scene will
            return draw_objects(rng, demand, count)
        found.append(allowed[rng.integers(len(allowed))])
    return found


SAME_COLOUR_SHARE = 0.25


@functools.cache
def _in_colour(colour: str, kinds: tuple[str, ...], shown: Callable[[Thing], bool]) -> tuple[Thing, ...]:
    """Return things of some kinds in a colour, as far as they are shown; a search asks thousands of times."""
    return tuple(thing for kind in kinds if shown(thing := as_drawn(colour, kind)))


def draw_places(rng: np.random.Generator, kinds: Sequence[str]) -> list[Place]:
    """Draw one container of each kind, of different colours."""
    return [Place(str(c), kind) for c, kind in zip(rng.permutation(OBJECT_COLOURS), kinds, strict=False)]


def scatter(
    rng: np.random.Generator,
    things: Sequence[Thing],
    spot: Callable[[np.random.Generator, Thing], Spot],
    height_m: float,
) -> list[Item]:
    """Place things one after another at random spots that leave room, all standing at one height.

    Raises:
        NoRoomError: if twenty fresh starts found no arrangement; the region is too small for the things.
    """
    for _ in range(20):
        items: list[Item] = []
        for thing in sorted(things, key=lambda thing: -SHAPES[thing.kind].radius_m):
            scale = float(rng.uniform(*SCALES)) if SHAPES[thing.kind].movable else 1.0
            rooms = [(room_m(thing, scale, other), other.position_m) for other in items]
            for _ in range(50):
                x, y, yaw = spot(rng, thing)
                if all(np.hypot(x - there[0], y - there[1]) >= need for need, there in rooms):
                    items.append(place_item(thing, (x, y, height_m), yaw, scale))
                    break
            else:
                break
        if len(items) == len(things):
            return items
    raise NoRoomError(
        f"found no room for {', '.join(thing.name for thing in things)}; give them a larger region"
    )


def place_item(
    thing: Thing, position_m: tuple[float, float, float], yaw_rad: float = 0.0, scale: float = 1.0
) -> Item:
    """Return the item of a thing at a position."""
    rgb = COLOURS.get(thing.colour, WHITE)
    return Item(
        name=thing.name, kind=thing.kind, rgb=rgb, position_m=position_m, yaw_rad=yaw_rad, scale=scale
    )


@dataclass(frozen=True, kw_only=True)
class Postures:
    """Where the hand may be when an episode begins as after an earlier task; see `draw_posture`."""

    reach_m: tuple[float, float]
    side_rad: float
    height_m: tuple[float, float]

    def draw(self, rng: np.random.Generator) -> tuple[float, ...]:
        """Draw start joints."""
        return draw_posture(rng, self.reach_m, self.side_rad, self.height_m)


def draw_posture(
    rng: np.random.Generator, reach_m: tuple[float, float], side_rad: float, height_m: tuple[float, float]
) -> tuple[float, ...]:
    """Draw start joints with the hand open somewhere over the workspace, as after an earlier task.

    Args:
        rng: source of the draw.
        reach_m: nearest and farthest distance of the hand from the arm's base, seen from above.
        side_rad: largest angle to the left and right.
        height_m: lowest and highest height over the arm's base.
    """
    radius, angle = rng.uniform(*reach_m), rng.uniform(-side_rad, side_rad)
    target = np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(*height_m)])
    closing = CLOSING_AT_REST_RAD + rng.uniform(-0.8, 0.8) + angle
    joints = np.array(REST_RAD)
    for _ in range(5):
        joints[:5] = _kinematics().solve(joints, target, TILT_RAD, closing)
    joints[5] = gripper_rad(OPEN)
    return tuple(float(angle) for angle in joints)


def hand_m(posture: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return where the hand is at joint angles, [3], from the arm's base."""
    return _kinematics().forward(np.array(posture))[0]


def room_m(thing: Thing, scale: float, other: Item) -> float:
    """Return how far apart the middles of a thing at a scale and of another must be."""
    first, second = shape_of(place_item(thing, (0.0, 0.0, 0.0), scale=scale)), shape_of(other)
    room = FINGER_ROOM_M * (first.movable + second.movable)
    return first.radius_m + second.radius_m + max(room, 0.01)


@functools.cache
def _kinematics() -> ArmKinematics:
    return ArmKinematics()
