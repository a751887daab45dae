"""Staging of recorded episodes until all are there, each in a folder that is whole or is not there.

    staging/episode-7-put/    episode.json    features, sentences, how it ended
                              arrays.npz      states, actions, labels, histograms of colours
                              front.mp4       one video per camera
                              SHA256SUMS      what all of these hold

A folder appears by one rename. What a kill leaves half written is swept away; an episode that a disk or a
person has damaged since is dropped, and recorded anew like one that was never there.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sayso.data import format as fmt
from sayso.data.statistics import Integers, colour_histogram
from sayso.data.video import VideoError, encode_video, extent
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
    differences,
    image_key,
)
from sayso.spec.files import parsed
from sayso.work.digests import damaged, write_digests
from sayso.work.replace import flush, flush_all

STAGING = "staging"
ABOUT, ARRAYS = "episode.json", "arrays.npz"
IMAGE_SAMPLES = 100
"""At most so many frames of an episode, spread evenly, enter its image statistics."""
_STAGED_NAME = re.compile(r"episode-(\d+)-([A-Za-z0-9_.-]+)")
_PARTIAL = ".partial-"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, VideoError)
"""What reading raises of files that were cut, emptied or overwritten."""


@dataclass(frozen=True, order=True)
class EpisodeKey:
    """Identity of a recorded episode. The order of keys is the order of episodes in a dataset."""

    family: str
    seed: int

    @property
    def folder(self) -> str:
        """Return the name of its folder in staging."""
        return f"episode-{self.seed}-{self.family}"


def stage_episode(
    root: Path,
    features: Features,
    frames: Sequence[Observation],
    *,
    seed: int,
    family: str,
    ending: fmt.Ending | None = None,
) -> Path:
    """Write one episode into ``root/staging`` and return its folder; safe from any number of processes.

    `frames` are as in `sayso.spec.Episode.frames`. If the same episode was staged meanwhile, that one stays.
    `ending` is how it ended and who acted, as far as that is known.

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
    partial = root / STAGING / f"{_PARTIAL}{uuid.uuid4().hex}"
    partial.mkdir(parents=True)
    try:
        _write_staged(partial, features, frames, ending or fmt.Ending())
        flush_all(partial)
        partial.rename(folder)
        for above in (folder.parent, root):
            flush(above)
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


def sweep(root: Path) -> Iterator[str]:
    """Drop what is of no use in ``root/staging``, and say of each damaged episode what is wrong with it.

    Nobody else may be recording there (`sayso.work.lock`). An orphan of a killed recording may: it then finds
    that the folder it is filling has another name, and stages nothing.
    """
    for partial in (root / STAGING).glob(f"{_PARTIAL}*"):
        _drop(partial)
    for key in staged(root):
        folder = root / STAGING / key.folder
        if wrong := _wrong_with(folder, key):
            _drop(folder)
            yield f"{folder} is damaged: {wrong}"


def _drop(path: Path) -> None:
    doomed = path.with_name(f".doomed-{uuid.uuid4().hex}")
    path.rename(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        doomed.unlink()


def _wrong_with(folder: Path, key: EpisodeKey) -> str:
    """Say what is wrong with a staged episode; nothing if it is as it was written."""
    try:
        features = Features.from_json(parsed((folder / ABOUT).read_bytes())["features"])
        if wrong := damaged(folder, _files(features)):
            return "; ".join(wrong)
        _read(folder, key, features)  # an older version wrote no digests
    except _UNREADABLE as error:
        return str(error) or type(error).__name__
    return ""


def _files(features: Features) -> list[str]:
    return [ABOUT, ARRAYS, *(f"{camera}.mp4" for camera in features.cameras)]


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Everything of a staged episode but its videos."""

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
    ending: fmt.Ending

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.task_rows)


def _write_staged(
    folder: Path, features: Features, frames: Sequence[Observation], ending: fmt.Ending
) -> None:
    others = OTHER_TASK in frames[0]
    vectors = fmt.vector_names(features, others=others)
    arrays: dict[str, Any] = {key: _vector(frames, key, len(names)) for key, names in vectors.items()}
    tasks, arrays[TASK] = _numbered([frame[TASK] for frame in frames])
    other_tasks: list[str] = []
    if others:
        other_tasks, arrays[OTHER_TASK] = _numbered([frame[OTHER_TASK] for frame in frames])
    for camera, size in features.cameras.items():
        images = _images(frames, image_key(camera), size)
        arrays[f"histogram.{camera}"] = colour_histogram(images[k] for k in sampled(len(images)))
        encode_video(folder / f"{camera}.mp4", images, features.fps)
    np.savez(folder / ARRAYS, **arrays)
    sentences = {"tasks": tasks, "other_tasks": other_tasks}
    about = {"features": features.to_json(), **sentences, **ending.to_columns()}
    (folder / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
    write_digests(folder, _files(features))


def _numbered(sentences: Sequence[str]) -> tuple[list[str], Integers]:
    """Return each sentence once, and which of them stands where."""
    tasks = list(dict.fromkeys(sentences))
    return tasks, np.array([tasks.index(sentence) for sentence in sentences], np.int64)


def _vector(frames: Sequence[Observation], key: str, size: int) -> Array:
    for k, frame in enumerate(frames):
        if np.shape(frame.get(key, ())) != (size,):
            raise FeatureMismatchError(
                f"frame {k} must have {key!r} of shape ({size},), but has {np.shape(frame.get(key, ()))}"
            )
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


def sampled(length: int) -> Integers:
    """Return which frames of an episode enter the statistics of its pictures."""
    return np.linspace(0, length - 1, min(length, IMAGE_SAMPLES)).round().astype(np.int64)


def read_staged(folder: Path, key: EpisodeKey, features: Features) -> Staged:
    """Read a staged episode back.

    Raises:
        FeatureMismatchError: if it was staged with other features.
        SaysoError: if it is damaged.
    """
    try:
        return _read(folder, key, features)
    except _UNREADABLE as error:
        raise SaysoError(
            f"{folder} is damaged ({error}). Give the same command again: it is then recorded anew"
        ) from error


def _read(folder: Path, key: EpisodeKey, features: Features) -> Staged:
    about = parsed((folder / ABOUT).read_bytes())
    if about["features"] != features.to_json():
        there = Features.from_json(about["features"])
        wrong = differences(there, features, "the staged episode", "this recording") or ["other labels"]
        raise FeatureMismatchError(
            f"{folder} was staged with other features than those given: {'; '.join(wrong)}. "
            "Record each robot, rate and camera size into a folder of its own"
        )
    with np.load(folder / ARRAYS) as arrays:
        others = OTHER_TASK in arrays
        episode = Staged(
            key=key,
            folder=folder,
            tasks=tuple(about["tasks"]),
            task_rows=arrays[TASK],
            other_tasks=tuple(about.get("other_tasks", ())),
            other_rows=arrays[OTHER_TASK] if others else None,
            vectors={name: arrays[name] for name in fmt.vector_names(features, others=others)},
            histograms={camera: arrays[f"histogram.{camera}"] for camera in features.cameras},
            samples=len(sampled(len(arrays[TASK]))),
            ending=fmt.Ending.from_columns(about),
        )
    if any(extent(folder / f"{camera}.mp4")[0] != len(episode) for camera in features.cameras):
        raise ValueError("its videos are not as long as the episode")
    return episode
