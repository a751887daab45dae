"""Train each row of a comparison for the same time and measure it on the same seeds, each only once.

::

    time of 40 steps --> how many fill the minutes --> train, the schedule ends there --> evaluate --> metrics
    budget.json          budget.json                   policy/                            test_50.json
                                                                                          action_error.json

The first two are done for all rows before any is trained. All of that stands in one folder per world and row,
and what stands there is not done again: give the same command to go on after an interruption, and delete a
row's folder to repeat it.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from latency import WARM_UP, calls_ms, look
from results_file import RESULTS, ROOT, evaluated, once, success, write_result
from sayso.data.reader import Dataset
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.report import training_of
from sayso.evaluation.trials import refuse_seen_seeds
from sayso.learn.imitate import TrainConfig, begin, open_windows, train
from sayso.learn.loop import steps
from sayso.models.checkpoint import CONFIG, load
from sayso.spec import ACTION, EXECUTE, SaysoError, known, seeds
from sayso.work.provenance import digest_of, provenance, training_facts, write_json

TIMED = 40
"""Steps that are timed."""
CALLS = 30
"""Calls of the policy that are timed."""
FOLDERS = ("runs", "results")
"""Fields of `Terms` that say where things are kept on one machine."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Say what is special about one row of a comparison."""

    train: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainConfig`."""
    execute: int = EXECUTE
    """How many actions of a chunk are applied before the policy looks again."""
    weights_of: str = ""
    """Another row whose policy this one is, acting differently; empty if it is trained for itself."""
    dataset: str = ""
    """What follows the world's name in the name of a dataset of its own; without that the row is skipped."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Say what all rows of a comparison have in common."""

    worlds: tuple[str, ...]
    """Where it happens."""
    runs: Path
    """Folder of all that is trained and measured: <world>/<row>/."""
    results: Path = RESULTS
    """Folder of the result file; a shorter trial needs another, so as not to replace what was measured."""
    datasets: Path = ROOT / "datasets"
    """Folder with the demonstrations of each world, <world>/, and perhaps others, <world>_validation/, of the
    split of that name, on which to count how far off a policy's actions are."""
    minutes: float = 60.0
    """Wall-clock time of each training."""
    episodes: int = 50
    """Episodes of each family."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds they are drawn from."""
    stride: int = 1
    """Frames between the present frames of neighbouring training windows; a larger one needs less disk."""
    threads: int = 2
    """Threads of each training."""
    preset: Literal["small", "tiny"] = "small"
    """Size of every model; tiny is for trying this script."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Say how long a training takes, and how that was known beforehand."""

    minutes: float
    step_seconds: float
    """Measured time of one step, the wait for its windows included."""
    steps: int
    """As many as fill the minutes."""


def fitting_steps(minutes: float, step_seconds: float) -> int:
    """Return how many steps of a length fill so many minutes, at least one."""
    return max(1, round(60 * minutes / step_seconds))


def step_seconds(config: TrainConfig) -> float:
    """Return the median time of a step, from the first steps of a run that is thrown away.

    They are done twice, and timed the second time, when every sentence is known that takes time to read.
    """
    torch.set_num_threads(config.threads)
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        trial = dataclasses.replace(config, out=Path(out), steps=TIMED)
        run, source, objective = begin(trial, open_windows(trial))
        source.open()
        with run.opened():
            for _ in range(2):
                run.step, taken, began = 0, [], time.perf_counter()
                for _ in steps(run, source, objective):
                    ended = time.perf_counter()
                    taken.append(ended - began)
                    began = ended
    return statistics.median(taken)


def budget_of(config: TrainConfig, minutes: float) -> Budget:
    """Return the budget of the run in ``config.out``, measured if it is new.

    Raises:
        SaysoError: if the run there was given another number of minutes.
    """
    path = config.out / "budget.json"
    if not path.exists():
        measured = step_seconds(config)
        found = Budget(minutes=minutes, step_seconds=measured, steps=fitting_steps(minutes, measured))
        config.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(found), indent=1) + "\n")
    found = Budget(**json.loads(path.read_text()))
    if found.minutes != minutes:
        raise SaysoError(
            f"{config.out} holds a run of {found.minutes:g} minutes, not {minutes:g}; delete it or name "
            "another folder for runs"
        )
    return found


def trained(config: TrainConfig, minutes: float) -> Path:
    """Train for so many minutes, unless that is done already, and return the folder of the policy."""
    budget = budget_of(config, minutes)
    policy = config.out / "policy"
    if not policy.is_dir() or training_facts(policy)["steps"] < budget.steps:
        pace = f"{budget.step_seconds:.3f} s per step, {budget.steps} steps"
        print(f"{config.out}: {pace} in {minutes:g} minutes", flush=True)
        train(dataclasses.replace(config, steps=budget.steps))
    return policy


def cost(policy: Path) -> dict[str, float]:
    """Return what a policy costs: trained parameters in millions, and milliseconds per call on one thread."""
    torch.set_num_threads(1)
    loaded, rng = load(policy), np.random.default_rng(0)
    sentence, count = "put the red block in the blue tray", CALLS + WARM_UP
    looks = [look(loaded.features, sentence, rng) for _ in range(count)]
    moving = sum(p.numel() for p in loaded.model.parameters() if p.requires_grad)
    return {"parameters_m": moving / 1e6, "policy_ms": statistics.median(calls_ms(loaded, looks))}


def action_error(policy: Path, demonstrations: Path, execute: int) -> float:
    """Return how far a policy's next action is from the expert's, in scenes new to it: the mean over joints.

    Args:
        policy: its folder.
        demonstrations: a dataset of seeds that no training saw.
        execute: how many frames of a demonstration lie between its looks.

    Raises:
        SeenSeedsError: if the policy may have been trained on one of them.
    """
    torch.set_num_threads(1)
    loaded, dataset, errors = load(policy), Dataset(demonstrations), []
    refuse_seen_seeds([e.seed for e in dataset.episodes if e.seed is not None], training_of(policy))
    for episode in dataset.episodes:
        loaded.reset()
        for frame in dataset.frames(episode, range(0, len(episode), execute)):
            errors.append(np.abs(loaded.act(frame).actions[0] - frame[ACTION]).mean())
    return float(np.mean(errors))


def compare(name: str, terms: Terms, rows: Mapping[str, Row], chosen: Sequence[str]) -> Path:
    """Train and measure what is missing of the chosen rows, write ``<name>.json`` and return its path.

    Metrics are called ``<row>.<what>_<world>``.

    Raises:
        UnknownNameError: if a chosen row is not in the table.
    """
    wanted = {known("row", label, rows) for label in chosen}
    metrics: dict[str, float] = {}
    episodes: list[dict[str, Any]] = []
    reports: list[Mapping[str, Any]] = []
    settings: dict[str, Any] = {"policies": {}, "skipped": []}
    configs: dict[tuple[str, str], TrainConfig] = {}
    for world, label in ((world, label) for world in terms.worlds for label in rows if label in wanted):
        config = _train_config(terms, world, rows[label].weights_of or label, rows)
        if not config.datasets[0].is_dir() and rows[label].dataset:
            print(f"{label}: skipped, there is no {config.datasets[0]}")
            settings["skipped"].append(f"{label} {world}")
        else:
            configs[world, label] = config
            budget_of(config, terms.minutes)  # of all rows first: a machine's pace changes over the hours
    for (world, label), config in configs.items():
        policy = trained(config, terms.minutes)
        out = terms.runs / world / label / f"{terms.split}_{terms.episodes}.json"
        report = evaluated(policy, _eval_config(terms, world, rows[label].execute, out))
        found = _metrics(report, policy, world)
        reports.append(report)
        unseen = terms.datasets / f"{world}_validation"
        if unseen.is_dir():
            found[f"action_error_{world}"] = _action_error_once(
                out.parent, policy, unseen, rows[label].execute
            )
        print(*(f"{label}.{key:28} {value:10.3f}" for key, value in found.items()), sep="\n")
        metrics |= {f"{label}.{key}": value for key, value in found.items()}
        episodes += [_outcome(label, world, episode) for episode in report["episodes"]]
        settings["policies"][f"{label} {world}"] = _account(config, policy)
    settings |= {field: value for field, value in dataclasses.asdict(terms).items() if field not in FOLDERS}
    settings = json.loads(json.dumps(settings | {"datasets": terms.datasets.name}, default=str))
    used = seeds(terms.split, terms.episodes)
    return write_result(
        name,
        metrics,
        seeds=used,
        n=terms.episodes,
        config=settings,
        episodes=episodes,
        reports=reports,
        folder=terms.results,
    )


def _action_error_once(folder: Path, policy: Path, unseen: Path, execute: int) -> float:
    path, asked = folder / "action_error.json", {"weights": digest_of(policy), "execute": execute}

    def make() -> None:
        measured_by = provenance()
        write_json(
            path, measured_by | {"config": asked, "action_error": action_error(policy, unseen, execute)}
        )

    return float(once(path, make, asked)["action_error"])


def _train_config(terms: Terms, world: str, label: str, rows: Mapping[str, Row]) -> TrainConfig:
    return TrainConfig(
        datasets=(terms.datasets / (world + rows[label].dataset),),
        out=terms.runs / world / label,
        preset=terms.preset,
        stride=terms.stride,
        threads=terms.threads,
        **rows[label].train,
    )


def _eval_config(terms: Terms, world: str, execute: int, out: Path) -> EvalConfig:
    return EvalConfig(
        world=world,
        episodes=terms.episodes,
        split=terms.split,
        execute=execute,
        out=out,
        films=out.with_suffix(""),
    )


def _metrics(report: Mapping[str, Any], policy: Path, world: str) -> dict[str, float]:
    facts, measured = training_facts(policy), report["metrics"]
    found = {f"mean_{world}{end}": measured[f"success{end}"] for end in ("", "/low", "/high")}
    found |= {f"named_{world}{end}": measured[f"follows_words{end}"] for end in ("", "/low", "/high")}
    found |= success(report, world)
    found |= {f"samples_{world}": facts["samples"], f"minutes_{world}": facts["seconds"] / 60}
    return found | {f"{key}_{world}": value for key, value in cost(policy).items()}


def _outcome(label: str, world: str, episode: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: episode[key] for key in ("family", "seed", "outcome")}
    return {"row": label, "world": world, **kept}


def _account(config: TrainConfig, policy: Path) -> dict[str, Any]:
    """Return what one must know of a policy to make it again: its sizes, its training, its budget."""
    facts = training_facts(policy)
    return {
        "model": json.loads((policy / CONFIG).read_text())["model"],
        "budget": json.loads((config.out / "budget.json").read_text()),
        "training": {key: facts[key] for key in ("config", "datasets", "steps", "seconds", "commit")},
    }
