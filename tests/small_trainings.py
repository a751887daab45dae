"""Tiny demonstrations and the config of a training that takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.rollout import rollout
from sayso.learn.config import TrainConfig
from sayso.learn.imitate import begin, open_windows
from sayso.learn.loop import Objective, steps
from sayso.learn.run import Run
from sayso.learn.source import Demonstrations
from small_worlds import FEATURES, SpotWorld


def record(root: Path, seeds: range) -> Path:
    world = SpotWorld()
    for seed in seeds:
        episode = rollout(world, world.expert(), seed, keep_frames=True)
        stage_episode(root, FEATURES, episode.frames, seed=seed, family=episode.family)
    return assemble(root, FEATURES)


def tiny(dataset: Path, out: Path, **changes: Any) -> TrainConfig:
    asked = {"preset": "tiny", "steps": 4, "batch_size": 8, "chunk": 4, "threads": 1} | changes
    return TrainConfig(datasets=(dataset,), out=out, **asked)


@contextmanager
def begun(config: TrainConfig) -> Iterator[tuple[Run, Demonstrations, Objective]]:
    """Open a run, to take its steps one by one inside a `with`."""
    torch.set_num_threads(config.threads)  # as `train` does: sums of two threads are not those of one
    run, source, objective = begin(config, open_windows(config))
    source.open()
    with run.opened():
        yield run, source, objective


def go_to(
    config: TrainConfig,
    step: int,
    save_at: tuple[int, ...] = (),
    meddle: Callable[[Run], None] = lambda run: None,
) -> None:
    """Take the steps of a run up to one, as a run does that is killed there."""
    with begun(config) as (run, source, objective):
        meddle(run)
        for _ in steps(run, source, objective):
            if run.step in save_at:
                run.save()
            if run.step == step:
                break
