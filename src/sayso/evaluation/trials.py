"""Evaluation of a policy: episodes on seeds it has never seen, and a success rate with its interval.

Outcomes are three-valued. An episode that crashed says nothing about the policy's skill: it is reported as
invalid and belongs to neither the successes nor the failures. A report describes itself: what was asked, on
which seeds, by which code, on which machine, and what the policy had been trained on.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.data.film import write_film
from sayso.evaluation.journal import Journal
from sayso.evaluation.report import Report, Training
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import tally
from sayso.spec import EXECUTE, SPLITS, Episode, Outcome, Policy, SaysoError
from sayso.tasks.contract import World
from sayso.work import pool
from sayso.work.progress import counting
from sayso.work.provenance import code, provenance


class SeenSeedsError(SaysoError):
    """Seeds that a policy may have been trained on and can therefore not be measured on."""


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
        workers: number of processes; 0 is one per core.
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
    measured_by = journal.provenance if journal else provenance()
    trials = [(family, seed) for family in families for seed in seeds]
    if len(set(trials)) < len(trials) or not trials:
        raise ValueError(f"an evaluation needs families and seeds, each once, but got {families} and {seeds}")
    build = Tryout(make_world, make_policy, execute, dict(options or {}), films, measured_by["code"])
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
        provenance=measured_by,
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
class Trial:
    """Episode that is to be run."""

    family: str
    seed: int
    film: bool


@dataclass(frozen=True)
class Tryout:
    """Maker, in each process, of what runs one trial."""

    make_world: Callable[[], World]
    make_policy: Callable[[World], Policy]
    execute: int
    options: dict[str, Any]
    films: Path | None
    code: str

    def __call__(self) -> Callable[[Trial], Episode]:
        """Build a world and the policy in it, and return what runs a trial there.

        Raises:
            SaysoError: if the code is no longer the one that the evaluation began with.
        """
        if code() != self.code:
            raise SaysoError(
                "the code has changed since this evaluation began, and its episodes would not belong "
                "together. Change nothing until an evaluation has ended, and begin this one anew"
            )
        world = self.make_world()
        policy = self.make_policy(world)

        def attempt(trial: Trial) -> Episode:
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
    build: Tryout, trials: list[tuple[str, int]], workers: int, max_films: int, journal: Journal | None
) -> dict[tuple[str, int], Episode]:
    """Run trials until all are done or somebody presses Ctrl-C."""
    earlier = journal.done if journal else {}
    done = {trial: earlier[trial] for trial in trials if trial in earlier}
    waiting = iter([trial for trial in trials if trial not in done])

    def next_trial() -> Trial | None:
        failures = sum(e.outcome is Outcome.FAILURE for e in done.values())
        return next((Trial(*trial, film=failures < max_films) for trial in waiting), None)

    running = pool.run(build, next_trial, workers=workers, writes=build.films)
    with counting("success {task.fields[rate]}") as bar, contextlib.closing(running) as ended:
        task = bar.add_task("evaluating", total=len(trials), completed=len(done), rate="")
        with contextlib.suppress(KeyboardInterrupt):
            for trial, result in ended:
                episode = lost_episode(trial, result) if isinstance(result, pool.Lost) else result
                done[trial.family, trial.seed] = episode
                if journal:
                    journal.enter(episode)
                so_far = tally(list(done.values()))
                bar.update(task, completed=len(done), rate=f"{so_far.successes}/{so_far.n} {so_far.success}")
    return done


def lost_episode(trial: Trial, lost: pool.Lost) -> Episode:
    """Return the episode of a process that died in it, which is invalid."""
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
