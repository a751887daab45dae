"""Measure how much there is per second: control steps in the simulator, samples in training.

    python benchmarks/throughput.py sim [--steps 300] [--episodes 4]
    python benchmarks/throughput.py train --dataset datasets/tabletop

``sim`` drives each world in one process. Stages are timed apart, on states that the expert passes through:
the physics of 1/20 s, each camera's picture, and the expert's decision. What a step costs beyond them
(conditions, contacts, the observation) is ``rest``.

``train`` compares what the loader can serve with what training can use, taking turns on the same windows, so
that whatever else runs on the machine slows both. The loader is not the bottleneck as long as
``loader_samples_per_s`` is well above ``train_samples_per_s``.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # one core: the software renderer draws in the calling thread
os.environ["OMP_NUM_THREADS"] = "1"  # training is told its number by --threads

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from results_file import write_result
from sayso.data.windows import Windows
from sayso.learn.imitate import TrainConfig, begin, open_windows
from sayso.learn.loop import steps
from sayso.sim.render import Cameras
from sayso.sim.simulation import camera_name
from sayso.spec import seeds
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.world import HouseholdWorld
from sayso.tasks.worlds import make_world


@dataclass(frozen=True, kw_only=True)
class SimSpeed:
    """How long to measure."""

    steps: int = 300
    """Control steps per episode at most; an episode that succeeds ends earlier."""
    episodes: int = 4
    """Episodes per world, each with a seed of its own."""


class Stopwatch:
    """Durations by stage, in milliseconds."""

    def __init__(self) -> None:
        """Start with no stage."""
        self.laps_ms: dict[str, list[float]] = {}

    @contextlib.contextmanager
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


def drive(
    world: HouseholdWorld, seed: int, steps: int, after_step: Callable[[], None], watch: Stopwatch
) -> None:
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


def measure_simulation(config: SimSpeed) -> None:
    """Measure every world, print the numbers and write ``sim_speed.json``."""
    metrics = {name: value for world in TASKS for name, value in measure(world, config).items()}
    for name, value in metrics.items():
        print(f"{name:50} {value:9.2f}")
    used = seeds("validation", config.episodes, start=1)
    print("wrote", write_result("sim_speed", metrics, seeds=used, n=config.episodes, config=asdict(config)))


@dataclass(frozen=True, kw_only=True)
class TrainingSpeed:
    """What to measure."""

    dataset: Path
    """Folder of a LeRobotDataset v3.0."""
    model: Literal["vla", "textbook"] = "vla"
    """Which model to train."""
    preset: Literal["small", "tiny"] = "small"
    """Its size."""
    batch_size: int = 64
    """Windows per step."""
    chunk: int = 16
    """Actions per window."""
    stride: int = 1
    """Frames between windows."""
    threads: int = 2
    """Threads torch uses."""
    rounds: int = 5
    """How often loader and training take turns; medians over the rounds are reported."""
    steps: int = 10
    """Steps per turn."""


def measure_training(config: TrainingSpeed) -> None:
    """Measure and write ``benchmarks/results/train_throughput.json``."""
    torch.set_num_threads(config.threads)
    with tempfile.TemporaryDirectory() as out:
        training = _train_config(config, Path(out))
        windows = open_windows(training)
        run, source, objective = begin(training, windows)
        source.open()
        with run.opened(), contextlib.closing(steps(run, source, objective)) as taken:
            next(taken)  # what is set up once, in the first step, is no throughput
            loader, trained = [], []
            for number in range(config.rounds):
                first = number * config.steps
                loader.append(_rate(config, lambda k, first=first: _load(windows, config, first + k)))
                trained.append(_rate(config, lambda _: next(taken)))
                print(
                    f"round {number + 1}: loader {loader[-1]:.0f}, training {trained[-1]:.0f} samples/s",
                    flush=True,
                )
    path = write_result(
        "train_throughput",
        {
            "loader_samples_per_s": statistics.median(loader),
            "train_samples_per_s": statistics.median(trained),
            "parameters": sum(p.numel() for p in run.average.live.values()),
        },
        seeds=[],
        n=config.rounds * config.steps * config.batch_size,
        config={
            **asdict(config),
            "dataset": config.dataset.name,
            "dataset_hash": windows.datasets[0].hash,
        },
    )
    print(f"wrote {path}")


def _train_config(config: TrainingSpeed, out: Path) -> TrainConfig:
    return TrainConfig(
        datasets=(config.dataset,),
        out=out,
        model=config.model,
        preset=config.preset,
        steps=config.rounds * config.steps + 1,
        batch_size=config.batch_size,
        chunk=config.chunk,
        stride=config.stride,
        threads=config.threads,
    )


def _load(windows: Windows, config: TrainingSpeed, step: int) -> None:
    # Another seed than training's: windows it has just touched would come from the processor's cache.
    windows.batch(windows.draw(1, step, config.batch_size))


def _rate(config: TrainingSpeed, work: Callable[[int], object]) -> float:
    """Return samples/s over one turn."""
    started = time.perf_counter()
    for k in range(config.steps):
        work(k)
    return config.steps * config.batch_size / (time.perf_counter() - started)


if __name__ == "__main__":
    asked: SimSpeed | TrainingSpeed = tyro.cli(
        Annotated[SimSpeed, tyro.conf.subcommand("sim")]
        | Annotated[TrainingSpeed, tyro.conf.subcommand("train")],
        description=__doc__,
    )
    measure_simulation(asked) if isinstance(asked, SimSpeed) else measure_training(asked)
