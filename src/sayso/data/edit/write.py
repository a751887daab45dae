"""Sequential writer of LeRobotDataset v3.0: rows and videos roll, tables come last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sayso.data import format as fmt
from sayso.data import integrity
from sayso.data.edit import pictures
from sayso.data.edit.pictures import Filmed
from sayso.data.edit.rows import numbers
from sayso.data.statistics import describe
from sayso.data.video import concatenate_videos, encoding


class NewDataset:
    """Dataset that is being written into a folder, episode by episode."""

    def __init__(self, folder: Path, entries: Mapping[str, Mapping[str, Any]], fps: float) -> None:
        """Begin with nothing; `entries` are the features as ``info.json`` is to have them."""
        self._folder, self._entries, self._fps = folder, entries, fps
        folder.mkdir(parents=True, exist_ok=True)
        self._rows = _Rows(folder)
        self._films = {
            key: _Film(folder, key, fps) for key, entry in entries.items() if entry["dtype"] == "video"
        }
        self._episodes: list[dict[str, Any]] = []
        self._values: dict[str, list[NDArray[Any]]] = {}
        self._picture_stats: dict[str, list[Mapping[str, Any] | None]] = {}
        self._infos: dict[str, list[Mapping[str, Any]]] = {}
        self.frames = 0

    def __len__(self) -> int:
        """Return the number of episodes so far."""
        return len(self._episodes)

    def part(self, key: str) -> Path:
        """Return where the next episode's video of a camera is expected."""
        return self._folder / f".{len(self)}-{self._films[key].number}-{key}.mp4"

    def add(
        self,
        columns: Mapping[str, NDArray[Any] | pa.Array],
        films: Mapping[str, Filmed],
        stored: Mapping[str, Mapping[str, Any]],
        *,
        tasks: Sequence[str],
        about: Mapping[str, Any],
    ) -> None:
        """Add an episode.

        Args:
            columns: all of its rows' columns.
            films: its video of each camera.
            stored: statistics of pictures that lie in the rows.
            tasks: what its frames are told.
            about: what else the table of episodes is to say.
        """
        n = len(columns["index"])
        row: dict[str, Any] = {"episode_index": len(self), "tasks": list(tasks), "length": n, **about}
        row |= {"dataset_from_index": self.frames, "dataset_to_index": self.frames + n}
        row |= {f"data/{name}": value for name, value in self._rows.add(columns).items()}
        for key, filmed in films.items():
            row |= {
                f"videos/{key}/{name}": value for name, value in self._films[key].add(filmed.path, n).items()
            }
            self._infos.setdefault(key, []).append(filmed.info)
        stats: dict[str, Any] = {}
        for key, column in columns.items():
            values = numbers(column)
            if values is not None and len(values):
                self._values.setdefault(key, []).append(values)
                stats[key] = _described([values])
        seen = {key: filmed.stats for key, filmed in films.items()} | dict(stored)
        for key, one in seen.items():
            self._picture_stats.setdefault(key, []).append(one)
            stats |= {key: one} if one else {}
        row |= {f"stats/{key}/{name}": value for key, one in stats.items() for name, value in one.items()}
        row |= {f"meta/episodes/{name}": value for name, value in fmt.place(0).items()}
        self._episodes.append(row)
        self.frames += n

    def finish(self, robot: str, tasks: Sequence[str]) -> None:
        """Close all files and write the tables, ``info.json`` and the digests."""
        self._rows.close()
        for film in self._films.values():
            film.close()
        every = {name: None for row in self._episodes for name in row}
        table = pa.Table.from_pylist([{name: row.get(name) for name in every} for row in self._episodes])
        unsaid = [field.name for field in table.schema if pa.types.is_null(field.type)]
        fmt.write_table(self._folder / fmt.EPISODES.format(**fmt.place(0)), table.drop_columns(unsaid))
        fmt.write_table(self._folder / fmt.TASKS, fmt.task_table(tasks))
        (self._folder / fmt.STATS).write_text(json.dumps(self._stats(), indent=2), encoding="utf-8")
        info = fmt.compose_info(
            robot, self._fps, self._told(), episodes=len(self), frames=self.frames, tasks=len(tasks)
        )
        (self._folder / fmt.INFO).write_text(fmt.info_text(info), encoding="utf-8")
        integrity.write(self._folder)

    def _stats(self) -> dict[str, Any]:
        whole = {key: parts for key, parts in self._values.items() if len(parts) == len(self)}
        stats = {key: _described(parts) for key, parts in whole.items()}
        for key, seen in self._picture_stats.items():
            known = [one for one in seen if one]
            if len(known) == len(seen) and all(pictures.is_whole(one) for one in known):
                stats[key] = pictures.together(known)
        return {key: stats[key] for key in self._entries if key in stats}

    def _told(self) -> dict[str, Mapping[str, Any]]:
        """Return the features with what holds of all their videos."""
        return {
            key: {**entry, "info": _agreed(self._infos[key], entry)} if key in self._infos else entry
            for key, entry in self._entries.items()
        }


class _Rows:
    """Files of rows, a row group per episode."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._filled = folder, 0, 0
        self._sink: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None

    def add(self, columns: Mapping[str, NDArray[Any] | pa.Array]) -> dict[str, int]:
        """Write an episode and return its file."""
        table = fmt.data_table(columns)
        if self._schema is None:
            self._schema = table.schema
        table = table.cast(self._schema)
        if self._filled and self._filled + table.nbytes >= fmt.DATA_FILE_MB * 2**20:
            self.close()
            self._number, self._filled = self._number + 1, 0
        if self._sink is None:
            path = self._folder / fmt.DATA.format(**fmt.place(self._number))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = pq.ParquetWriter(path, self._schema, compression="snappy", use_dictionary=True)
        self._sink.write_table(table, row_group_size=len(table))
        self._filled += table.nbytes
        return fmt.place(self._number)

    def close(self) -> None:
        """Close the file that is open."""
        if self._sink is not None:
            self._sink.close()
        self._sink = None


class _Film:
    """Videos of one camera: episodes are joined as long as they are encoded alike."""

    def __init__(self, folder: Path, key: str, fps: float) -> None:
        self._folder, self._key, self._fps = folder, key, fps
        self._parts: list[Path] = []
        self._encoding: tuple[str, bytes] | None = None
        self.number, self._filled, self._frames = 0, 0, 0

    def add(self, part: Path, frames: int) -> dict[str, Any]:
        """Take an episode's video over, and return where and from when to when it will be shown."""
        size, how = part.stat().st_size, encoding(part)
        if self._parts and (how != self._encoding or self._filled + size >= fmt.VIDEO_FILE_MB * 2**20):
            self.close()
            self.number, self._filled, self._frames = self.number + 1, 0, 0
        start = self._frames
        self._parts.append(part)
        self._encoding, self._filled, self._frames = how, self._filled + size, start + frames
        times = {"from_timestamp": start / self._fps, "to_timestamp": (start + frames) / self._fps}
        return {**fmt.place(self.number), **times}

    def close(self) -> None:
        """Join what has been taken over."""
        if self._parts:
            path = self._folder / fmt.VIDEO.format(video_key=self._key, **fmt.place(self.number))
            path.parent.mkdir(parents=True, exist_ok=True)
            concatenate_videos(path, self._parts, self._fps)
        for part in self._parts:
            part.unlink()
        self._parts = []


def _described(parts: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Return statistics of all rows; of tables of numbers, for each column, as LeRobot counts them."""
    values = np.concatenate(parts)
    rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    return describe(rows) | {"count": [len(values)]}


def _agreed(infos: Sequence[Mapping[str, Any]], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all say alike, and null for the rest, as LeRobot does when it puts datasets together."""
    every = {name: None for info in infos for name in info}
    height, width = entry["shape"][:2]
    found: dict[str, Any] = {}
    for name in every:
        said = [info.get(name) for info in infos]
        found[name] = said[0] if all(one == said[0] for one in said) else None
    return found | {"video.height": height, "video.width": width}
