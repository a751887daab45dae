"""Report of an evaluation: what was asked, on which seeds, by which code, and what was found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sayso.data.edit.config import read_episodes
from sayso.evaluation.journal import to_json
from sayso.evaluation.statistics import Interval, Tally, tally
from sayso.spec import Episode, Outcome, SaysoError
from sayso.work.provenance import training_facts, write_json

NOTHING = Interval(math.nan, math.nan, math.nan)
MOST_SENTENCES = 100
"""Instructions that are named at most: of more than that, a policy learned words rather than sentences."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a policy was trained on, as far as it matters to measuring it."""

    datasets: Mapping[str, str] = field(default_factory=dict)
    """Name of a dataset -> its hash."""
    seeds: tuple[tuple[int, int], ...] = ()
    """First and last seed of each range of demonstrations."""
    seedless: tuple[str, ...] = ()
    """What of it does not say of every episode which seed it shows: a recording of a real robot, or one of
    ours through a tool that drops that column."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Name of a dataset -> episodes of it that were not learned from, such as ``3,17``: some were held out to
    measure on, or never chosen."""
    sentences: tuple[str, ...] = ()
    """Instructions of what was learned from; none where it does not say, or has too many to name them."""
    words: str = ""
    """Name of the wordings in which windows were asked for anew each time; none where only recorded ones."""
    within: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Name of an axis of generalisation -> the least and the most of it that demonstrations show; one that is
    not named was not varied."""

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read what a checkpoint or a server says of a training.

        Raises:
            ValueError, TypeError, AttributeError: if it is no account of one.
        """
        seeds = tuple((int(first), int(last)) for first, last in facts.get("seeds", ()))
        datasets = dict(facts.get("datasets", {}))
        # Older versions wrote one range for each dataset that has seeds, and no word of the others.
        unsaid = () if len(seeds) >= len(datasets) else tuple(datasets)
        return cls(
            datasets=datasets,
            seeds=seeds,
            seedless=tuple(map(str, facts.get("seedless", unsaid))),
            left_out={str(name): str(spans) for name, spans in dict(facts.get("left_out", {})).items()},
            sentences=tuple(map(str, facts.get("sentences", ()))),
            words=str(facts.get("words", "")),
            within={
                str(name): (float(low), float(high))
                for name, (low, high) in dict(facts.get("within", {})).items()
            },
        )

    @property
    def says_all(self) -> bool:
        """Tell whether the seeds of all demonstrations are known."""
        return bool(self.seeds) and not self.seedless

    def unseen(self, digest: str, episodes: Collection[int]) -> frozenset[int]:
        """Return which episodes of the dataset with a hash were not learned from."""
        found = frozenset(episodes)
        for name in (name for name, known in self.datasets.items() if known == digest):
            found &= read_episodes("left_out", self.left_out.get(name, ""))
        return found

    def after(self, earlier: Self, name: str) -> Self:
        """Return this training together with one before it, of a policy called so, which may say nothing."""
        silent = () if earlier.seeds or earlier.seedless else (name,)
        known = (
            tuple(dict.fromkeys(self.sentences + earlier.sentences))
            if self.sentences and earlier.sentences
            else ()
        )
        return dataclasses.replace(
            self,
            datasets={**self.datasets, **{f"before {k}": digest for k, digest in earlier.datasets.items()}},
            seeds=tuple(dict.fromkeys(self.seeds + earlier.seeds)),
            seedless=(*self.seedless, *(f"before {each}" for each in earlier.seedless), *silent),
            left_out={**self.left_out, **{f"before {k}": spans for k, spans in earlier.left_out.items()}},
            sentences=few(known),
            within=widest([self.within, earlier.within]),
        )


def few(sentences: Collection[str]) -> tuple[str, ...]:
    """Return sentences as they are if they are few enough to be named, else none."""
    return tuple(sentences) if len(sentences) <= MOST_SENTENCES else ()


def widest(ranges: Iterable[Mapping[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    """Return what several trainings show of each axis together; what one does not name it shows none of."""
    found: dict[str, tuple[float, float]] = {}
    for each in ranges:
        for name, (low, high) in each.items():
            there = found.get(name, (low, high))
            found[name] = (min(there[0], low), max(there[1], high))
    return found


def training_of(checkpoint: Path) -> Training:
    """Read from a checkpoint's ``config.json`` what it was trained on; empty where it does not say.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        SaysoError: if what it says is no account of a training.
    """
    try:
        return Training.from_json(training_facts(checkpoint))
    except (ValueError, TypeError, AttributeError) as error:
        raise SaysoError(
            f"{checkpoint / 'config.json'} is damaged where it tells of training ({error}): fetch it again"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found, and everything needed to repeat it."""

    world: str
    families: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: tuple[Episode, ...]
    """In the order of families, then seeds. Fewer than asked for if the evaluation was interrupted."""
    config: Mapping[str, Any]
    training: Training | None
    provenance: Mapping[str, Any]
    """Of the measurement: taken when its first episode began."""
    films: tuple[Path, ...] = ()

    @property
    def partial(self) -> bool:
        """Tell whether the evaluation was interrupted."""
        return len(self.episodes) < len(self.families) * len(self.seeds)

    @property
    def void(self) -> bool:
        """Tell whether a family's rate says nothing, or there are no families with any episode."""
        return not self.episodes or any(self.of(family).void for family in self.families)

    @property
    def disjoint(self) -> bool | None:
        """Tell whether no seed was trained on, as `evaluate` ensures; None if training says not all."""
        return True if self.training and self.training.says_all else None

    def of(self, family: str) -> Tally:
        """Count the episodes of one family."""
        return tally([e for e in self.episodes if e.family == family])

    @property
    def metrics(self) -> dict[str, float | None]:
        """Return a flat map from name to number, shares as fractions with ``/low`` and ``/high`` beside them.

        Names are ``<family>_<world>``, and ``follows_words`` where something could be taken. Beside each rate
        stand ``/n`` and ``/invalid``. A rate that is void, or that nobody could measure, is None.
        """
        found: dict[str, float] = {}
        for family in self.families:
            counted, name = self.of(family), f"{family}_{self.world}"
            found |= _rate(name, counted.success, counted)
            found |= {f"{name}/steps": counted.mean_steps, f"{name}/policy_ms": counted.policy_ms}
        overall = tally(self.episodes)
        found |= _rate("success", overall.success, overall) | {"policy_ms": overall.policy_ms}
        found["still_failures"] = overall.still_failures
        if overall.chosen_object:
            found |= _rate("follows_words", overall.follows_words, overall)
            found["follows_words/n"] = sum(overall.chosen_object.values())
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        overall = tally(self.episodes)
        return {
            "benchmark": "evaluate",
            **self.provenance,
            "world": self.world,
            "n": overall.n,
            "invalid": overall.invalid,
            "void": self.void,
            "partial": self.partial,
            "seeds": list(self.seeds),
            "seeds_disjoint_from_training": self.disjoint,
            "training": dataclasses.asdict(self.training) if self.training else None,
            "horizon": {e.family: e.horizon for e in self.episodes if e.horizon},
            "config": dict(self.config),
            "metrics": self.metrics,
            "families": {family: _plain(self.of(family)) for family in self.families},
            "films": [str(film) for film in self.films],
            "episodes": [to_json(e) for e in self.episodes],
        }

    def write(self, path: Path) -> Path:
        """Write the report as JSON, whole or not at all, and return `path`."""
        return write_json(path, self.to_json())

    def __str__(self) -> str:
        """Return a few lines for a person."""
        heading = f"{self.world or self.config.get('world', '')}, {len(self.episodes)} episodes"
        heading += " on seeds disjoint from training" if self.disjoint else ""
        heading += " (interrupted)" if self.partial else ""
        heading += "".join(f"\n  {departs}" for departs in self.config.get("departs", ()))
        lines = [heading, *(_line(family, self.of(family)) for family in self.families)]
        if crash := next((e for e in self.episodes if e.outcome is Outcome.INVALID), None):
            words = (crash.error.splitlines() or ["it does not say why"])[-1]
            lines.append(f"  the first that could not be tried, {crash.family} on seed {crash.seed}: {words}")
        return "\n".join(lines)


def _rate(name: str, found: Interval, counted: Tally) -> dict[str, float]:
    """Return a rate with its interval, or without a number if it is void, and what stands behind it."""
    shown = NOTHING if counted.void else found
    ends = {name: shown.share, f"{name}/low": shown.low, f"{name}/high": shown.high}
    return ends | {f"{name}/n": counted.n, f"{name}/invalid": counted.invalid}


def chosen_objects(family: Mapping[str, Any]) -> Mapping[str, int]:
    """Return which objects were chosen how often from a family's row of a report, an older one too."""
    found: Mapping[str, int] = family["chosen_object" if "chosen_object" in family else "went_for"]
    return found


def _plain(counted: Tally) -> dict[str, Any]:
    shown = NOTHING if counted.void else counted.success
    raw = dataclasses.asdict(counted) | dataclasses.asdict(shown) | {"void": counted.void}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in raw.items()}


def _line(family: str, counted: Tally) -> str:
    why = ", ".join(f"{name} {count}" for name, count in counted.failed_conditions.items())
    chosen = ", ".join(f"{name} {count}" for name, count in counted.chosen_object.items())
    if not counted.n and not counted.invalid:
        return f"  {family:12} nothing was measured"
    rate = "no rate, since more than 1 % is invalid" if counted.void else str(counted.success)
    return (
        f"  {family:12} {rate}  {counted.successes}/{counted.n}, invalid {counted.invalid}, "
        f"{counted.mean_steps:.0f} steps, {counted.policy_ms:.1f} ms per policy call"
        + (f"; failed: {why}" if why else "")
        + (f"; {counted.still_failures} stood still at the end" if counted.still_failures else "")
        + (f"; went for: {chosen}" if chosen else "")
    )
