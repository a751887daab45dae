"""Table of checks, one row each: what it is called, the function that looks, and what it looks for.

Another check is one function of the evidence and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sayso.data.checks import arm, episodes, numbers, pictures, sentences, stillness, tables, times
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding


@dataclass(frozen=True)
class Check:
    """Row of the table."""

    name: str
    find: Callable[[Evidence], Iterable[Finding]]
    says: str
    """What it looks for, as people read it in ``sayso check --help`` and in docs/data.md."""
    always: bool = False
    """Whether it can look at a dataset of which no rows were read."""

    def findings(self, e: Evidence) -> Iterator[Finding]:
        """Yield what it finds, under its name."""
        if self.always or (e.info and len(e)):
            for finding in self.find(e):
                yield replace(finding, check=self.name)


CHECKS = (
    Check("files", tables.unreadable, "files, fields and rows that cannot be read", always=True),
    Check("digests", tables.digest, "files that are not what sayso recorded", always=True),
    Check("order", tables.order, "rows that are missing, doubled or exchanged", always=True),
    Check("episodes", tables.episodes, "episodes that only one table knows, or with another length"),
    Check("totals", tables.totals, "totals in info.json that are not those of the rows"),
    Check("statistics", tables.statistics, "stats.json of other rows"),
    Check("columns", tables.remarks, "columns and cameras that are not read, depth among them"),
    Check("finite", numbers.not_finite, "NaN, infinity, numbers that no sensor means"),
    Check("frozen", stillness.still_dimensions, "numbers that hardly move in the whole dataset"),
    Check("noise", stillness.only_noise, "joints that move no further than noise"),
    Check("stuck", stillness.stuck_sensors, "a sensor that stays in an episode while its action moves"),
    Check(
        "still",
        stillness.still_episodes,
        "episodes in which nobody moves, or that wait long; how much of the recording is idle at the ends of "
        "episodes",
    ),
    Check("outliers", numbers.outliers, "a few values far from all others"),
    Check("jumps", numbers.jumps, "joints that jump, targets far from where the joint is"),
    Check("units", arm.units, "units that cannot be, ranges that the arm does not reach"),
    Check("targets", arm.action_and_state, "actions in another unit than the state, or beside it"),
    Check("times", times.timestamps, "time stamps with gaps, drift or another rate"),
    Check(
        "pictures",
        pictures.pictures,
        "videos of another size or rate; black, frozen, slow cameras; lost frames",
    ),
    Check("instructions", sentences.texts, "frames without an instruction, instructions that say nothing"),
    Check("said twice", sentences.twice, "instructions that differ in case or punctuation only"),
    Check(
        "reading",
        sentences.reading,
        "instructions that the policy cuts, cannot read, or takes for one another",
    ),
    Check("lengths", episodes.lengths, "episodes far shorter or longer than the others"),
    Check("copies", episodes.copies, "episodes that are there twice"),
    Check("leak", episodes.leaks, "episodes that are in a held-out dataset as well"),
)
