"""File format LeRobotDataset v3.0: its files and fields, and `sayso.spec.Features` written into them.

    <root>/
      meta/info.json                                  features, rate, totals, path patterns
      meta/stats.json                                 statistics of every feature over the whole dataset
      meta/tasks.parquet                              instruction -> task_index
      meta/sayso.json                                 digests of all the files, ours
      meta/episodes/chunk-000/file-000.parquet        one row per episode: where it is, its statistics
      data/chunk-000/file-000.parquet                 one row per frame, one row group per episode
      videos/<key>/chunk-000/file-000.mp4             many episodes joined into each file

What is ours beyond the format travels where other readers ignore it: units stand in the ``info`` of
a feature, which LeRobot's tools copy as it is; ``meta/sayso.json`` has digests of all the files, which count
as long as ``info.json`` is as sayso writes it; and the episodes table has the columns ``sayso/seed``,
``sayso/family``, ``sayso/outcome``, ``sayso/reward`` and ``sayso/actor``.

Source: https://github.com/huggingface/lerobot, ``src/lerobot/datasets``, ``CODEBASE_VERSION = "v3.0"``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data.video import video_info
from sayso.spec import (
    ACTION,
    ACTORS,
    OTHER_POINTS,
    POINTS,
    STATE,
    Actor,
    Features,
    Outcome,
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
DIGESTS = "meta/sayso.json"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
RECORDING = "recording.json"
"""What a folder says of how it was recorded; ours, and no part of the format."""

SEED_COLUMN = "sayso/seed"
FAMILY_COLUMN = "sayso/family"
OUTCOME_COLUMN = "sayso/outcome"
REWARD_COLUMN = "sayso/reward"
ACTOR_COLUMN = "sayso/actor"
SAID_COLUMN = "sayso/said"
EXTRAS = (SEED_COLUMN, FAMILY_COLUMN, OUTCOME_COLUMN, REWARD_COLUMN, ACTOR_COLUMN, SAID_COLUMN)
"""Columns of the episodes table that are ours; other software, and older datasets, lack some or all."""
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

REAL = "real"
"""Family of what was recorded on a real robot: no scene has a seed there, so episodes are counted."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an episode ended, and who acted; None where nobody said."""

    outcome: Outcome | None = None
    reward: float | None = None
    """Sum over its steps."""
    actor: Actor | None = None
    said: str | None = None
    """Correction in words that was obeyed in it."""

    @classmethod
    def from_columns(cls, row: Mapping[str, Any]) -> Self:
        """Read it from a row of the episodes table; what is not understood there counts as not said."""
        outcome, reward, actor = (row.get(name) for name in (OUTCOME_COLUMN, REWARD_COLUMN, ACTOR_COLUMN))
        return cls(
            outcome=Outcome(outcome) if outcome in tuple(Outcome) else None,
            reward=float(reward) if isinstance(reward, int | float) and math.isfinite(reward) else None,
            actor=actor if actor in ACTORS else None,
            said=said if isinstance(said := row.get(SAID_COLUMN), str) else None,
        )

    def to_columns(self) -> dict[str, str | float | None]:
        """Return it as a row of the episodes table has it."""
        outcome = None if self.outcome is None else str(self.outcome)
        return {
            OUTCOME_COLUMN: outcome,
            REWARD_COLUMN: self.reward,
            ACTOR_COLUMN: self.actor,
            SAID_COLUMN: self.said,
        }


_VECTOR_TYPES = ("float32", "float64")


class FormatError(SaysoError):
    """Folder that is not a LeRobotDataset v3.0 this reader understands."""


def place(file_number: int) -> dict[str, int]:
    """Return the chunk and file index of the n-th file of a kind, counted from zero."""
    return {"chunk_index": file_number // FILES_PER_CHUNK, "file_index": file_number % FILES_PER_CHUNK}


def vector_names(features: Features, *, others: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the vector features a frame stores and the names of their dimensions.

    `others` tells whether frames are labelled with other instructions, too.
    """
    vectors = {STATE: features.state_names, ACTION: features.action_names, POINTS: features.points}
    vectors |= {OTHER_POINTS: features.points} if others else {}
    return {key: names for key, names in vectors.items() if names}


def make_info(
    features: Features, *, episodes: int, frames: int, tasks: int, others: bool = False
) -> dict[str, Any]:
    """Compose ``info.json`` of what sayso records; `others` as in `vector_names`."""
    entries = _feature_entries(features, others)
    return compose_info(
        features.robot_type, features.fps, entries, episodes=episodes, frames=frames, tasks=tasks
    )


def compose_info(
    robot_type: str, fps: float, entries: Mapping[str, Any], *, episodes: int, frames: int, tasks: int
) -> dict[str, Any]:
    """Compose ``info.json``; `entries` are the features as they stand in it."""
    with_videos = any(entry["dtype"] == "video" for entry in entries.values())
    return {
        "codebase_version": VERSION,
        "robot_type": robot_type or None,
        "fps": int(fps) if fps == int(fps) else fps,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "data_path": DATA,
        "video_path": VIDEO if with_videos else None,
        "splits": {"train": f"0:{episodes}"},
        "features": dict(entries),
        "sayso": {"digests": DIGESTS},
    }


def info_text(info: Mapping[str, Any]) -> str:
    """Return ``info.json`` as sayso writes it. LeRobot indents otherwise, which tells who wrote it last."""
    return json.dumps(info, indent=2)


def data_table(columns: Mapping[str, NDArray[Any] | pa.Array]) -> pa.Table:
    """Return columns as a table; vectors ``[N, D]`` become fixed-size lists, scalars are ``[N]``."""

    def arrow(values: NDArray[Any] | pa.Array) -> pa.Array:
        if not isinstance(values, np.ndarray):
            return values
        flat = pa.array(values.ravel())
        return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    return pa.table({key: arrow(values) for key, values in columns.items()})


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet file as LeRobot does, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", use_dictionary=True)


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


def _feature_entries(features: Features, others: bool) -> dict[str, Any]:
    # In "info", of which LeRobot allows that two datasets differ when recording goes on.
    units = {
        key: {"info": {"units": [dimension.unit for dimension in dimensions]}}
        for key, dimensions in ((STATE, features.state), (ACTION, features.action))
    }
    vectors = {
        key: {"dtype": "float32", "shape": [len(names)], "names": list(names)} | units.get(key, {})
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
