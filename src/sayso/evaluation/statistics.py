"""Success rate with its confidence interval: what is counted over episodes, and when a number is void."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sayso.spec import CHOSEN_OBJECT, ENDED, STILL, Episode, Outcome

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution for a two-sided interval of 95 %."""
MAY_BE_INVALID = 0.01
"""Share of episodes that may crash; beyond it a rate says as much about the crashes as about the policy."""


@dataclass(frozen=True)
class Interval:
    """Share of n and the interval it lies in with 95 % confidence, all in 0..1."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return per cents, such as ``80 % [71, 87]``."""
        return f"{100 * self.share:.0f} % [{100 * self.low:.0f}, {100 * self.high:.0f}]"


def wilson(successes: int, n: int, z: float = Z_95) -> Interval:
    """Return the score interval of a binomial share, which keeps its promise near 0, near 1 and for small n.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". With n = 0
    nothing is known: the interval is all of 0..1 and the share is NaN.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes are between 0 and n, but got {successes} of {n}")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(share, min(low, share), max(high, share))  # rounding may end just short of 0 or of 1


def is_void(n: int, invalid: int) -> bool:
    """Tell whether a rate over n valid episodes says nothing: there are none, or too many others crashed."""
    return n == 0 or invalid > MAY_BE_INVALID * (n + invalid)


@dataclass(frozen=True)
class Tally:
    """Counts of how episodes ended."""

    n: int
    """Episodes that were valid; every share is a share of these."""
    successes: int
    invalid: int
    failed_conditions: Mapping[str, int]
    """Condition -> failures in which it did not hold at the end."""
    chosen_object: Mapping[str, int]
    """Which object the policy chose (named, original, other, neither) -> episodes, where one can be taken."""
    still_failures: int
    """Failures that ended standing still."""
    mean_steps: float
    policy_ms: float
    """Mean time of a call of the policy."""

    @property
    def success(self) -> Interval:
        """Return the success rate."""
        return wilson(self.successes, self.n)

    @property
    def follows_words(self) -> Interval:
        """Return how often the named thing was taken, where one could be."""
        return wilson(self.chosen_object.get("named", 0), sum(self.chosen_object.values()))

    @property
    def void(self) -> bool:
        """Tell whether the rates say nothing."""
        return is_void(self.n, self.invalid)


def tally(episodes: Sequence[Episode]) -> Tally:
    """Count episodes of any family."""
    valid = [e for e in episodes if e.outcome is not Outcome.INVALID]
    calls = sum(e.policy_calls for e in valid)
    return Tally(
        n=len(valid),
        successes=sum(e.success for e in valid),
        invalid=len(episodes) - len(valid),
        failed_conditions=_counts(name for e in valid if not e.success for name in e.failed_conditions),
        chosen_object=_counts(e.notes[CHOSEN_OBJECT] for e in valid if CHOSEN_OBJECT in e.notes),
        still_failures=sum(e.notes.get(ENDED) == STILL for e in valid if not e.success),
        mean_steps=sum(e.steps for e in valid) / len(valid) if valid else math.nan,
        policy_ms=1000 * sum(e.policy_seconds for e in valid) / calls if calls else math.nan,
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name occurs, the most frequent first."""
    return dict(Counter(names).most_common())
