"""Train each row of a comparison on equally many samples and measure it on the same seeds, each only once.

::

    samples / batch size = steps --> train, the schedule ends there --> evaluate --> metrics
                                     policy/                            test_50.json
                                                                        action_error.json

All of that stands in one folder per world and row, and what stands there is not done again: give the same
command to go on after an interruption, and delete a row's folder to repeat it. Samples are equal on every
machine; the minutes that a row then took are reported beside its success.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import dataclasses
import json
import math
import statistics
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
from sayso.learn.imitate import TrainConfig, train
from sayso.models.checkpoint import CONFIG, load
from sayso.spec import ACTION, EXECUTE, SaysoError, known, seeds
from sayso.work.provenance import digest_of, provenance, training_facts, write_json

CALLS = 30
"""Calls of the policy that are timed."""
FOLDERS = ("runs", "results")
"""Fields of `Terms` that say where things are kept on one machine."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is special about one row of a comparison."""

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
    """What all rows of a comparison have in common."""

    worlds: tuple[str, ...]
    """Where it happens."""
    runs: Path
    """Folder of all that is trained and measured: <world>/<row>/."""
    results: Path = RESULTS
    """Folder of the result file; a shorter trial needs another, so as not to replace what was measured."""
    datasets: Path = ROOT / "datasets"
    """Folder with the demonstrations of each world, <world>/, and perhaps others, <world>_validation/, of the
    split of that name, on which to count how far off a policy's actions are."""
    samples: int = 400_000
    """Windows that each training sees; sayso's model takes an hour for so many, with two threads."""
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


def steps_for(samples: int, batch_size: int) -> int:
    """Return how many steps take at least so many samples."""
    return math.ceil(samples / batch_size)


def trained(config: TrainConfig) -> Path:
    """Train, or go on, unless that is done already, and return the folder of the policy.

    Raises:
        SaysoError: if the run there was given another number of steps.
    """
    policy = config.out / "policy"
    facts = training_facts(policy) if policy.is_dir() else {"steps": 0, "config": {"steps": config.steps}}
    if (given := facts["config"]["steps"]) != config.steps:  # its schedule ended elsewhere
        raise SaysoError(
            f"{config.out} holds a run of {given} steps, not {config.steps}; delete it or name another "
            "folder for runs"
        )
    if facts["steps"] < config.steps:
        print(f"{config.out}: {config.steps} steps of {config.batch_size}", flush=True)
        train(config)
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
    for (world, label), config in configs.items():
        policy = trained(config)
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
        settings["policies"][f"{label} {world}"] = _account(policy)
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
    config = TrainConfig(
        datasets=(terms.datasets / (world + rows[label].dataset),),
        out=terms.runs / world / label,
        preset=terms.preset,
        stride=terms.stride,
        threads=terms.threads,
        **rows[label].train,
    )
    return dataclasses.replace(config, steps=steps_for(terms.samples, config.batch_size))


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


def _account(policy: Path) -> dict[str, Any]:
    """Return what one must know of a policy to make it again: its sizes and its training."""
    facts = training_facts(policy)
    return {
        "model": json.loads((policy / CONFIG).read_text())["model"],
        "training": {key: facts[key] for key in ("config", "datasets", "steps", "seconds", "commit")},
    }
