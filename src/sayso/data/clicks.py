"""Clicks: where a person saw the named thing and its place in a few frames of a recording, kept as JSON.

    {"episodes": {"0": {"front": {"object": [[0, 0.31, 0.52], [120, null, null]]}}}}

A click is the number of a frame of the episode, u and v in 0..1, or null twice where the thing is not to be
seen. `points_of` follows them through the episode and returns the labels that training points with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sayso.data.reader import Dataset, RecordedEpisode
from sayso.data.tracking import UNKNOWN, Mark, track
from sayso.spec import REFERENTS, Array, SaysoError, known
from sayso.spec.files import parsed
from sayso.work.replace import appearing

Marks = Mapping[str, Mapping[str, Sequence[Mark]]]
"""Camera -> referent -> marks, of one episode."""


def read_clicks(path: Path) -> dict[int, Marks]:
    """Return the marks of each episode.

    Raises:
        SaysoError: if the file is not there, or no file of clicks.
    """
    if not path.is_file():
        raise SaysoError(f"{path} is not there; `sayso label DATASET` makes such a file")
    try:
        episodes = parsed(path.read_bytes())["episodes"]
        return {int(number): _marks(cameras) for number, cameras in episodes.items()}
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise SaysoError(
            f"{path} is no file of clicks ({error}); docs/data.md shows one, `sayso label` makes one"
        ) from error


def write_clicks(path: Path, clicks: Mapping[int, Marks]) -> None:
    """Write the marks of each episode, whole or not at all."""
    episodes = {
        str(number): {
            camera: {referent: list(map(_listed, marks)) for referent, marks in of.items()}
            for camera, of in cameras.items()
        }
        for number, cameras in sorted(clicks.items())
    }
    with appearing(path) as partial:
        partial.write_text(json.dumps({"episodes": episodes}, indent=1) + "\n", encoding="utf-8")


def as_mark(given: Any) -> Mark:
    """Return a click of the file, or of the page, as a mark.

    Raises:
        ValueError: if it is none.
    """
    frame, u, v = given
    if not isinstance(frame, int) or frame < 0:
        raise ValueError(f"{frame!r} is no number of a frame")
    if u is None and v is None:
        return Mark(frame=frame, uv=None)
    if not (math.isfinite(u) and math.isfinite(v) and 0 <= u <= 1 and 0 <= v <= 1):
        raise ValueError(f"{u!r}, {v!r} is no place in a picture, 0 to 1")
    return Mark(frame=frame, uv=(float(u), float(v)))


def points_of(dataset: Dataset, episode: RecordedEpisode, marks: Marks) -> Array:
    """Return the labels of an episode's frames, float32 ``[N, C * R * 3]``; of what nobody clicked, unknown.

    `sayso.spec.point_names` are their names.

    Raises:
        SaysoError: if a camera or a frame that was clicked is not there, or OpenCV is not installed.
    """
    for camera in marks:
        known("camera", camera, dataset.features.cameras)
    rows = np.arange(episode.start, episode.stop)
    columns = []
    for camera in dataset.features.cameras:
        clicked = {referent: m for referent, m in marks.get(camera, {}).items() if m}
        images = list(dataset.images(camera, rows)) if clicked else []
        for referent in REFERENTS:
            nobody = np.tile(np.array([0.5, 0.5, UNKNOWN], np.float32), (len(rows), 1))
            columns.append(track(images, clicked[referent]) if referent in clicked else nobody)
    return np.concatenate(columns, 1)


def _marks(cameras: Any) -> dict[str, dict[str, list[Mark]]]:
    return {
        str(camera): {known("referent", str(r), REFERENTS): list(map(as_mark, m)) for r, m in of.items()}
        for camera, of in cameras.items()
    }


def _listed(mark: Mark) -> list[float | int | None]:
    u, v = mark.uv or (None, None)
    return [mark.frame, u, v]
