"""Measure, side by side in one run, how many samples/s the loader can serve and training can use.

    python benchmarks/train_throughput.py --dataset data/home

The loader is not the bottleneck as long as ``loader_samples_per_s`` is well above ``train_samples_per_s``.
The two take turns on the same windows, so that whatever else runs on the machine slows both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import torch
import tyro

from results_file import write_result
from sayso.data.windows import Windows
from sayso.learn.imitate import TrainConfig, begin, open_windows
from sayso.learn.loop import steps


@dataclass(frozen=True, kw_only=True)
class ThroughputConfig:
    """Say what to measure."""

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


def main(config: ThroughputConfig) -> None:
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
            "loader_samples_per_s": median(loader),
            "train_samples_per_s": median(trained),
            "parameters": sum(p.numel() for p in run.average.live.values()),
        },
        seeds=[],
        n=config.rounds * config.steps * config.batch_size,
        config={
            **dataclasses.asdict(config),
            "dataset": config.dataset.name,
            "dataset_hash": windows.datasets[0].hash,
        },
    )
    print(f"wrote {path}")


def _train_config(config: ThroughputConfig, out: Path) -> TrainConfig:
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


def _load(windows: Windows, config: ThroughputConfig, step: int) -> None:
    # Another seed than training's: windows it has just touched would come from the processor's cache.
    windows.batch(windows.draw(1, step, config.batch_size))


def _rate(config: ThroughputConfig, work: Callable[[int], object]) -> float:
    """Return samples/s over one turn."""
    started = time.perf_counter()
    for k in range(config.steps):
        work(k)
    return config.steps * config.batch_size / (time.perf_counter() - started)


if __name__ == "__main__":
    main(tyro.cli(ThroughputConfig))
