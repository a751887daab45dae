"""Measure the shipped policies: every family, wrong instructions, and instructions of several steps.

    python benchmarks/household.py [--episodes 100]
    python benchmarks/household.py --what experts

``experts`` measures the scripted ones instead, on every family and the same seeds: what is possible. They see
the simulator's state, so nothing else is asked of them.

Every evaluation leaves its report, named after the policy's weights, in a folder and is not repeated when it
is there, so that a run that was stopped goes on and a new policy is measured anew.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from long_instructions import measure, policy_in
from results_file import ROOT, evaluated, hours_from_nothing, success, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.report import chosen_objects
from sayso.evaluation.statistics import wilson
from sayso.loading import EXPERT
from sayso.models.checkpoint import load
from sayso.spec import seeds
from sayso.work.provenance import digest_of

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "tabletop": ("put", "stack", "push"),
    "home": ("put", "drawer", "fetch", "goto"),
}
WITHOUT_OBJECT = ("goto",)
"""Families in which no other object can be named."""


@dataclass(frozen=True, kw_only=True)
class Household:
    """What to measure, and where the parts are kept."""

    episodes: int = 100
    """Episodes of each family."""
    wrong: int = 50
    """Episodes of each family with an object, in which another one is named."""
    long: int = 25
    """Long instructions in each world."""
    start: int = 1000
    """Number of test seeds to skip: those before were looked at while policies were chosen."""
    reports: Path = ROOT / "runs" / "household"
    """Folder of the evaluations' own reports, with films of failures."""
    policies: Path = ROOT / "checkpoints"
    """Folder with a policy per world."""
    what: Literal["policies", "experts"] = "policies"
    """What to measure."""


def main(config: Household) -> None:
    """Run what is missing, print the numbers and write ``household.json``, or one of the others."""
    print("wrote", (measure_experts if config.what == "experts" else measure_policies)(config))


def measure_experts(config: Household) -> Path:
    """Measure what each world's expert does, and in how many steps."""
    metrics: dict[str, float] = {}
    reports = []
    for world, families in FAMILIES.items():
        found = evaluated(EXPERT, _wanted(config, world, families, f"expert_{world}"))
        reports.append(found)
        metrics |= success(found, world, "expert_")
        metrics |= {f"expert_{name}_{world}_steps": f["mean_steps"] for name, f in found["families"].items()}
    for key, value in metrics.items():
        print(f"{key:45} {value:9.3f}")
    return write_result(
        "experts",
        metrics,
        seeds=seeds("test", config.episodes, config.start),
        n=config.episodes,
        config={"episodes": config.episodes, "start": config.start},
        reports=reports,
    )


def asked_for_objects(world: str) -> tuple[str, ...]:
    """Return the families of a world in which an object is named."""
    return tuple(family for family in FAMILIES[world] if family not in WITHOUT_OBJECT)


def measure_policies(config: Household) -> Path:
    """Measure the policies as they are told, told wrongly, and told several things at once."""
    metrics: dict[str, float] = {}
    reports: dict[str, Mapping[str, Any]] = {}
    for world, families in FAMILIES.items():
        policy = config.policies / world
        name = f"{world}_{fingerprint(policy)}"
        found = evaluated(policy, _wanted(config, world, families, name))
        swapping, out = asked_for_objects(world), f"{name}_swap"
        swap = evaluated(policy, _wanted(config, world, swapping, out, swap=True))
        lengthy = config.reports / f"{name}_long_{config.long}.json"
        long = measure(world, partial(policy_in, policy), config.long, lengthy)
        reports |= {world: found, f"{world}_swap": swap, f"{world}_long": long}
        metrics |= success(found, world)
        metrics[f"train_hours_{world}"] = hours_from_nothing(policy)
        metrics[f"trained_parameters_m_{world}"] = parameters_m(policy)
    metrics |= summary(metrics, reports)
    # Both are made beside each other, a core each: scripts/from_nothing.py
    metrics["train_hours"] = max(metrics[f"train_hours_{world}"] for world in FAMILIES)
    for key, value in metrics.items():
        print(f"{key:45} {value:9.3f}")
    counts = ("episodes", "wrong", "long", "start")
    settings = {
        **{key: value for key, value in vars(config).items() if key in counts},
        "training": {world: reports[world]["training"] for world in FAMILIES},
        "horizon": {world: reports[world]["horizon"] for world in FAMILIES},
    }
    episodes = [outcome(name, episode) for name, found in reports.items() for episode in found["episodes"]]
    used = seeds("test", config.episodes, config.start)
    return write_result(
        "household",
        metrics,
        seeds=used,
        n=config.episodes,
        config=settings,
        episodes=episodes,
        reports=reports.values(),
    )


def summary(metrics: Mapping[str, float], reports: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return what is counted over both worlds.

    Args:
        metrics: success of each family, and parameters of each world's policy.
        reports: ``<world>``, ``<world>_swap`` and ``<world>_long``.
    """
    rates = [metrics[f"{family}_{world}"] for world, families in FAMILIES.items() for family in families]
    swaps = [family for world in FAMILIES for family in reports[f"{world}_swap"]["families"].values()]
    long = [
        episode
        for world in FAMILIES
        for episode in reports[f"{world}_long"]["episodes"]
        if episode["outcome"] != "invalid"
    ]
    named, asked = (
        sum(chosen_objects(f).get("named", 0) for f in swaps),
        sum(sum(chosen_objects(f).values()) for f in swaps),
    )
    whole = sum(episode["outcome"] == "success" for episode in long)
    return {
        "mean": statistics.fmean(rates),
        **interval("wrong_instruction_follows_words", named, asked),
        **interval("long_instructions", whole, len(long)),
        "long_instructions_steps": sum(e["done"] for e in long) / sum(e["asked"] for e in long),
        "trained_parameters_m": max(metrics[f"trained_parameters_m_{world}"] for world in FAMILIES),
    }


def interval(name: str, successes: int, n: int) -> dict[str, float]:
    """Return a share with the ends of its interval."""
    found = wilson(successes, n)
    return {name: found.share, f"{name}/low": found.low, f"{name}/high": found.high}


def fingerprint(policy: Path) -> str:
    """Return eight letters that tell a policy's weights from any other's."""
    return digest_of(policy)[:8]


def parameters_m(policy: Path) -> float:
    """Return the number of a policy's trained parameters, in millions."""
    return sum(p.numel() for p in load(policy).model.parameters() if p.requires_grad) / 1e6


def outcome(report: str, episode: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an episode what the result file keeps."""
    kept = ("family", "seed", "outcome", "instruction", "asked", "done")
    return {"report": report, **{key: episode[key] for key in kept if key in episode}}


def _wanted(
    config: Household, world: str, families: tuple[str, ...], name: str, *, swap: bool = False
) -> EvalConfig:
    episodes = config.wrong if swap else config.episodes
    name = f"{name}_{episodes}_from_{config.start}"
    return EvalConfig(
        world=world,
        families=families,
        episodes=episodes,
        start=config.start,
        swap=swap,
        out=config.reports / f"{name}.json",
        films=None if swap else config.reports / name,
    )


if __name__ == "__main__":
    main(tyro.cli(Household, description=__doc__))
