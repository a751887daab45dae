"""Reader of LeRobotDataset v2.0 and v2.1: a file per episode, and lists of JSON lines.

    meta/episodes.jsonl    meta/tasks.jsonl
    data/chunk-000/episode_000007.parquet
    videos/chunk-000/observation.images.front/episode_000007.mp4

Source: https://github.com/huggingface/lerobot, ``src/lerobot/scripts/convert_dataset_v21_to_v30.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sayso.data.format import VERSION, VIDEO, FormatError
from sayso.data.info import inside, read_raw
from sayso.data.tables import Clip, number_in
from sayso.spec.files import parsed

EPISODES, TASKS = "meta/episodes.jsonl", "meta/tasks.jsonl"
_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
_LEFT_BEHIND = ("total_chunks", "total_videos", "data_path", "video_path")
"""What ``info.json`` said of that layout."""


def is_old(raw: Mapping[str, Any]) -> bool:
    """Tell whether ``info.json`` is of a version that is read here."""
    version = raw.get("codebase_version")
    return isinstance(version, str) and re.fullmatch(r"v2\.[01]", version) is not None


def version_of(root: Path) -> str:
    """Return the version that a dataset says to be of."""
    return str(read_raw(root).get("codebase_version"))


def upgraded(root: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``info.json`` would say in this version.

    Raises:
        FormatError: if its videos are not where that version has them.
    """
    given = raw.get("video_path")
    if given not in (None, _VIDEO):
        raise FormatError(f"{root}/meta/info.json: video_path is {given!r}, but in v2 it is {_VIDEO!r}")
    now = {key: value for key, value in raw.items() if key not in _LEFT_BEHIND}
    features = raw.get("features")
    if isinstance(features, dict):
        now["features"] = {key: _entry(entry) for key, entry in features.items()}
    return now | {"codebase_version": VERSION, "video_path": VIDEO, "chunks": raw.get("chunks_size")}


def episodes(root: Path) -> dict[int, tuple[Path, Mapping[str, Any]]]:
    """Return what the list of episodes says about each."""
    path = root / EPISODES
    return {number_in(path, row, "episode_index", None): (path, row) for row in _lines(path)}


def tasks(root: Path) -> dict[int, str]:
    """Return the instructions by their ``task_index``."""
    path = root / TASKS
    return {number_in(path, row, "task_index", None): str(row.get("task") or "") for row in _lines(path)}


def clip(root: Path, path: Path, raw: Mapping[str, Any], key: str, row: Mapping[str, Any]) -> Clip:
    """Return where an episode's pictures are: in a video of its own, from its first frame on."""
    episode = number_in(path, row, "episode_index", None)
    size = raw.get("chunks")
    chunk = episode // (size if isinstance(size, int) and size > 0 else 1000)
    place = _VIDEO.format(episode_chunk=chunk, video_key=key, episode_index=episode)
    return Clip(path=inside(root, place), begins_s=0.0)


def _entry(entry: Any) -> Any:
    """Return a feature's entry with what it says of its video under the name that it has now."""
    if isinstance(entry, dict) and isinstance(entry.get("video_info"), dict):
        rest = {key: value for key, value in entry.items() if key != "video_info"}
        return {"info": entry["video_info"], **rest}
    return entry


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read ({error}); take it from a copy of the dataset") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parsed(line)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}, line {number}, is no JSON; take it from a copy") from error
        if not isinstance(row, dict):
            raise FormatError(f"{path}, line {number}, is no object of names and values")
        yield row
