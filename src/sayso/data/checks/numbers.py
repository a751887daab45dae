"""Numbers of a recording: those that are none, that lie far from all others, or that jump."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence, Floats
from sayso.data.checks.finding import Finding, error, many, warning
from sayso.data.checks.joints import WORD, is_joint, shared
from sayso.data.looks import WILD
from sayso.spec import ACTION, STATE

FEW = 0.001
"""Share of frames up to which far values are outliers; above it they are how the robot moves."""
JUMP, UNUSUAL = 0.5, 5.0
"""Size of a jump: as a share of the number's range, and times what all but a fiftieth stay below."""


def not_finite(e: Evidence) -> Iterator[Finding]:
    """Find numbers that are none, or larger than any sensor can mean."""
    for key, values in e.vectors.items():
        for k, name in enumerate(e.names(key)):
            rows = np.flatnonzero(~(np.abs(values[:, k]) < WILD) & ~e.told)
            if len(rows):
                yield error(
                    f"is {values[rows[0], k]:g} ({many(len(rows), 'such frame')})",
                    name=f"{WORD[key]} {name}",
                    remedy=remedies.drop_episodes(e, e.place(rows)["episodes"]),
                    **e.place(rows),
                )


def outliers(e: Evidence) -> Iterator[Finding]:
    """Find a few values that lie further off than the whole range of all others is wide."""
    for key, values in e.numbers.items():
        for k, name in enumerate(e.names(key)):
            low, high = bounds(values[:, k])
            rows = np.flatnonzero((values[:, k] < low) | (values[:, k] > high))
            if len(rows):
                yield warning(
                    f"is {values[rows[0], k]:.4g}, but all others lie between {low:.4g} and {high:.4g} "
                    f"({many(len(rows), 'such frame')})",
                    name=f"{WORD[key]} {name}",
                    remedy=remedies.drop_episodes(e, e.place(rows)["episodes"]),
                    **e.place(rows),
                )


def bounds(column: Floats) -> tuple[float, float]:
    """Return between what all values lie but a few, if those lie far off; else the lowest and the highest."""
    ordered = np.sort(column[np.isfinite(column)])
    few = min(len(ordered) // 4, max(2, int(FEW * len(ordered))))
    if not few:
        return -np.inf, np.inf
    first, last = 0, len(ordered) - 1
    core = ordered[-few - 1] - ordered[few]
    for k in range(few):
        if core > 0 and ordered[k + 1] - ordered[k] > core:
            first = k + 1
        if core > 0 and ordered[-k - 1] - ordered[-k - 2] > core:
            last = len(ordered) - k - 2
    return float(ordered[first]), float(ordered[last])


def jumps(e: Evidence) -> Iterator[Finding]:
    """Find joints that jump from one frame to the next, and targets far from where the joint is."""
    begins = np.zeros(len(e), np.bool_)
    begins[e.starts] = True
    joints = [(name, s, a) for name, s, a in shared(e) if is_joint(e, name)]
    for name, s, a in joints:
        state, action = e.numbers[STATE][:, s], e.numbers[ACTION][:, a]
        state, action = _without_outliers(state), _without_outliers(action)
        width = max(e.widths[STATE][s], e.widths[ACTION][a])
        told = np.zeros(len(e), np.bool_)
        for what, column in (("state", state), ("action", action)):
            steps = np.where(begins, 0, np.diff(column, prepend=column[:1]))
            rows = _unusual(steps, width)
            told[rows] = True
            if len(rows):
                yield _jump(e, rows, steps, f"{what} {name}", column)
        rows = _unusual(np.where(told, 0, action - state), width)
        if len(rows):
            yield warning(
                f"asks for {action[rows[0]]:.4g} while the joint stands at {state[rows[0]]:.4g} "
                f"({many(len(rows), 'such frame')})",
                name=f"action {name}",
                remedy=remedies.drop_episodes(e, e.place(rows)["episodes"]),
                **e.place(rows),
            )


def _without_outliers(column: Floats) -> Floats:
    """Return values with NaN for those that have been told to be far from all others."""
    low, high = bounds(column)
    return np.where((column < low) | (column > high), np.nan, column)


def _jump(e: Evidence, rows: NDArray[np.int64], steps: Floats, name: str, column: Floats) -> Finding:
    row = int(rows[0])
    turn = next((t for t in (360.0, 2 * np.pi) if abs(abs(steps[row]) - t) < 0.05 * t), None)
    why = "as an angle does that starts again after a whole turn" if turn else "faster than a joint can"
    return warning(
        f"jumps from {column[row - 1]:.4g} to {column[row]:.4g} within one frame, {why} "
        f"({many(len(rows), 'such frame')})",
        name=name,
        remedy=remedies.drop_episodes(e, e.place(rows)["episodes"]),
        **e.place(rows),
    )


def _unusual(values: Floats, width: float) -> NDArray[np.int64]:
    """Return the few rows in which something is large, both for its range and for its custom."""
    sizes = np.abs(np.nan_to_num(values))
    usual = float(np.quantile(sizes, 0.98)) if len(sizes) else 0.0
    rows = np.flatnonzero(sizes > max(JUMP * width, UNUSUAL * usual)) if width > 0 else np.zeros(0, np.int64)
    return rows if len(rows) <= max(3, 0.005 * len(sizes)) else rows[:0]
