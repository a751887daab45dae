"""Sampling of pictures: at which of an episode to look, and what they tell of the camera.

|  x     x    xxxxxxxx   x     x      x  x  x |
   spread     where it moves          frames that weigh next to nothing: both ends, middle
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sayso.data.checks.evidence import Evidence, Floats, Span
from sayso.spec import Array

SPREAD, IN_A_ROW, STRETCHES = 6, 13, 3
"""Pictures to look at: over all of an episode, where the robot moves most; and stretches to look into."""
SAME = 5.0
"""Grey levels up to which each cell of two pictures may differ that show the same: coders are not exact."""
BLACK, PLAIN = 10.0, 1.5
"""Mean up to which a picture without contrast is black, and spread up to which it has no contrast."""
MOVED, STIRRED = 0.1, 0.03
"""Shares of its range that a number must move before a camera must see something of it: at all, and from one
picture to the next, where it is held against what is seen of the others."""
EVEN, PLAINLY, DOUBLED = 0.3, 15.0, 0.25
"""Pictures are called doubled where a share of neighbours are the same, and the others change by much, most
of them by a share of the largest change: where a robot creeps, coders leave out what little changes."""
FROZEN_S = 1.0


@dataclass(kw_only=True)
class Seen:
    """What was seen of one camera; episodes with the first frame in question."""

    black: dict[int, int] = field(default_factory=dict)
    plain: dict[int, int] = field(default_factory=dict)
    frozen: dict[int, int] = field(default_factory=dict)
    """The same picture from beginning to end."""
    stopped: dict[int, tuple[int, float]] = field(default_factory=dict)
    """The same picture for so many seconds."""
    doubled: dict[int, float] = field(default_factory=dict)
    """Share of neighbouring pictures that are the same while the robot moves, where that is plain."""
    moving: int = 0
    """Episodes in which neighbours were seen while the robot moved."""
    drift_s: float = 0.0
    """How far pictures are from the times in the table of episodes."""

    def look(self, e: Evidence, span: Span, steps: Sequence[int], pictures: Iterable[Array]) -> None:
        """Take in the pictures of an episode at ascending steps, as cells ``[h, w]``."""
        moved = e.moving[span.start : span.stop]
        dark, plain, change = [], [], []
        before: Array | None = None
        for cells in pictures:
            plain.append(float(cells.std()) < PLAIN)
            dark.append(plain[-1] and float(cells.mean()) < BLACK)
            change.append(np.inf if before is None else float(np.abs(cells - before).max()))
            before = cells
        if all(dark):
            self.black[span.index] = steps[0]
        elif all(plain):
            self.plain[span.index] = steps[0]
        else:
            self._stillness(e, span, steps, np.array(change), moved)

    def _stillness(
        self, e: Evidence, span: Span, steps: Sequence[int], change: Floats, moved: Floats
    ) -> None:
        """Find out whether pictures stay as they were; `change` is how each differs from the one before."""
        begins, ends = _acting(moved)
        for first, last in _runs(change <= SAME):
            a, b = steps[first], steps[last]
            if _farthest(moved[a : b + 1]) < MOVED:
                continue
            if first == 0 and last == len(steps) - 1:
                self.frozen[span.index] = a
                continue
            # Nothing is to be seen while somebody presses a key, before the first motion and after the last.
            a, b = max(a, begins), min(b, ends)
            if b - a >= FROZEN_S * e.fps:
                longest = self.stopped.get(span.index, (0, 0.0))
                self.stopped[span.index] = max(longest, (a, (b - a) / e.fps), key=lambda one: one[1])
        if span.index in self.frozen or span.index in self.stopped:
            return
        neighbours = [
            float(change[k + 1])
            for k in np.flatnonzero(np.diff(steps) == 1).tolist()
            if begins <= steps[k] < ends
            and _farthest(moved[max(0, steps[k] - IN_A_ROW) : steps[k + 1] + IN_A_ROW]) >= STIRRED
        ]
        self.moving += bool(neighbours)
        changed = [one for one in neighbours if one > SAME] or [0.0]
        if np.quantile(changed, 0.25) > max(PLAINLY, EVEN * np.quantile(changed, 0.9)):
            share = 1 - len(changed) / len(neighbours)
            self.doubled |= {span.index: share} if share > DOUBLED else {}


def steps_to_see(e: Evidence, span: Span, empty: NDArray[np.bool_] | None = None) -> list[int]:
    """Return at which steps of an episode to look, ascending.

    Args:
        e: what was read of the dataset.
        span: the episode.
        empty: of which frames the coder wrote next to nothing, if that is known.
    """
    if e.asked.all_frames:
        return list(range(len(span)))
    last = len(span) - 1
    steps = set(np.linspace(0, last, min(SPREAD, len(span))).round().astype(int).tolist())
    middle = _most_moved(e.moving[span.start : span.stop])
    first = max(0, min(middle - IN_A_ROW // 2, last - IN_A_ROW + 1))
    steps |= set(range(first, min(first + IN_A_ROW, last + 1)))
    for a, b in sorted(_runs(empty) if empty is not None else (), key=lambda run: run[0] - run[1])[
        :STRETCHES
    ]:
        if b - a >= FROZEN_S * e.fps:
            steps |= {a, a + 1, (a + b) // 2, b - 1, b}
    return sorted(steps)


def _farthest(rows: Floats) -> float:
    known = rows[np.isfinite(rows).all(1)]
    return float(np.ptp(known, axis=0).max(initial=0.0)) if len(known) else 0.0


def _acting(rows: Floats) -> tuple[int, int]:
    """Return the first and the last frame of an episode that do not idle at one of its ends."""
    known = np.nan_to_num(rows)
    first, last = (np.flatnonzero((np.abs(known - end) > STIRRED).any(1)) for end in (known[:1], known[-1:]))
    return (int(first[0]) if len(first) else len(rows) - 1), (int(last[-1]) if len(last) else 0)


def _most_moved(rows: Floats) -> int:
    if len(rows) < 2 or not rows.shape[1]:
        return 0
    speed = np.nan_to_num(np.abs(np.diff(rows, axis=0))).max(1)
    return int(np.argmax(np.convolve(speed, np.ones(IN_A_ROW), "same")))


def _runs(same: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last place of each run in which every place but the first is the same as before."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]])))
    return [(max(0, int(a) - 1), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
