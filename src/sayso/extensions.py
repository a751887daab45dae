"""Entry points: registries of worlds, robots, models and objectives, to which other packages add rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar, cast

from sayso.spec import SaysoError, known

T = TypeVar("T")
Own = Mapping[str, T | Callable[[], T] | str]
"""Name of a row of ours -> the row, what makes it, or where it is, as ``module:name``."""


class Table(Mapping[str, T]):
    """Registry: rows by name, ours first; a row is made or imported when it is asked for."""

    def __init__(self, kind: str, group: str, row: type[T], own: Own[T]) -> None:
        """Begin with rows of our own.

        Args:
            kind: what a row is, for a person: world, robot, model, objective.
            group: entry points under which packages offer more, such as ``sayso.worlds``.
            row: the class of every row.
            own: ours; no package can take their place.
        """
        self.kind, self.group, self.row, self.own = kind, group, row, own

    def __iter__(self) -> Iterator[str]:
        """Yield every name."""
        yield from self.own
        yield from (name for name in _offered(self.group) if name not in self.own)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(list(iter(self)))

    def __getitem__(self, name: str) -> T:
        """Return a row.

        Raises:
            UnknownNameError: if there is none of that name, with the nearest that is.
            SaysoError: if it comes from a package that is broken.
        """
        known(self.kind, name, self)
        found = self.own.get(name) or _offered(self.group)[name]
        if isinstance(found, self.row):
            return found
        if isinstance(found, str):
            found = EntryPoint(name, found, self.group)
        return self._imported(found) if isinstance(found, EntryPoint) else cast(Callable[[], T], found)()

    def _imported(self, point: EntryPoint) -> T:
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise SaysoError(
                f"the {self.kind} {point.name!r} cannot be loaded from {point.value}: {error}. Install the "
                "package that offers it again"
            ) from error
        if not isinstance(found, self.row):
            raise SaysoError(f"{point.value} is no {self.row.__name__} but a {type(found).__name__}")
        if (name := getattr(found, "name", point.name)) != point.name and is_dataclass(found):
            raise SaysoError(
                f"{point.value} calls itself {name!r}, but its package offers it as {point.name!r}"
            )
        return found


@cache
def _offered(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages offer under a group of entry points."""
    return {point.name: point for point in entry_points(group=group)}
