"""Trial of corrections: how far a policy is from what was shown, as it is and with each of them in turn.

::

    12 looks   as it is 1.4   channels 0.3   cameras 1.5   ...     who does not help there is tried no further
    64 looks   as it is 1.5   channels 0.3
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.data.statistics import Stats
from sayso.evaluation.diagnosis.correction import Correction, See
from sayso.evaluation.diagnosis.faults import FAULTS, Fault
from sayso.evaluation.diagnosis.shown import ROWS, Demonstrations, Look
from sayso.evaluation.paired import Pairs, mcnemar
from sayso.spec import Array, Policy, SaysoError

FIRST = 12
"""Looks on which all are tried, spread evenly over the others."""
HELPS, FURTHER = 0.95, 8
"""Share of the error that must be left at most to be tried further, and how many are."""
WORST = 3.0
"""Spreads beyond which an error is as bad as any."""
Errors = NDArray[np.float64]


@dataclass(frozen=True)
class Tried:
    """What became of a policy's error with a correction."""

    fault: Fault
    what: str
    error: float
    """Mean over the looks, in spreads of what was shown."""
    ratio: float
    """To the error as it is, on the same looks."""
    better: int
    """Looks on which the error was smaller."""
    looks: int
    sure: bool
    """It was smaller so often that chance is no explanation (sign test, 1 %)."""


class Trial:
    """A policy, and looks at what was shown; each is asked about once, however often it is needed."""

    def __init__(self, policy: Policy, there: Demonstrations, looks: Sequence[Look]) -> None:
        """Lay out the looks."""
        self._policy, self._there, self.looks = policy, there, looks
        self._answers: dict[tuple[See, int], Array | None] = {}

    def errors(self, correction: Correction, which: Iterable[int]) -> Errors:
        """Return the mean error on each of some looks, ``[N]``, in spreads, each number `WORST` at most.

        What a policy refuses to look at, since it cannot mean anything to it, is as bad as can be.
        """
        return np.array([self._error(correction, k) for k in which])

    def still(self) -> float:
        """Return the mean error of whoever never moves."""
        rows = [np.broadcast_to(look.standing, look.shown.shape) for look in self.looks]
        pairs = zip(rows, self.looks, strict=True)
        return float(np.nanmean([self._off(row, look) for row, look in pairs]))

    def _error(self, correction: Correction, k: int) -> float:
        key, look = (correction.see, k), self.looks[k]
        if key not in self._answers:
            self._answers[key] = self._asked(correction.see, k)
        answer = self._answers[key]
        return WORST if answer is None else self._off(correction.say(answer, look), look)

    def _asked(self, see: See, k: int) -> Array | None:
        self._policy.reset()
        if seed := getattr(self._policy, "seed", None):
            seed(k)
        try:
            return self._policy.act(see(self.looks[k])).actions
        except SaysoError:
            return None

    def _off(self, chunk: Array, look: Look) -> float:
        rows = min(len(chunk), ROWS)
        off = np.abs(chunk[:rows] - look.shown[:rows]) / self._there.spread
        return float(np.nanmean(np.minimum(off, WORST)[:, np.isfinite(self._there.spread)]))


def try_all(
    trial: Trial,
    there: Demonstrations,
    stats: Mapping[str, Stats],
    tell: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[float, list[Tried]]:
    """Return the error as it is, and what became of it with the corrections, the best of each fault.

    Args:
        trial: of the policy.
        there: what was shown.
        stats: the statistics that the policy keeps.
        tell: is told what is being tried, and how far that is.
    """
    all_looks = range(len(trial.looks))
    few = np.linspace(0, len(trial.looks) - 1, min(FIRST, len(trial.looks))).round().astype(int).tolist()
    candidates = [(fault, c) for fault in FAULTS for c in fault.corrections(there, stats)]
    first, helping = trial.errors(Correction(what=""), few), []
    for number, (fault, correction) in enumerate(candidates):
        tell(correction.what, number, len(candidates))
        found = _tried(fault, correction, trial.errors(correction, few), first)
        helping.append((found, correction))
    helping.sort(key=lambda pair: pair[0].ratio)
    whole, tried = trial.errors(Correction(what=""), all_looks), []
    for place, (found, correction) in enumerate(helping):
        if found.ratio < HELPS and place < FURTHER:
            tell(correction.what, len(candidates), len(candidates))
            found = _tried(found.fault, correction, trial.errors(correction, all_looks), whole)
        tried.append(found)
    best = {fault.name: [t for t in tried if t.fault is fault] for fault in FAULTS}
    return float(whole.mean()), [min(of, key=lambda t: t.ratio) for of in best.values() if of]


def _tried(fault: Fault, correction: Correction, errors: Errors, before: Errors) -> Tried:
    better, worse = int((errors < before).sum()), int((errors > before).sum())
    return Tried(
        fault=fault,
        what=correction.what,
        error=float(errors.mean()),
        ratio=float(errors.mean() / max(before.mean(), 1e-9)),
        better=better,
        looks=len(errors),
        sure=better > worse and mcnemar(Pairs(only_first=worse, only_second=better)) < 0.01,
    )
