"""Tiny demonstrations and the config of a training that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sayso.data.writer import assemble, stage_episode
from sayso.learn.config import TrainConfig
from sayso.rollout import rollout
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
