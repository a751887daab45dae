"""Measure control steps per second of each world in one process, and where the time of a step goes.

    python benchmarks/sim_speed.py [--steps 300] [--episodes 4]

Stages are timed apart, on states that the expert passes through: the physics of 1/20 s, each camera's
picture, and the expert's decision. What a step costs beyond them (conditions, contacts, the observation) is
``rest``.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # one core: the software renderer draws in the calling thread
os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import tyro

from results_file import write_result
from sayso.sim.render import Cameras
from sayso.sim.simulation import camera_name
from sayso.spec import seeds
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.world import World
from sayso.tasks.worlds import make_world


@dataclass(frozen=True, kw_only=True)
class SimSpeed:
    """Say how long to measure."""

    steps: int = 300
    """Control steps per episode at most; an episode that succeeds ends earlier."""
    episodes: int = 4
    """Episodes per world, each with a seed of its own."""


class Stopwatch:
    """Collect durations by stage, in milliseconds."""

    def __init__(self) -> None:
        """Start with no stage."""
        self.laps_ms: dict[str, list[float]] = {}

    @contextmanager
    def lap(self, stage: str) -> Iterator[None]:
        """Time what happens inside."""
        started = time.perf_counter()
        yield
        self.laps_ms.setdefault(stage, []).append(1000 * (time.perf_counter() - started))

    def median_ms(self, stage: str) -> float:
        """Return a stage's median duration."""
        return statistics.median(self.laps_ms[stage])

    def per_second(self, stage: str) -> float:
        """Return how often a stage ran per second of its own time."""
        laps = self.laps_ms[stage]
        return 1000 * len(laps) / sum(laps)


def drive(world: World, seed: int, steps: int, after_step: Callable[[], None], watch: Stopwatch) -> None:
    """Let the expert act for an episode, timing whole steps, its decisions, and resets."""
    with watch.lap("reset"):
        observation, _ = world.reset(seed=seed)
    expert = world.expert()
    for _ in range(steps):
        with watch.lap("step_with_expert"):
            with watch.lap("expert"):
                action = expert.act(observation).actions[0]
            with watch.lap("step"):
                observation, _, terminated, truncated, _ = world.step(action)
        after_step()
        if terminated or truncated:
            break


def measure(name: str, config: SimSpeed) -> dict[str, float]:
    """Return a world's steps per second and its milliseconds per stage."""
    world, watch = make_world(name), Stopwatch()
    height, width = world.features.cameras["front"]
    cameras = Cameras(height, width)
    drive(
        world, seeds("validation", 1)[0], 5, lambda: None, Stopwatch()
    )  # shaders compile at the first pictures

    def pictures_apart() -> None:
        for camera in world.features.cameras:
            with watch.lap(f"camera_{camera}"):
                cameras.picture(world.simulation.data, camera_name(camera))

    for seed in seeds("validation", config.episodes, start=1):
        world.reset(seed=seed)
        cameras.load(world.simulation.model)  # the scene of a seed is the same again when `drive` resets it
        drive(world, seed, config.steps, pictures_apart, watch)
        world.reset(seed=seed)
        expert = world.expert()
        for _ in range(50):
            action = expert.act({}).actions[0]
            with watch.lap("physics"):
                world.simulation.apply(action)
    cameras.close()
    world.close()

    stages = ["physics", *(f"camera_{camera}" for camera in world.features.cameras)]
    metrics = {
        f"control_steps_per_s_{name}": watch.per_second("step"),
        f"control_steps_per_s_{name}_with_expert": watch.per_second("step_with_expert"),
    }
    for stage in [*stages, "expert", "step", "reset"]:
        metrics[f"{stage}_ms_{name}"] = watch.median_ms(stage)
    metrics[f"rest_ms_{name}"] = max(0.0, watch.median_ms("step") - sum(map(watch.median_ms, stages)))
    return metrics


def main(config: SimSpeed) -> None:
    """Measure every world, print the numbers and write ``sim_speed.json``."""
    metrics = {name: value for world in TASKS for name, value in measure(world, config).items()}
    for name, value in metrics.items():
        print(f"{name:50} {value:9.2f}")
    used = seeds("validation", config.episodes, start=1)
    print("wrote", write_result("sim_speed", metrics, seeds=used, n=config.episodes, config=asdict(config)))


if __name__ == "__main__":
    main(tyro.cli(SimSpeed, description=__doc__))
