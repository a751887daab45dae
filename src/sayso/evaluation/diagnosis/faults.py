"""Table of faults of convention, one row each: its name, what would correct it, and what to do about it.

A row's corrections are what could be wrong in particular: which camera, which of two units, which order. They
are tried in the order of the table, and of two that do as well the one that comes first is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sayso.data.statistics import Stats
from sayso.evaluation.diagnosis.correction import (
    Correction,
    exchanged,
    in_order,
    later_pictures,
    numbers,
    paced,
    pictures,
    restandardised,
    shifted,
)
from sayso.evaluation.diagnosis.shown import Demonstrations
from sayso.spec import STATE, Array, Dimension, Image

ANGLES = ("deg", "rad")
MOST_CAMERAS = 3
"""Cameras that are tried one by one; of more, only all together."""
Stated = Mapping[str, Stats]
"""Statistics that a policy keeps."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Convention in which a policy and what it drives may differ."""

    name: str
    says: str
    """What is wrong then."""
    remedy: str
    """What to do about it."""
    corrections: Callable[[Demonstrations, Stated], Iterator[Correction]]


def _cameras(there: Demonstrations) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the cameras that may be wrong together, and how they are called."""
    names = tuple(there.features.cameras)
    yield ("every picture" if len(names) > 1 else f"camera {names[0]}", names) if names else ("", ())
    if 1 < len(names) <= MOST_CAMERAS:
        yield from ((f"camera {name}", (name,)) for name in names)


def _channels(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    for called, cameras in _cameras(there):
        yield pictures(f"red and blue of {called} exchanged", cameras, lambda image: image[..., ::-1])


def _swapped(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    sizes = there.features.cameras
    yield from (exchanged(*pair) for pair in combinations(sizes, 2) if sizes[pair[0]] == sizes[pair[1]])


def _turned(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    ways: Mapping[str, Callable[[Image], Image]] = {
        "turned by 180 degrees": lambda image: image[::-1, ::-1],
        "flipped top to bottom": lambda image: image[::-1],
    }
    for called, cameras in _cameras(there):
        yield from (pictures(f"{called} {way}", cameras, change) for way, change in ways.items())


def _units(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    state, action = (_angles(d) for d in (there.features.state, there.features.action))
    if not state.any() and not action.any():
        return
    for factor, known, given in (
        (180 / math.pi, "degrees", "radians"),
        (math.pi / 180, "radians", "degrees"),
    ):
        see, say = _times(state, factor), _times(action, 1 / factor)
        yield numbers(f"{given} of state and action made {known}", see, say)
        yield numbers(f"{given} of the state made {known}", see, None)
        yield numbers(f"{given} of the action made {known}", None, say)


def _angles(dimensions: tuple[Dimension, ...]) -> NDArray[np.bool_]:
    """Tell which numbers are angles: those that say so, or where none says anything all but the gripper."""
    silent = not any(d.unit for d in dimensions)
    return np.array([d.unit in ANGLES or (silent and not _grips(d)) for d in dimensions], bool)


def _grips(d: Dimension) -> bool:
    return "grip" in d.name or d.unit == "%"


def _times(which: NDArray[np.bool_], factor: float) -> Callable[[Array], Array]:
    factors = np.where(which, factor, 1).astype(np.float32)
    return lambda values: np.asarray(values, np.float32) * factors


def _gripper(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    state = _mirrored(there.features.state, there.states)
    action = _mirrored(there.features.action, there.actions)
    if state and action:
        yield numbers("gripper turned round in state and action", state, action)
    if action:
        yield numbers("gripper turned round in the action", None, action)
    if state:
        yield numbers("gripper turned round in the state", state, None)


def _mirrored(dimensions: tuple[Dimension, ...], stats: Stats) -> Callable[[Array], Array] | None:
    """Return what exchanges a gripper's open and closed; None if there is no gripper."""
    which = np.array([_grips(d) for d in dimensions], bool)
    if not which.any():
        return None
    sums = [100.0 if d.unit == "%" else stats.min[k] + stats.max[k] for k, d in enumerate(dimensions)]
    ends = np.array(sums, np.float32)
    return lambda values: np.where(which, ends - values, values).astype(np.float32)


def _order(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    size, names = len(there.features.state), there.features.state_names
    if size < 2:
        return
    tried = {tuple(range(size))}
    orders = []
    if STATE in stats:
        by_range = _by_range(there.states, stats[STATE])
        orders = [(f"sorted by their ranges, {', '.join(names[k] for k in by_range)},", by_range)]
    orders += [(f"moved on by {k}", tuple(np.roll(range(size), k).tolist())) for k in range(1, size)]
    orders += [("from back to front", tuple(range(size))[::-1])]
    for one, other in combinations(range(size), 2):
        swapped = list(range(size))
        swapped[one], swapped[other] = other, one
        orders.append((f"{names[one]} and {names[other]} exchanged", tuple(swapped)))
    for what, order in orders:
        if order not in tried:
            tried.add(order)
            yield in_order(f"numbers of the state {what}", order)


def _by_range(found: Stats, kept: Stats) -> tuple[int, ...]:
    """Return the order of numbers whose ranges are most like those that a policy keeps.

    It begins with the order that is, and exchanges the two that gain most, until nothing is gained.
    """
    here = np.array([found.q01, found.mean, found.q99]).T
    there = np.array([kept.q01, kept.mean, kept.q99]).T
    cost = np.abs(here[:, None] - there[None]).sum(-1) / (np.array(kept.std) + 1e-6)
    order = list(range(len(here)))

    def gain(pair: tuple[int, int]) -> float:
        i, j = pair
        return float(cost[order[i], i] + cost[order[j], j] - cost[order[j], i] - cost[order[i], j])

    while True:
        i, j = max(combinations(range(len(order)), 2), key=gain)
        if gain((i, j)) <= 1e-9:
            return tuple(order)
        order[i], order[j] = order[j], order[i]


def _chunk(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    yield from map(shifted, (1, -1, 2, -2))


def _rate(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    yield from map(paced, (2, 1 / 2, 3 / 2, 2 / 3, 3, 1 / 3))


def _late(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    yield Correction(what="pictures of a step later", see=later_pictures)
    yield Correction(what="pictures and numbers of a step later", see=lambda look: look.later)


def _statistics(there: Demonstrations, stats: Stated) -> Iterator[Correction]:
    if correction := restandardised(stats, there):
        yield correction


FAULTS: tuple[Fault, ...] = (
    Fault(
        name="channels",
        says="red and blue of the pictures are exchanged (BGR for RGB)",
        remedy="turn them where they are taken: OpenCV delivers BGR; cv2.cvtColor(image, cv2.COLOR_BGR2RGB)",
        corrections=_channels,
    ),
    Fault(
        name="cameras",
        says="two cameras are exchanged",
        remedy="exchange their names or plugs, or say --rename A=B B=A with the names that they have",
        corrections=_swapped,
    ),
    Fault(
        name="upside down",
        says="a picture stands on its head",
        remedy="turn the camera, or its picture where it is taken; a renderer's first row may be the lowest",
        corrections=_turned,
    ),
    Fault(
        name="units",
        says="angles are in another unit, degrees for radians",
        remedy="name the unit that they have, in the recording or with --units of sayso train and sayso run",
        corrections=_units,
    ),
    Fault(
        name="gripper",
        says="the gripper is turned round: open is closed",
        remedy="let it go the other way in the driver or its calibration: 0 is closed and 100 open here",
        corrections=_gripper,
    ),
    Fault(
        name="state order",
        says="the numbers of the state come in another order",
        remedy="sort them by the names in the policy's config.json, features.state",
        corrections=_order,
    ),
    Fault(
        name="chunk",
        says="chunks of actions lie a step beside the pictures they answer",
        remedy="let row 0 of a chunk be what is done at the very frame that it was asked about",
        corrections=_chunk,
    ),
    Fault(
        name="rate",
        says="actions come at another rate than the policy learned",
        remedy="run at the rate of the recordings (fps in config.json), or record and train at this one",
        corrections=_rate,
    ),
    Fault(
        name="late",
        says="what the policy sees is a frame too late",
        remedy="read the newest frame: empty the camera's buffer, and take pictures and joints at one time",
        corrections=_late,
    ),
    Fault(
        name="statistics",
        says="the policy keeps the statistics of another dataset",
        remedy="take stats.json from the training that made the weights, not from another recording",
        corrections=_statistics,
    ),
)
