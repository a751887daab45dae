"""Excerpt of a dataset: some of its episodes and cameras, as if nothing else had been recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from sayso.data.reader import Dataset
from sayso.data.statistics import Integers
from sayso.spec import Image, SaysoError, known


class Excerpt(Dataset):
    """Part of a dataset, which is read and trained on like a whole one; episodes keep their numbers."""

    def __init__(
        self, dataset: Dataset, *, episodes: Collection[int], cameras: Collection[str] | None = None
    ) -> None:
        """Take a part.

        Args:
            dataset: what it is taken from.
            episodes: which episodes, as the dataset numbers them.
            cameras: which cameras, as the dataset calls them; None for all.

        Raises:
            SaysoError: if no episode is left.
            UnknownNameError: if there is no such camera.
        """
        vars(self).update({name: value for name, value in vars(dataset).items() if name not in CACHED})
        chosen = [episode for episode in dataset.episodes if episode.index in episodes]
        if not chosen:
            raise SaysoError(f"no episode of {dataset.root} is left to learn from")
        self._whole = dataset
        self._rows_there = np.concatenate([np.arange(e.start, e.stop) for e in chosen])
        ends = np.cumsum([len(episode) for episode in chosen]).tolist()
        self.episodes = tuple(
            replace(episode, start=end - len(episode), stop=end)
            for episode, end in zip(chosen, ends, strict=True)
        )
        for name in ROWS:
            rows = getattr(dataset, name)
            setattr(self, name, None if rows is None else rows[self._rows_there])
        self._forget_other_tasks()
        if cameras is not None:
            self._look_through(cameras)

    @property
    def whole(self) -> Dataset:
        """Return what it was taken from."""
        return self._whole

    @cached_property
    def hash(self) -> str:
        """Return a SHA-256 over what it was taken from, and what was taken."""
        if len(self._rows_there) == len(self._whole):
            return self._whole.hash
        return hashlib.sha256(self._whole.hash.encode() + self._rows_there.tobytes()).hexdigest()

    def images(self, camera: str, rows: Sequence[int] | Integers) -> Iterator[Image]:
        """Yield a camera's images at the given rows, counted in this part, which must ascend."""
        return self._whole.images(camera, self._rows_there[np.asarray(rows, np.int64)])

    def _forget_other_tasks(self) -> None:
        """Keep the instructions that are said here; whoever learns from them meets no others."""
        others = () if self.other_task_index is None else (self.other_task_index,)
        said = np.unique(np.concatenate([self.task_index, *others]))
        self.tasks = tuple(self.tasks[k] for k in said)
        self.task_index = np.searchsorted(said, self.task_index)
        if self.other_task_index is not None:
            self.other_task_index = np.searchsorted(said, self.other_task_index)

    def _look_through(self, cameras: Iterable[str]) -> None:
        """Leave out all other cameras, and the points that are labelled in them."""
        chosen = {known("camera", camera, self.features.cameras) for camera in cameras}
        places = [k for k, name in enumerate(self.features.points) if name.partition(".")[0] in chosen]
        self.features = replace(
            self.features,
            cameras={name: size for name, size in self.features.cameras.items() if name in chosen},
            points=tuple(self.features.points[k] for k in places),
        )
        self.points = self.points[:, places]
        self.other_points = None if self.other_points is None else self.other_points[:, places]


CACHED = {name for name, kind in vars(Dataset).items() if isinstance(kind, cached_property)}
"""What a dataset remembers of all its rows."""
ROWS = ("state", "action", "points", "other_points", "task_index", "other_task_index")
"""What it holds of each row; None of what it does not have."""
