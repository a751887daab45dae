"""Measure milliseconds per call of a checkpoint's policy, with one and with two torch threads.

    python benchmarks/policy_latency.py CHECKPOINT [--calls 200]

Pictures and states are random and the instruction stays the same, as it does within an episode, so its words
are encoded in the warm-up and not in the calls that count.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from results_file import portable, write_result
from sayso.models.policy import load
from sayso.spec import STATE, TASK, Features, Observation, Policy, image_key

WARM_UP = 10


@dataclass(frozen=True, kw_only=True)
class PolicyLatency:
    """Say which policy to time, and how often."""

    checkpoint: tyro.conf.Positional[Path]
    """Folder of the policy."""
    calls: int = 200
    """Calls per number of threads."""
    threads: tuple[int, ...] = (1, 2)
    """Numbers of torch threads to try."""
    instruction: str = "put the red block in the blue tray"
    """What the policy is told."""


def look(features: Features, instruction: str, rng: np.random.Generator) -> Observation:
    """Return an observation of the right shape with nothing to see in it."""
    observation: Observation = {TASK: instruction}
    for camera, size in features.cameras.items():
        observation[image_key(camera)] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    observation[STATE] = rng.normal(size=len(features.state)).astype(np.float32)
    return observation


def calls_ms(policy: Policy, looks: list[Observation]) -> list[float]:
    """Return how long each call took, without the first few, which set things up."""
    policy.reset()
    durations = []
    for observation in looks:
        started = time.perf_counter()
        policy.act(observation)
        durations.append(1000 * (time.perf_counter() - started))
    return durations[WARM_UP:]


def main(config: PolicyLatency) -> None:
    """Time the policy, print the numbers and write ``policy_latency.json``."""
    policy = load(config.checkpoint)
    rng = np.random.default_rng(0)
    looks = [look(policy.features, config.instruction, rng) for _ in range(config.calls + WARM_UP)]
    metrics: dict[str, float] = {}
    for threads in config.threads:
        torch.set_num_threads(threads)
        durations = calls_ms(policy, looks)
        name = f"policy_ms_{threads}_thread" + ("s" if threads > 1 else "")
        metrics[name] = statistics.median(durations)
        metrics[f"{name}_p95"] = statistics.quantiles(durations, n=20)[-1]
        print(f"{name:20} median {metrics[name]:6.2f} ms   95 % below {metrics[f'{name}_p95']:6.2f} ms")
    settings = {**asdict(config), "checkpoint": portable(str(config.checkpoint.resolve()))}
    print("wrote", write_result("policy_latency", metrics, seeds=[], n=config.calls, config=settings))


if __name__ == "__main__":
    main(tyro.cli(PolicyLatency, description=__doc__))
