"""Train a policy on demonstrations: one loop for every model, and a run that survives being killed.

    windows --> policy.losses --> gradients --> AdamW --> weights --> their moving average --> policy folder

What can be asked for stands in `sayso.learn.config`, what is refused in `sayso.learn.beginning` and
`sayso.learn.claim`, what a step does, and what of it is kept, in `sayso.learn.run`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.evaluate import refuse_seen_seeds
from sayso.learn import checkpoint
from sayso.learn.beginning import first_policy, learned_from, refuse_device, resolved
from sayso.learn.config import TrainConfig as TrainConfig
from sayso.learn.progress import TrainingProgress, say
from sayso.learn.run import Run
from sayso.lock import locked
from sayso.models import checkpoint as policies
from sayso.rollout import World
from sayso.spec import SaysoError, check_fits, seeds


def train(config: TrainConfig, *, world: World | None = None) -> Path:
    """Train, or go on training, and return the folder of the policy.

    Whatever can be refused is refused before a frame is decoded and before anything is written.

    Args:
        config: what to train, on what, for how long.
        world: where the policy is evaluated every ``config.eval_every`` steps; None makes the one that
            ``config.world`` names.

    Raises:
        SaysoError: if what is asked for cannot be trained here, ``config.out`` holds another run, somebody
            else is training there, or the disk is full; what was kept before stays as it is.
        SeenSeedsError: if the demonstrations come from the seeds that are kept for evaluation.
        NotFiniteError: if a loss or a gradient is not finite; the last checkpoint stays as it is.
        KeyboardInterrupt: at Ctrl-C or SIGTERM, after the step that was being done is done and kept.
    """
    refuse_device(config.device)
    torch.set_num_threads(config.threads)
    config = resolved(config)
    windows = open_windows(config)
    if config.eval_every:
        world = world or _world(config.world)
        refuse_seen_seeds(seeds("validation", config.eval_episodes), learned_from(windows, config.init))
    policy = first_policy(config, windows)
    if config.eval_every and world is not None:
        check_fits(policy.features, world.features)
    with locked(config.out, "training"):
        try:
            run = Run(config, windows, policy)
            with contextlib.closing(run.log):
                _go_on(run, world if config.eval_every else None)
        except KeyboardInterrupt:
            say(f"{config.out}: {checkpoint.kept(config.out)}; the same command goes on from there")
            raise
    return run.policy_folder


def open_windows(config: TrainConfig) -> Windows:
    """Return the windows that a config trains on, and say what is not read; nothing is decoded yet."""
    chunk = resolved(config).chunk
    assert chunk
    windows = Windows(
        [Dataset(root) for root in config.datasets],
        chunk=chunk,
        stride=config.stride,
        cache=config.cache,
        resize=config.resize,
        units=config.units,
        like=policies.load(config.init).features if config.init is not None and not config.resize else None,
    )
    for remark in windows.remarks:
        Console(stderr=True).print(remark, markup=False, highlight=False)
    return windows


def _go_on(run: Run, world: World | None) -> None:
    """Take every step that is still to be taken."""
    c = run.config
    if run.step == c.steps:
        run.complete()
        run.notes.append(f"{c.out} is finished, all {c.steps} steps are done; more --steps lengthen it")
    for note in run.notes:
        say(note)
    progress = TrainingProgress(steps=c.steps, done=run.step, batch_size=c.batch_size)
    with progress, contextlib.closing(run.batches()) as batches, _interrupted() as interrupted:
        for indices, windows in batches:
            progress.step(run.advance(indices, windows))
            if world is not None and run.step % c.eval_every == 0:
                progress.note(run.evaluate(world))
            if run.save_is_due() or interrupted():
                run.save()
            if interrupted():
                break
    if run.step < c.steps:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Tell, inside a `with`, whether Ctrl-C was pressed or the process asked to end; twice ends it at once.

    So a step is never left in the middle, which would cost the minutes since the last checkpoint.
    """
    pressed = threading.Event()

    def remember(number: int, _: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        os.write(2, b"\nfinishing this step to keep it; Ctrl-C again ends at once\n")

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is set otherwise is somebody else's, or nobody's, as Ctrl-C behind a shell's ``&``.
    ours = {n: was for n, was in before.items() if was in (signal.default_int_handler, signal.SIG_DFL)}
    for number in ours:
        signal.signal(number, remember)
    try:
        yield pressed.is_set
    finally:
        for number, was in ours.items():
            signal.signal(number, was)


def _world(name: str) -> World:
    if not name:
        raise SaysoError("--eval-every needs a world to evaluate in: add --world tabletop, home or metaworld")
    # Only here: training needs no simulator unless it evaluates.
    from sayso.tasks.world import make_world

    return make_world(name)
