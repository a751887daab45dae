"""Parquet tables of a dataset: what is damaged, missing or of another kind is refused by its name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sayso.data.format import DATA, INFO, TASKS, FormatError
from sayso.data.info import Info, inside
from sayso.data.statistics import Integers
from sayso.spec import Array

_COPY = "Take the file from a copy of the dataset, or record again"
_END = b"PAR1"
"""Last bytes of every parquet file that was closed."""
_UNFINISHED = (
    "A recording that was stopped before it was finalised looks so, and so does a copy that was cut short. "
    + _COPY
)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Where the pictures of one episode and camera are: in which video, and from when on."""

    path: Path
    begins_s: float


@dataclass(frozen=True, kw_only=True)
class EpisodeRow:
    """What the table of episodes says about one of them."""

    path: Path
    """The file it stands in."""
    index: int
    length: int | None
    rows: str
    """The file that holds its rows, below ``data``, if it is said."""
    clips: Mapping[str, Clip]
    """Camera -> where its video is."""
    extras: Mapping[str, Any]
    """Columns that other recorders do not write."""


def parquet_files(folder: Path) -> list[Path]:
    """Return all the parquet files below a folder, chunk by chunk and file by file.

    Raises:
        FormatError: if there are none.
    """
    paths = sorted(folder.rglob("*.parquet"), key=lambda path: (_numbers(path, folder), path.as_posix()))
    if not paths:
        raise FormatError(f"{folder} holds no parquet files. {_UNFINISHED}")
    return paths


def _numbers(path: Path, folder: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.relative_to(folder).as_posix())]


def read_table(
    path: Path, columns: Collection[str] | None = None, *, without: str = "", holds: str = ""
) -> pa.Table:
    """Read columns of one file; if none are named, all but those that begin with `without`.

    `holds` says in words what is in it, should it be damaged.

    Raises:
        FormatError: if the file is missing or damaged, or a column is not in it.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in columns or () if name not in names]
            if twice := [name for name in names if names.count(name) > 1]:
                raise FormatError(f"{path} has the column {twice[0]!r} more than once. {_COPY}")
            if missing:
                raise FormatError(f"{path} lacks the column {missing[0]!r}; it has {_listed(names)}. {_COPY}")
            every = (name for name in names if not (without and name.startswith(without)))
            table = file.read(list(every if columns is None else columns))
            table.validate(full=True)
    except FileNotFoundError as error:
        raise FormatError(f"{path}{holds} is missing. {_UNFINISHED}") from error
    except (OSError, ValueError, KeyError, MemoryError, NotImplementedError, pa.ArrowException) as error:
        raise FormatError(
            f"{path}{holds} cannot be read, so it is cut or damaged ({_first_line(error)}). "
            f"{_endless_beside(path) or _UNFINISHED}"
        ) from error
    return table


def _endless_beside(path: Path) -> str:
    """Say which files of a dataset end in the middle, if it is still one without them; else nothing."""
    root = next((folder for folder in path.parents if (folder / INFO).is_file()), None)
    if root is None:
        return ""
    groups = [parquet_files(root / "data"), parquet_files(root / "meta" / "episodes")]
    endless = [[file for file in files if not _has_end(file)] for files in groups]
    named = [str(file) for found in endless for file in found]
    nothing_left = any(len(files) == len(found) for files, found in zip(groups, endless, strict=True))
    if nothing_left or str(path) not in named:
        return ""
    return (
        "A recording that was interrupted while it was resumed leaves such files, without an end; all others "
        f"are whole. To read what was recorded before, remove {' and '.join(named)}; or, if the files were "
        "whole once, take them from a copy"
    )


def _has_end(path: Path) -> bool:
    """Tell whether a parquet file was written to its end."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:
        return False


def integers(table: pa.Table, key: str, path: Path) -> Integers:
    """Return a column of whole numbers, int64 ``[N]``.

    Raises:
        FormatError: if it is of another type, or a row has none.
    """
    column = table[key]
    if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
        column = pc.cast(column, pa.int64(), safe=False)
    if not pa.types.is_integer(column.type):
        raise FormatError(f"{path}: column {key!r} must hold whole numbers, but holds {column.type}. {_COPY}")
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise FormatError(f"{path}: row {row} has no {key!r}. {_UNFINISHED}")
    return np.asarray(column.to_numpy(), np.int64)


def matrix(table: pa.Table, key: str, size: int, path: Path) -> Array:
    """Return a vector column as float32 ``[N, size]``; one number per row counts as a vector of one.

    Raises:
        FormatError: if a row has another number of numbers, or they are none.
    """
    column = table[key].combine_chunks()
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            held = max(0, int(lengths[wrong[0]]))
            raise FormatError(
                f"{path}: row {wrong[0]} of {key!r} holds {held} numbers, not {size} as meta/info.json says. "
                f"Every row of a column must be of one length; leave such episodes out, or record again"
            )
        column, kind = column.flatten(), kind.value_type
    elif size != 1:
        raise FormatError(
            f"{path}: column {key!r} must hold {size} numbers per row, but holds {kind}. {_COPY}"
        )
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise FormatError(f"{path}: column {key!r} must hold numbers, but holds {kind}. {_COPY}")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is then refused by name
        values = np.asarray(column.to_numpy(zero_copy_only=False), np.float32)
    return values.reshape(-1, size)


def read_tasks(root: Path) -> dict[int, str]:
    """Return the instructions by their ``task_index``, which may have gaps.

    The text is the index of what pandas wrote (``task``, or without a name) or a column like any other; which
    it is has changed from one LeRobot to the next. Further columns are ignored.

    Raises:
        FormatError: if there are none, or two of one index.
    """
    path = root / TASKS
    table = read_table(path)
    texts = [name for name in ("task", "__index_level_0__") if name in table.column_names]
    texts += [field.name for field in table.schema if _is_text(field.type) and field.name not in texts]
    if "task_index" not in table.column_names or not texts or not _is_text(table[texts[0]].type):
        raise FormatError(
            f"{path} must have a column 'task_index' and a text 'task', but has "
            f"{_listed(table.column_names)}. {_COPY}"
        )
    tasks: dict[int, str] = {}
    indices = integers(table, "task_index", path).tolist()
    for index, text in zip(indices, table[texts[0]].to_pylist(), strict=True):
        if text is None or index < 0 or tasks.setdefault(index, text) != text:
            texts_of = f"{text!r} and {tasks[index]!r}" if index in tasks and text else repr(text)
            raise FormatError(
                f"{path}: task_index {index} stands for {texts_of}; each, from 0 on, must stand for one "
                "text. Correct the table, or record again"
            )
    return tasks


def read_episodes(root: Path, info: Info, extras: Sequence[str]) -> list[EpisodeRow]:
    """Return the rows of the table of episodes in their order, without the many columns of statistics.

    Raises:
        FormatError: if a row does not say where its episode's videos are.
    """
    rows = []
    for path in parquet_files(root / "meta" / "episodes"):
        table = read_table(path, without="stats/")
        rows += [episode_row(root, path, info, row, extras) for row in table.to_pylist()]
    return sorted(rows, key=lambda row: row.index)


def episode_row(
    root: Path, path: Path, info: Info, row: Mapping[str, Any], extras: Sequence[str]
) -> EpisodeRow:
    """Return what one row of the table of episodes says, which stands in the file `path`.

    Raises:
        FormatError: if it does not say where its episode's videos are.
    """
    index = number_in(path, row, "episode_index", None)
    clips = {}
    for name, camera in info.cameras.items():
        if camera.is_video:
            clips[name] = clip_of(root, path, info.video_path, camera.key, row, index)
    length = row.get("length")
    return EpisodeRow(
        path=path,
        index=index,
        length=length if isinstance(length, int) else None,
        rows=_rows_file(row),
        clips=clips,
        extras={name: row[name] for name in extras if row.get(name) is not None},
    )


def _rows_file(row: Mapping[str, Any]) -> str:
    place = {name: row.get(f"data/{name}") for name in ("chunk_index", "file_index")}
    said = all(isinstance(number, int) for number in place.values())
    return DATA.format(**place).removeprefix("data/") if said else ""


def clip_of(
    root: Path, path: Path, pattern: str, key: str, row: Mapping[str, Any], episode: int | None
) -> Clip:
    """Return where a row of the table of episodes says that the pictures of a video feature are.

    Raises:
        FormatError: if it does not say so.
    """
    places = {
        name: number_in(path, row, f"videos/{key}/{name}", episode) for name in ("chunk_index", "file_index")
    }
    begins = row.get(f"videos/{key}/from_timestamp")
    if not isinstance(begins, int | float) or not math.isfinite(begins) or begins < 0:
        raise FormatError(
            f"{path}: episode {episode} has {begins!r} as 'videos/{key}/from_timestamp', but it must be a "
            f"time in seconds. {_UNFINISHED}"
        )
    return Clip(path=inside(root, pattern.format(video_key=key, **places)), begins_s=float(begins))


def number_in(path: Path, row: Mapping[str, Any], column: str, episode: int | None) -> int:
    """Return a whole number, at least 0, that a row of a table holds; `path` and `episode` say where.

    Raises:
        FormatError: if it holds none there.
    """
    value = row.get(column)
    # pandas turns a column of whole numbers into floats where one is missing.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or value < 0:
        where = "a row" if episode is None else f"episode {episode}"
        raise FormatError(
            f"{path}: {where} has {value!r} as {column!r}, but it must be a whole number, at least 0. "
            f"{_UNFINISHED}"
        )
    return value


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind  # a pandas category
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
