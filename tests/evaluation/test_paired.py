"""The statistics of pairs: exact where they say so, and as seldom wrong as they say, whenever one looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sayso.evaluation.paired import Pairs, at_any_time, mcnemar, newcombe, wealth

ALPHA = 0.05


def of(second: int, first: int, both: int = 0, neither: int = 0) -> Pairs:
    return Pairs(only_second=second, only_first=first, both=both, neither=neither)


def test_pairs_are_counted_by_who_succeeded():
    pairs = Pairs.of([(True, True), (True, False), (False, True), (False, True), (False, False)])
    assert pairs == of(2, 1, both=1, neither=1) and pairs.n == 5
    assert (pairs.first.share, pairs.second.share) == (0.4, 0.6) and pairs.difference == pytest.approx(0.2)


def test_mcnemars_test_is_the_toss_of_a_fair_coin():
    # Fay 2011, "Exact McNemar's test and matching confidence intervals": 9 of 11 discordant pairs
    assert mcnemar(of(9, 2, both=40)) == pytest.approx(2 * (55 + 11 + 1) / 2**11)
    assert mcnemar(of(5, 5)) == mcnemar(of(0, 0)) == 1.0
    assert mcnemar(of(2000, 1000)) < 1e-60


def test_what_is_won_against_no_difference_is_that_of_a_coin_of_any_bias():
    for won, lost in ((0, 0), (8, 0), (3, 9), (40, 20)):
        exact = 2.0 ** (won + lost) / ((won + lost + 1) * math.comb(won + lost, won))
        assert wealth(of(won, lost, both=17)) == pytest.approx(exact, rel=0.01)


def probability_of_alarm(most: int) -> float:
    """Return, exactly, how likely equal policies are called unequal at any of so many discordant pairs."""
    alarm, alive = 0.0, {0: 1.0}
    for n in range(1, most + 1):
        after: dict[int, float] = {}
        for won, p in alive.items():
            for more in (0, 1):
                after[won + more] = after.get(won + more, 0.0) + p / 2
        crossed = {won for won in after if wealth(of(won, n - won)) >= 1 / ALPHA}
        alarm += sum(after.pop(won) for won in crossed)
        alive = after
    return alarm


def test_equal_policies_are_called_unequal_as_seldom_as_is_said_however_often_one_looks():
    exact = probability_of_alarm(100)
    assert 0.005 < exact <= ALPHA
    rng = np.random.default_rng(0)
    tosses = rng.integers(0, 2, (1000, 100)).cumsum(1)
    peeked = looked = 0
    ends = {
        (n, won): (wealth(of(won, n - won)) >= 1 / ALPHA, mcnemar(of(won, n - won)) < ALPHA)
        for n in range(1, 101)
        for won in range(n + 1)
    }
    for row in tosses:
        found = [ends[n, int(won)] for n, won in enumerate(row, 1)]
        looked += any(ours for ours, _ in found)
        peeked += any(theirs for _, theirs in found)
    assert looked / 1000 == pytest.approx(exact, abs=0.015)
    assert peeked / 1000 > 3 * ALPHA, "looking at McNemar's test all the time must be worse than it says"


def fixed_sample(one: float, other: float) -> int:
    """Return how many pairs McNemar's test needs at 5 % to find a difference in nine of ten cases.

    Source: Miettinen 1968, "The matched pairs design in the case of all-or-none responses", for independent
    policies.
    """
    differ, difference = one * (1 - other) + other * (1 - one), other - one
    spread = 1.96 * math.sqrt(differ) + 1.2816 * math.sqrt(differ - difference**2)
    return math.ceil((spread / difference) ** 2)


def test_a_large_difference_ends_it_sooner_than_a_sample_fixed_for_the_smallest_that_matters():
    rng = np.random.default_rng(1)
    planned = fixed_sample(0.8, 0.9)
    ended = []
    for _ in range(100):
        won = lost = n = 0
        while wealth(of(won, lost)) < 1 / ALPHA:
            a, b = rng.random() < 0.5, rng.random() < 0.9
            won, lost, n = won + (b and not a), lost + (a and not b), n + 1
        ended.append((n, won > lost))
    assert np.mean([n for n, _ in ended]) < planned / 4
    assert sum(right for _, right in ended) >= 98


def test_the_interval_that_holds_at_any_time_misses_as_seldom_as_is_said():
    rng = np.random.default_rng(2)
    a, b = rng.random((40, 80)) < 0.7, rng.random((40, 80)) < 0.9
    looks = (5, 10, 20, 40, 80)
    missed = 0
    for one, other in zip(a, b, strict=True):
        found = [at_any_time(Pairs.of(zip(one[:n], other[:n], strict=True)), ALPHA) for n in looks]
        missed += any(not each.low <= 0.2 <= each.high for each in found)
    assert missed / 40 <= ALPHA
    assert found[0].high - found[0].low > found[-1].high - found[-1].low


def test_the_interval_holds_nothing_exactly_where_the_test_says_so():
    for won in range(20):
        for lost in range(0, 20, 3):
            pairs = of(won, lost, both=6)
            found = at_any_time(pairs, ALPHA)
            assert found.low <= pairs.difference <= found.high
            assert (found.low <= 0 <= found.high) == (wealth(pairs) < 1 / ALPHA)
    nothing = at_any_time(Pairs(), ALPHA)
    assert (nothing.low, nothing.high) == (-1, 1) and math.isnan(nothing.share)


def test_the_interval_of_a_fixed_sample_covers_and_is_narrower():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        pairs = Pairs.of(zip(rng.random(60) < 0.8, rng.random(60) < 0.9, strict=True))
        found = newcombe(pairs, ALPHA)
        held += found.low <= 0.1 <= found.high
    assert 0.92 <= held / 400 <= 1.0
    free = at_any_time(pairs, ALPHA)
    assert found.high - found.low < free.high - free.low
    assert newcombe(of(0, 0, both=10), ALPHA).share == 0
