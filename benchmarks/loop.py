"""Measure how well the control loop keeps time with the simulator and the policy on the same machine.

    python benchmarks/loop.py [--minutes 10] [--hz 30] [--policy checkpoints/home]

The simulated robot takes one control step per tick, both cameras drawn, in the loop's own thread; the policy
answers in another. A tick that was not over when the next was due has missed its deadline. Jitter is how long
after its time a tick began.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # the software renderer draws in the loop's thread: one core for it
os.environ["OMP_NUM_THREADS"] = "1"  # and one for the policy

from dataclasses import dataclass
from pathlib import Path

import tyro

from results_file import ROOT, portable, write_result
from sayso.loading import policy_and_features
from sayso.runtime.chunking import StrategyName
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport, Spread
from sayso.runtime.robot import SimulatedRobot
from sayso.runtime.run import simulated
from sayso.runtime.stopping import Stop, on_signals
from sayso.spec import SaysoError

RESULT = "loop"


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Say how long to measure, at which rate, with what."""

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


def measure(config: Loop) -> tuple[RunReport, SimulatedRobot]:
    """Drive the simulated robot for as long as the config says.

    Raises:
        SaysoError: if the run ended before its time.
    """
    policy, features = policy_and_features(str(config.policy), threads=1)
    robot, stop = simulated(features, config.instruction, 0), Stop()
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


def main(config: Loop) -> None:
    """Measure, print the numbers and write ``loop.json``."""
    report, robot = measure(config)
    metrics = metrics_of(report)
    for name, value in metrics.items():
        print(f"{name:25} {value:10.4f}")
    settings = {key: value for key, value in vars(config).items() if not isinstance(value, Path)}
    settings |= {"policy": portable(str(config.policy.resolve())), "instruction": robot.instruction}
    settings |= {"loop": dict(report.config), "stopped": report.stopped, "clipped": dict(report.clipped)}
    print("wrote", write_result(RESULT, metrics, seeds=[robot.seed], n=report.ticks, config=settings))


if __name__ == "__main__":
    main(tyro.cli(Loop, description=__doc__))
