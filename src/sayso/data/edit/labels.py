"""Labels of points made from clicks: a column that the new recording has and the old one has not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sayso.data.clicks import points_of, read_clicks
from sayso.data.crop import points_in_parts
from sayso.data.edit.columns import Columns
from sayso.data.info import camera_name
from sayso.data.reader import Dataset
from sayso.spec import POINTS, REFERENTS, Array, ConfigError, point_names

NUMBERS = 3
"""Numbers of a point: u, v and whether visible."""


class Labels:
    """Points of every episode of one recording, followed from clicks."""

    def __init__(self, roots: Sequence[Path], clicks: Path) -> None:
        """Read recording and clicks.

        Raises:
            SaysoError: if one cannot be read, or clicks are of an episode that is not there.
            ConfigError: if there are several recordings, or labels already.
        """
        if len(roots) != 1:
            raise ConfigError("--points is of one recording: label each before they are put together")
        self._dataset, self._clicks = Dataset(roots[0]), read_clicks(clicks)
        if self._dataset.features.points:
            raise ConfigError(f"{roots[0]} has labels of points already; leave out --points")
        self._episodes = {episode.index: episode for episode in self._dataset.episodes}
        if lacking := sorted({*self._clicks} - {*self._episodes}):
            raise ConfigError(f"{clicks} has clicks of episode {lacking[0]}, which {roots[0]} has not")

    def planned(self, plan: Columns) -> Columns:
        """Return a plan with the labels of the cameras that it keeps."""
        names = [camera_name(key) for key, p in plan.pictures.items() if self._place(p.key) is not None]
        points = point_names(names)
        entry = {"dtype": "float32", "shape": [len(points)], "names": [*points]}
        return dataclasses.replace(plan, entries={**plan.entries, POINTS: entry})

    def of(self, number: int, plan: Columns) -> Array:
        """Return the labels of an episode's new rows, float32 ``[N, P]``."""
        episode = self._episodes[number]
        cameras = self._dataset.features.cameras
        whole = points_of(self._dataset, episode, self._clicks.get(number, {}))
        seen = dataclasses.replace(plan.seen, points=point_names(cameras))
        points = points_in_parts(whole, seen, cameras)
        places = [self._place(picture.key) for picture in plan.pictures.values()]
        size = NUMBERS * len(REFERENTS)
        kept = np.concatenate([np.arange(size) + place * size for place in places if place is not None])
        return points[:: plan.every, kept]

    def _place(self, key: str) -> int | None:
        """Return which of the recording's cameras has a key; None for what is none, such as depth."""
        keys = [self._dataset.info.cameras[name].key for name in self._dataset.features.cameras]
        return keys.index(key) if key in keys else None
