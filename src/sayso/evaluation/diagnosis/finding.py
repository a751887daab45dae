"""Diagnosis: the fault that explains most of a policy's error, or that none of them does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sayso.evaluation.diagnosis.faults import FAULTS, Fault
from sayso.evaluation.diagnosis.lag import Lag
from sayso.evaluation.diagnosis.trial import Tried

NAMED = 0.85
"""Share of the error that a correction may leave at most to be named."""
AS_GOOD = 0.05
"""Share of what the best correction gains that another may gain less and still be as good."""
NEVER_LEARNED = 0.9
"""Share of the error of whoever never moves, beyond which a policy does nothing of what is shown."""
CLEAR = 0.4
"""Share of the error that names a correction even where the policy does too little of what is shown then."""
LATE, CHUNK = "late", "chunk"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was tried, and what it says."""

    policy: str
    by: str
    """Who showed what the policy was held against."""
    looks: int
    error: float
    """As it is, in spreads of what was shown."""
    still: float
    """Of whoever never moves."""
    tried: Sequence[Tried]
    """The best correction of each fault."""
    lags: Sequence[Lag]
    """Cameras whose pictures come later than the numbers."""
    stale: bool
    """The first frame is shown twice."""

    @property
    def found(self) -> Tried | None:
        """Return the correction that explains the error best; None if none does."""
        sense = NEVER_LEARNED * self.still  # whoever is farther off than that does nothing of what is shown
        sure = [t for t in self.tried if t.sure and t.ratio <= NAMED]
        named = [t for t in sure if t.ratio <= CLEAR or t.error <= sense]
        if not named:
            return None
        best = min(t.ratio for t in named)
        as_good = [t for t in named if t.ratio <= best + AS_GOOD * (1 - best)]
        first = min(as_good, key=lambda t: FAULTS.index(t.fault))
        late = next((t for t in named if t.fault.name == LATE), None)
        return late if self.stale and late and first.fault.name == CHUNK else first

    @property
    def fault(self) -> Fault | None:
        """Return the fault that is named; None if there is none."""
        if self.found:
            return self.found.fault
        # A frame more or less costs little while nothing moves: there the pictures tell by themselves.
        late = next((t for t in self.tried if t.fault.name == LATE), None)
        return late.fault if self.lags and late and late.ratio < 1 else None

    def __str__(self) -> str:
        """Return a table of what was tried, and what it says, for a person."""
        width = max((len(t.what) for t in self.tried), default=0)
        rows = [
            f"  {t.fault.name:12} {t.what:{width}}  {t.error:6.2f}  {t.ratio:6.0%}"
            + (f"   better in {t.better} of {t.looks} looks" if t.looks == self.looks else "")
            for t in sorted(self.tried, key=lambda t: t.ratio)
        ]
        heading = (
            f"{self.policy}, held against {self.by} at {self.looks} moments: it is {self.error:.2f} spreads "
            f"off, who never moves {self.still:.2f}"
        )
        return "\n".join(
            [heading, f"  {'fault':12} {'correction':{width}}   error  of that", *rows, self.says]
        )

    @property
    def says(self) -> str:
        """Return what was found, and what to do about it, in a few sentences."""
        lags = self.lags if self.fault and self.fault.name == LATE else ()
        seen = "".join(
            f" Pictures of camera {lag.camera} move with the joints {lag.steps} "
            f"step{'s' * (lag.steps > 1)} later (correlation {lag.with_it:.2f}, together {lag.without:.2f})."
            for lag in lags
        )
        if self.found:
            t = self.found
            again = " The first frame of each episode is shown twice." * (self.stale and t.fault.name == LATE)
            return (
                f"most likely: {t.fault.says}. With {t.what} its error falls from {self.error:.2f} to "
                f"{t.error:.2f} spreads, at {t.better} of {t.looks} moments.{seen}{again} What to do: "
                f"{t.fault.remedy}"
            )
        if self.fault:
            return f"most likely: {self.fault.says}.{seen} What to do: {self.fault.remedy}"
        if self.error > NEVER_LEARNED * self.still:
            return (
                "nothing of this: no correction helps, and the policy does nothing of what is shown. It "
                "has not learned it, or several things are wrong at once: see whether it does what it was "
                "trained on, `sayso eval CHECKPOINT --datasets` its own recordings"
            )
        return "nothing of this: the policy does what is shown, and no correction makes it do so better"

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        return {
            "benchmark": "diagnose",
            "policy": self.policy,
            "shown_by": self.by,
            "looks": self.looks,
            "error": self.error,
            "still": self.still,
            "fault": self.fault.name if self.fault else None,
            "says": self.says,
            "tried": [
                {**{f.name: getattr(t, f.name) for f in dataclasses.fields(t)}, "fault": t.fault.name}
                for t in self.tried
            ],
            "lags": [dataclasses.asdict(lag) for lag in self.lags],
            "stale": self.stale,
        }
