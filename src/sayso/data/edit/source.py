"""Source of an edit: a recording of v3.0 or v2.x with all its columns, checked no more than is needed.

An episode that the reader of `sayso.data.reader` would refuse, for a number that is not finite, say, does not
keep the others from being edited: it is refused when it is kept, and can be left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sayso.data import integrity
from sayso.data.edit import older
from sayso.data.footage import shifted
from sayso.data.format import INFO, OTHER_TASK_INDEX, FormatError
from sayso.data.info import Info, check_version, read_raw, understood
from sayso.data.tables import Clip, clip_of, integers, number_in, parquet_files, read_table, read_tasks
from sayso.data.video import VideoError
from sayso.spec import OTHER_POINTS

NOT_OF_AN_EPISODE = ("videos/", "data/", "meta/", "stats/", "dataset_from_index", "dataset_to_index")
"""Columns of the table of episodes that say where something lies in one dataset, or what is counted anew."""
COUNTED = ("episode_index", "tasks", "length")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Episode of a recording as it lies there."""

    index: int
    length: int
    files: tuple[Path, ...]
    """Where its rows are."""
    tasks: tuple[int, ...]
    """Which instructions its rows name, in their order."""
    other_tasks: tuple[int, ...] = ()
    """Which they are labelled with besides."""
    clips: Mapping[str, Clip] = field(default_factory=dict)
    """Name of a video feature -> where its pictures are."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else the table of episodes says about it."""
    stats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a feature -> its statistics as they were recorded."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot be kept; or, by the name of a video feature, why its pictures cannot be."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Recording that is edited."""

    root: Path
    info: Info
    """What ``info.json`` says, checked."""
    entries: Mapping[str, Mapping[str, Any]]
    """Every feature, as it stands there."""
    tasks: Mapping[int, str]
    episodes: tuple[Episode, ...]
    remarks: tuple[str, ...] = ()
    """What a person should know of it."""

    def rows(self, episode: Episode) -> pa.Table:
        """Return the rows of an episode, all columns.

        Raises:
            FormatError: if frames are missing, doubled or out of order.
        """
        parts = [_file(path) for path in episode.files]
        mine = [part.filter(pc.equal(part["episode_index"], episode.index)) for part in parts]
        table = pa.concat_tables(mine)
        if "frame_index" in table.column_names:
            steps = integers(table, "frame_index", episode.files[0])
            if wrong := np.flatnonzero(steps != np.arange(len(steps))).tolist():
                raise FormatError(
                    f"{self.where(episode)}: frame {steps[wrong[0]]} stands where {wrong[0]} should. Leave "
                    f"it out: --drop-episodes {episode.index}"
                )
        return table

    def n_bytes(self, key: str) -> int:
        """Return how many bytes the videos of a feature take; of no feature, the rows."""
        clips = {one.clips[key].path for one in self.episodes if key in one.clips}
        files = clips if key else {file for one in self.episodes for file in one.files}
        return sum(file.stat().st_size for file in files if file.is_file())

    def check(self, episode: Episode, key: str = "") -> None:
        """Refuse an episode that cannot be kept, or its pictures of a video feature.

        Raises:
            FormatError: if it cannot.
        """
        if fault := episode.faults.get(key):
            raise FormatError(f"{fault}. Or leave it out: --drop-episodes {episode.index}")

    def where(self, episode: Episode) -> str:
        """Say which episode is meant, in words."""
        return f"{episode.files[0]}, episode {episode.index}"


def open_source(root: Path) -> Source:
    """Read what a recording says of itself and where its episodes are; no numbers, and no pictures.

    Raises:
        FormatError: if it is no recording that is understood.
    """
    raw = read_raw(root)
    old = older.is_old(raw)
    if old:
        raw = older.upgraded(root, raw)
    else:
        check_version(root, raw.get("codebase_version"))
    info = understood(root / INFO, raw)
    remarks = list(integrity.check(root, ours=info.ours))
    if old:
        remarks.append(f"{root} is of version {older.version_of(root)}, and written anew in this one")
    found = _scan(root, others=OTHER_POINTS in info.columns)
    videos = [key for key, entry in raw["features"].items() if entry["dtype"] == "video"]
    table = older.episodes(root) if old else _table_of_episodes(root)

    def clip(path: Path, row: Mapping[str, Any], key: str) -> Clip:
        if old:
            return older.clip(root, path, raw, key, row)
        return clip_of(root, path, info.video_path, key, row, row["episode_index"])

    episodes = [
        _episode(path, row, found[index], {key: partial(clip, path, row, key) for key in videos})
        for index, (path, row) in sorted(table.items())
        if index in found
    ]
    if lonely := sorted(found.keys() ^ table.keys()):
        remarks.append(
            f"episode {lonely[0]} is known to one of data/ and meta/ only, and left out ({len(lonely)} such)"
        )
    return Source(
        root=root,
        info=info,
        entries=raw["features"],
        tasks=older.tasks(root) if old else read_tasks(root),
        episodes=tuple(_with_shifts(episodes, videos, info.features.fps)),
        remarks=tuple(remarks),
    )


@dataclass
class _Found:
    files: dict[Path, None] = field(default_factory=dict)
    length: int = 0
    tasks: dict[int, None] = field(default_factory=dict)
    others: dict[int, None] = field(default_factory=dict)


def _scan(root: Path, *, others: bool) -> dict[int, _Found]:
    """Find out which episodes are in which file, and what their rows were told."""
    found: dict[int, _Found] = {}
    names = ["episode_index", "task_index", *[OTHER_TASK_INDEX] * others]
    for path in parquet_files(root / "data"):
        table = read_table(path, names)
        columns = [integers(table, name, path) for name in names]
        for index in np.unique(columns[0]).tolist():
            mine = columns[0] == index
            episode = found.setdefault(index, _Found())
            episode.files[path] = None
            episode.length += int(mine.sum())
            for seen, column in zip((episode.tasks, episode.others), columns[1:], strict=False):
                seen.update(dict.fromkeys(column[mine].tolist()))
    return found


def _episode(
    path: Path, row: Mapping[str, Any], found: _Found, places: Mapping[str, Callable[[], Clip]]
) -> Episode:
    index = number_in(path, row, "episode_index", None)
    faults, clips = dict[str, str](), dict[str, Clip]()
    if isinstance(row.get("length"), int) and row["length"] != found.length:
        faults[""] = (
            f"{path} says that episode {index} has {row['length']} frames, but "
            f"{next(iter(found.files))} has {found.length}; take both files from a copy of the dataset"
        )
    for key, place in places.items():
        try:
            clips[key] = place()
        except FormatError as error:
            faults[key] = str(error)
    return Episode(
        index=index,
        length=found.length,
        files=tuple(found.files),
        tasks=tuple(found.tasks),
        other_tasks=tuple(found.others),
        clips=clips,
        about={
            name: value
            for name, value in row.items()
            if value is not None and not name.startswith(NOT_OF_AN_EPISODE) and name not in COUNTED
        },
        stats=_stats(row),
        faults=faults,
    )


def _with_shifts(episodes: Sequence[Episode], videos: Iterable[str], fps: float) -> list[Episode]:
    """Return the episodes, with a fault for the pictures of those whose times lead to another's."""
    faults: dict[int, dict[str, str]] = {episode.index: dict(episode.faults) for episode in episodes}
    for key in videos:
        by_path: dict[Path, list[Episode]] = {}
        for episode in episodes:
            if key in episode.clips:
                by_path.setdefault(episode.clips[key].path, []).append(episode)
        for path, mine in by_path.items():
            begins_s, lengths = [e.clips[key].begins_s for e in mine], [e.length for e in mine]
            with contextlib.suppress(VideoError):  # a damaged one is refused when its pictures are wanted
                for k, wrong in shifted(path, begins_s, lengths, fps).items():
                    faults[mine[k].index][key] = f"in {path} episode {mine[k].index} {wrong}"
    return [replace(episode, faults=faults[episode.index]) for episode in episodes]


def _stats(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ``stats/observation.state/mean`` and its like, by feature."""
    stats: dict[str, dict[str, Any]] = {}
    for name, value in row.items():
        if name.startswith("stats/") and value is not None:
            key, _, what = name.removeprefix("stats/").rpartition("/")
            stats.setdefault(key, {})[what] = value
    return stats


def _table_of_episodes(root: Path) -> dict[int, tuple[Path, Mapping[str, Any]]]:
    found: dict[int, tuple[Path, Mapping[str, Any]]] = {}
    for path in parquet_files(root / "meta" / "episodes"):
        for row in read_table(path).to_pylist():
            index = number_in(path, row, "episode_index", None)
            if index in found:
                raise FormatError(f"{path} holds episode {index} twice; take it from a copy of the dataset")
            found[index] = (path, row)
    return found


@lru_cache(maxsize=1)
def _file(path: Path) -> pa.Table:
    return read_table(path)
