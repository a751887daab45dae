"""Finding: one thing that is wrong with a dataset, where, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """Weight of a finding."""

    ERROR = "error"
    """Cannot be trained on, or lies: a number that is none, a picture of another moment."""
    WARNING = "warning"
    """Look at it: most likely a fault, but a person must judge."""
    NOTE = "note"
    """Good to know; nothing need be done."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    severity: Severity
    says: str
    """What is wrong, in words that follow the place: ``is nan in 12 frames``."""
    episodes: tuple[int, ...] = ()
    """By the numbers that they have in the dataset; none if it is about all of it."""
    frame: int | None = None
    """Within the first of the episodes."""
    name: str = ""
    """Of the dimension, the camera or the file, if it is about one."""
    remedy: str = ""
    """What to do: a command to copy where there is one."""
    check: str = ""
    """Which check found it, by its name in the table."""

    @property
    def line(self) -> str:
        """Return place and fault as one line."""
        frame = "" if self.frame is None else f"{'first ' * (len(self.episodes) > 1)}frame {self.frame}"
        place = ", ".join(filter(None, (counted(self.episodes), frame, self.name)))
        return f"{place}: {self.says}" if place else self.says

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and texts."""
        return {**vars(self), "severity": str(self.severity), "episodes": list(self.episodes)}


def error(says: str, **more: Any) -> Finding:
    """Return a finding that must be mended before training."""
    return Finding(severity=Severity.ERROR, says=says, **more)


def warning(says: str, **more: Any) -> Finding:
    """Return a finding that a person should look at."""
    return Finding(severity=Severity.WARNING, says=says, **more)


def note(says: str, **more: Any) -> Finding:
    """Return a finding that is good to know."""
    return Finding(severity=Severity.NOTE, says=says, **more)


def counted(episodes: Sequence[int], most: int = 6) -> str:
    """Name episodes: ``episode 3``, ``episodes 3, 7-9 and 12 more``."""
    if len(episodes) < 2:
        return f"episode {episodes[0]}" if episodes else ""
    spans = runs(episodes)
    left = sum(last - first + 1 for first, last in spans[most:])
    return f"episodes {written(spans[:most], ', ')}" + (f" and {left} more" if left else "")


def many(count: int, what: str) -> str:
    """Return a number and what it counts: ``1 such frame``, ``3 such frames``."""
    return f"{count} {what}{'s' * (count != 1)}"


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return numbers as runs without a gap: 3, 7, 8, 9 -> (3, 3), (7, 9)."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def written(spans: Iterable[tuple[int, int]], between: str) -> str:
    """Write runs as people and flags do: ``3,7-9``."""
    return between.join(f"{first}-{last}" if last > first else str(first) for first, last in spans)
