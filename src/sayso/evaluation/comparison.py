"""Comparison of two policies on the same seeds: who is better, in one sentence, and how sure that is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sayso.evaluation.journal import to_json
from sayso.evaluation.paired import Pairs, at_any_time, mcnemar, newcombe, wealth
from sayso.evaluation.statistics import Interval, is_void
from sayso.spec import Episode, Outcome

Verdict = Literal["first", "second", "alike", "open", "void"]
"""Who is better; or they differ by less than what matters; or nobody can tell yet, or at all."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Episodes of two policies on the same seeds, the first's and the second's beside each other."""

    names: tuple[str, str]
    pairs: Sequence[tuple[Episode, Episode]]
    """In the order of seeds, not in that in which they ended: a success ends sooner than a failure."""
    alpha: float = 0.05
    """Probability of naming one better though neither is."""
    margin: float = 0.0
    """Difference of success rates that does not matter; 0 if every one does."""
    sequential: bool = True
    """It may have ended when the answer was clear; else the number of pairs was fixed before."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is to be kept: world, settings, provenance."""

    @property
    def counts(self) -> Pairs:
        """Count the pairs in which neither crashed."""
        return self.of()

    def of(self, family: str | None = None) -> Pairs:
        """Count the valid pairs of one family, or of all."""
        return Pairs.of(
            (one.success, other.success)
            for one, other in self.pairs
            if family in (None, one.family) and _valid(one, other)
        )

    @property
    def invalid(self) -> int:
        """Return how many pairs say nothing, since one of the two crashed."""
        return len(self.pairs) - self.counts.n

    @property
    def difference(self) -> Interval:
        """Return by how much the second's success rate is higher, and the interval that this lies in."""
        return at_any_time(self.counts, self.alpha) if self.sequential else newcombe(self.counts, self.alpha)

    @property
    def verdict(self) -> Verdict:
        """Return what can be said now."""
        counts = self.counts
        if is_void(counts.n, self.invalid):
            return "void"
        shown = wealth(counts) >= 1 / self.alpha if self.sequential else mcnemar(counts) < self.alpha
        if shown:
            return "second" if counts.only_second > counts.only_first else "first"
        found = self.difference
        return "alike" if max(-found.low, found.high) <= self.margin else "open"

    def __str__(self) -> str:
        """Return one sentence."""
        counts, (one, two) = self.counts, self.names
        if self.verdict == "void":
            crashed = next((e for pair in self.pairs for e in pair if e.outcome is Outcome.INVALID), None)
            why = f", {crashed.family} on seed {crashed.seed} the first" if crashed else ""
            crashes = f"{self.invalid} of {len(self.pairs)} pairs crashed{why}"
            return f"nothing can be said of {one} and {two}: {crashes}"
        if self.verdict in ("first", "second"):
            return self._better(self.verdict == "second")
        differed = (
            f"in {counts.n} pairs they differed {counts.only_first + counts.only_second} times, "
            f"{counts.only_second} of them in favour of {two}"
        )
        found = self.difference
        most = math.ceil(100 * max(-found.low, found.high) - 1e-9)
        sure = f"with {_sure(self.alpha)} no more than {most} points lie between them"
        if self.verdict == "alike":
            alike = f"are equally good but for {_points(self.margin)} points"
            return f"{one} and {two} {alike}: {differed}, and {sure}"
        return f"no difference between {one} and {two} could be shown: {differed}; {sure}"

    def table(self) -> str:
        """Return what happened in each family, for a person."""
        families = list(dict.fromkeys(one.family for one, _ in self.pairs))
        rows = [(family, self.of(family)) for family in families]
        rows += [("all", self.counts)] if len(rows) > 1 else []
        width = max(len("family"), *(len(name) for name, _ in rows), 0)
        lines = [f"  {'family':{width}} {'pairs':>6} {'A':>16} {'B':>16} {'only A':>7} {'only B':>7}"]
        lines += [
            f"  {name:{width}} {p.n:6} {p.first!s:>16} {p.second!s:>16} {p.only_first:7} {p.only_second:7}"
            for name, p in rows
        ]
        return "\n".join([f"  A is {self.names[0]}, B is {self.names[1]}", *lines])

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        counts, families = self.counts, dict.fromkeys(one.family for one, _ in self.pairs)
        return {
            "benchmark": "compare",
            **self.facts,
            "names": list(self.names),
            "sentence": str(self),
            "verdict": self.verdict,
            "pairs": {"n": counts.n, "invalid": self.invalid, **dataclasses.asdict(counts)},
            "success": [_plain(counts.first), _plain(counts.second)],
            "difference": _plain(self.difference),
            "alpha": self.alpha,
            "margin": self.margin,
            "sequential": self.sequential,
            "evidence": wealth(counts) if self.sequential else None,
            "p": None if self.sequential else mcnemar(counts),
            "families": {family: dataclasses.asdict(self.of(family)) for family in families},
            "episodes": [[to_json(one), to_json(other)] for one, other in self.pairs],
        }

    def _better(self, second: bool) -> str:
        """Say that one is better, and by how much."""
        p, found = self.counts, self.difference
        if second:
            better, other, rates, alone = (
                *self.names[::-1],
                (p.second, p.first),
                (p.only_second, p.only_first),
            )
        else:
            better, other, rates, alone = *self.names, (p.first, p.second), (p.only_first, p.only_second)
            found = Interval(-found.share, -found.high, -found.low)
        error = (
            f"two that are equally good are told apart in at most {100 * self.alpha:g} % of comparisons"
            if self.sequential
            else f"p = {mcnemar(p):.2g} by the exact test of McNemar"
        )
        ends = f"{_points(found.low):+d} to {_points(found.high):+d} with {_sure(self.alpha)}"
        return (
            f"{better} is better than {other}: {100 * rates[0].share:.0f} % success against "
            f"{100 * rates[1].share:.0f} % in {p.n} pairs, {alone[0]} of which only the one solved and "
            f"{alone[1]} only the other; {_points(found.share):+d} points, {ends}; {error}"
        )


def _valid(one: Episode, other: Episode) -> bool:
    return Outcome.INVALID not in (one.outcome, other.outcome)


def _points(share: float) -> int:
    return 0 if math.isnan(share) else round(100 * share)


def _sure(alpha: float) -> str:
    return f"{100 * (1 - alpha):g} % confidence"


def _plain(found: Interval) -> dict[str, float | None]:
    return {k: None if math.isnan(v) else v for k, v in dataclasses.asdict(found).items()}
