"""Union of several recordings: what must be alike, and what is left out since only some have it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sayso.data.edit.columns import COUNTED, Columns, Picture
from sayso.data.info import camera_name
from sayso.robots import our_name
from sayso.spec import ACTION, STATE, Dimension, FeatureMismatchError

_KINDS = {STATE: "state", ACTION: "action"}


def together(roots: Sequence[Path], plans: Sequence[Columns]) -> tuple[list[Columns], tuple[str, ...]]:
    """Return the plans with what all of them have, and what is said of the rest.

    Raises:
        FeatureMismatchError: if robots, rates, numbers or cameras differ; it names all of them, and the flags
            that make them alike.
    """
    first = plans[0]
    wrong = [
        f"{roots[k]} and {roots[0]} differ: {'; '.join(found)}"
        for k, plan in enumerate(plans)
        if (found := _differences(plan, first))
    ]
    if wrong:
        raise FeatureMismatchError(
            f"{'. '.join(wrong)}. --rename-cameras, --drop-cameras, --dimensions, --rename-dimensions, "
            "--resize, --fps and --robot make them alike"
        )
    everywhere = set(first.entries).intersection(*(plan.entries for plan in plans[1:]))
    lonely = sorted({key for plan in plans for key in plan.entries if key not in everywhere | COUNTED})
    dimensions = {key: _with_units(key, plans) for key in first.dimensions}
    entries = {
        key: _with(entry, dimensions[key]) if key in dimensions else entry
        for key, entry in first.entries.items()
        if key in everywhere
    }
    remarks = [f"left out, since only some of the datasets have it: {', '.join(lonely)}"] if lonely else []
    return [
        dataclasses.replace(
            plan,
            robot=first.robot,
            entries=entries,
            dimensions=dimensions,
            vectors={key: vector for key, vector in plan.vectors.items() if key in everywhere},
            others={key: column for key, column in plan.others.items() if key in everywhere},
        )
        for plan in plans
    ], tuple(remarks)


def _differences(one: Columns, other: Columns) -> list[str]:
    """Say in short phrases what differs, and cannot be put together."""
    found = []
    if our_name(one.robot) != our_name(other.robot):
        found.append(
            f"the robot is {one.robot or 'without a name'!r} and {other.robot or 'without a name'!r}"
        )
    if one.fps != other.fps:
        found.append(f"{one.fps:g} and {other.fps:g} frames per second")
    for key, kind in _KINDS.items():
        names = [[d.name for d in plan.dimensions.get(key, ())] for plan in (one, other)]
        if names[0] != names[1]:
            found.append(f"the {kind} is {_listed(names[0])} and {_listed(names[1])}")
            continue
        units = [[d.unit for d in plan.dimensions.get(key, ())] for plan in (one, other)]
        for name, mine, theirs in zip(names[0], *units, strict=True):
            if mine and theirs and mine != theirs:
                found.append(f"{name} of the {kind} is in {mine} and in {theirs}")
    kept = [[_camera(key, p) for key, p in sorted(plan.pictures.items())] for plan in (one, other)]
    if kept[0] != kept[1]:
        found.append(f"the cameras are {_listed(kept[0])} and {_listed(kept[1])}")
    return found


def _camera(key: str, picture: Picture) -> str:
    """Say of a camera what must be alike."""
    kind = " in the rows" * (not picture.is_video) + " of depth" * picture.is_depth
    return f"{camera_name(key)} {picture.size[0]}x{picture.size[1]}{kind}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _with_units(key: str, plans: Sequence[Columns]) -> tuple[Dimension, ...]:
    """Return the dimensions of the first recording, each with the unit that one of them says."""
    every = [plan.dimensions[key] for plan in plans]
    return tuple(
        Dimension(name=same[0].name, unit=next((d.unit for d in same if d.unit), ""))
        for same in zip(*every, strict=True)
    )


def _with(entry: Mapping[str, Any], dimensions: Sequence[Dimension]) -> dict[str, Any]:
    units = [d.unit for d in dimensions]
    if not any(units):
        return dict(entry)
    return {**entry, "info": {**(entry.get("info") or {}), "units": units}}
