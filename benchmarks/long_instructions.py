"""Carry out instructions of two and three steps with a policy, and report which steps succeeded.

::

    seed --> scene --errands--> intents --join--> one sentence or several --carry_out--> policy, step by step

Half of the instructions have two steps, half three, all worded as in training. A step that fails is tried
once more (see `sayso.evaluation.planner`); an instruction succeeds if all of its steps do, in order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from results_file import once
from sayso.data.film import write_film
from sayso.evaluation.planner import Here, PlanReport, carry_out
from sayso.evaluation.rollout import rollout
from sayso.models.checkpoint import load
from sayso.models.repacked import in_world
from sayso.spec import Episode, Observation, Outcome, Policy, seeds
from sayso.tasks.household.draw import called
from sayso.tasks.household.errands import errands
from sayso.tasks.household.words.language import NotUnderstoodError
from sayso.tasks.household.words.plan import join
from sayso.tasks.worlds import make_world
from sayso.work import pool
from sayso.work.provenance import provenance, write_json

SCENES = 40
"""How many seeds an instruction may look through for a scene with enough to do."""
STREAM = 0x10A6  # keeps the words of a seed independent of the scene drawn from the same seed


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One long instruction that is asked for."""

    number: int
    """Which one of all, from 0."""
    of: int
    """How many there are; with the number it decides the seeds, whoever carries it out."""
    film: bool
    """Keep pictures, for a film of a failure."""

    @property
    def steps(self) -> int:
        """Return how many things to ask for."""
        return 2 + self.number % 2

    @property
    def seeds(self) -> list[int]:
        """Return the test seeds to look through for a scene."""
        return seeds("test", SCENES * self.of)[self.number :: self.of]


@dataclass(frozen=True)
class Build:
    """Maker, in each process, of what carries out one errand."""

    world: str
    make_policy: Callable[[Any], Policy]
    films: Path

    def __call__(self) -> Callable[[Errand], dict[str, Any]]:
        """Return a function from an errand to what came of it."""
        room = make_world(self.world)
        return partial(attempt, room, self.make_policy(room), films=self.films)


def policy_in(folder: Path, room: Any) -> Policy:
    """Return a policy for one process of several: on one thread, and only if it fits the room."""
    torch.set_num_threads(1)
    policy = load(folder)
    return in_world(policy, policy.features, room.features)


def attempt(room: Any, policy: Policy, errand: Errand, films: Path | None = None) -> dict[str, Any]:
    """Carry out one long instruction and return what came of it, plain JSON."""
    seed, text, steps = draw(room, errand)
    found: dict[str, Any] = {"world": room.name, "seed": seed, "instruction": text, "asked": steps}
    frames: list[Observation] = []

    def act(sentence: str) -> Episode:
        here = Here(room, room.instruct(sentence))
        episode = rollout(here, policy, seed, keep_frames=errand.film)
        frames.extend(episode.frames)
        return episode

    try:
        report = carry_out(room, policy, text, seed, act=act)
    except NotUnderstoodError as error:
        return found | {"outcome": Outcome.FAILURE, "done": 0, "steps": [], "error": str(error)}
    taken = [plain_step(step) for step in report.steps]
    found |= {"outcome": outcome_of(report), "done": report.done, "steps": taken}
    if films and frames and found["outcome"] is Outcome.FAILURE:
        write_film(films / f"{seed}.mp4", frames, room.features.fps, remark=f"{report.done} of {steps} done")
    return found


RICHEST = {"tabletop": "push", "home": "put"}
"""The family whose scenes offer most to do; the home's also begin at the table, as a plan must."""


def draw(room: Any, errand: Errand) -> tuple[int, str, int]:
    """Begin an episode in the first scene that offers enough, and return its seed, the words, the steps."""
    for seed in errand.seeds:
        room.reset(seed=seed, options={"family": RICHEST[room.name]})
        rng = np.random.default_rng([STREAM, seed])
        intents = errands(room, errand.steps, rng)
        if len(intents) == errand.steps:
            return seed, join([called(intent) for intent in intents], rng), len(intents)
    raise ValueError(f"none of {SCENES} scenes of {room.name!r} offers {errand.steps} things to do")


def outcome_of(report: PlanReport) -> Outcome:
    """Return how a plan ended; it is invalid if one of its episodes is."""
    if any(step.episode.outcome is Outcome.INVALID for step in report.steps):
        return Outcome.INVALID
    return Outcome.SUCCESS if report.success else Outcome.FAILURE


def plain_step(step: Any) -> dict[str, Any]:
    """Return a step as plain JSON."""
    episode = step.episode
    return {
        "instruction": step.instruction,
        "reason": step.reason,
        "outcome": episode.outcome,
        "failed_conditions": list(episode.failed_conditions),
        "steps": episode.steps,
        "error": episode.error,
    }


def measure(
    world: str,
    make_policy: Callable[[Any], Policy],
    count: int,
    out: Path,
    *,
    workers: int = 0,
    max_films: int = 5,
) -> Mapping[str, Any]:
    """Carry out `count` long instructions in processes of their own, unless the report is there already.

    A process that dies makes its instruction invalid.

    Args:
        world: where.
        make_policy: builds the policy in each process; picklable.
        count: how many instructions.
        out: file of the report; films of the first failures go into a folder beside it.
        workers: number of processes; 0 is one per core.
        max_films: how many failures to film.
    """

    def make() -> None:
        measured_by = provenance()
        build = Build(world, make_policy, out.with_suffix(""))
        found = sorted(_run(build, count, workers or pool.cores(), max_films), key=lambda e: e["number"])
        report = {"benchmark": "long_instructions", **measured_by, "world": world, "episodes": found}
        write_json(out, report)

    return once(out, make)


def _run(build: Build, count: int, workers: int, max_films: int) -> list[dict[str, Any]]:
    waiting, found, failures = iter(range(count)), [], 0

    def next_errand() -> Errand | None:
        number = next(waiting, None)
        return None if number is None else Errand(number=number, of=count, film=failures < max_films)

    with contextlib.closing(pool.run(build, next_errand, workers=workers)) as ended:
        for errand, result in ended:
            if isinstance(result, pool.Lost):
                result = {"world": build.world, "outcome": Outcome.INVALID, "error": result.reason}
                result |= {"asked": errand.steps, "done": 0, "steps": []}
            failures += result["outcome"] is Outcome.FAILURE
            found.append({"number": errand.number, **result})
            shown = f"{result['done']} of {result['asked']} steps: {result.get('instruction', '')}"
            print(f"{build.world} {len(found)}/{count}: {shown}", flush=True)
    return found
