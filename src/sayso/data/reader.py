"""Dataset reader: LeRobotDataset v3.0, ours or anybody's, numbers into memory, images on demand."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from sayso.data import format as fmt
from sayso.data import integrity
from sayso.data.footage import Footage, of_size
from sayso.data.info import Info, read_info
from sayso.data.rows import Rows, read_rows
from sayso.data.statistics import Integers, Stats
from sayso.data.tables import EpisodeRow, read_episodes, read_table
from sayso.spec import ACTION, OTHER_POINTS, POINTS, STATE, TASK, Image, Observation, image_key, known

_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, kw_only=True)
class RecordedEpisode:
    """Place of one episode: its frames are the rows from `start` up to but not including `stop`."""

    index: int
    start: int
    stop: int
    tasks: tuple[str, ...]
    family: str = ""
    """Empty for datasets recorded by other software."""
    seed: int | None = None
    ending: fmt.Ending = fmt.Ending()
    """How it ended and who acted, as far as the dataset says."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.stop - self.start


class Dataset:
    """A dataset: its numbers in memory, its images found on disk.

    - ``state`` float32 ``[N, S]``, ``action`` float32 ``[N, A]``, ``points`` float32 ``[N, P]``, robot units
    - ``task_index`` int64 ``[N]`` into ``tasks``
    - ``other_task_index`` and ``other_points``, the same for something else that could have been asked; None
      where the dataset does not have them
    - ``remarks``: what a person should know of it, such as columns that are not read

    Raises:
        FormatError: if `root` is not a whole LeRobotDataset v3.0 with an action; it says which file is not as
            it should be, and what to do.
        NotFiniteError: if a number is not finite.
    """

    def __init__(self, root: Path | str) -> None:
        """Read metadata and rows, but no video."""
        self.root = Path(root)
        self.info = read_info(self.root)
        self.features = self.info.features
        self.fps = self.features.fps
        remarks = integrity.check(self.root, ours=self.info.ours)
        self._places = read_episodes(self.root, self.info, fmt.EXTRAS)
        rows = read_rows(self.root, self.info, self._places)
        self.state, self.action, self.points = (rows.vectors[key] for key in (STATE, ACTION, POINTS))
        self.other_points = rows.vectors.get(OTHER_POINTS)
        self.tasks, self.task_index, self.other_task_index = (
            rows.tasks,
            rows.task_index,
            rows.other_task_index,
        )
        self._files = rows.files
        self.episodes = _episodes(self.root, rows, self._places)
        _check_videos(self._places)
        self._videos = self._footage()
        self.remarks = self.info.remarks + remarks + _fewer(self.info, len(self.episodes))

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.state)

    def _footage(self) -> dict[str, Footage]:
        return {
            name: Footage(
                name=name,
                camera=camera,
                clips=[place.clips[name] for place in self._places],
                starts=np.array([0, *(episode.stop for episode in self.episodes)]),
                numbers=[episode.index for episode in self.episodes],
                fps=self.fps,
            )
            for name, camera in self.info.cameras.items()
            if camera.is_video
        }

    @property
    def whole(self) -> Dataset:
        """Return the recording that this is, or is a part of."""
        return self

    @cached_property
    def hash(self) -> str:
        """Return a SHA-256 over metadata, rows and videos."""
        return integrity.dataset_hash(self.root, ours=self.info.ours)

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
        """Yield a camera's images at the given rows, which must ascend, as uint8 ``[H, W, 3]``.

        Raises:
            FormatError: if they are damaged, or not of the size that ``info.json`` says.
        """
        chosen = self.info.cameras[known("camera", camera, self.info.cameras)]
        read = self._video_images if chosen.is_video else self._stored_images
        return read(camera, np.asarray(rows, np.int64))

    def drift_of(self, camera: str) -> str:
        """Say how far off a camera's times were, as far as its pictures were read; nothing if not at all."""
        return self._videos[camera].remark if camera in self._videos else ""

    def _video_images(self, camera: str, rows: Integers) -> Iterator[Image]:
        return self._videos[camera].images(rows)

    def _stored_images(self, camera: str, rows: Integers) -> Iterator[Image]:
        """Read images that are kept as PNG or JPEG inside the rows, file by file."""
        first, about = 0, self.info.cameras[camera]
        for path, count in self._files.items():
            mine = rows[(rows >= first) & (rows < first + count)]
            column = read_table(path, [about.key])[about.key] if len(mine) else ()
            for row in mine.tolist():
                where = f"{about.key!r} in row {row}"
                yield of_size(picture_of(column[row - first].as_py(), path, where), about, path, where)
            first += count


def picture_of(value: Any, path: Path, where: str) -> Image:
    """Return the colours of a PNG or JPEG that a row holds; `path` and `where` say which.

    Raises:
        FormatError: if it is none.
    """
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise fmt.FormatError(
            f"{path}: {where} is the name of a picture, not the picture itself. Put the pictures into videos "
            "(LeRobot's lerobot-edit-dataset, --operation.type convert_image_to_video), or record again"
        )
    try:
        picture = Picture.open(io.BytesIO(content), formats=_PICTURE_FORMATS)
        if picture.mode[0] in "IF":
            raise fmt.FormatError(f"{path}: {where} holds depth (mode {picture.mode}), not colours")
        return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        raise fmt.FormatError(
            f"{path}: {where} is no picture that can be read ({error}); take the file from a copy of the "
            "dataset, or record again"
        ) from error


def _episodes(root: Path, rows: Rows, places: Sequence[EpisodeRow]) -> tuple[RecordedEpisode, ...]:
    """Join the rows' episodes with what the table of episodes says about them."""
    starts = np.flatnonzero(np.diff(rows.episodes, prepend=rows.episodes[0] - 1))
    stops = [*starts[1:].tolist(), len(rows.episodes)]
    here, there = rows.episodes[starts].tolist(), [place.index for place in places]
    if here != there:
        data, table = root / "data", root / "meta" / "episodes"
        odd = min(set(here) ^ set(there), default=-1)
        fault = f"{data} holds episode {odd}, but {table} does not"
        if odd in there:
            fault = f"{table} holds episode {odd}, but {data} does not"
        elif odd not in here:
            fault = f"{table} holds an episode twice"
        raise fmt.FormatError(
            f"{fault}. A recording that was stopped before it was finalised looks so, and so does a copy "
            "that lacks a file; take both folders from a whole copy, or record again"
        )
    return tuple(map(_episode, places, [rows] * len(here), starts.tolist(), stops))


def _episode(place: EpisodeRow, rows: Rows, start: int, stop: int) -> RecordedEpisode:
    if place.length not in (None, stop - start):
        raise fmt.FormatError(
            f"{place.path} says that episode {place.index} has {place.length} frames, but {rows.path(start)} "
            f"has {stop - start}; take both files from a copy of the dataset, or record again"
        )
    family, seed = place.extras.get(fmt.FAMILY_COLUMN), place.extras.get(fmt.SEED_COLUMN)
    said = rows.task_index[start:stop].tolist()
    return RecordedEpisode(
        index=place.index,
        start=start,
        stop=stop,
        tasks=tuple(rows.tasks[k] for k in dict.fromkeys(said)),
        family=family if isinstance(family, str) else "",
        seed=int(seed) if isinstance(seed, int | float) and math.isfinite(seed) else None,
        ending=fmt.Ending.from_columns(place.extras),
    )


def _check_videos(places: Iterable[EpisodeRow]) -> None:
    """Refuse an episode whose video is not there, before anything is decoded."""
    seen = set()
    for place in places:
        for camera, clip in place.clips.items():
            if clip.path in seen:
                continue
            seen.add(clip.path)
            if not clip.path.is_file() or clip.path.stat().st_size == 0:
                raise fmt.FormatError(
                    f"{clip.path} is {'empty' if clip.path.is_file() else 'missing'}, the video of camera "
                    f"{camera!r} from episode {place.index} on. A recording that was stopped before it was "
                    "finalised looks so, and so does a copy that lacks a file; take it from a whole copy"
                )


def _fewer(info: Info, episodes: int) -> tuple[str, ...]:
    if info.episodes in (None, episodes):
        return ()
    return (f"meta/info.json speaks of {info.episodes} episodes, but {episodes} are there",)
