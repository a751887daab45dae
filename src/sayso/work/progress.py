"""Progress of long work on the standard error: a bar where somebody watches, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
PLAIN_EVERY_S = 10.0
"""Seconds between lines where there is no terminal; what takes less says nothing there."""


def tracked(
    work: Sequence[T], what: str, /, *, size: Callable[[T], int] = lambda _: 1, every_s: float = PLAIN_EVERY_S
) -> Iterator[T]:
    """Yield the pieces of work, one after the other, and show how many are done.

    Args:
        work: the pieces.
        what: is done with them, such as ``measuring``.
        size: how much a piece counts.
        every_s: seconds between lines where there is no terminal.
    """
    console, done, total = Console(stderr=True), 0, sum(map(size, work))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    said = time.monotonic()
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        for piece in work:
            yield piece
            done += size(piece)
            bar.update(task, completed=done)
            if not console.is_terminal and time.monotonic() - said >= every_s:
                said = time.monotonic()
                console.print(f"{what}: {done} of {total}", markup=False, highlight=False, soft_wrap=True)


def counting(text: str, *, time_left: bool = True) -> Progress:
    """Return a bar on the standard error that counts pieces of work.

    Args:
        text: what stands behind the count, such as ``success {task.fields[rate]}``.
        time_left: show that as well.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    behind = TextColumn(text, markup=False)
    left = (TimeRemainingColumn(),) if time_left else ()
    return Progress(*columns, behind, *left, console=Console(stderr=True))
