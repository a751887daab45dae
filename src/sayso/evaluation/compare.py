"""Comparison run: two policies on the same seeds in turn, until it is clear who is better, or of two reports.

::

    seed 1   A ends   B ends   --> a pair --> clear?  no
    seed 2   A ends   ..                                Pairs count in the order of seeds, whatever order they
    seed 3   ..       B ends   --> waits for seed 2     end in: a success ends sooner than a failure
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sayso.evaluation.comparison import Comparison
from sayso.evaluation.journal import Journal
from sayso.evaluation.kept import Kept, read_report, told_apart
from sayso.evaluation.measure import INTERRUPTED, EvalConfig, Subject, asked_of
from sayso.evaluation.paired import wealth
from sayso.evaluation.trials import Trial, Tryout, lost_episode, refuse_seen_seeds
from sayso.spec import EXECUTE, ConfigError, Episode, SaysoError, above, at_least, seeds
from sayso.tasks.axes import departures, families_of, options_of
from sayso.tasks.worlds import WORLDS, WorldEntry, chosen_families, in_domain
from sayso.work import pool
from sayso.work.lock import locked
from sayso.work.progress import counting
from sayso.work.provenance import code, provenance, write_json

Seed = tuple[str, int]
"""Family and seed of an episode."""
REPORT = ".json"


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Where to compare two policies, and when to stop."""

    world: str = ""
    """Where it happens: the name of a world. Two reports of `sayso eval` need none."""
    families: tuple[str, ...] = ()
    """Families of tasks, taken in turn; none named means all of the world's."""
    pairs: int = 400
    """Most pairs of episodes; fewer are run if the answer is clear before."""
    alpha: float = 0.05
    """Probability of calling one better though they are equally good, however early it ends."""
    margin: float = 0.1
    """Difference of success rates that does not matter: it ends as soon as there surely is no larger one."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds to draw from; both are disjoint from training."""
    start: int = 0
    """Number of seeds of the split to skip."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    axis: tuple[str, ...] = ()
    """How far the world departs from training, such as camera=3 light=1."""
    domain: str = ""
    """Name of a domain, in which everything is otherwise: workshop."""
    workers: int = 0
    """Processes that run episodes side by side; 0 is one per core."""
    out: Path | None = None
    """File for the result, as JSON. A comparison that was stopped goes on when it is asked for again."""
    json: bool = False
    """Print the result as JSON instead of a sentence."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        at_least(self, pairs=1, start=0, execute=1, workers=0, margin=0)
        above(self, alpha=0)
        if self.alpha >= 1 or self.margin >= 1:
            name = "alpha" if self.alpha >= 1 else "margin"
            raise ConfigError(f"{name} is {getattr(self, name):g}, but is a share and must be below 1")


def compare_reports(first: Path, second: Path, config: CompareConfig) -> int:
    """Compare two reports that `sayso eval` wrote, over the seeds that both have; return the exit code.

    Raises:
        SaysoError: if they cannot be read, or have no episode in common.
    """
    one, other = read_report(first), read_report(second)
    if one.world != other.world:
        raise SaysoError(
            f"{first} is of world {one.world} and {second} of {other.world}: compare reports of one world"
        )
    families = set(chosen_families(tuple(dict.fromkeys(one.families + other.families)), config.families))
    pairs = _in_common(one, other, families)
    lonely = len(one.episodes) + len(other.episodes) - 2 * len(pairs)
    if lonely and not config.families:
        print(f"sayso: {lonely} episodes are in one report only, and left out", file=sys.stderr)
    print(f"sayso: they differ in {'; '.join(told_apart(one, other)) or 'nothing asked'}", file=sys.stderr)
    same = not one.policy or one.policy == other.policy
    return _told(
        Comparison(
            names=(str(first), str(second)) if same or not other.policy else (one.policy, other.policy),
            pairs=pairs,
            alpha=config.alpha,
            margin=0,
            sequential=False,
            facts={**provenance(), "world": one.world, "reports": [str(first), str(second)]},
        ),
        config,
    )


def _in_common(one: Kept, other: Kept, families: set[str]) -> list[tuple[Episode, Episode]]:
    theirs = {(e.family, e.seed): e for e in other.episodes}
    pairs = [(e, theirs[e.family, e.seed]) for e in one.episodes
             if e.family in families and (e.family, e.seed) in theirs]  # fmt: skip
    if not pairs:
        raise SaysoError(
            f"{one.path} and {other.path} have no seed of a family in common: evaluate both with the same "
            "--start, --split and --families"
        )
    return pairs


def compare_policies(
    first: Subject, second: Subject, config: CompareConfig, *, place: WorldEntry | None = None
) -> int:
    """Compare two policies in a world, print the result and write it where asked.

    Args:
        first: one of them.
        second: the other.
        config: where, and when to stop.
        place: the world, if it is in no table; ``config.world`` is what it is called then.

    Returns:
        The exit code: 0 if there is a result, 1 if too much crashed, 130 if it was interrupted.
    """
    if not config.world:
        raise ConfigError("compare needs --world, where to compare, or two reports that `sayso eval` wrote")
    duel = _Duel(first, second, config, place or WORLDS.ready(config.world))
    with duel.journals() as journals:
        found = duel.run(journals)
        whole = duel.ended(found)
        facts = {
            **(journals[0].provenance if journals else provenance()),
            "world": config.world,
            "partial": not whole,
            "asked": [duel.asked(subject) for subject in (first, second)],
        }
        exit_code = _told(replace(found, facts=facts), config, "" if whole else "interrupted; so far, ")
        for journal in journals if whole else ():
            journal.close()
    return exit_code if whole else INTERRUPTED


def _told(found: Comparison, config: CompareConfig, before: str = "") -> int:
    """Print a result, write it where asked, and return the exit code."""
    if config.json:
        print(json.dumps(found.to_json(), allow_nan=False))
    else:
        print(f"{found.table()}\n{before}{found}")
    if config.out:
        write_json(config.out, found.to_json())
        print(f"result: {config.out}", file=sys.stderr if config.json else sys.stdout)
    return int(found.verdict == "void")


class _Duel:
    """Comparison of two policies that is being run."""

    def __init__(self, first: Subject, second: Subject, config: CompareConfig, world: WorldEntry) -> None:
        """Lay out the pairs: a seed of each family, then the next seed."""
        self.subjects, self.config, self.world = (first, second), config, world
        self.departs = departures(world.axes, config.axis)
        families = families_of(self.departs, chosen_families(world.families, config.families))
        chosen = seeds(config.split, -(-config.pairs // len(families)), config.start)
        for subject in self.subjects:
            refuse_seen_seeds(chosen, subject.training)
        self.trials: list[Seed] = [(family, seed) for seed in chosen for family in families][: config.pairs]

    def asked(self, subject: Subject) -> dict[str, Any]:
        """Return what decides the episodes of one policy."""
        c = self.config
        like = EvalConfig(world=c.world, split=c.split, execute=c.execute, axis=c.axis, domain=c.domain)
        return asked_of(subject, like, options_of(self.departs))

    @contextlib.contextmanager
    def journals(self) -> Iterator[Sequence[Journal]]:
        """Hold the journals of both policies beside the result; none if there is no file for it."""
        out = self.config.out
        if out is None:
            yield ()
            return
        if out.is_dir():
            raise SaysoError(
                f"{out} is a folder; name a file for the result, such as {out / 'compared.json'}"
            )
        with locked(out.parent, "comparing", out.name):
            by = provenance()
            yield [
                Journal(
                    out.with_suffix(f".{name}.episodes.jsonl"),
                    {**self.asked(subject), "code": by["code"]},
                    by,
                )
                for name, subject in zip("ab", self.subjects, strict=True)
            ]

    def run(self, journals: Sequence[Journal]) -> Comparison:
        """Run pairs until the answer is clear, all are done, or somebody presses Ctrl-C."""
        done = tuple(dict(journal.done) for journal in journals) or ({}, {})
        found = self._counted(done, self._compared([]))
        waiting = iter([(k, Trial(*seed, film=False)) for seed in self.trials for k in (0, 1)
                        if seed not in done[k] and not self.ended(found)])  # fmt: skip
        running = pool.run(self._build(), lambda: next(waiting, None), workers=self.config.workers)
        with (
            counting("pairs at most{task.fields[now]}", time_left=False) as bar,
            contextlib.closing(running) as results,
        ):
            task = bar.add_task("comparing", total=len(self.trials), completed=len(found.pairs), now="")
            with contextlib.suppress(KeyboardInterrupt):
                for (k, trial), result in results:
                    episode = lost_episode(trial, result) if isinstance(result, pool.Lost) else result
                    done[k][trial.family, trial.seed] = episode
                    if journals:
                        journals[k].enter(episode)
                    found = self._counted(done, found)
                    bar.update(task, completed=len(found.pairs), now=_now(found))
                    if self.ended(found):
                        break
        return found

    def ended(self, found: Comparison) -> bool:
        """Tell whether nothing more need be run."""
        return len(found.pairs) == len(self.trials) or found.verdict in ("first", "second", "alike")

    def _counted(self, done: Sequence[Mapping[Seed, Episode]], found: Comparison) -> Comparison:
        """Count one pair after the other, up to the first that is not done or that makes the answer clear."""
        while not self.ended(found):
            seed = self.trials[len(found.pairs)]
            if not all(seed in each for each in done):
                break
            found = self._compared([*found.pairs, (done[0][seed], done[1][seed])])
        return found

    def _compared(self, pairs: Sequence[tuple[Episode, Episode]]) -> Comparison:
        names = (self.subjects[0].name, self.subjects[1].name)
        return Comparison(names=names, pairs=pairs, alpha=self.config.alpha, margin=self.config.margin)

    def _build(self) -> _Both:
        making = options_of(self.departs, in_making=True)
        making |= in_domain(self.config.world, self.config.domain, self.world)
        options = self.asked(self.subjects[0])["options"]
        make = partial(self.world.make, **making) if making else self.world.make
        execute, now = self.config.execute, code()
        return _Both(tuple(Tryout(make, s.make, execute, options, None, now) for s in self.subjects))


@dataclass(frozen=True)
class _Both:
    """Maker, in each process, of what runs an episode of one of the two."""

    tryouts: tuple[Tryout, ...]

    def __call__(self) -> Callable[[tuple[int, Trial]], Episode]:
        attempts = [tryout() for tryout in self.tryouts]

        def attempt(job: tuple[int, Trial]) -> Episode:
            which, trial = job
            return attempts[which](trial)

        return attempt


def _now(found: Comparison) -> str:
    """Say in a few words how it stands."""
    p = found.counts
    return (
        f", only A {p.only_first}, only B {p.only_second}, evidence {wealth(p):.3g} of {1 / found.alpha:.3g}"
    )
