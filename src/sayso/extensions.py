"""Entry points: rows that other packages add to our tables of worlds, robots, models and objectives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from sayso.spec import SaysoError

T = TypeVar("T")


@cache
def offered(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages offer under a group of entry points, such as ``sayso.worlds``."""
    return {point.name: point for point in entry_points(group=group)}


def loaded(kind: str, point: EntryPoint, row: type[T]) -> T:
    """Import what an entry point names.

    Args:
        kind: what it is, for a person: world, robot, model, objective.
        point: where it is.
        row: the class that it must be of.

    Raises:
        SaysoError: if the package that offers it is broken.
    """
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise SaysoError(
            f"the {kind} {point.name!r} cannot be loaded from {point.value}: {error}. Install the package "
            "that offers it again"
        ) from error
    if not isinstance(found, row):
        raise SaysoError(f"{point.value} is no {row.__name__} but a {type(found).__name__}")
    return found
