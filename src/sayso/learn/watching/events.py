r"""Moments of grasp and release, read off how far a hand is open.

opening   ------.                        .------
                 \                      /
                  \____________________/
moments            ^ closed            ^ about to open
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sayso.learn.watching.smoothing import median

Numbers = NDArray[np.float64]
CLOSED_SHARE = 0.35
"""A hand counts as closed below this share of the way from its smallest to its largest opening."""
SETTLED_SHARE = 0.10
"""Having closed, it may still open by this share of the way to its largest opening before it lets go."""
LEVEL_S = 0.5
"""For so long before it opens it tells how wide what is held keeps it: while it carries, that may drift."""
LEAST_CHANGE_M = 0.012
"""A hand that opens and shuts by less has not grasped."""
STEEP_S, LEAST_HELD_S, GENTLE = 0.15, 0.6, 0.4
"""Half the time over which a slope is taken; the least between a fall and a rise; the share of its steepest
below which a fall has ended."""


def moments(opening_m: Numbers, fps: float) -> tuple[int, int] | None:
    """Return the rows at which a hand has grasped and at which it lets go; None if it does neither.

    Both are the foot of the opening's slope. Where the path is stillest tells less: a hand that dwells before
    it opens stands still all that time.

    Args:
        opening_m: between the pads, ``[N]``.
        fps: rows a second.
    """
    opening = median(opening_m[:, None], 3)[:, 0]
    low, high = np.percentile(opening, (10, 90))
    if high - low < LEAST_CHANGE_M:
        return None
    start, stop = longest_run(opening < low + CLOSED_SHARE * (high - low))
    if stop - start < 2:
        return None
    held = float(np.median(opening[start:stop]))
    settled = held + SETTLED_SHARE * (high - held)
    grasp = start
    while grasp < stop - 1 and opening[grasp] > settled:
        grasp += 1
    held = float(np.median(opening[max(grasp + 1, stop - round(LEVEL_S * fps)) : stop]))
    settled = held + SETTLED_SHARE * (high - held)
    opens = stop - 1
    while opens > grasp + 1 and opening[opens] > settled:
        opens -= 1
    return grasp, opens


def edges(opening_m: Numbers, fps: float) -> tuple[int, int] | None:
    """Return the same as `moments` of an opening that drifts, as one camera's does: by its steepest parts.

    Of all pairs of a fall and a later rise, those are the grasp and the release that are steepest together.
    """
    opening = median(opening_m[:, None], 5)[:, 0]
    reach = max(1, round(STEEP_S * fps))
    padded = np.pad(opening, reach, mode="edge")
    slope = padded[2 * reach :] - padded[: -2 * reach]
    apart = max(2 * reach, round(LEAST_HELD_S * fps))
    if len(slope) <= apart:
        return None
    rises = np.maximum.accumulate(slope[::-1])[::-1][apart:]
    fall = int((rises - slope[: len(rises)]).argmax())
    rise = fall + apart + int(slope[fall + apart :].argmax())
    if min(-slope[fall], slope[rise]) < LEAST_CHANGE_M / 2:
        return None
    grasp = fall
    while grasp < rise - 1 and slope[grasp] < GENTLE * slope[fall]:
        grasp += 1
    opens = rise
    while opens > grasp + 1 and slope[opens] > GENTLE * slope[rise]:
        opens -= 1
    return grasp, opens


def longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true begins and ends, (0, 0) if there is none."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if len(starts) == 0:
        return 0, 0
    k = int((stops - starts).argmax())
    return int(starts[k]), int(stops[k])
