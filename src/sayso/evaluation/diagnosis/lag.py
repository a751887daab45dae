"""Lag between the numbers and the pictures of a robot: a camera that shows later what the joints said before.

::

    joints move      . . # # # . . .
    picture changes  . . . # # # . .        one step later
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.evaluation.diagnosis.shown import Demonstrations, Sequel
from sayso.spec import STATE, image_key

LAGS = (0, 1, 2)
ENOUGH, CLEAR = 0.5, 0.1
"""How well a later picture must move with the joints to be believed (correlation), and how much better than
one of the same time."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lag:
    """How far the pictures of a camera come behind the numbers."""

    camera: str
    steps: int
    with_it: float
    """Correlation of how much joints and pictures change, so many steps apart."""
    without: float
    """The same at one time."""


def lags(there: Demonstrations) -> list[Lag]:
    """Return the cameras whose pictures come later than the numbers, and by how many steps."""
    spread = np.maximum(np.array(there.states.std), 1e-6)
    found = []
    for camera in there.features.cameras:
        rows = [
            (_moves(s, spread), _changes(s, camera)) for s in there.sequels if len(s.frames) > 2 * len(LAGS)
        ]
        together = [_correlation(rows, lag) for lag in LAGS]
        best = int(np.argmax(together))
        if best and together[best] > max(ENOUGH, together[0] + CLEAR):
            found.append(Lag(camera, best, together[best], together[0]))
    return found


def stale(there: Demonstrations) -> bool:
    """Tell whether the first frame of each episode is shown twice, its pictures and its numbers."""
    pairs = [(s.frames[0], s.frames[1]) for s in there.sequels if len(s.frames) > 1]
    keys = [STATE, *map(image_key, there.features.cameras)]
    return bool(pairs) and all(np.array_equal(a[key], b[key]) for a, b in pairs for key in keys)


def _moves(s: Sequel, spread: Floats) -> Floats:
    """Return by how much each number changes in each step, ``[T - 1, S]``."""
    moved: Floats = np.abs(np.diff(s.states.astype(np.float64), axis=0) / spread)
    return moved


def _changes(s: Sequel, camera: str) -> Floats:
    """Return by how much a picture changes in each step, ``[T - 1]``."""
    key = image_key(camera)
    small = np.stack([frame[key][::2, ::2].astype(np.int16) for frame in s.frames])
    changed: Floats = np.abs(np.diff(small, axis=0)).mean((1, 2, 3))
    return changed


def _correlation(rows: Sequence[tuple[Floats, Floats]], lag: int) -> float:
    """Return how well changes follow from moves so many steps before, over all episodes, 0 to 1.

    It is the multiple correlation, for one joint moves a camera more than another.
    """
    if not rows:
        return 0.0
    moves = np.concatenate([m[: len(m) - lag] for m, _ in rows])
    changes = np.concatenate([c[lag:] for _, c in rows])
    total = float(((changes - changes.mean()) ** 2).sum())
    weighed = np.concatenate([moves, np.ones((len(moves), 1))], 1)
    if total <= 0 or len(moves) <= 2 * weighed.shape[1]:
        return 0.0
    left = changes - weighed @ np.linalg.lstsq(weighed, changes, rcond=None)[0]
    return float(np.sqrt(max(0.0, 1 - float((left**2).sum()) / total)))
