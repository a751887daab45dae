"""Read LeRobotDataset v3.0 datasets, ours or anybody's: their numbers into memory, their images on demand."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.parquet as pq
from PIL import Image as Picture

from sayso.data import format as fmt
from sayso.data.normalize import Integers, Stats
from sayso.data.video import frames_at
from sayso.spec import (
    ACTION,
    OTHER_POINTS,
    POINTS,
    STATE,
    TASK,
    Image,
    Observation,
    image_key,
    known,
)

ACTION_IS_PAD = "action_is_pad"
_ENOUGH_CHUNKS = 20_000
Batch = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RecordedEpisode:
    """Locate one episode: its frames are the rows from `start` up to but not including `stop`."""

    index: int
    start: int
    stop: int
    tasks: tuple[str, ...]
    family: str = ""
    """Empty for datasets recorded by other software."""
    seed: int | None = None

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.stop - self.start


class Dataset:
    """Hold a dataset's numbers in memory and find its images on disk.

    - ``state`` float32 ``[N, S]``, ``action`` float32 ``[N, A]``, ``points`` float32 ``[N, P]``, robot units
    - ``task_index`` int64 ``[N]`` into ``tasks``
    - ``other_task_index`` and ``other_points``, the same for something else that could have been asked; None
      where the dataset does not have them

    Raises:
        FormatError: if `root` is not a LeRobotDataset v3.0 with a state and an action.
    """

    def __init__(self, root: Path | str) -> None:
        """Read metadata and rows, but no video."""
        self.root = Path(root)
        self.info = fmt.read_info(self.root)
        self.features = fmt.features_of(self.info)
        self.fps = self.features.fps
        others = OTHER_POINTS in self.info["features"]
        vectors = fmt.vector_names(self.features, others=others)
        more = [fmt.OTHER_TASK_INDEX] if others else []
        table = fmt.read_tables(self.root / "data", [*vectors, "index", "task_index", *more])
        if not np.array_equal(table["index"].to_numpy(), np.arange(len(table))):
            raise fmt.FormatError(f"the rows of {self.root} are not in the order of their index")
        self.state = fmt.matrix(table, STATE)
        self.action = fmt.matrix(table, ACTION)
        self.points = (
            fmt.matrix(table, POINTS) if self.features.points else np.empty((len(table), 0), np.float32)
        )
        self.task_index: Integers = table["task_index"].to_numpy()
        self.other_points = fmt.matrix(table, OTHER_POINTS) if others else None
        self.other_task_index: Integers | None = table[fmt.OTHER_TASK_INDEX].to_numpy() if others else None
        self.tasks = fmt.read_tasks(self.root)
        self._places = fmt.read_episodes(self.root)
        self.episodes = tuple(_episode(row) for row in self._places)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.state)

    @cached_property
    def hash(self) -> str:
        """Return a SHA-256 over metadata, rows and videos."""
        return fmt.dataset_hash(self.root)

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Return exact statistics of state and action."""
        return {STATE: Stats.of(self.state), ACTION: Stats.of(self.action)}

    def frames(self, episode: RecordedEpisode, steps: Sequence[int] | None = None) -> Iterator[Observation]:
        """Yield frames of an episode, as in `sayso.spec.Episode.frames`: all, or those at ascending steps."""
        rows = episode.start + np.arange(len(episode))[slice(None) if steps is None else list(steps)]
        cameras = {image_key(camera): self.images(camera, rows) for camera in self.features.cameras}
        for row in rows:
            frame: Observation = {key: next(images) for key, images in cameras.items()}
            frame |= {
                STATE: self.state[row],
                ACTION: self.action[row],
                TASK: self.tasks[self.task_index[row]],
            }
            yield frame | ({POINTS: self.points[row]} if self.features.points else {})

    def images(self, camera: str, rows: Sequence[int] | Integers) -> Iterator[Image]:
        """Yield a camera's images at the given rows, which must ascend, as uint8 ``[H, W, 3]``."""
        keys = fmt.camera_keys(self.info)
        key = keys[known("camera", camera, keys)]
        read = self._video_images if self.info["features"][key]["dtype"] == "video" else self._stored_images
        return read(key, np.asarray(rows, np.int64))

    def _video_images(self, key: str, rows: Integers) -> Iterator[Image]:
        """Decode each video file once, whatever number of episodes it holds."""
        starts = np.array([episode.start for episode in self.episodes])
        owners = np.searchsorted(starts, rows, side="right") - 1
        begins = np.array([place[f"videos/{key}/from_timestamp"] for place in self._places])
        times = begins[owners] + (rows - starts[owners]) / self.fps
        located = zip((self._video_file(key, owner) for owner in owners), times, strict=True)
        for path, group in groupby(located, key=lambda item: item[0]):
            yield from frames_at(path, (float(time) for _, time in group))

    def _video_file(self, key: str, episode: int) -> Path:
        place = self._places[episode]
        indices = {name: place[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        return self.root / str(self.info["video_path"]).format(video_key=key, **indices)

    def _stored_images(self, key: str, rows: Integers) -> Iterator[Image]:
        """Read images that are kept as PNG or JPEG inside the rows, file by file."""
        first = 0
        for path in sorted((self.root / "data").rglob("*.parquet")):
            column = pq.read_table(path, columns=[key])[key]
            for row in rows[(rows >= first) & (rows < first + len(column))]:
                content = column[int(row) - first].as_py()["bytes"]
                yield np.asarray(Picture.open(io.BytesIO(content)).convert("RGB"))
            first += len(column)


def _episode(row: dict[str, Any]) -> RecordedEpisode:
    return RecordedEpisode(
        index=row["episode_index"],
        start=row["dataset_from_index"],
        stop=row["dataset_to_index"],
        tasks=tuple(row["tasks"]),
        family=row.get(fmt.FAMILY_COLUMN, ""),
        seed=row.get(fmt.SEED_COLUMN),
    )
