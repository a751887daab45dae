r"""Idle frames: how long nothing moves before the first motion of an episode, which teaches to stand still.

::

    key pressed            first motion
        |  . . . . . . . . . /~~\__/~~~ ...
        '---- idle ---------'

Whoever records by hand presses a key, then takes the arm. A policy that has learned from these frames sees
the first pose, remembers that nothing happened there most of the time, and never begins.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sayso.data.reader import Dataset

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
