"""Layout of windows over episodes, which may leave out the idle frames before an episode's first motion.

::

    key pressed            first motion
        |  . . . . . . . . . /~~~~~~~~~ ...
        '---- idle ---------'

Whoever records by hand presses a key, then takes the arm. A policy that has learned from these frames sees
the first pose, remembers that nothing happened there most of the time, and never begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from sayso.data.reader import Dataset
from sayso.data.statistics import Integers

MOVED = 0.02
"""Share of a dimension's range from which on its action has left where it began."""
BEFORE_S = 0.1
"""How much before that is kept: a motion begins slowly."""


def onset_rows(dataset: Dataset) -> Mapping[int, int]:
    """Return the row of each episode's first motion, by its number; its first row if it never moves."""
    low, high = np.quantile(dataset.action, (0.01, 0.99), axis=0)
    enough = np.where(high > low, MOVED * (high - low), np.inf)
    kept = round(BEFORE_S * dataset.features.fps)
    found: dict[int, int] = {}
    for episode in dataset.episodes:
        actions = dataset.action[episode.start : episode.stop]
        moved = np.flatnonzero((np.abs(actions - actions[0]) > enough).any(axis=1))
        found[episode.index] = episode.start + (max(0, int(moved[0]) - kept) if len(moved) else 0)
    return found


def layout(
    dataset: Dataset, stride: int, heldout: Collection[int], measured: bool, skip_idle: bool
) -> Integers:
    """Return present row, first row and end of the episode for every window, ``[N, 3]``.

    `measured` says of which episodes: those that are held out, or the others.
    """
    begins = onset_rows(dataset) if skip_idle else {e.index: e.start for e in dataset.episodes}
    spans = [
        np.stack(np.broadcast_arrays(np.arange(begins[e.index], e.stop, stride), e.start, e.stop), axis=1)
        for e in dataset.episodes
        if (e.index in heldout) == measured
    ]
    return np.concatenate([np.empty((0, 3), np.int64), *spans])
