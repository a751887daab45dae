"""Rows of a dataset, one per frame, and every number of them held against what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso.data.format import OTHER_TASK_INDEX, TASKS, FormatError
from sayso.data.info import Info
from sayso.data.looks import WILD
from sayso.data.statistics import Integers
from sayso.data.tables import EpisodeRow, integers, matrix, parquet_files, read_table, read_tasks
from sayso.spec import OTHER_POINTS, POINTS, STATE, Array, NotFiniteError


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The N frames of a dataset."""

    vectors: Mapping[str, Array]
    """Feature -> float32 ``[N, D]``; ``[N, 0]`` for a state or points that there are none of."""
    episodes: Integers
    """Of each frame ``[N]``, ascending."""
    tasks: tuple[str, ...]
    """The instructions."""
    task_index: Integers
    """Which of them each frame was shown with, ``[N]``."""
    other_task_index: Integers | None
    """Which of them each frame is labelled with besides."""
    files: Mapping[Path, int]
    """Each file, in order, and how many of the rows it holds."""

    def place(self, row: int) -> str:
        """Say where a row is, in words."""
        first = int(np.searchsorted(self.episodes, self.episodes[row]))
        return f"episode {self.episodes[row]}, frame {row - first}"

    def path(self, row: int) -> Path:
        """Return the file a row stands in."""
        ends = np.cumsum(list(self.files.values()))
        return list(self.files)[int(np.searchsorted(ends, row, side="right"))]


def read_rows(root: Path, info: Info, places: Sequence[EpisodeRow] = ()) -> Rows:
    """Read all rows; `places` say which episodes are in a file, should it be damaged.

    Raises:
        FormatError: if a file is damaged or missing, or rows are out of order, of unlike lengths or without
            an instruction.
        NotFiniteError: if a number is not finite.
    """
    vectors: dict[str, list[Array]] = {key: [] for key in info.columns}
    others = OTHER_POINTS in info.columns
    counters: dict[str, list[Integers]] = {key: [] for key in ("index", "episode_index", "task_index")}
    counters |= {OTHER_TASK_INDEX: []} if others else {}
    files = {}
    for path in parquet_files(root / "data"):
        holds = _episodes_in(path.relative_to(root / "data").as_posix(), places)
        table = read_table(path, {*info.columns.values(), *counters}, holds=holds)
        for key, column in info.columns.items():
            vectors[key].append(matrix(table, column, _width(info, key), path))
        for key, parts in counters.items():
            parts.append(integers(table, key, path))
        files[path] = len(table)
    whole = {key: np.concatenate(parts) for key, parts in counters.items()}
    tasks = read_tasks(root)
    indices = np.array(sorted(tasks), np.int64)
    rows = Rows(
        vectors={key: _empty(len(whole["index"])) for key in (STATE, POINTS)}
        | {key: np.concatenate(parts) for key, parts in vectors.items()},
        episodes=whole["episode_index"],
        tasks=tuple(tasks[index] for index in indices.tolist()),
        task_index=np.searchsorted(indices, whole["task_index"]),
        other_task_index=np.searchsorted(indices, whole[OTHER_TASK_INDEX]) if others else None,
        files=files,
    )
    _check_order(rows, whole["index"])
    for key in ("task_index", OTHER_TASK_INDEX) if others else ("task_index",):
        _check_tasks(root, rows, key, whole[key], tasks)
    _check_finite(rows, info)
    return rows


def _episodes_in(file: str, places: Sequence[EpisodeRow]) -> str:
    """Say which episodes are in a file below ``data``."""
    numbers = [place.index for place in places if place.rows == file]
    return f" (episodes {min(numbers)} to {max(numbers)})" if numbers else ""


def _width(info: Info, key: str) -> int:
    sizes = {STATE: len(info.features.state), POINTS: len(info.features.points)}
    return sizes.get(key, len(info.features.points if key == OTHER_POINTS else info.features.action))


def _empty(rows: int) -> Array:
    return np.empty((rows, 0), np.float32)


def _check_order(rows: Rows, index: Integers) -> None:
    """Refuse rows that are missing, doubled or in another's place."""
    if not len(index):
        raise FormatError(f"{next(iter(rows.files))} holds no rows; record again")
    wrong = np.flatnonzero(index != np.arange(len(index)))
    if len(wrong):
        raise FormatError(
            f"{rows.path(wrong[0])}: a row with index {index[wrong[0]]} stands where {wrong[0]} should; rows "
            "or files are missing, doubled or exchanged. Take data/ from a whole copy, or record again"
        )
    back = np.flatnonzero(np.diff(rows.episodes) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise FormatError(
            f"{rows.path(row)}: in row {row}, episode {rows.episodes[row]} comes after episode "
            f"{rows.episodes[row - 1]}; episodes must be in order. Take data/ from a copy of the dataset"
        )


def _check_tasks(root: Path, rows: Rows, key: str, index: Integers, tasks: Mapping[int, str]) -> None:
    """Refuse a frame whose instruction is not known, or says nothing; nothing else need be asked there."""
    for used in np.unique(index).tolist():
        if tasks.get(used, "").strip() or (key == OTHER_TASK_INDEX and used in tasks):
            continue
        row = int(np.argmax(index == used))
        fault = (
            f"{root / TASKS} has an empty text for task_index {used}"
            if used in tasks
            else f"{rows.path(row)}: {key} is {used}, which {root / TASKS} has no text for "
            f"({', '.join(map(str, list(tasks)[:12]))}{', ...' if len(tasks) > 12 else ''})"
        )
        raise FormatError(
            f"{fault}; it is used in {rows.place(row)}. Give these frames a sentence: "
            f'sayso edit {root} --out NEW --relabel "=TEXT"'
        )


def _episodes_of(rows: Rows, wrong: Integers, most: int = 12) -> str:
    """Return the episodes of some rows as they are typed."""
    numbers = np.unique(rows.episodes[wrong]).tolist()
    return ",".join(map(str, numbers[:most])) + ",..." * (len(numbers) > most)


def _check_finite(rows: Rows, info: Info) -> None:
    for key, values in rows.vectors.items():
        fine = np.abs(values) < WILD
        wrong = np.flatnonzero(~fine.all(1))
        if len(wrong):
            row = int(wrong[0])
            number = int(np.argmin(fine[row]))
            finite = bool(np.isfinite(values[row, number]))
            fault = "is nothing that a robot can have" if finite else "is not finite"
            raise NotFiniteError(
                f"{rows.path(row)}: {info.columns[key]!r} {fault} in {rows.place(row)}: number "
                f"{number} is {values[row, number]} ({len(wrong)} such frames). Leave these episodes out: "
                f"sayso edit DATASET --out NEW --drop-episodes {_episodes_of(rows, wrong)}"
            )
