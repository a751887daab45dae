"""Evidence: all that can be read of a dataset, however damaged, and what could not be, as findings.

The reader refuses a dataset at its first fault. Here each file, field and row is read by itself, with the
reader's own functions; what fails becomes a finding, its numbers become NaN and are marked as told, and
reading goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data import format as fmt
from sayso.data.checks.asked import NOTHING_MORE, Asked
from sayso.data.checks.finding import Finding, error, many, warning
from sayso.data.info import Info, check_version, read_raw, understood
from sayso.data.looks import WILD
from sayso.data.statistics import Integers
from sayso.data.tables import (
    EpisodeRow,
    episode_row,
    integers,
    matrix,
    parquet_files,
    read_table,
    read_tasks,
)
from sayso.spec import ACTION, STATE, Features

Floats = NDArray[np.float64]
COUNTED = ("index", "episode_index", "task_index")
"""Columns without which a file's rows belong nowhere."""
_SANE: Mapping[str, Any] = {
    "codebase_version": fmt.VERSION,
    "fps": 30,
    "video_path": fmt.VIDEO,
    "features": {
        ACTION: {"dtype": "float32", "shape": [1], "names": None},
        "observation.images.any": {"dtype": "video", "shape": [2, 2, 3], "names": None},
    },
}
"""An ``info.json`` in which nothing is wrong, into which fields are put one by one."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Rows of one episode: from `start` up to but not including `stop`."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was read of a dataset of N frames."""

    root: Path
    raw: Mapping[str, Any]
    """``info.json`` as it stands."""
    info: Info | None
    """What was understood of it; None if too little for any further look."""
    places: Mapping[int, EpisodeRow]
    """Row of the table of episodes, by the episode's number."""
    tasks: Mapping[int, str] | None
    """Sentences by their index; None if they cannot be read."""
    counters: Mapping[str, Integers]
    """`COUNTED`, and ``frame_index`` where it is, each ``[N]``."""
    timestamps: Floats | None
    """Seconds since the episode began, ``[N]``, if they were recorded."""
    vectors: Mapping[str, Floats]
    """State and action ``[N, D]``; NaN where a number cannot be read."""
    told: NDArray[np.bool_]
    """Frames of which it has been said that numbers cannot be read, ``[N]``."""
    files: Mapping[Path, int]
    """Each file of rows that was read, in order, and how many it holds."""
    faults: tuple[Finding, ...]
    """What could not be read."""
    asked: Asked = NOTHING_MORE

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.told)

    @cached_property
    def fps(self) -> float:
        """Return the rate as it is said, or else as the rows come; NaN where neither tells."""
        said = self.info.features.fps if self.info else np.nan
        if np.isnan(said) and self.timestamps is not None:
            steps = np.delete(np.diff(self.timestamps, prepend=np.nan), self.starts)
            return float(1 / np.median(steps)) if len(steps) and np.median(steps) > 0 else np.nan
        return said

    @property
    def features(self) -> Features:
        """Return the features. Only checks that need no `info` may do without."""
        assert self.info is not None
        return self.info.features

    @cached_property
    def episodes(self) -> tuple[Span, ...]:
        """Return each unbroken stretch of rows of one episode."""
        numbers = self.counters["episode_index"]
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1)).tolist()
        stops = [*starts[1:], len(numbers)]
        return tuple(
            Span(index=int(numbers[a]), start=a, stop=b) for a, b in zip(starts, stops, strict=False)
        )

    @cached_property
    def starts(self) -> Integers:
        """Return the first row of each stretch."""
        return np.array([span.start for span in self.episodes], np.int64)

    def names(self, key: str) -> tuple[str, ...]:
        """Return what the numbers of state or action are called."""
        return self.features.state_names if key == STATE else self.features.action_names

    @cached_property
    def numbers(self) -> dict[str, Floats]:
        """Return state and action with NaN for every number that no robot can have."""
        return {key: np.where(np.abs(values) < WILD, values, np.nan) for key, values in self.vectors.items()}

    @cached_property
    def widths(self) -> dict[str, Floats]:
        """Return how wide each number's range is without its rarest hundredth at either end, ``[D]``."""
        return {key: _width(values) for key, values in self.numbers.items()}

    @cached_property
    def lows(self) -> dict[str, Floats]:
        """Return the lowest of each number in each stretch, ``[E, D]``."""
        return {key: np.fmin.reduceat(values, self.starts) for key, values in self.numbers.items()}

    @cached_property
    def highs(self) -> dict[str, Floats]:
        """Return the highest of each number in each stretch, ``[E, D]``."""
        return {key: np.fmax.reduceat(values, self.starts) for key, values in self.numbers.items()}

    @cached_property
    def moving(self) -> Floats:
        """Return what moves, the state if there is one, each number as a share of its range, ``[N, M]``."""
        key = STATE if self.features.state and STATE in self.numbers else ACTION
        width = self.widths[key]
        return np.asarray(self.numbers[key][:, width > 0] / width[width > 0])

    def frame(self, row: int) -> tuple[int, int]:
        """Return the episode that a row is in, and which frame of it."""
        span = self.episodes[int(np.searchsorted(self.starts, row, side="right")) - 1]
        return span.index, row - span.start

    def place(self, rows: Integers) -> dict[str, Any]:
        """Return episodes and first frame of rows, as a finding takes them."""
        owners = np.unique(np.searchsorted(self.starts, rows, side="right") - 1)
        found = dict.fromkeys(self.episodes[k].index for k in owners.tolist())
        return {"episodes": tuple(found), "frame": self.frame(int(rows[0]))[1]}


def _width(values: Floats) -> Floats:
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        return np.zeros(values.shape[1])
    low, high = np.quantile(known, (0.01, 0.99), axis=0)
    return np.asarray(high - low)


def gather(root: Path, asked: Asked = NOTHING_MORE) -> Evidence:
    """Read a dataset as far as it can be read."""
    faults: list[Finding] = []
    try:
        raw = read_raw(root)
        check_version(root, raw.get("codebase_version"))
        info = _info(root, raw, faults)
    except fmt.FormatError as fault:
        raw, info = {}, None
        faults.append(error(str(fault)))
    places = dict(_places(root, info, faults)) if info else {}
    tasks = None
    try:
        tasks = read_tasks(root) if info else None
    except fmt.FormatError as fault:
        faults.append(error(str(fault)))
    return Evidence(
        root=root, raw=raw, info=info, places=places, tasks=tasks, asked=asked, **_rows(root, info, faults)
    )


def _info(root: Path, raw: Mapping[str, Any], faults: list[Finding]) -> Info | None:
    """Understand ``info.json``; where that fails, each field by itself, and then all that are right."""
    try:
        return understood(root / fmt.INFO, raw)
    except fmt.FormatError as whole:
        entries = raw.get("features")
        if not isinstance(entries, dict):
            faults.append(error(str(whole)))
            return None
    right = dict(_SANE) | {"features": {}}
    for field in ("robot_type", "fps", "total_episodes", "video_path"):
        if _stands(root, {**_SANE, field: raw.get(field)}, faults):
            right[field] = raw.get(field)
    for key, entry in entries.items():
        if _stands(root, {**_SANE, "features": {ACTION: _SANE["features"][ACTION], key: entry}}, faults):
            right["features"][key] = entry
    try:
        info = understood(root / fmt.INFO, right)
    except fmt.FormatError as fault:
        faults.append(error(str(fault)))
        return None
    if right["fps"] != raw.get("fps"):
        info = dataclasses.replace(info, features=dataclasses.replace(info.features, fps=np.nan))
    return info


def _stands(root: Path, raw: Mapping[str, Any], faults: list[Finding]) -> bool:
    try:
        understood(root / fmt.INFO, raw)
    except fmt.FormatError as fault:
        faults.append(error(str(fault)))
        return False
    return True


def _places(root: Path, info: Info, faults: list[Finding]) -> Iterator[tuple[int, EpisodeRow]]:
    for path in _files(root / "meta" / "episodes", faults):
        try:
            table = read_table(path, without="stats/")
        except fmt.FormatError as fault:
            faults.append(error(str(fault)))
            continue
        for row in table.to_pylist():
            try:
                place = episode_row(root, path, info, row, fmt.EXTRAS)
                yield place.index, place
            except fmt.FormatError as fault:
                faults.append(error(str(fault), episodes=_said(row)))


def _said(row: Mapping[str, Any]) -> tuple[int, ...]:
    index = row.get("episode_index")
    return (index,) if isinstance(index, int) else ()


def _files(folder: Path, faults: list[Finding]) -> list[Path]:
    try:
        return parquet_files(folder)
    except fmt.FormatError as fault:
        faults.append(error(str(fault)))
        return []


def _rows(root: Path, info: Info | None, faults: list[Finding]) -> dict[str, Any]:
    """Return what `Evidence` has of the rows."""
    columns = {key: name for key, name in info.columns.items() if key in (STATE, ACTION)} if info else {}
    parts: list[dict[str, Any]] = []
    files: dict[Path, int] = {}
    for path in _files(root / "data", faults):
        try:
            part = _file(path, info, columns, faults)
        except fmt.FormatError as fault:
            faults.append(error(str(fault)))
            continue
        parts.append(part)
        files[path] = len(part["told"])

    def joined(key: str) -> Any:
        return np.concatenate([part[key] for part in parts])

    timed = bool(parts) and all(part["timestamp"] is not None for part in parts)
    framed = bool(parts) and all(part["frame_index"] is not None for part in parts)
    nothing = np.zeros(0, np.int64)
    return {
        "counters": {key: joined(key) if parts else nothing for key in COUNTED}
        | ({"frame_index": joined("frame_index")} if framed else {}),
        "timestamps": joined("timestamp") if timed else None,
        "vectors": {key: joined(key) for key in columns if parts},
        "told": joined("told") if parts else np.zeros(0, np.bool_),
        "files": files,
        "faults": tuple(faults),
    }


def _file(path: Path, info: Info | None, columns: Mapping[str, str], faults: list[Finding]) -> dict[str, Any]:
    """Read one file of rows: its counters, or nothing of it; its vectors as far as they can be read.

    Raises:
        FormatError: if the file is damaged, or has no counters.
    """
    there = _column_names(path)
    wanted = [name for name in columns.values() if name in there or not there]
    spare = [name for name in ("timestamp", "frame_index") if name in there]
    table = read_table(path, {*wanted, *spare, *COUNTED})
    part: dict[str, Any] = {key: integers(table, key, path) for key in COUNTED}
    part["told"] = np.zeros(len(table), np.bool_)
    part["frame_index"] = integers(table, "frame_index", path) if "frame_index" in spare else None
    part["timestamp"] = _seconds(table) if "timestamp" in spare else None
    for name in sorted({"timestamp", "frame_index"} - set(spare)):
        faults.append(warning(f"{path} lacks the column {name!r}, without which LeRobot reads no frame"))
    for key, name in columns.items():
        assert info is not None
        size = len(info.features.state if key == STATE else info.features.action)
        part[key] = _vectors(table, name, size, path, part, faults)
    return part


def _column_names(path: Path) -> list[str]:
    """Return a file's columns; none if it is damaged, which reading it will tell."""
    try:
        return list(pq.read_schema(path).names)
    except (OSError, ValueError, pa.ArrowException):
        return []


def _seconds(table: pa.Table) -> Floats | None:
    column = table["timestamp"]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return None
    return np.asarray(column.to_numpy(), np.float64)


def _vectors(
    table: pa.Table, name: str, size: int, path: Path, part: Mapping[str, Any], faults: list[Finding]
) -> Floats:
    """Return a column's numbers ``[N, size]``; NaN, and a finding, for rows of another length."""
    values = np.full((len(table), size), np.nan)
    wrong = np.ones(len(table), np.bool_)
    if name not in table.column_names:
        faults.append(error(f"{path} lacks the column {name!r}; take the file from a copy, or record again"))
    else:
        kind = table[name].type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        wrong[:] = False
        if lists:
            held = pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy()
            wrong = held != size
        try:
            if not wrong.all():
                values[~wrong] = matrix(table.filter(pa.array(~wrong)), name, size, path)
            if wrong.any():
                faults.append(_odd_rows(np.flatnonzero(wrong), held, name, size, part))
        except fmt.FormatError as fault:
            wrong[:] = True
            faults.append(error(str(fault)))
    part["told"][wrong] = True
    return values


def _odd_rows(rows: Integers, held: Integers, name: str, size: int, part: Mapping[str, Any]) -> Finding:
    owners = part["episode_index"]
    first = int(rows[0])
    return error(
        f"holds {held[first]} numbers, not {size} as meta/info.json says ({many(len(rows), 'such frame')})",
        episodes=tuple(np.unique(owners[rows]).tolist()),
        frame=first - int(np.argmax(owners == owners[first])),
        name=name,
    )
