"""Tables against each other: rows in order, totals that agree, files as recorded, right statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from sayso.data import format as fmt
from sayso.data import integrity
from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding, error, many, note, warning
from sayso.data.checks.joints import WORD
from sayso.spec.files import parsed

_WHOLE = "take data/ and meta/ from one whole copy of the dataset, or record again"
STALE = 0.05
"""How far the means of ``stats.json`` may lie from those of the rows, as a share of the spread."""


def unreadable(e: Evidence) -> Iterator[Finding]:
    """Find files, fields and rows that cannot be read."""
    for fault in e.faults:
        here = fault.frame is not None  # then only these rows are wrong, not a whole file
        yield replace(fault, remedy=remedies.drop_episodes(e, fault.episodes)) if here else fault


def order(e: Evidence) -> Iterator[Finding]:
    """Find rows that are missing, doubled or in another's place."""
    index = e.counters["index"]
    if not len(index):
        if e.info and not e.faults:
            yield error("there are no rows: nothing was recorded", remedy="record again")
        return
    odd = np.flatnonzero(np.diff(index) != 1) + 1
    if index[0] != 0:
        yield error(f"the first row has index {index[0]}, not 0: rows before it are missing", remedy=_WHOLE)
    if len(odd):
        yield error(
            f"a row with index {index[odd[0]]} follows one with {index[odd[0] - 1]}: rows or files are "
            f"missing, doubled or exchanged ({many(len(odd), 'such place')})",
            remedy=_WHOLE,
            **e.place(odd),
        )
    if "frame_index" in e.counters:
        lengths = np.diff([*e.starts.tolist(), len(e)])
        counted = np.arange(len(e)) - np.repeat(e.starts, lengths)
        odd = np.flatnonzero(e.counters["frame_index"] != counted)
        if len(odd):
            yield error(
                f"has the frame_index {e.counters['frame_index'][odd[0]]} ({many(len(odd), 'such row')}): "
                "frames are missing, doubled or exchanged",
                remedy=remedies.drop_episodes(e, e.place(odd)["episodes"]),
                **e.place(odd),
            )


def episodes(e: Evidence) -> Iterator[Finding]:
    """Find episodes that only one of both tables knows, or of which they say different lengths."""
    numbers = [span.index for span in e.episodes]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    back = [b for a, b in pairwise(numbers) if b < a and b not in twice]
    if twice or back:
        yield error(
            "its rows do not stand together, or not in their order",
            episodes=tuple(twice or back),
            remedy=_WHOLE,
        )
    if not e.places or not numbers:
        return
    for missing, there, lacks in (
        (set(numbers) - set(e.places), "data", "meta/episodes"),
        (set(e.places) - set(numbers), "meta/episodes", "data"),
    ):
        missing -= {episode for fault in e.faults for episode in fault.episodes}
        if missing:
            yield error(
                f"is in {there}, but not in {lacks}: the recording was stopped before it was finalised, or "
                "a file is missing",
                episodes=tuple(sorted(missing)),
                remedy=_WHOLE,
            )
    for span in e.episodes:
        place = e.places.get(span.index)
        if place and place.length not in (None, len(span)) and span.index not in twice:
            yield error(
                f"has {len(span)} frames in data, but {place.length} in meta/episodes",
                episodes=(span.index,),
                remedy=_WHOLE,
            )


def totals(e: Evidence) -> Iterator[Finding]:
    """Find totals in ``info.json`` that are not those of the rows; LeRobot believes them."""
    counted = {
        "total_episodes": len({span.index for span in e.episodes}),
        "total_frames": len(e),
        "total_tasks": len(e.tasks or ()),
    }
    for field, count in counted.items():
        said = e.raw.get(field)
        if said is not None and said != count and count and not e.faults:
            yield warning(
                f"meta/info.json says {field} is {said}, but {count} are there", remedy=remedies.edit(e)
            )


def remarks(e: Evidence) -> Iterator[Finding]:
    """Say which columns and cameras are not read, such as depth, and which names were understood."""
    for remark in e.info.remarks if e.info else ():
        yield note(remark)


def digest(e: Evidence) -> Iterator[Finding]:
    """Find files that are not what sayso recorded."""
    try:
        known = integrity.read(e.root)
    except fmt.FormatError as fault:
        yield error(str(fault), name=fmt.DIGESTS)
        return
    if not (e.info and e.info.ours):
        if known:
            yield note(
                "other software has changed the dataset: the digests in meta/sayso.json no longer count"
            )
        return
    for name, recorded in known.items():
        try:
            if name != fmt.STATS:
                integrity.compare(
                    e.root / name, recorded, content=e.asked.all_frames or not name.startswith("videos/")
                )
        except fmt.FormatError as fault:
            yield error(str(fault))


def statistics(e: Evidence) -> Iterator[Finding]:
    """Find statistics that are missing or of other rows; LeRobot normalises with them."""
    path = e.root / fmt.STATS
    remedy = remedies.edit(e)
    try:
        stats = parsed(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        yield note(f"{path} cannot be read; LeRobot needs it, sayso does not", remedy=remedy)
        return
    stale = [f"{WORD[key]} {name}" for key in e.numbers for name in _stale(e, key, stats)]
    if stale:
        yield warning(
            "meta/stats.json has other means than the rows; LeRobot normalises with them, sayso does not",
            name=", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else ""),
            remedy=remedy,
        )


def _stale(e: Evidence, key: str, stats: Any) -> list[str]:
    """Return the numbers of state or action whose mean is not that of the rows."""
    values = e.numbers[key]
    known = values[np.isfinite(values).all(1)]
    said = _means(stats, e.info.columns[key] if e.info else key)
    if said is None or said.shape != values.shape[1:] or len(known) < 2:
        return []
    off = np.abs(said - known.mean(0)) / np.maximum(known.std(0), 1e-6)
    return [name for name, far in zip(e.names(key), off, strict=True) if not far < STALE]


def _means(stats: Any, column: str) -> np.ndarray | None:
    try:
        return np.asarray(stats[column]["mean"], np.float64)
    except (KeyError, TypeError, ValueError):
        return None
