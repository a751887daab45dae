"""Measure what time costs a robot: late answers, and a loop that must keep its rate.

    python benchmarks/runtime.py delay [--episodes 100] [--policy checkpoints/home]
    python benchmarks/runtime.py loop [--minutes 10] [--hz 30] [--policy checkpoints/home]

``delay`` is success under injected delays, for each way to join chunks. Time is counted in control steps, not
on a clock, so a result is the same on every machine. All strategies and delays get the same seeds. Every
evaluation leaves its report, named after the policy's weights, in a folder and is not repeated when it is
there, so that a run that was stopped goes on.

``loop`` is how well the control loop keeps time with the simulator and the policy on the same machine. The
simulated robot takes one control step per tick, both cameras drawn, in the loop's own thread; the policy
answers in another. A tick that was not over when the next was due has missed its deadline. Jitter is how long
after its time a tick began.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # the software renderer draws in the loop's thread: one core for it
os.environ["OMP_NUM_THREADS"] = "1"  # and one for the policy

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from household import fingerprint
from results_file import ROOT, evaluated, portable, write_result
from sayso.evaluation.measure import EvalConfig
from sayso.loading import policy_and_features, subject
from sayso.runtime.chunking import STRATEGIES, Late, StrategyName, make_strategy
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport, Spread
from sayso.runtime.robot import SimulatedRobot
from sayso.runtime.simulated import simulated
from sayso.runtime.stopping import Stop, on_signals
from sayso.sim.robots import FPS
from sayso.spec import Policy, SaysoError, known, seeds
from sayso.tasks.contract import World

Counts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Delay:
    """What to measure, and where the parts are kept."""

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


def late_policy_in(
    make: Callable[[World], Policy], strategy: str, execute: int | None, delay: int, world: World
) -> Policy:
    """Build a policy for one process of several, and delay its answers."""
    return Late(make(world), world.features, make_strategy(strategy, execute), delay)


def delayed(config: Delay, strategy: str, delay_ms: int) -> Counts:
    """Return the report of one strategy at one delay, which is run unless it is there in full.

    Raises:
        SaysoError: if it was interrupted.
    """
    steps, own = delay_ms * FPS // 1000, config.execute or "own"
    name = f"{config.family}_{config.world}_{fingerprint(config.policy)}_{strategy}_{own}_{delay_ms}ms"
    on_time = subject(str(config.policy))
    late = partial(late_policy_in, on_time.make, strategy, config.execute, steps)
    wanted = EvalConfig(
        world=config.world,
        families=(config.family,),
        episodes=config.episodes,
        split=config.split,
        execute=1,  # `Late` counts the steps of a chunk itself
        workers=config.workers,
        out=config.reports / f"{name}_{config.split}_{config.episodes}.json",
    )
    told = f"{on_time.name}, {strategy} after {own} steps, {steps} steps late"
    return evaluated(replace(on_time, name=told, make=late), wanted)


def measure_delays(config: Delay) -> None:
    """Run what is missing, print the numbers and write ``delay.json``."""
    metrics: dict[str, float] = {}
    episodes: list[dict[str, Any]] = []
    horizon: dict[str, int] = {}
    reports: list[Counts] = []
    for strategy in config.strategies:
        for delay_ms in config.delays_ms:
            report = delayed(config, strategy, delay_ms)
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


@dataclass(frozen=True, kw_only=True)
class Loop:
    """How long to measure, at which rate, with what."""

    policy: Path = ROOT / "checkpoints" / "home"
    """Folder of the policy."""
    instruction: str = "put the red block in the blue bin"
    """What it is told."""
    minutes: float = 10.0
    """How long."""
    hz: float = 30.0
    """Ticks per second. The world moves on by a twentieth of a second in each, whatever the rate."""
    strategy: StrategyName = "realtime"
    """How chunks are joined."""


def metrics_of(report: RunReport) -> dict[str, float]:
    """Return the numbers of a run, flat."""
    found = {
        "ticks": float(report.ticks),
        "missed_deadlines": report.missed / max(report.ticks, 1),
        "answers_per_s": report.answers / report.seconds,
        "held_steps": float(report.held),
    }
    spreads: dict[str, Spread | None] = {
        "jitter_ms": report.late_ms,
        "tick_ms": report.work_ms,
        "policy_ms": report.policy_ms,
        "delay_steps": report.delay_steps,
    }
    for name, spread in spreads.items():
        if spread is not None:
            found |= {f"{name}_{end}": getattr(spread, end) for end in ("p50", "p99", "max")}
    return found


def driven(config: Loop) -> tuple[RunReport, SimulatedRobot]:
    """Drive the simulated robot for as long as the config says.

    Raises:
        SaysoError: if the run ended before its time.
    """
    policy, features = policy_and_features(str(config.policy), threads=1)
    robot, stop = simulated(features, config.instruction), Stop()
    try:
        with on_signals(stop):
            report = drive(
                robot,
                policy,
                robot.instruction,
                features=features,
                limits=limits_of(features),
                config=LoopConfig(hz=config.hz, strategy=config.strategy, seconds=60 * config.minutes),
                stop=stop,
            )
    finally:
        robot.disconnect()
    if report.seconds < 60 * config.minutes - 1:
        raise SaysoError(f"the run ended after {report.seconds:.0f} s: {report.stopped}")
    return report, robot


def measure_loop(config: Loop) -> None:
    """Measure, print the numbers and write ``loop.json``."""
    report, robot = driven(config)
    metrics = metrics_of(report)
    for name, value in metrics.items():
        print(f"{name:25} {value:10.4f}")
    settings = {key: value for key, value in vars(config).items() if not isinstance(value, Path)}
    settings |= {"policy": portable(str(config.policy.resolve())), "instruction": robot.instruction}
    settings |= {"loop": dict(report.config), "stopped": report.stopped, "clipped": dict(report.clipped)}
    print("wrote", write_result("loop", metrics, seeds=[robot.seed], n=report.ticks, config=settings))


if __name__ == "__main__":
    asked: Delay | Loop = tyro.cli(
        Annotated[Delay, tyro.conf.subcommand("delay")] | Annotated[Loop, tyro.conf.subcommand("loop")],
        description=__doc__,
    )
    measure_delays(asked) if isinstance(asked, Delay) else measure_loop(asked)
