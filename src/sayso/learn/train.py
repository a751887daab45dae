"""Train a policy on demonstrations: one loop for every model, and a run that survives being killed.

    windows --> policy.losses --> gradients --> AdamW --> weights --> their moving average --> policy folder

What a step does, and what of it is kept, stands in `sayso.learn.run`; what can be asked for in
`sayso.learn.config`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.learn.config import TrainConfig as TrainConfig
from sayso.learn.progress import TrainingProgress
from sayso.learn.run import Run
from sayso.models import checkpoint as policies
from sayso.models import table
from sayso.rollout import World


def train(config: TrainConfig, *, world: World | None = None) -> Path:
    """Train, or go on training, and return the folder of the policy.

    Args:
        config: what to train, on what, for how long.
        world: where the policy is evaluated every ``config.eval_every`` steps; None makes the one that
            ``config.world`` names.

    Raises:
        SaysoError: if ``config.out`` holds a run that was begun with another config.
        SeenSeedsError: if the demonstrations come from the seeds that are kept for evaluation.
        NotFiniteError: if a loss or a gradient is not finite; the last checkpoint stays as it is.
    """
    torch.set_num_threads(config.threads)
    if config.eval_every and world is None:
        world = _world(config.world)
    run = Run(config, open_windows(config))
    progress = TrainingProgress(steps=config.steps, done=run.step, batch_size=config.batch_size)
    with contextlib.closing(run.log), progress, contextlib.closing(run.batches()) as batches:
        for indices, batch in batches:
            progress.step(run.advance(indices, batch))
            if world is not None and config.eval_every and run.step % config.eval_every == 0:
                progress.note(run.evaluate(world))
            if run.save_is_due():
                run.save()
    return run.policy_folder


def open_windows(config: TrainConfig) -> Windows:
    """Return the windows that a config trains on; nothing is decoded yet."""
    return Windows(
        [Dataset(root) for root in config.datasets],
        history=config.history,
        chunk=config.chunk,
        stride=config.stride,
        cache=config.cache,
        resize=config.resize,
        multiple=table.pixels_per_patch(config.model, config.model_config),
        like=policies.load(config.init).features if config.init is not None and not config.resize else None,
    )


def _world(name: str) -> World:
    # Only here: training needs no simulator unless it evaluates.
    from sayso.tasks.world import make_world

    return make_world(name)
