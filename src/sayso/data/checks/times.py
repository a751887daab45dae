"""Times of rows: whether they come as regularly as the dataset says they do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding, error, many, warning
from sayso.data.statistics import Integers
from sayso.data.video import TOLERANCE_S

GAP = 1.5
"""Frame times from which on something is missing between two rows."""
OTHER_RATE = 0.02
"""Share by which the rate of the rows may differ from the one that is said."""


def timestamps(e: Evidence) -> Iterator[Finding]:
    """Find gaps, drift, times that run backwards, and another rate than is said."""
    if e.timestamps is None or not np.isfinite(e.fps):
        return
    times, frame_s = e.timestamps, 1 / e.fps
    steps = np.diff(times, prepend=times[:1])
    steps[e.starts] = frame_s
    inner = np.delete(steps, e.starts)
    usual = float(np.median(inner)) if len(inner) else frame_s
    if usual > 0 and abs(usual / frame_s - 1) > OTHER_RATE:
        yield error(
            f"rows come at {1 / usual:.4g} per second by their time stamps, but meta/info.json says "
            f"{e.fps:g} frames per second",
            remedy="correct fps in meta/info.json, if the time stamps are right; or record again",
        )
        return
    back = np.flatnonzero(~(steps > 0))
    if len(back):
        yield error(
            f"its time stamp {times[back[0]]:.4f} s does not come after {times[back[0] - 1]:.4f} s, that "
            f"of the frame before ({many(len(back), 'such frame')})",
            remedy=remedies.drop_episodes(e, e.place(back)["episodes"]),
            **e.place(back),
        )
    gaps = np.flatnonzero(steps > GAP * frame_s)
    if len(gaps):
        yield warning(
            f"{steps[gaps[0]]:.3g} s pass before it, not {frame_s:.3g} s: frames were lost while recording "
            f"({many(len(gaps), 'such gap')}, the longest {steps[gaps].max():.3g} s)",
            remedy=remedies.drop_episodes(e, e.place(gaps)["episodes"]),
            **e.place(gaps),
        )
    yield from _drift(e, times, np.concatenate([back, gaps]))


def _drift(e: Evidence, times: np.ndarray, told: Integers) -> Iterator[Finding]:
    """Find rows whose time stamp is not that of their number, in stretches without gaps."""
    lengths = np.diff([*e.starts.tolist(), len(e)])
    off = times - (np.arange(len(e)) - np.repeat(e.starts, lengths)) / e.fps
    owners = np.repeat(np.arange(len(lengths)), lengths)
    off[np.isin(owners, owners[told])] = 0
    rows = np.flatnonzero(np.abs(off) > TOLERANCE_S)
    if len(rows):
        worst = float(np.abs(off[rows]).max())
        yield warning(
            f"time stamps are up to {1e3 * worst:.3g} ms off frame number / {e.fps:g} "
            f"({many(len(rows), 'such frame')}). Here frames are counted; LeRobot looks for pictures at "
            f"these times and refuses above {1e3 * TOLERANCE_S:g} ms",
            remedy=remedies.edit(e),
            **e.place(rows),
        )
