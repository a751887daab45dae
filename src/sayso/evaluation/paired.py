"""Paired statistics: two policies on the same seeds, an exact test, and one that may be looked at any time.

::

                     second succeeds   fails
    first succeeds        both         only_first        a pair of which only one succeeds is discordant;
    fails              only_second      neither          the others say nothing about who is better

Whoever looks after each pair and stops when he likes what he sees is wrong far more often than the test says.
So here one bets against "the difference is m", fairly if it is: the stake then grows twentyfold at any time
with a probability of at most one in twenty (Ville 1939), however often somebody looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sayso.evaluation.statistics import Interval, wilson

Floats = NDArray[np.float64]
BETS, GRID = 100, 999
"""How many bets are laid beside each other, and how many differences between -1 and 1 are bet against."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Counts of pairs, by who succeeded."""

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    @classmethod
    def of(cls, successes: Iterable[tuple[bool, bool]]) -> Self:
        """Count pairs of outcomes, each the first policy's and the second's."""
        rows = list(successes)
        return cls(
            both=rows.count((True, True)),
            only_first=rows.count((True, False)),
            only_second=rows.count((False, True)),
            neither=rows.count((False, False)),
        )

    @property
    def n(self) -> int:
        """Return how many pairs there are."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first(self) -> Interval:
        """Return the first policy's success rate."""
        return wilson(self.both + self.only_first, self.n)

    @property
    def second(self) -> Interval:
        """Return the second policy's success rate."""
        return wilson(self.both + self.only_second, self.n)

    @property
    def difference(self) -> float:
        """Return by how much the second policy's success rate is higher, in -1..1."""
        return (self.only_second - self.only_first) / self.n if self.n else math.nan


def mcnemar(pairs: Pairs) -> float:
    """Return the two-sided p-value of "neither is better" for a number of pairs fixed beforehand; exact.

    Each discordant pair is then the toss of a fair coin, whatever the rates. Source: McNemar 1947, "Note on
    the sampling error of the difference between correlated proportions or percentages".
    """
    n, most = pairs.only_first + pairs.only_second, max(pairs.only_first, pairs.only_second)
    tail = sum(math.comb(n, k) for k in range(most, n + 1))
    return min(1.0, float(2 * tail / 2**n))


def newcombe(pairs: Pairs, alpha: float) -> Interval:
    """Return the difference and an interval that holds it with about ``1 - alpha``, for pairs fixed before.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10.
    """
    z = NormalDist().inv_cdf(1 - alpha / 2)
    one, two = (wilson(pairs.both + alone, pairs.n, z) for alone in (pairs.only_second, pairs.only_first))
    a, b, c, d = pairs.both, pairs.only_second, pairs.only_first, pairs.neither
    product = a * d - b * c
    corrected = max(product - pairs.n / 2, 0.0) if product > 0 else product
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    phi = corrected / math.sqrt(margins) if margins else 0.0
    below = _joined(one.share - one.low, two.high - two.share, phi)
    above = _joined(one.high - one.share, two.share - two.low, phi)
    return Interval(pairs.difference, pairs.difference - below, pairs.difference + above)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def wealth(pairs: Pairs, difference: float = 0.0) -> float:
    """Return what a stake of 1 has become that was bet, pair by pair, against a difference of the rates.

    It is an e-process: if that is the difference, it exceeds ``1 / alpha`` at any time with a probability of
    at most alpha. A share of the stake lies on each of many bets, from all on the first policy to all on the
    second. Against 0 that is the mixture of Robbins 1970, "Statistical methods related to the law of the
    iterated logarithm": discordant pairs as tosses of a coin of any bias, each as likely.
    """
    return float(np.exp(_log_wealth(pairs, *_payoffs((difference,)))[0]))


def at_any_time(pairs: Pairs, alpha: float) -> Interval:
    """Return the difference with a confidence sequence: an interval that holds it with ``1 - alpha`` always.

    It is made of all differences against which nobody has won ``1 / alpha`` times the stake. Source:
    Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting".
    """
    if not pairs.n:
        return Interval(math.nan, -1.0, 1.0)
    grid = _grid()
    held = np.flatnonzero(_log_wealth(pairs, *_payoffs(grid)) < -math.log(alpha))
    ends = np.array([-1.0, *grid, 1.0])  # what lies between two points of the grid is held, too
    return Interval(pairs.difference, float(ends[held[0]]), float(ends[held[-1] + 2]))


@lru_cache
def _grid() -> tuple[float, ...]:
    return tuple((np.arange(1, GRID + 1) * 2 / (GRID + 1) - 1).round(6).tolist())


@lru_cache(maxsize=8)
def _payoffs(differences: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
    """Return the logarithm of what each bet pays, ``[M, BETS]``: second wins, first wins, neither does.

    A bet is the share of all one has that would be lost at worst; it pays nothing on average if the
    difference is m.
    """
    m = np.array(differences)[:, None]
    bets = (np.arange(BETS) + 0.5) * 2 / BETS - 1
    stake = np.where(bets > 0, bets / (1 + m), bets / (1 - m))
    return np.log1p(stake * (1 - m)), np.log1p(stake * (-1 - m)), np.log1p(-stake * m)


def _log_wealth(pairs: Pairs, second: Floats, first: Floats, neither: Floats) -> Floats:
    logs = pairs.only_second * second + pairs.only_first * first + (pairs.both + pairs.neither) * neither
    top = logs.max(1, keepdims=True)
    found: Floats = top[:, 0] + np.log(np.exp(logs - top).mean(1))
    return found
