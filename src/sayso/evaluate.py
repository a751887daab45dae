"""Measure a policy: episodes on seeds it has never seen, and a success rate with its interval.

Outcomes are three-valued. An episode that crashed says nothing about the policy's skill: it is reported as
invalid and belongs to neither the successes nor the failures. A report describes itself: what was asked, on
which seeds, by which code, on which machine, and what the policy had been trained on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sayso import pool
from sayso.data.film import write_film
from sayso.journal import Journal, to_json
from sayso.provenance import provenance, training_facts, write_json
from sayso.rollout import WENT_FOR, World, rollout
from sayso.spec import EXECUTE, SPLITS, Episode, Outcome, Policy, SaysoError

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution for a two-sided interval of 95 %."""


class SeenSeedsError(SaysoError):
    """Report seeds that a policy may have been trained on and can therefore not be measured on."""


@dataclass(frozen=True)
class Interval:
    """Hold a share of n and the interval it lies in with 95 % confidence, all in 0..1."""

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
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


@dataclass(frozen=True, kw_only=True)
class Training:
    """Say what a policy was trained on, as far as it matters to measuring it."""

    datasets: Mapping[str, str] = field(default_factory=dict)
    """Name of a dataset -> its hash."""
    seeds: tuple[tuple[int, int], ...] = ()
    """First and last seed of each range of demonstrations."""


def training_of(checkpoint: Path) -> Training:
    """Read from a checkpoint's ``config.json`` what it was trained on; empty where it does not say.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
    """
    facts = training_facts(checkpoint)
    seeds = tuple((int(first), int(last)) for first, last in facts.get("seeds", ()))
    return Training(datasets=facts.get("datasets", {}), seeds=seeds)


@dataclass(frozen=True)
class Tally:
    """Count how episodes ended."""

    n: int
    """Episodes that were valid; every share is a share of these."""
    successes: int
    invalid: int
    failed_conditions: Mapping[str, int]
    """Condition -> failures in which it did not hold at the end."""
    went_for: Mapping[str, int]
    """What the policy went for (named, original, neither), where the world keeps account of it."""
    mean_steps: float
    policy_ms: float
    """Mean time of a call of the policy."""

    @property
    def success(self) -> Interval:
        """Return the success rate."""
        return wilson(self.successes, self.n)


def tally(episodes: Sequence[Episode]) -> Tally:
    """Count episodes of any family."""
    valid = [e for e in episodes if e.outcome is not Outcome.INVALID]
    calls = sum(e.policy_calls for e in valid)
    return Tally(
        n=len(valid),
        successes=sum(e.success for e in valid),
        invalid=len(episodes) - len(valid),
        failed_conditions=_counts(name for e in valid if not e.success for name in e.failed_conditions),
        went_for=_counts(e.notes[WENT_FOR] for e in valid if WENT_FOR in e.notes),
        mean_steps=sum(e.steps for e in valid) / len(valid) if valid else math.nan,
        policy_ms=1000 * sum(e.policy_seconds for e in valid) / calls if calls else math.nan,
    )


@dataclass(frozen=True, kw_only=True)
class Report:
    """Hold what an evaluation found and everything needed to repeat it."""

    world: str
    families: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: tuple[Episode, ...]
    """In the order of families, then seeds. Fewer than asked for if the evaluation was interrupted."""
    config: Mapping[str, Any]
    training: Training | None
    provenance: Mapping[str, Any]
    films: tuple[Path, ...] = ()

    @property
    def partial(self) -> bool:
        """Tell whether the evaluation was interrupted."""
        return len(self.episodes) < len(self.families) * len(self.seeds)

    def of(self, family: str) -> Tally:
        """Count the episodes of one family."""
        return tally([e for e in self.episodes if e.family == family])

    @property
    def metrics(self) -> dict[str, float | None]:
        """Return a flat map from name to number, shares as fractions with ``/low`` and ``/high`` beside them.

        Names are ``<family>_<world>``, and ``follows_words`` where the world tells what was gone for. A
        number nobody could measure is None.
        """
        found: dict[str, float] = {}
        for family in self.families:
            counted, name = self.of(family), f"{family}_{self.world}"
            found |= _flat(name, counted.success)
            found |= {f"{name}/steps": counted.mean_steps, f"{name}/policy_ms": counted.policy_ms}
        overall = tally(self.episodes)
        found |= _flat("success", overall.success) | {"policy_ms": overall.policy_ms}
        if overall.went_for:
            found |= _flat("follows_words", wilson(overall.went_for.get("named", 0), overall.n))
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
            "partial": self.partial,
            "seeds": list(self.seeds),
            "seeds_disjoint_from_training": True,  # `evaluate` refuses to begin otherwise
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
        lines = [_line(family, self.of(family)) for family in self.families]
        heading = f"{self.world}, {len(self.episodes)} episodes on seeds disjoint from training"
        return "\n".join([heading + (" (interrupted)" if self.partial else ""), *lines])


def evaluate(
    make_world: Callable[[], World],
    make_policy: Callable[[World], Policy],
    *,
    families: Sequence[str],
    seeds: Sequence[int],
    workers: int = 2,
    execute: int = EXECUTE,
    options: Mapping[str, Any] | None = None,
    films: Path | None = None,
    max_films: int = 5,
    training: Training | None = None,
    config: Mapping[str, Any] | None = None,
    journal: Journal | None = None,
) -> Report:
    """Run every family on every seed in processes of their own, and report.

    Ctrl-C ends it early with a report of the episodes that were finished; with a journal the rest can follow
    later. A process that dies makes its episode invalid and is replaced.

    Args:
        make_world: builds the world, once in each process; picklable.
        make_policy: builds the policy for that world, once in each process; picklable. It decides how many
            threads the policy uses: one, where processes share the cores.
        families: the kinds of task.
        seeds: one episode of each family on each of them.
        workers: number of processes.
        execute: how many actions of a chunk to apply before looking again.
        options: more of what ``world.reset`` understands, such as ``{"swap": True}``.
        films: folder for films of failures; None makes none.
        max_films: how many of the first failures to film.
        training: what the policy was trained on, if it was.
        config: what else to write into the report.
        journal: where episodes are written down as they end; those it holds already are not repeated.

    Raises:
        SeenSeedsError: if a seed belongs to the training split or to what the policy was trained on.
        WorkerError: if a world or a policy cannot be built.
    """
    refuse_seen_seeds(seeds, training)
    trials = [(family, seed) for family in families for seed in seeds]
    if len(set(trials)) < len(trials) or not trials:
        raise ValueError(f"an evaluation needs families and seeds, each once, but got {families} and {seeds}")
    build = _Tryout(make_world, make_policy, execute, dict(options or {}), films)
    done = _run(build, trials, workers, max_films if films else 0, journal)
    kept = _first_films(films, [e for e in done.values() if e.outcome is Outcome.FAILURE], max_films)
    episodes = tuple(done[trial] for trial in trials if trial in done)
    return Report(
        world=next((e.world for e in episodes if e.world), ""),
        families=tuple(families),
        seeds=tuple(seeds),
        episodes=episodes,
        config={"execute": execute, "workers": workers, "options": dict(options or {}), **(config or {})},
        training=training,
        provenance=provenance(),
        films=kept,
    )


def refuse_seen_seeds(seeds: Sequence[int], training: Training | None) -> None:
    """Check that a policy was not trained on any of the seeds.

    Raises:
        SeenSeedsError: naming a seed that it may have seen, and which ones to use.
    """
    blocks = [SPLITS["train"], *(range(low, high + 1) for low, high in (training.seeds if training else ()))]
    for block in blocks:
        if seen := [seed for seed in seeds if seed in block]:
            validation, test = SPLITS["validation"].start, SPLITS["test"].start
            raise SeenSeedsError(
                f"{len(seen)} of {len(seeds)} seeds ({seen[0]} the first) lie in "
                f"{block.start}..{block.stop - 1}, which is for training: success there proves nothing. Use "
                f"seeds of the split 'test' (from {test} on) or 'validation' (from {validation} on)"
            )


@dataclass(frozen=True)
class _Trial:
    family: str
    seed: int
    film: bool


@dataclass(frozen=True)
class _Tryout:
    """Build, in each process, what runs one trial."""

    make_world: Callable[[], World]
    make_policy: Callable[[World], Policy]
    execute: int
    options: dict[str, Any]
    films: Path | None

    def __call__(self) -> Callable[[_Trial], Episode]:
        world = self.make_world()
        policy = self.make_policy(world)

        def attempt(trial: _Trial) -> Episode:
            episode = rollout(
                world,
                policy,
                trial.seed,
                family=trial.family,
                options=self.options,
                execute=self.execute,
                keep_frames=trial.film,
            )
            if self.films and trial.film and episode.outcome is Outcome.FAILURE:
                path = _film_path(self.films, episode)
                write_film(path, episode.frames, world.features.fps, remark=episode.why)
            return dataclasses.replace(episode, frames=[])

        return attempt


def _run(
    build: _Tryout, trials: list[tuple[str, int]], workers: int, max_films: int, journal: Journal | None
) -> dict[tuple[str, int], Episode]:
    """Run trials until all are done or somebody presses Ctrl-C."""
    earlier = journal.done if journal else {}
    done = {trial: earlier[trial] for trial in trials if trial in earlier}
    waiting = iter([trial for trial in trials if trial not in done])

    def next_trial() -> _Trial | None:
        failures = sum(e.outcome is Outcome.FAILURE for e in done.values())
        return next((_Trial(*trial, film=failures < max_films) for trial in waiting), None)

    with _progress() as bar, contextlib.closing(pool.run(build, next_trial, workers=workers)) as ended:
        task = bar.add_task("evaluating", total=len(trials), completed=len(done), rate="")
        with contextlib.suppress(KeyboardInterrupt):
            for trial, result in ended:
                episode = _lost(trial, result) if isinstance(result, pool.Lost) else result
                done[trial.family, trial.seed] = episode
                if journal:
                    journal.enter(episode)
                so_far = tally(list(done.values()))
                bar.update(task, completed=len(done), rate=f"{so_far.successes}/{so_far.n} {so_far.success}")
    return done


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("success {task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _lost(trial: _Trial, lost: pool.Lost) -> Episode:
    nothing = Episode(world="", family=trial.family, instruction="", seed=trial.seed, horizon=0)
    return dataclasses.replace(nothing, error=lost.reason)


def _film_path(films: Path, episode: Episode) -> Path:
    return films / f"{episode.family}-{episode.seed}.mp4"


def _first_films(films: Path | None, failures: list[Episode], max_films: int) -> tuple[Path, ...]:
    """Return the films of the first failures; remove those that workers made beyond them at the same time."""
    if films is None:
        return ()
    there = [path for path in (_film_path(films, e) for e in failures) if path.exists()]
    for path in there[max_films:]:
        path.unlink()
    return tuple(there[:max_films])


def _counts(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name occurs, the most frequent first."""
    return dict(Counter(names).most_common())


def _flat(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.share, f"{name}/low": interval.low, f"{name}/high": interval.high}


def _plain(counted: Tally) -> dict[str, Any]:
    raw = dataclasses.asdict(counted) | dataclasses.asdict(counted.success)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in raw.items()}


def _line(family: str, counted: Tally) -> str:
    why = ", ".join(f"{name} {count}" for name, count in counted.failed_conditions.items())
    went = ", ".join(f"{name} {count}" for name, count in counted.went_for.items())
    return (
        f"  {family:12} {counted.success}  {counted.successes}/{counted.n}, invalid {counted.invalid}, "
        f"{counted.mean_steps:.0f} steps, {counted.policy_ms:.1f} ms per policy call"
        + (f"; failed: {why}" if why else "")
        + (f"; went for: {went}" if went else "")
    )
