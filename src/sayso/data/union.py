"""Union of recordings: the numbers of all their rows side by side, and which camera of each is which of all.

::

    recording of robot 0    a b .      robots 0
                            a b .             0
    recording of robot 1    . b c             1      what a robot has not is zero; labels are unknown

Shapes: N rows, D numbers, K chunk, A action, S state, P numbers of labelled points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.data.crop import points_in_parts
from sayso.data.mixture import UNKNOWN, Places, grouped, laid, measured, places, pooled, union
from sayso.data.reader import Dataset
from sayso.data.statistics import Integers, Stats
from sayso.data.transforms import Repack, relative_chunk, relative_dimensions
from sayso.data.units import JointUnit
from sayso.spec import ACTION, STATE, Array, Features

Learned = NDArray[np.bool_]


class Union:
    """Rows of datasets, in the names, units and order of the union of their robots.

    - ``state`` float32 ``[N, S]``, ``action`` float32 ``[N, A]``, ``points`` and ``other_points`` float32
      ``[N, P]``, ``robots`` int64 ``[N]``: of which robot each row is
    - ``cameras``: for each dataset, name here -> what its robot calls the camera, and name there
    - ``assumed``: what a person should know of units that nobody named
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        given: Mapping[Path, Features],
        learned: Sequence[Learned],
        units: JointUnit,
        is_known: bool,
    ) -> None:
        """Lay out the rows.

        Args:
            datasets: whose rows.
            given: features of each, its names and sizes of pictures as they are to be.
            learned: which rows of each statistics are to know.
            units: of the joints, where datasets name none.
            is_known: whether they are a policy's that is there, even if it knows of no units.

        Raises:
            FeatureMismatchError: if datasets of one robot label other points, or one of several robots shows
                nothing.
            SaysoError: if joints cannot be in these units.
        """
        robots, self.robot_of = grouped([(str(d.root), given[d.root]) for d in datasets])
        ways = [Repack.between(d.features, robots[k]) for d, k in zip(datasets, self.robot_of, strict=True)]
        numbers = [
            way.forward({STATE: d.state, ACTION: d.action}) for way, d in zip(ways, datasets, strict=True)
        ]
        own = [self._own(k, numbers, learned) for k in range(len(robots))]
        self.assumed: tuple[str, ...] = ()
        if not is_known or units:
            robots, self.assumed = measured(robots, own, units)
        self.features = union(robots)
        self.places = places(self.features)
        self.learned = np.concatenate(learned)
        self.robots = np.repeat(self.robot_of, [len(d) for d in datasets])
        of = [self.places[k] for k in self.robot_of]
        self.cameras = [
            {here: (its, way.there(its)) for here, its in place.cameras.items()}
            for way, place in zip(ways, of, strict=True)
        ]
        sizes = {STATE: len(self.features.state), ACTION: len(self.features.action)}
        self.state, self.action = (
            np.concatenate(
                [laid(one[key], place.of(key), sizes[key]) for one, place in zip(numbers, of, strict=True)]
            )
            for key in (STATE, ACTION)
        )
        marks = [self._marks(given[d.root], place) for d, place in zip(datasets, of, strict=True)]
        self.points, self.other_points = (
            np.concatenate(
                [
                    laid(points, place, len(self.features.points), UNKNOWN)
                    for points, place in zip(given_points, marks, strict=True)
                ]
            )
            for given_points in (
                [_in_parts(d, given[d.root], d.points) for d in datasets],
                [
                    _in_parts(d, given[d.root], d.points if d.other_points is None else d.other_points)
                    for d in datasets
                ],
            )
        )
        self._only = own[0] if len(robots) == 1 else None

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Return statistics of state and action, of each number over the rows that have it."""
        if self._only:
            return self._only
        robots = self.robots[self.learned]
        return {
            key: pooled(values[self.learned], robots, [place.of(key) for place in self.places])
            for key, values in ((STATE, self.state), (ACTION, self.action))
        }

    def of_moves(self, chunks: Array, rows: Integers) -> Stats:
        """Return statistics of chunks counted from where the joints stand, ``K * A`` numbers.

        Args:
            chunks: ``[N, K, A]``.
            rows: where each of them begins, ``[N]``.
        """
        found = np.zeros_like(chunks)
        for k, place in enumerate(self.places):
            mine = self.robots[rows] == k
            state = self.state[rows[mine], None][..., place.state]
            found[mine] = laid(
                relative_chunk(chunks[mine][..., place.action], state, relative_dimensions(place.robot)),
                place.action,
                chunks.shape[-1],
            )
        columns = [place.steps(chunks.shape[2], chunks.shape[1]) for place in self.places]
        return pooled(found.reshape(len(found), -1), self.robots[rows], columns)

    def showing(self, camera: str, rows: Integers) -> Integers:
        """Return those of the rows that a camera shows."""
        having = [k for k, place in enumerate(self.places) if camera in place.cameras]
        return rows[np.isin(self.robots[rows], having)]

    def _own(
        self, robot: int, numbers: Sequence[Mapping[str, Array]], learned: Sequence[Learned]
    ) -> dict[str, Stats]:
        mine = [k for k, of in enumerate(self.robot_of) if of == robot]
        return {
            key: Stats.of(np.concatenate([numbers[k][key][learned[k]] for k in mine]))
            for key in (STATE, ACTION)
        }

    def _marks(self, given: Features, place: Places) -> Integers:
        """Return where the labels of a dataset lie among those of all."""
        here = {its: camera for camera, its in place.cameras.items()}
        split = [point.partition(".") for point in given.points]
        names = [here.get(camera, camera) + dot + mark for camera, dot, mark in split]
        return np.array([self.features.points.index(name) for name in names], np.int64)


def _in_parts(dataset: Dataset, seen: Features, points: Array) -> Array:
    """Return a dataset's points as they lie in what is seen of its pictures."""
    sizes = zip(seen.cameras, dataset.features.cameras.values(), strict=True)
    return points_in_parts(points, seen, dict(sizes)) if seen.cropped else points
