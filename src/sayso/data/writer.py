r"""Record episodes from any number of processes, then assemble them into one LeRobotDataset v3.0.

    workers                               one process, at the end
    stage_episode -> staging/episode-7-put/     \
    stage_episode -> staging/episode-8-put/      >-- assemble -->  meta/  data/  videos/
    stage_episode -> staging/episode-7-fetch/   /

Each episode is staged as a folder of its own that appears by one rename, so a kill at any moment loses only
the episode in flight, and what remains to be done is what is not there. Assembly orders episodes by family
and seed: the dataset is the same, byte for byte, however many workers recorded it.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data import digests
from sayso.data import format as fmt
from sayso.data.normalize import Integers, colour_histogram, describe, describe_images
from sayso.data.video import concatenate_videos, encode_video
from sayso.spec import (
    OTHER_TASK,
    TASK,
    Array,
    FeatureMismatchError,
    Features,
    Image,
    NotFiniteError,
    Observation,
    SaysoError,
    image_key,
)

STAGING = "staging"
ASSEMBLING = ".assembling"
IMAGE_SAMPLES = 100
"""At most so many frames of an episode, spread evenly, enter its image statistics."""
_STAGED_NAME = re.compile(r"episode-(\d+)-([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, order=True)
class EpisodeKey:
    """Identify a recorded episode. The order of keys is the order of episodes in a dataset."""

    family: str
    seed: int

    @property
    def folder(self) -> str:
        """Return the name of its folder in staging."""
        return f"episode-{self.seed}-{self.family}"


def stage_episode(
    root: Path, features: Features, frames: Sequence[Observation], *, seed: int, family: str
) -> Path:
    """Write one episode into ``root/staging`` and return its folder; safe from any number of processes.

    `frames` are as in `sayso.spec.Episode.frames`. If the same episode was staged meanwhile, that one stays.

    Raises:
        FeatureMismatchError: if a frame lacks a feature or has it in another shape.
        ValueError: if there are no frames, or the family's name does not fit into a file name.
    """
    key = EpisodeKey(family=family, seed=seed)
    if not frames or not _STAGED_NAME.fullmatch(key.folder):
        raise ValueError(
            f"an episode needs frames ({len(frames)} given) and a plain family name ({family!r} given)"
        )
    folder = root / STAGING / key.folder
    partial = root / STAGING / f".partial-{uuid.uuid4().hex}"
    partial.mkdir(parents=True)
    try:
        _write_staged(partial, features, frames)
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def staged(root: Path) -> list[EpisodeKey]:
    """List the episodes waiting in ``root/staging``, in the order they will have in the dataset."""
    names = [entry.name for entry in (root / STAGING).glob("episode-*")]
    matches = [match for name in names if (match := _STAGED_NAME.fullmatch(name))]
    return sorted(EpisodeKey(family=match[2], seed=int(match[1])) for match in matches)


def recorded(root: Path) -> list[EpisodeKey]:
    """List the episodes that need not be recorded again, in the finished dataset or in staging."""
    return sorted({*staged(root), *_finished(root)})


def assemble(
    root: Path,
    features: Features,
    *,
    keep_staging: bool = False,
    data_file_mb: float = fmt.DATA_FILE_MB,
    video_file_mb: float = fmt.VIDEO_FILE_MB,
) -> Path:
    """Turn all staged episodes into a LeRobotDataset v3.0 in `root` and return `root`.

    It may be interrupted and called again at any moment: ``meta`` appears last, by one rename, and staging is
    removed only after that.

    Raises:
        FeatureMismatchError: if an episode was staged with other features.
        SaysoError: if nothing is staged, or `root` holds a finished dataset with episodes staging lacks.
    """
    finished, waiting = _finished(root), staged(root)
    if not finished or not set(waiting) <= set(finished):
        _refuse_impossible(root, finished, waiting)
        episodes = [_read_staged(root / STAGING / key.folder, key, features) for key in waiting]
        _build(root / ASSEMBLING, features, episodes, data_file_mb, video_file_mb)
        _publish(root)
    if not keep_staging:
        shutil.rmtree(root / STAGING, ignore_errors=True)
    shutil.rmtree(root / ASSEMBLING, ignore_errors=True)
    return root


@dataclass(frozen=True, kw_only=True)
class _Staged:
    """Hold everything of a staged episode but its videos."""

    key: EpisodeKey
    folder: Path
    tasks: tuple[str, ...]
    task_rows: Integers
    """Which of `tasks` each frame was shown with, ``[N]``."""
    other_tasks: tuple[str, ...]
    other_rows: Integers | None
    """Which of `other_tasks` each frame is labelled with besides, ``[N]``; None if with nothing."""
    vectors: Mapping[str, Array]
    """Feature -> ``[N, D]``."""
    histograms: Mapping[str, Integers]
    """Camera -> how often each of 256 values occurs in each colour, ``[3, 256]``."""
    samples: int

    def __len__(self) -> int:
        return len(self.task_rows)


def _write_staged(folder: Path, features: Features, frames: Sequence[Observation]) -> None:
    others = OTHER_TASK in frames[0]
    vectors = fmt.vector_names(features, others=others)
    arrays: dict[str, Any] = {key: _vector(frames, key, len(names)) for key, names in vectors.items()}
    tasks, arrays[TASK] = _numbered([frame[TASK] for frame in frames])
    other_tasks: list[str] = []
    if others:
        other_tasks, arrays[OTHER_TASK] = _numbered([frame[OTHER_TASK] for frame in frames])
    for camera, size in features.cameras.items():
        images = _images(frames, image_key(camera), size)
        arrays[f"histogram.{camera}"] = colour_histogram(images[k] for k in _sample(len(images)))
        encode_video(folder / f"{camera}.mp4", images, features.fps)
    np.savez(folder / "arrays.npz", **arrays)
    about = {"features": features.to_json(), "tasks": tasks, "other_tasks": other_tasks}
    (folder / "episode.json").write_text(json.dumps(about, indent=2))


def _numbered(sentences: Sequence[str]) -> tuple[list[str], Integers]:
    """Return each sentence once, and which of them stands where."""
    tasks = list(dict.fromkeys(sentences))
    return tasks, np.array([tasks.index(sentence) for sentence in sentences], np.int64)


def _vector(frames: Sequence[Observation], key: str, size: int) -> Array:
    for k, frame in enumerate(frames):
        if (shape := np.shape(frame.get(key, ()))) != (size,):
            raise FeatureMismatchError(f"frame {k} must have {key!r} of shape ({size},), but has {shape}")
    rows = np.array([frame[key] for frame in frames], np.float32)
    if not np.isfinite(rows).all():
        raise NotFiniteError(f"{key!r} is not finite in frame {int(np.argmin(np.isfinite(rows).all(1)))}")
    return rows


def _images(frames: Sequence[Observation], key: str, size: tuple[int, int]) -> list[Image]:
    for k, frame in enumerate(frames):
        image = frame.get(key)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != (*size, 3):
            raise FeatureMismatchError(
                f"frame {k} must have {key!r} as uint8 {(*size, 3)}, but has {np.shape(frame.get(key, ()))}"
            )
    return [frame[key] for frame in frames]


def _sample(length: int) -> Integers:
    return np.linspace(0, length - 1, min(length, IMAGE_SAMPLES)).round().astype(np.int64)


def _read_staged(folder: Path, key: EpisodeKey, features: Features) -> _Staged:
    about = json.loads((folder / "episode.json").read_text())
    if about["features"] != features.to_json():
        raise FeatureMismatchError(
            f"{folder} was staged with other features than those given. Staged: {about['features']}. "
            f"Given: {features.to_json()}. Record each robot, rate and camera size into a folder of its own."
        )
    with np.load(folder / "arrays.npz") as arrays:
        others = OTHER_TASK in arrays
        return _Staged(
            key=key,
            folder=folder,
            tasks=tuple(about["tasks"]),
            task_rows=arrays[TASK],
            other_tasks=tuple(about.get("other_tasks", ())),
            other_rows=arrays[OTHER_TASK] if others else None,
            vectors={name: arrays[name] for name in fmt.vector_names(features, others=others)},
            histograms={camera: arrays[f"histogram.{camera}"] for camera in features.cameras},
            samples=len(_sample(len(arrays[TASK]))),
        )


def _finished(root: Path) -> list[EpisodeKey]:
    """List the episodes of the finished dataset in `root`, if there is one."""
    path = root / fmt.EPISODES.format(**fmt.place(0))
    if not path.is_file():
        return []
    names = pq.read_schema(path).names
    if fmt.SEED_COLUMN not in names:
        raise SaysoError(f"{root} holds a dataset recorded by other software; record into a new folder")
    table = pq.read_table(path, columns=[fmt.FAMILY_COLUMN, fmt.SEED_COLUMN])
    return [EpisodeKey(family=f, seed=s) for f, s in zip(*table.to_pydict().values(), strict=True)]


def _refuse_impossible(root: Path, finished: list[EpisodeKey], waiting: list[EpisodeKey]) -> None:
    if not waiting:
        raise SaysoError(f"nothing is staged in {root / STAGING}; record episodes first")
    if not set(finished) <= set(waiting):
        raise SaysoError(
            f"{root} already holds a finished dataset of {len(finished)} episodes, which others cannot join. "
            f"Move {root / STAGING} into a new folder and assemble that; training reads several datasets."
        )
    foreign = [name for name in ("data", "videos") if (root / name).exists()]
    if foreign and not finished and not (root / ASSEMBLING).is_dir():
        raise SaysoError(f"{root} has {' and '.join(foreign)} of unknown origin; record into a new folder")


def _build(
    folder: Path, features: Features, episodes: Sequence[_Staged], data_file_mb: float, video_file_mb: float
) -> None:
    """Write the whole dataset into `folder`, from nothing."""
    for leftover in folder.glob("*"):
        shutil.rmtree(leftover)
    others = episodes[0].other_rows is not None
    if any((episode.other_rows is not None) is not others for episode in episodes):
        raise FeatureMismatchError(
            "episodes with and without labels of other instructions belong into folders of their own"
        )
    sentences = chain(*(e.tasks for e in episodes), *(e.other_tasks for e in episodes))
    tasks = {task: k for k, task in enumerate(dict.fromkeys(sentences))}
    ends = list(accumulate(len(episode) for episode in episodes))
    columns = [
        _columns(episode, features.fps, number, end - len(episode), tasks)
        for number, (episode, end) in enumerate(zip(episodes, ends, strict=True))
    ]
    places = _write_data(folder, columns, data_file_mb)
    for camera in features.cameras:
        found = _write_videos(folder, camera, features.fps, episodes, video_file_mb)
        places = [place | more for place, more in zip(places, found, strict=True)]
    rows = [
        _episode_row(number, *row)
        for number, row in enumerate(zip(episodes, columns, ends, places, strict=True))
    ]
    _write_table(folder / fmt.EPISODES.format(**fmt.place(0)), pa.Table.from_pylist(rows))
    _write_table(folder / fmt.TASKS, fmt.task_table(list(tasks)))
    info = fmt.make_info(features, episodes=len(episodes), frames=ends[-1], tasks=len(tasks), others=others)
    (folder / fmt.STATS).write_text(json.dumps(_total_stats(episodes, columns), indent=2))
    (folder / fmt.INFO).write_text(fmt.info_text(info))
    digests.write(folder)


def _publish(root: Path) -> None:
    """Move what was built into place, ``meta`` last: it is what makes a folder a dataset."""
    for name in ("meta", "data", "videos"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("data", "videos", "meta"):
        if (root / ASSEMBLING / name).is_dir():
            (root / ASSEMBLING / name).rename(root / name)


def _columns(
    episode: _Staged, fps: float, number: int, first_row: int, tasks: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """Return every column of an episode's rows, vectors as ``[N, D]`` and counters as ``[N]``."""
    steps = np.arange(len(episode))
    task_index = np.array([tasks[task] for task in episode.tasks])
    counters = {
        "timestamp": steps / fps,
        "frame_index": steps,
        "episode_index": np.full_like(steps, number),
        "index": first_row + steps,
        "task_index": task_index[episode.task_rows],
    }
    columns = {**episode.vectors, **{key: counters[key].astype(d) for key, d in fmt.COUNTERS.items()}}
    if episode.other_rows is not None:
        columns[fmt.OTHER_TASK_INDEX] = np.array([tasks[t] for t in episode.other_tasks])[episode.other_rows]
    return columns


def _roll(sizes: Sequence[int], limit_mb: float) -> list[int]:
    """Return the number of the file each piece goes to; one that would reach the limit is closed before."""
    numbers, number, filled = [], 0, 0
    for size in sizes:
        if filled and filled + size >= limit_mb * 2**20:
            number, filled = number + 1, 0
        numbers.append(number)
        filled += size
    return numbers


def _write_data(
    folder: Path, columns: Sequence[dict[str, NDArray[Any]]], limit_mb: float
) -> list[dict[str, Any]]:
    """Write the rows, one row group per episode, and return where each episode went."""
    tables = [fmt.data_table(each) for each in columns]
    numbers = _roll([table.nbytes for table in tables], limit_mb)
    for number, group in groupby(zip(numbers, tables, strict=True), key=lambda pair: pair[0]):
        path = folder / fmt.DATA.format(**fmt.place(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, tables[0].schema, compression="snappy", use_dictionary=True) as sink:
            for _, table in group:
                sink.write_table(table, row_group_size=len(table))
    return [{f"data/{name}": value for name, value in fmt.place(number).items()} for number in numbers]


def _write_videos(
    folder: Path, camera: str, fps: float, episodes: Sequence[_Staged], limit_mb: float
) -> list[dict[str, Any]]:
    """Join the episodes' videos of one camera and return where, and from when to when, each episode is."""
    key, prefix = image_key(camera), f"videos/{image_key(camera)}/"
    parts = [episode.folder / f"{camera}.mp4" for episode in episodes]
    numbers = _roll([part.stat().st_size for part in parts], limit_mb)
    places = []
    for number, group in groupby(zip(numbers, episodes, parts, strict=True), key=lambda item: item[0]):
        _, members, files = zip(*group, strict=True)
        path = folder / fmt.VIDEO.format(video_key=key, **fmt.place(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        for start, episode in zip(concatenate_videos(path, files, fps), members, strict=True):
            times = {"from_timestamp": start / fps, "to_timestamp": (start + len(episode)) / fps}
            places.append({prefix + name: value for name, value in (fmt.place(number) | times).items()})
    return places


def _episode_row(
    number: int, episode: _Staged, columns: Mapping[str, NDArray[Any]], end: int, place: Mapping[str, Any]
) -> dict[str, Any]:
    stats = {key: describe(_as_rows(values)) for key, values in columns.items()}
    stats |= {image_key(c): describe_images(h, episode.samples) for c, h in episode.histograms.items()}
    return {
        "episode_index": number,
        "tasks": list(episode.tasks),
        "length": len(episode),
        fmt.SEED_COLUMN: episode.key.seed,
        fmt.FAMILY_COLUMN: episode.key.family,
        "dataset_from_index": end - len(episode),
        "dataset_to_index": end,
        **place,
        **{f"stats/{key}/{name}": value for key, summary in stats.items() for name, value in summary.items()},
        **{f"meta/episodes/{name}": value for name, value in fmt.place(0).items()},
    }


def _total_stats(
    episodes: Sequence[_Staged], columns: Sequence[Mapping[str, NDArray[Any]]]
) -> dict[str, Any]:
    """Return exact statistics over all episodes."""
    stats: dict[str, Any] = {
        key: describe(_as_rows(np.concatenate([each[key] for each in columns]))) for key in columns[0]
    }
    samples = sum(episode.samples for episode in episodes)
    for camera in episodes[0].histograms:
        total = sum((episode.histograms[camera] for episode in episodes), np.zeros((3, 256), np.int64))
        stats[image_key(camera)] = describe_images(total, samples)
    return stats


def _as_rows(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def _write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", use_dictionary=True)
