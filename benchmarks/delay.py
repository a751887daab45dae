"""Measure what late answers cost: success under injected delays, for each way to join chunks.

    python benchmarks/delay.py [--episodes 100] [--policy checkpoints/home]

Time is counted in control steps, not on a clock, so a result is the same on every machine. All strategies and
delays get the same seeds. Every evaluation leaves its report, named after the policy's weights, in a folder
and is not repeated when it is there, so that a run that was stopped goes on.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from household import fingerprint
from results_file import ROOT, once_by_episode, write_result
from sayso.evaluation.report import training_of
from sayso.evaluation.trials import evaluate
from sayso.loading import policy_and_features
from sayso.runtime.chunking import STRATEGIES, Late, make_strategy
from sayso.sim.robots import FPS
from sayso.spec import Policy, check_fits, known, seeds
from sayso.tasks.contract import World
from sayso.tasks.worlds import make_world
from sayso.work import pool

Counts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Delay:
    """Say what to measure, and where the parts are kept."""

    policy: Path = ROOT / "checkpoints" / "home"
    """Folder of the policy."""
    world: str = "home"
    """Where it happens."""
    family: str = "put"
    """What is asked for."""
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    """Ways to join chunks."""
    delays_ms: tuple[int, ...] = (0, 50, 100, 200, 300)
    """From a question to its answer; multiples of a control step."""
    execute: int | None = None
    """Steps before asking again; by default each strategy's own number."""
    episodes: int = 100
    """Episodes of each strategy and delay."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds; choose settings on validation."""
    workers: int = 0
    """Processes side by side; 0 is one per core."""
    reports: Path = ROOT / "runs" / "delay"
    """Folder of the evaluations' own reports."""

    def __post_init__(self) -> None:
        """Refuse strategies there are none of, and delays between two steps."""
        for strategy in self.strategies:
            known("strategy", strategy, STRATEGIES)
        if bad := [ms for ms in self.delays_ms if ms < 0 or ms * FPS % 1000]:
            raise ValueError(f"a delay is a multiple of {1000 // FPS} ms, but got {bad[0]} ms")


def late_policy_in(checkpoint: Path, strategy: str, execute: int | None, delay: int, world: World) -> Policy:
    """Load a policy for one process of several, on one thread, and delay its answers."""
    policy, features = policy_and_features(str(checkpoint), threads=1)
    check_fits(features, world.features)
    return Late(policy, features, make_strategy(strategy, execute), delay)


def measured(config: Delay, strategy: str, delay_ms: int) -> Counts:
    """Return the report of one strategy at one delay, which is run unless it is there in full.

    Raises:
        SaysoError: if it was interrupted.
    """
    weights, steps = fingerprint(config.policy), delay_ms * FPS // 1000
    name = f"{config.family}_{config.world}_{weights}_{strategy}_{config.execute or 'own'}_{delay_ms}ms"
    path = config.reports / f"{name}_{config.split}_{config.episodes}.json"
    asked = {"weights": weights, "strategy": strategy, "execute": config.execute, "delay_steps": steps}
    run = partial(
        evaluate,
        partial(make_world, config.world),
        partial(late_policy_in, config.policy, strategy, config.execute, steps),
        families=(config.family,),
        seeds=seeds(config.split, config.episodes),
        workers=config.workers or pool.cores(),
        execute=1,  # `Late` counts the steps of a chunk itself
        training=training_of(config.policy),
        config=asked,
    )
    return once_by_episode(path, asked, run)


def main(config: Delay) -> None:
    """Run what is missing, print the numbers and write ``delay.json``."""
    metrics: dict[str, float] = {}
    episodes: list[dict[str, Any]] = []
    horizon: dict[str, int] = {}
    reports: list[Counts] = []
    for strategy in config.strategies:
        for delay_ms in config.delays_ms:
            report = measured(config, strategy, delay_ms)
            reports.append(report)
            row = {end: report["metrics"][f"success{end}"] for end in ("", "/low", "/high")}
            metrics |= {f"{strategy}.{delay_ms}_ms{end}": value for end, value in row.items()}
            print(f"{strategy:12} {delay_ms:4} ms  {row['']:.2f} [{row['/low']:.2f}, {row['/high']:.2f}]")
            kept = ("family", "seed", "outcome", "steps")
            told = {"strategy": strategy, "delay_ms": delay_ms}
            episodes += [told | {key: one[key] for key in kept} for one in report["episodes"]]
            horizon = report["horizon"]
    best = max(config.strategies, key=lambda name: metrics[f"{name}.{max(config.delays_ms)}_ms"])
    print(f"best at the longest delay: {best}")
    settings = {key: value for key, value in vars(config).items() if not isinstance(value, Path)}
    settings |= {"weights": fingerprint(config.policy), "horizon": horizon}
    used = seeds(config.split, config.episodes)
    written = write_result(
        "delay",
        metrics,
        seeds=used,
        n=config.episodes,
        config=settings,
        episodes=episodes,
        reports=reports,
    )
    print("wrote", written)


if __name__ == "__main__":
    main(tyro.cli(Delay, description=__doc__))
