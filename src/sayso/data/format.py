"""Name every file and field of a LeRobotDataset v3.0, and translate them to and from `sayso.spec.Features`.

    <root>/
      meta/info.json                                  features, rate, totals, path patterns
      meta/stats.json                                 statistics of every feature over the whole dataset
      meta/tasks.parquet                              instruction -> task_index
      meta/episodes/chunk-000/file-000.parquet        one row per episode: where it is, its statistics
      data/chunk-000/file-000.parquet                 one row per frame, one row group per episode
      videos/<key>/chunk-000/file-000.mp4             many episodes joined into each file

What is ours beyond the format travels where other readers ignore it: ``info["sayso"]`` holds the features
with their units, and the episodes table has the columns ``sayso/seed`` and ``sayso/family``.

Source: https://github.com/huggingface/lerobot, ``src/lerobot/datasets``, ``CODEBASE_VERSION = "v3.0"``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data.video import video_info
from sayso.spec import (
    ACTION,
    IMAGES,
    OTHER_POINTS,
    POINTS,
    STATE,
    Array,
    Dimension,
    Features,
    SaysoError,
    image_key,
)

VERSION = "v3.0"
FILES_PER_CHUNK = 1000
"""How many files a ``chunk-xxx`` folder holds before the next one is begun."""
DATA_FILE_MB = 100
"""A data file that would reach this size is closed and the next one begun."""
VIDEO_FILE_MB = 200
"""The same for videos."""

INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

SEED_COLUMN = "sayso/seed"
FAMILY_COLUMN = "sayso/family"
COUNTERS: Mapping[str, str] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""Columns every frame has: seconds and frames since its episode began, its episode, its place in the
dataset, and the row of its instruction in ``tasks.parquet``."""

OTHER_TASK_INDEX = "label.other_task_index"
"""Row in ``tasks.parquet`` of something else that could have been asked in a frame (`spec.OTHER_TASK`)."""

_VECTOR_TYPES = ("float32", "float64")


class FormatError(SaysoError):
    """Report a folder that is not a LeRobotDataset v3.0 this reader understands."""


def place(file_number: int) -> dict[str, int]:
    """Return the chunk and file index of the n-th file of a kind, counted from zero."""
    return {"chunk_index": file_number // FILES_PER_CHUNK, "file_index": file_number % FILES_PER_CHUNK}


def vector_names(features: Features, *, others: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the vector features a frame stores and the names of their dimensions.

    `others` tells whether frames are labelled with other instructions, too.
    """
    vectors = {STATE: features.state_names, ACTION: features.action_names}
    labels = (POINTS, OTHER_POINTS) if others else (POINTS,)
    return vectors | (dict.fromkeys(labels, features.points) if features.points else {})


def make_info(
    features: Features, *, episodes: int, frames: int, tasks: int, others: bool = False
) -> dict[str, Any]:
    """Compose ``info.json``; `others` as in `vector_names`."""
    return {
        "codebase_version": VERSION,
        "robot_type": features.robot_type,
        "fps": features.fps,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "data_path": DATA,
        "video_path": VIDEO if features.cameras else None,
        "splits": {"train": f"0:{episodes}"},
        "features": _feature_entries(features, others),
        "sayso": {"features": features.to_json()},
    }


def features_of(info: Mapping[str, Any]) -> Features:
    """Read features back from ``info.json``, ours or anybody's.

    Datasets by others name no units, so theirs are empty strings, and dimensions without a name are called
    by their number.

    Raises:
        FormatError: if state or action is missing or is not a vector.
    """
    if "sayso" in info:
        return Features.from_json(info["sayso"]["features"])
    entries = info["features"]
    return Features(
        robot_type=info.get("robot_type") or "",
        fps=int(info["fps"]),
        state=_dimensions(entries, STATE),
        action=_dimensions(entries, ACTION),
        cameras={camera: _image_size(entries[key]) for camera, key in camera_keys(info).items()},
    )


def camera_keys(info: Mapping[str, Any]) -> dict[str, str]:
    """Return camera name -> feature key for every feature that is a video or an image."""
    return {
        key.removeprefix(IMAGES).removeprefix("observation."): key
        for key, entry in info["features"].items()
        if entry["dtype"] in ("video", "image")
    }


def read_info(root: Path) -> dict[str, Any]:
    """Read ``info.json`` and check that the dataset is of the version read here.

    Raises:
        FormatError: if there is no dataset in `root`, or one of another version.
    """
    path = root / INFO
    if not path.is_file():
        raise FormatError(
            f"{root} holds no finished dataset: {INFO} is missing. Give the folder that contains meta/"
        )
    info: dict[str, Any] = json.loads(path.read_text())
    if info.get("codebase_version") != VERSION:
        raise FormatError(
            f"{root} is a dataset of version {info.get('codebase_version')!r}, but {VERSION!r} is read here. "
            "Convert it with LeRobot's own converter first."
        )
    return info


def data_table(columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Return columns as a table; vectors ``[N, D]`` become fixed-size lists, scalars are ``[N]``."""

    def arrow(values: NDArray[Any]) -> pa.Array:
        flat = pa.array(values.ravel())
        return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    return pa.table({key: arrow(values) for key, values in columns.items()})


def task_table(tasks: Sequence[str]) -> pa.Table:
    """Return the table of instructions with the metadata that makes pandas read ``task`` as its index."""
    columns = {"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())}
    described = [("task_index", "int64", "int64"), ("task", "unicode", "object")]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype, "metadata": None}
            for name, kind, dtype in described
        ],
    }
    return pa.table(columns).replace_schema_metadata({"pandas": json.dumps(pandas)})


def read_tables(folder: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of all the parquet files below a folder, in the order of their names.

    Raises:
        FormatError: if there are none.
    """
    paths = sorted(folder.rglob("*.parquet"))
    if not paths:
        raise FormatError(f"{folder} holds no parquet files")
    return pa.concat_tables([pq.read_table(path, columns=list(columns)) for path in paths])


def matrix(table: pa.Table, key: str) -> Array:
    """Return a vector column as float32 ``[N, D]``; one number per row counts as D = 1."""
    column = table[key].combine_chunks()
    values = column.flatten() if pa.types.is_nested(column.type) else column
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float32).reshape(len(table), -1)


def read_tasks(root: Path) -> tuple[str, ...]:
    """Return the instructions in the order of their ``task_index``."""
    columns = pq.read_table(root / TASKS).to_pydict()
    order = columns.pop("task_index")
    (texts,) = columns.values()
    return tuple(text for _, text in sorted(zip(order, texts, strict=True)))


def read_episodes(root: Path) -> list[dict[str, Any]]:
    """Return one dict per episode saying where everything is, without the many columns of statistics."""
    names = pq.read_schema(root / EPISODES.format(**place(0))).names
    columns = [name for name in names if not name.startswith("stats/")]
    rows: list[dict[str, Any]] = read_tables(root / "meta" / "episodes", columns).to_pylist()
    return rows


def dataset_hash(root: Path) -> str:
    """Return a SHA-256 over every file of a dataset: metadata, rows and videos; as hex."""
    digest = hashlib.sha256()
    folders = ("meta", "data", "videos", "images")
    paths = [path for name in folders for path in (root / name).rglob("*.*") if path.is_file()]
    for path in sorted(paths):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _feature_entries(features: Features, others: bool) -> dict[str, Any]:
    vectors = {
        key: {"dtype": "float32", "shape": [len(names)], "names": list(names)}
        for key, names in vector_names(features, others=others).items()
    }
    videos = {
        image_key(camera): {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": video_info(height, width, features.fps),
        }
        for camera, (height, width) in features.cameras.items()
    }
    columns = dict(COUNTERS) | ({OTHER_TASK_INDEX: "int64"} if others else {})
    counters = {key: {"dtype": dtype, "shape": [1], "names": None} for key, dtype in columns.items()}
    return vectors | videos | counters


def _dimensions(entries: Mapping[str, Any], key: str) -> tuple[Dimension, ...]:
    entry = entries.get(key)
    if entry is None or entry["dtype"] not in _VECTOR_TYPES or len(entry["shape"]) != 1:
        raise FormatError(f"feature {key!r} must be a vector of {' or '.join(_VECTOR_TYPES)}, but is {entry}")
    return tuple(Dimension(name=name, unit="") for name in _flat_names(entry["names"], entry["shape"][0]))


def _flat_names(names: Any, size: int) -> list[str]:
    """Flatten the ways names are given: a list, a dict holding one (``{"motors": [...]}``), or nothing."""
    if isinstance(names, dict):
        inner = list(names.values())
        names = inner[0] if len(inner) == 1 and isinstance(inner[0], list) else list(names)
    if isinstance(names, list) and len(names) == size:
        return [str(name) for name in names]
    return [str(number) for number in range(size)]


def _image_size(entry: Mapping[str, Any]) -> tuple[int, int]:
    shape = [int(n) for n in entry["shape"]]
    channels_first = entry["names"] and str(entry["names"][0]).startswith("channel")
    return (shape[1], shape[2]) if channels_first else (shape[0], shape[1])
