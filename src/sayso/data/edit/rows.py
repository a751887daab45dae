"""Rows of an episode made anew: numbers chosen and cut, pictures in them scaled, counters from zero."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image as Picture

from sayso.data.crop import cut, points_in_parts
from sayso.data.edit.columns import Columns
from sayso.data.edit.episodes import Kept
from sayso.data.edit.source import Source
from sayso.data.format import COUNTERS, OTHER_TASK_INDEX, FormatError
from sayso.data.looks import WILD
from sayso.data.reader import picture_of
from sayso.data.resize import fitted
from sayso.spec import OTHER_POINTS, POINTS, Image, NotFiniteError

Values = NDArray[Any]


def new_rows(
    source: Source, plan: Columns, kept: Kept, tasks: Mapping[str, int], *, number: int, first_row: int
) -> dict[str, Values | pa.Array]:
    """Return every column of an episode's new rows, in the order of the features.

    Args:
        source: the recording it comes from.
        plan: what becomes of its features.
        kept: the episode, and what its frames are told.
        tasks: number of each instruction in the new recording.
        number: what the episode is called there.
        first_row: how many rows come before it.

    Raises:
        FormatError: if its rows are not all alike.
        NotFiniteError: if a number is nothing that a robot can have.
    """
    table = source.rows(kept.episode)
    found = _counted(source, plan, kept, table, tasks, number, first_row)
    for key in plan.entries:
        if key in plan.vectors:
            found[key] = _vector(source, plan, kept, table, key)
        elif key in plan.pictures and not plan.pictures[key].is_video:
            found[key] = _pictures(source, plan, kept, table, key)
        elif key in plan.others:
            found[key] = _thinned(key, _column(source, kept, table, plan.others[key]), plan.every)
    return {key: found[key] for key in plan.entries if key in found}


def numbers(column: Values | pa.Array) -> Values | None:
    """Return a column as ``[N, ...]`` if it holds the same number of numbers in each row."""
    if isinstance(column, np.ndarray):
        return column
    shape = [len(column)]
    while True:
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        kind = column.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            break
        lengths = np.unique(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False))
        if len(lengths) != 1 or lengths[0] < 0:
            return None
        shape.append(int(lengths[0]))
        column = column.flatten()
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if not number or column.null_count:
        return None
    return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(shape)


def stored_pictures(kept: Kept, column: pa.Array, key: str) -> list[Image]:
    """Return the pictures that some rows hold as PNG or JPEG.

    Raises:
        FormatError: if one is none.
    """
    path = kept.episode.files[0]
    return [
        picture_of(value, path, f"{key!r} in episode {kept.episode.index}, frame {step}")
        for step, value in enumerate(column.to_pylist())
    ]


def _counted(
    source: Source,
    plan: Columns,
    kept: Kept,
    table: pa.Table,
    tasks: Mapping[str, int],
    number: int,
    first_row: int,
) -> dict[str, Values | pa.Array]:
    given = {
        key: np.asarray(_column(source, kept, table, key).to_numpy(zero_copy_only=False))[:: plan.every]
        for key in ("task_index", *[OTHER_TASK_INDEX] * (OTHER_TASK_INDEX in plan.entries))
    }
    renumbered = {
        key: np.array([tasks[kept.told[int(index)]] for index in indices], np.int64)
        for key, indices in given.items()
    }
    steps = np.arange(len(renumbered["task_index"]))
    counters = {
        "timestamp": steps / plan.fps,
        "frame_index": steps,
        "episode_index": np.full_like(steps, number),
        "index": first_row + steps,
        **renumbered,
    }
    return {key: values.astype(COUNTERS.get(key, "int64")) for key, values in counters.items()}


def _column(source: Source, kept: Kept, table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise FormatError(f"{source.where(kept.episode)}: the column {name!r} of meta/info.json is missing")
    column = table[name].combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _vector(source: Source, plan: Columns, kept: Kept, table: pa.Table, key: str) -> Values:
    vector, episode = plan.vectors[key], kept.episode
    remedy = f"leave the episode out: --drop-episodes {episode.index}"
    values = numbers(_column(source, kept, table, vector.column))
    size = source.entries[vector.column]["shape"][0]
    if values is not None and values.ndim == 1:
        values = values[:, None]
    if values is None or values.shape[1:] != (size,):
        raise FormatError(
            f"{source.where(episode)}: not every row of {vector.column!r} holds {size} numbers; {remedy}"
        )
    values = values[:: plan.every]
    if key in (POINTS, OTHER_POINTS) and plan.seen.cropped:
        values = points_in_parts(values, plan.seen, source.info.features.cameras)
    if vector.places is not None:
        values = values[:, list(vector.places)]
    fine = np.abs(values) < WILD
    if not fine.all():
        row, place = np.argwhere(~fine)[0].tolist()
        raise NotFiniteError(
            f"{source.where(episode)}: number {place} of {vector.column!r} is {values[row, place]} in frame "
            f"{row * plan.every}; {remedy}"
        )
    return np.ascontiguousarray(values, plan.entries[key]["dtype"])


def _thinned(key: str, column: pa.Array, every: int) -> Values | pa.Array:
    """Return one of so many values; of rewards the sum, and of what happened whether it did, in between."""
    if every == 1:
        return column
    starts = np.arange(0, len(column), every)
    values = numbers(column) if key.startswith("next.") else None
    if values is not None and values.dtype == bool:
        return pa.array(np.logical_or.reduceat(values, starts).ravel())
    if values is not None and values.ndim == 1 and np.issubdtype(values.dtype, np.floating):
        return pa.array(np.add.reduceat(values, starts))
    return column.take(pa.array(starts))


def _pictures(source: Source, plan: Columns, kept: Kept, table: pa.Table, key: str) -> pa.Array:
    picture = plan.pictures[key]
    column = _column(source, kept, table, picture.key)
    column = column.take(pa.array(np.arange(0, len(column), plan.every)))
    if picture.size == picture.was:
        return column
    made = []
    for step, image in enumerate(stored_pictures(kept, column, picture.key)):
        content = io.BytesIO()
        part = np.ascontiguousarray(fitted(cut(image, picture.part), picture.size))
        Picture.fromarray(part).save(content, "PNG")
        made.append({"bytes": content.getvalue(), "path": f"frame-{step:06d}.png"})
    return pa.array(made, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
