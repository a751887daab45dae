r"""Dataset writer: episodes from any number of processes, then one LeRobotDataset v3.0 of them all.

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
import shutil
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data import format as fmt
from sayso.data import integrity
from sayso.data.staging import STAGING, Staged, read_staged
from sayso.data.staging import EpisodeKey as EpisodeKey
from sayso.data.staging import stage_episode as stage_episode
from sayso.data.staging import staged as staged
from sayso.data.statistics import describe, describe_images
from sayso.data.video import concatenate_videos
from sayso.spec import FeatureMismatchError, Features, SaysoError, image_key
from sayso.work.replace import flush, flush_all

ASSEMBLING = ".assembling"


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

    It may be interrupted and called again at any moment, by a power cut as well: ``meta`` appears last, by
    one rename, and staging is removed only when all is on the disk.

    Raises:
        FeatureMismatchError: if an episode was staged with other features.
        SaysoError: if nothing is staged, or `root` holds a finished dataset with episodes staging lacks.
    """
    finished, waiting = _finished(root), staged(root)
    if not finished or not set(waiting) <= set(finished):
        _refuse_impossible(root, finished, waiting)
        episodes = [read_staged(root / STAGING / key.folder, key, features) for key in waiting]
        _build(root / ASSEMBLING, features, episodes, data_file_mb, video_file_mb)
        flush_all(root / ASSEMBLING)
        _publish(root)
        flush(root)
    if not keep_staging:
        shutil.rmtree(root / STAGING, ignore_errors=True)
    shutil.rmtree(root / ASSEMBLING, ignore_errors=True)
    return root


def _finished(root: Path) -> list[EpisodeKey]:
    """List the episodes of the finished dataset in `root`, if there is one."""
    path = root / fmt.EPISODES.format(**fmt.place(0))
    if not path.is_file():
        return []
    try:
        names = pq.read_schema(path).names
        if fmt.SEED_COLUMN not in names:
            raise SaysoError(f"{root} holds a dataset by other software; record into a new folder")
        table = pq.read_table(path, columns=[fmt.FAMILY_COLUMN, fmt.SEED_COLUMN])
    except (OSError, pa.ArrowException) as error:
        raise SaysoError(
            f"{path} cannot be read, so it is cut or damaged ({error}). Take it from a copy of the dataset, "
            "or record into another folder"
        ) from error
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
    folder: Path, features: Features, episodes: Sequence[Staged], data_file_mb: float, video_file_mb: float
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
    table = pa.Table.from_pylist(rows)
    unsaid = [name for name in fmt.EXTRAS if pa.types.is_null(table.schema.field(name).type)]
    fmt.write_table(folder / fmt.EPISODES.format(**fmt.place(0)), table.drop_columns(unsaid))
    fmt.write_table(folder / fmt.TASKS, fmt.task_table(list(tasks)))
    info = fmt.make_info(features, episodes=len(episodes), frames=ends[-1], tasks=len(tasks), others=others)
    (folder / fmt.STATS).write_text(json.dumps(_total_stats(episodes, columns), indent=2), encoding="utf-8")
    (folder / fmt.INFO).write_text(fmt.info_text(info), encoding="utf-8")
    integrity.write(folder)


def _publish(root: Path) -> None:
    """Move what was built into place, ``meta`` last: it is what makes a folder a dataset."""
    for name in ("meta", "data", "videos"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("data", "videos", "meta"):
        if (root / ASSEMBLING / name).is_dir():
            (root / ASSEMBLING / name).rename(root / name)


def _columns(
    episode: Staged, fps: float, number: int, first_row: int, tasks: Mapping[str, int]
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
    folder: Path, camera: str, fps: float, episodes: Sequence[Staged], limit_mb: float
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
    number: int, episode: Staged, columns: Mapping[str, NDArray[Any]], end: int, place: Mapping[str, Any]
) -> dict[str, Any]:
    stats = {key: describe(_as_rows(values)) for key, values in columns.items()}
    stats |= {image_key(c): describe_images(h, episode.samples) for c, h in episode.histograms.items()}
    return {
        "episode_index": number,
        "tasks": list(episode.tasks),
        "length": len(episode),
        fmt.SEED_COLUMN: episode.key.seed,
        fmt.FAMILY_COLUMN: episode.key.family,
        **episode.ending.to_columns(),
        "dataset_from_index": end - len(episode),
        "dataset_to_index": end,
        **place,
        **{f"stats/{key}/{name}": value for key, summary in stats.items() for name, value in summary.items()},
        **{f"meta/episodes/{name}": value for name, value in fmt.place(0).items()},
    }


def _total_stats(episodes: Sequence[Staged], columns: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, Any]:
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
