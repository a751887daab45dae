"""Training windows, cut from recorded episodes, served in batches, and sampled for each step.

A window looks at one frame t of an episode, back over the history and ahead over the chunk:

    episode       |0 1 2 3 4 5 6|            history 3, chunk 4
    t = 1      0 0 1                         history stays at the first frame
                 | 1 2 3 4
    t = 5          3 4 5
                       | 5 6 6 6             the last action is repeated, and marked:
                         . . P P             action_is_pad

With a spacing of n, a chunk has the actions of every n-th frame from the present one on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.data.appearance import ENOUGH, of_pictures
from sayso.data.crop import (
    Crop,
    cropped,
    croppings,
    part_of,
    refuse_unknown,
)
from sayso.data.fit import as_one_known, names_of, refuse_unused, renamed
from sayso.data.frames import Wanted, frames_folder, open_frames, taken, taking_room
from sayso.data.layout import layout
from sayso.data.mixture import Places, in_words, spaced
from sayso.data.reader import Dataset
from sayso.data.recognition import ROBOT
from sayso.data.resize import scaled, scalings
from sayso.data.sampling import epoch_slots, shuffle
from sayso.data.statistics import RELATIVE, Integers, Stats, hardly_moves
from sayso.data.union import Union
from sayso.data.units import JointUnit, alike
from sayso.spec import (
    ACTION,
    AS_LEARNED,
    POINTS,
    STATE,
    TASK,
    Array,
    Box,
    Features,
    Image,
    image_key,
)

ACTION_IS_PAD = "action_is_pad"
_ENOUGH_CHUNKS = 20_000
RawBatch = dict[str, Any]


class Windows:
    """Windows of one or several datasets, served as batches of numpy arrays.

    Every `stride`-th frame of each episode is the present frame of one window. Images come from a cache of
    decoded frames in the folder `cache` (default: `sayso.data.frames.frames_folder`), which is built once and
    holds only the frames some window needs. `crops` says which part of each camera's picture is seen
    (`sayso.data.crop`), `resize` scales that (`sayso.data.resize`), or the features of a policy do both,
    `like` whose pictures they are to be, and whose `spacing`. `spacing` is that of the first dataset; one of
    another rate has the nearest that lasts as long.

    `skip_idle` leaves out windows whose present frame comes before the first motion of its episode
    (`sayso.data.layout`).

    Datasets may be of unlike robots: features are then the union of theirs (`sayso.data.mixture`), and what a
    window's robot has not is zero.

    `rename` says what cameras and numbers are called in some dataset, and what here; datasets may also differ
    in units that can be converted (`sayso.data.fit`).

    Units that a dataset does not name are those of the others (`sayso.data.units.alike`), and those that none
    names are found by `with_units` there; `units` are the joints'.

    `weights`, one per dataset, multiply how often a dataset's windows are drawn by `draw`.

    `heldout` names, per dataset, episodes to measure on: their windows, numbered by `measured`, stand behind
    the others, `draw` returns none of them, and no statistics know them.

    Raises:
        FeatureMismatchError: if datasets of one robot label other points or show unlike parts of a camera's
            pictures, or one of several robots shows nothing.
        UnknownNameError: if what is to be renamed or cropped is in none of them.
        ConfigError: if a part does not lie in the pictures.
        ResizeError: if pictures cannot be scaled so.
    """

    def __init__(
        self,
        datasets: Dataset | Sequence[Dataset],
        *,
        history: int = 1,
        chunk: int = 16,
        stride: int = 1,
        spacing: int | None = None,
        skip_idle: bool = False,
        cache: Path | None = None,
        weights: Sequence[float] | None = None,
        resize: str = "",
        crops: Mapping[str, Crop] | None = None,
        like: Features | None = None,
        units: JointUnit = "",
        rename: Mapping[str, str] | None = None,
        heldout: Sequence[Collection[int]] = (),
    ) -> None:
        """Lay out the windows. Frames are decoded later, by `decode` or the first batch."""
        self.datasets = (datasets,) if isinstance(datasets, Dataset) else tuple(datasets)
        refuse_unused(rename or {}, {name for d in self.datasets for name in names_of(d.features)})
        called = {d.root: renamed(d.features, rename or {}) for d in self.datasets}
        refuse_unknown(crops or {}, called.values())
        given = {
            root: as_one_known(features, like)
            if like
            else scaled(cropped(features, crops or {}, str(root)), resize, str(root))
            for root, features in called.items()
        }
        self.heldout = tuple(frozenset(held) for held in heldout) or (frozenset[int](),) * len(self.datasets)
        learned = [_rows_of(d, held) for d, held in zip(self.datasets, self.heldout, strict=True)]
        given, units, taken = alike(
            given, {d.root: _stats(d, rows) for d, rows in zip(self.datasets, learned, strict=True)}, units
        )
        if spacing or not like:
            given = spaced(given, spacing or 1)
        self.spacing = given[self.datasets[0].root].spacing
        self._union, self._seen = Union(self.datasets, given, learned, units, like is not None), given
        self.features, self.robot_of = self._union.features, self._union.robot_of
        self._assumed = taken + self._union.assumed + in_words(self.features, chunk)
        self._cache = cache or frames_folder()
        self.history, self.chunk, self.stride, self.skip_idle = history, chunk, stride, skip_idle
        self.weights = tuple(weights) if weights is not None else (1.0,) * len(self.datasets)
        counts = (history, chunk, stride, self.spacing)
        if len(self.weights) != len(self.datasets) or min(*counts, *self.weights) <= 0:
            raise ValueError(
                f"history ({history}), chunk ({chunk}), stride ({stride}), spacing ({self.spacing}) and one "
                f"weight per dataset ({len(self.datasets)} of them; weights {self.weights}) must be positive"
            )
        self._state, self._action = self._union.state, self._union.action
        self._tasks = [d.tasks[k] for d in self.datasets for k in d.task_index]
        self._other_tasks = [
            "" if d.other_task_index is None else d.tasks[d.other_task_index[k]]
            for d in self.datasets
            for k in range(len(d))
        ]
        # Where a frame's other task is its own, nobody knows what to do there (`spec.OTHER_TASK`).
        self._unknown = np.array([a == b for a, b in zip(self._tasks, self._other_tasks, strict=True)])
        self._first_rows = np.cumsum([0, *(len(d) for d in self.datasets)])
        apart = [given[d.root].spacing for d in self.datasets]
        self._spacing = np.repeat(apart, [len(d) for d in self.datasets])
        layouts = [
            layout(d, stride, held, measured, skip_idle) + first
            for measured in (False, True)
            for d, held, first in zip(self.datasets, self.heldout, self._first_rows[:-1], strict=True)
        ]
        self._spans = [*pairwise(np.cumsum([0, *map(len, layouts)]).tolist())]
        self._counts = [len(layout) for layout in layouts[: len(self.datasets)]]
        self._rows, self._starts, self._stops = np.concatenate(layouts).T
        # One shuffle per dataset, and two of epochs, for a batch may span two.
        self._shuffled = lru_cache(len(self.datasets) + 2)(shuffle)
        self._frames: list[dict[str, Image]] | None = None

    def __len__(self) -> int:
        """Return the number of windows to learn from."""
        return sum(self._counts)

    @property
    def left_out(self) -> tuple[frozenset[int], ...]:
        """Return, per dataset, the episodes of the whole recording that nothing is learned from."""
        there = [{e.index for e in dataset.whole.episodes} for dataset in self.datasets]
        here = [
            {e.index for e in dataset.episodes} - held
            for dataset, held in zip(self.datasets, self.heldout, strict=True)
        ]
        return tuple(frozenset(whole - part) for whole, part in zip(there, here, strict=True))

    @property
    def measured(self) -> Integers:
        """Return the numbers of the windows of held-out episodes, for `batch`."""
        return np.arange(len(self), len(self._rows))

    def of_dataset(self, number: int) -> tuple[Part, Integers]:
        """Return windows as those of one dataset's robot, and the numbers of its held-out ones."""
        first, stop = self._spans[len(self.datasets) + number]
        return Part(self, self._union.places[self.robot_of[number]]), np.arange(first, stop)

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Return statistics of state and action over all datasets, and of chunks relative to the state."""
        spans = self._spans[: len(self.datasets)] if self.features.robots else [(0, len(self))]
        some = np.concatenate([_spread(first, stop, _ENOUGH_CHUNKS) for first, stop in spans])
        chunks, _ = self._following(some, self.chunk, self._spacing[self._rows[some]])
        return {**self._union.stats, RELATIVE: self._union.of_moves(chunks, self._rows[some])}

    @property
    def taking_room(self) -> tuple[str, ...]:
        """Say which decoded frames take room and may be deleted."""
        return taking_room(self._cache, [dataset.root for dataset in self.datasets])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what a person should know before training: what is not read, and what cannot be learned."""
        several = len(self.datasets) > 1
        remarks = [*self._assumed]  # first, since whoever knows better should stop here
        remarks += [f"{d.root}: {r}" if several else r for d in self.datasets for r in d.remarks]
        for key, dimensions in ((STATE, self.features.state), (ACTION, self.features.action)):
            still = hardly_moves(self.stats[key].mean, self.stats[key].std)
            names = [d.name for d, rests in zip(dimensions, still, strict=True) if rests]
            if names:
                remarks.append(f"{key}: {', '.join(names)} hardly moves in the data, so it is only centred")
        if parts := croppings(self.features):
            remarks.append(f"pictures are cropped, which the policy remembers: {parts}")
        if sizes := scalings(self.features):
            remarks.append(f"pictures are scaled, which the policy remembers: {sizes}")
        return tuple(remarks)

    def batch(
        self, indices: Sequence[int] | Integers, ask_other: NDArray[np.bool_] | None = None
    ) -> RawBatch:
        """Return windows, stacked.

        Where `ask_other` is True (bool ``[B]``) and the dataset has it, a window comes with the other
        instruction and its points instead, and all its actions count as padding: they answer the first one.

        - ``observation.images.<camera>`` uint8 ``[B, T, H, W, 3]`` and ``observation.state`` float32
          ``[B, T, S]``, oldest first, the present frame last
        - ``action`` float32 ``[B, K, A]``, the present step's first, and ``action_is_pad`` bool ``[B, K]``
        - ``task`` list of B instructions; ``label.points`` float32 ``[B, P]`` where the dataset has them
        - ``robot`` int64 ``[B]`` of a mixture: which of its robots each window is of
        """
        chosen = np.asarray(indices, np.int64)
        rows, past = self._rows[chosen], self._past(chosen)
        actions, is_pad = self._following(chosen, self.chunk, self._spacing[rows])
        other = np.array([bool(self._other_tasks[row]) for row in rows], np.bool_)
        other &= False if ask_other is None else ask_other
        batch: RawBatch = {image_key(camera): self._images(camera, past) for camera in self.features.cameras}
        batch |= {
            STATE: self._state[past],
            ACTION: actions,
            ACTION_IS_PAD: is_pad | other[:, None],
            TASK: [
                (self._other_tasks if o else self._tasks)[row] for row, o in zip(rows, other, strict=True)
            ],
        }
        batch |= {ROBOT: self._union.robots[rows]} if self.features.robots else {}
        points = np.where(other[:, None], self._union.other_points[rows], self._union.points[rows])
        batch |= {POINTS: points} if self.features.points else {}
        return batch | ({AS_LEARNED: True} if self.features.cropped else {})

    def shown(self, indices: Sequence[int] | Integers, frames: int) -> tuple[Array, NDArray[np.bool_]]:
        """Return what was done in so many frames from the present ones on, whatever the spacing.

        Returns:
            actions ``[B, frames, A]``, and which of them are padding, bool ``[B, frames]``.
        """
        chosen = np.asarray(indices, np.int64)
        return self._following(chosen, frames, np.ones_like(chosen))

    def _following(self, chosen: Integers, count: int, spacing: Integers) -> tuple[Array, NDArray[np.bool_]]:
        future = self._rows[chosen, None] + np.arange(count) * spacing[:, None]
        stops = self._stops[chosen, None]
        rows = np.minimum(future, stops - 1)
        return self._action[rows], (future >= stops) | self._unknown[rows]

    def draw(self, seed: int, step: int, batch_size: int) -> Integers:
        """Return which windows training step `step` sees, a pure function of its arguments.

        An epoch draws ``weight x windows`` of each dataset. Epochs walk through each dataset's own fixed
        shuffle in turn, so a weight of 0.5 sees every window once in two epochs.
        """
        sizes = [max(1, round(w * n)) for w, n in zip(self.weights, self._counts, strict=True)]
        slots, epochs = epoch_slots(seed, step, batch_size, sum(sizes), self._shuffled)
        drawn, slot_from, window_from = np.empty_like(slots), 0, 0
        for number, (size, count) in enumerate(zip(sizes, self._counts, strict=True)):
            mine = (slots >= slot_from) & (slots < slot_from + size)
            shuffle = self._shuffled(seed, number, count)
            drawn[mine] = window_from + shuffle[(slots[mine] - slot_from + epochs[mine] * size) % count]
            slot_from, window_from = slot_from + size, window_from + count
        return drawn

    def decode(self) -> None:
        """Open the frames of every window, and decode those that are not in the cache yet.

        Raises:
            SaysoError: if the disk has no room for them, or a video is damaged.
        """
        wanted = [
            Wanted(
                dataset=dataset,
                camera=there,
                rows=kept - first,
                size=self.features.cameras[here],
                which=self._which(kept, dataset),
                part=self._part(dataset, there, its),
            )
            for dataset, cameras, kept, first in zip(
                self.datasets, self._union.cameras, self._kept, self._first_rows[:-1], strict=True
            )
            for here, (its, there) in cameras.items()
        ]
        opened = iter(open_frames(wanted, self._cache))
        self._frames = [{camera: next(opened) for camera in cameras} for cameras in self._union.cameras]

    def appearances(self) -> dict[str, Stats]:
        """Return what each camera's pictures look like, for a robot's to be compared with (`appearance`)."""
        found = {}
        for camera in self.features.cameras:
            rows = self._union.showing(camera, self._rows[: len(self)])
            found[image_key(camera)] = of_pictures(self._images(camera, rows[_spread(0, len(rows), ENOUGH)]))
        return found

    def first(self, robot: int = 0) -> Integers:
        """Return the first window of each episode that is learned from, of one robot of a mixture."""
        _, numbers = np.unique(self._starts[: len(self)], return_index=True)
        found: Integers = numbers[self._union.robots[self._rows[numbers]] == robot]
        return found

    @cached_property
    def _kept(self) -> list[Integers]:
        """Return which rows of each dataset some window needs, counted over all datasets."""
        n = len(self.datasets)
        both = zip(self._spans[:n], self._spans[n:], strict=True)
        return [np.unique(self._past(np.r_[slice(*ours), slice(*held)])) for ours, held in both]

    def _part(self, dataset: Dataset, there: str, camera: str) -> Box | None:
        """Return what is seen of a camera's picture in a dataset; None if all of it is."""
        seen, size = self._seen[dataset.root], dataset.features.cameras[there]
        return part_of(seen, camera, size) if camera in seen.cropped else None

    def _which(self, kept: Integers, dataset: Dataset) -> str:
        if len(kept) == len(dataset):
            return "all"
        return f"stride{self.stride}-history{self.history}" + ("-moving" if self.skip_idle else "")

    def _past(self, chosen: Integers) -> Integers:
        steps = np.arange(1 - self.history, 1)
        past: Integers = np.maximum(self._rows[chosen, None] + steps, self._starts[chosen, None])
        return past

    def _images(self, camera: str, rows: Integers) -> Image:
        if self._frames is None:
            self.decode()
        assert self._frames is not None
        height, width = self.features.cameras[camera]
        images = np.zeros((*rows.shape, height, width, 3), np.uint8)
        owners = np.searchsorted(self._first_rows, rows, side="right") - 1
        for number, (kept, stores) in enumerate(zip(self._kept, self._frames, strict=True)):
            mine = owners == number
            if camera in stores and mine.any():
                images[mine] = taken(stores[camera], np.searchsorted(kept, rows[mine]))
        return images


class Part:
    """Windows seen as those of one robot of a mixture, which they must be of; of a single one all are."""

    def __init__(self, windows: Windows, places: Places) -> None:
        """See windows so."""
        self.windows, self.places, self.features = windows, places, places.robot

    @property
    def stats(self) -> dict[str, Stats]:
        """Return the statistics of what the robot has."""
        return self.places.stats(self.windows.stats)

    def batch(self, indices: Sequence[int] | Integers) -> RawBatch:
        """Return windows, stacked; see `Windows.batch`."""
        return self.places.own(self.windows.batch(indices))

    def shown(self, indices: Sequence[int] | Integers, frames: int) -> tuple[Array, NDArray[np.bool_]]:
        """Return what was done from the present frames on, and what of it is padding; see `Windows.shown`."""
        actions, is_pad = self.windows.shown(indices, frames)
        return actions[..., self.places.action], is_pad


def _spread(first: int, stop: int, most: int) -> Integers:
    """Return some of the numbers from `first` up to but not including `stop`, evenly."""
    return np.linspace(first, stop - 1, min(stop - first, most)).astype(np.int64)


def _rows_of(dataset: Dataset, heldout: Collection[int]) -> NDArray[np.bool_]:
    """Tell which rows of a dataset are of no episode that is held out."""
    learned = np.ones(len(dataset), np.bool_)
    for episode in dataset.episodes:
        learned[episode.start : episode.stop] = episode.index not in heldout
    return learned


def _stats(dataset: Dataset, rows: NDArray[np.bool_]) -> dict[str, Stats]:
    if rows.all():
        return dataset.stats
    return {STATE: Stats.of(dataset.state[rows]), ACTION: Stats.of(dataset.action[rows])}
