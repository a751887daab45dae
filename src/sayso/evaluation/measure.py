"""Measurement of a policy, its report kept: what ``sayso eval`` and the benchmarks call."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sayso.data.fit import read_names
from sayso.evaluation.journal import Journal
from sayso.evaluation.report import Training
from sayso.evaluation.trials import evaluate
from sayso.spec import EXECUTE, ConfigError, Policy, SaysoError, at_least, seeds
from sayso.spec.files import parsed
from sayso.tasks.axes import Departure, departures, families_of, options_of
from sayso.tasks.contract import World
from sayso.tasks.worlds import WORLDS, WorldEntry, chosen_families, in_domain, told_of
from sayso.work.lock import locked
from sayso.work.provenance import provenance

BESIDES = ("families", "episodes", "start", "workers", "out", "films", "max_films", "datasets", "threads")
"""Fields of `EvalConfig` that decide how many episodes there are and how they are run, but no episode."""
IN_A_WORLD = (
    "goal",
    "families",
    "episodes",
    "split",
    "start",
    "execute",
    "swap",
    "recover",
    "axis",
    "domain",
    "workers",
    "films",
    "max_films",
)
"""Fields of `EvalConfig` that say nothing where a policy is measured on recordings."""
INTERRUPTED = 130
"""Exit code of what Ctrl-C has ended."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Policy that is to be measured, whatever it is."""

    name: str
    """What a person calls it: a folder, ``expert``, an address."""
    make: Callable[[World], Policy]
    """Builds it for a world, once in each process; picklable."""
    weights: str
    """Digest of what it computes with."""
    training: Training | None
    """What it was trained on; None if it never was."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to measure a policy on."""

    world: str = ""
    """Where it happens: the name of a world."""
    goal: str = ""
    """What to ask in that world in place of its families, in plain words, such as "put it to the left of the
    mug": success is that it is so. docs/practice.md says what can be described."""
    datasets: tuple[Path, ...] = ()
    """Recordings to measure on instead of a world: how far the policy is from what they show, in the unit of
    each dimension, on the episodes that it has not learned from."""
    families: tuple[str, ...] = ()
    """Families of tasks; none named means all of the world's."""
    episodes: int = 100
    """Episodes of each family, each on a seed of its own."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds to draw from; both are disjoint from training."""
    start: int = 0
    """Number of seeds of the split to skip."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    swap: bool = False
    """Name another object of the same scene, and count which one the policy goes for."""
    axis: tuple[str, ...] = ()
    """How far the world departs from training, such as camera=3 light=1: axes of the world, each with its
    level, of which 0 is as in training. docs/generalisation.md lists them."""
    recover: bool = False
    """Where the policy gets nowhere for a second, let it back off along its own path and look again."""
    domain: str = ""
    """Name of a domain, in which everything is otherwise: workshop. docs/domains.md tells what it is."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core. Each lets the policy have one thread."""
    threads: int = 0
    """With --datasets: threads of the policy; 0 is one per core."""
    out: Path | None = None
    """File for the report, as JSON. An evaluation that was stopped goes on when it is asked for again."""
    films: Path | None = None
    """Folder for films of the first failures."""
    max_films: int = 5
    """How many failures to film."""
    rename: tuple[str, ...] = ()
    """Cameras and numbers that the world calls otherwise than the policy, such as image=front: what the
    world calls it, and what the policy does. What it was trained with is known already."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        read_names(self.rename)
        if not self.world and not self.datasets:
            raise ConfigError("eval needs --world, where to measure success, or --datasets, to compare with")
        if self.world and self.datasets:
            raise ConfigError(
                f"datasets are given and world is {self.world}: measure on one of them at a time"
            )
        at_least(self, episodes=1, start=0, execute=1, workers=0, threads=0, max_films=0)
        if self.threads and self.world:
            raise ConfigError(
                f"threads is {self.threads}, but in a world each process has one: --workers says how many"
            )
        usual = {field.name: field.default for field in fields(self)}
        if self.datasets and (idle := [name for name in IN_A_WORLD if getattr(self, name) != usual[name]]):
            raise ConfigError(f"{idle[0]} says nothing where --datasets are measured on: leave it out")


def evaluate_policy(
    subject: Subject,
    config: EvalConfig,
    *,
    options: Mapping[str, Any] | None = None,
    place: WorldEntry | None = None,
) -> int:
    """Measure a policy in a world, print the report and write it where asked.

    Args:
        subject: the policy.
        config: what to measure it on.
        options: more of what the world's ``reset`` understands, such as ``{"light": 0.6}``; plain JSON.
        place: the world, if it is in no table; ``config.world`` is what it is called then.

    Returns:
        The exit code: 0 if every rate was measured, 1 if one is void, 130 if the evaluation was interrupted.
    """
    if config.films and config.films.exists() and not config.films.is_dir():
        raise SaysoError(f"{config.films} is a file; name a folder for the films")
    world = place or WORLDS.ready(config.world)
    departs = departures(world.axes, config.axis)
    families = _able(departs, chosen_families(world.families, config.families))
    within = subject.training.within if subject.training else None
    asked = asked_of(subject, config, options_of(departs) | dict(options or {}))
    making = options_of(departs, in_making=True) | in_domain(config.world, config.domain, world)
    told = [each.told(within) for each in departs] + told_of(config.domain, within)
    with journal_beside(config.out, asked) as journal:
        report = evaluate(
            partial(world.make, **making) if making else world.make,
            subject.make,
            families=families,
            seeds=seeds(config.split, config.episodes, config.start),
            workers=config.workers,
            execute=config.execute,
            options=asked["options"],
            films=config.films,
            max_films=config.max_films,
            training=subject.training,
            config=_plain(config) | asked | ({"departs": told} if told else {}),
            journal=journal,
        )
        out = config.out
        if out and report.partial and _is_whole(out):
            print(
                f"sayso: {out} keeps the whole report of before; asked again, this one goes on",
                file=sys.stderr,
            )
            out = None
        if out:
            report.write(out)
        if journal and not report.partial:
            journal.close()
    print(report)
    for what, path in [("report", out), *(("film", film) for film in report.films)]:
        if path:
            print(f"{what}: {path}")
    return INTERRUPTED if report.partial else int(report.void)


def _able(departs: Sequence[Departure], families: tuple[str, ...]) -> tuple[str, ...]:
    """Return the families in which there is what departs, and say which are left out."""
    able = families_of(departs, families)
    if left_out := [family for family in families if family not in able]:
        print(f"sayso: {', '.join(left_out)}: there is no such level, so not measured", file=sys.stderr)
    return able


@contextlib.contextmanager
def journal_beside(out: Path | None, asked: Mapping[str, Any]) -> Iterator[Journal | None]:
    """Hold the journal beside a report, and the report itself against a second evaluation."""
    if out is None:
        yield None
        return
    if out.is_dir():
        raise SaysoError(f"{out} is a folder; name a file for the report, such as {out / 'report.json'}")
    if out.exists() and not out.is_file():
        raise SaysoError(f"{out} is a device and no file; name a file for the report")
    with locked(out.parent, "evaluating", out.name):
        measured_by = provenance()
        journal = Journal(
            out.with_suffix(".episodes.jsonl"), {**asked, "code": measured_by["code"]}, measured_by
        )
        if journal.damage:
            print(f"sayso: {journal.damage}", file=sys.stderr)
        yield journal


def _is_whole(path: Path) -> bool:
    """Tell whether a file is the report of an evaluation that was not interrupted."""
    try:
        return parsed(path.read_bytes())["partial"] is False
    except (OSError, ValueError, KeyError, TypeError):
        return False


def asked_of(
    subject: Subject,
    config: EvalConfig,
    options: Mapping[str, Any] | None = None,
    besides: Collection[str] = BESIDES,
) -> dict[str, Any]:
    """Return, as plain JSON, what decides an episode beside the code: settings but some, and the weights."""
    asked = {name: value for name, value in _plain(config).items() if name not in besides}
    if not config.goal:
        del asked["goal"]  # reports of before goals could be described stay what they are
    reset = ({"swap": True} if config.swap else {}) | dict(options or {})
    return asked | {"policy": subject.name, "weights": subject.weights, "options": reset}


def _plain(config: EvalConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain
