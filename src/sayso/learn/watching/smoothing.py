"""Smoothing of what was measured frame by frame: gaps filled, outliers taken out, noise damped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def filled(rows: Numbers) -> Numbers:
    """Return rows, ``[N, D]``, with straight lines where they are not numbers."""
    known = ~np.isnan(rows).any(axis=1)
    steps = np.arange(len(rows))
    return np.stack([np.interp(steps, steps[known], column[known]) for column in rows.T], axis=1)


def median(rows: Numbers, width: int) -> Numbers:
    """Return the median of each row and its neighbours, of an odd number in all, ``[N, D]``."""
    return np.median(_neighbours(rows, width // 2), axis=1)


def gaussian(rows: Numbers, sigma: float) -> Numbers:
    """Return rows, ``[N, D]``, weighted with their neighbours by a bell so many frames wide."""
    reach = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth: Numbers = np.einsum("nwd,w->nd", _neighbours(rows, reach), weights / weights.sum())
    return smooth


def _neighbours(rows: Numbers, reach: int) -> Numbers:
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([padded[k : k + len(rows)] for k in range(2 * reach + 1)], axis=1)
