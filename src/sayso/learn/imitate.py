"""Imitation learning (behaviour cloning): do in each situation what was shown there.

::

    demonstrations --> windows --+--> policy --> chunk of actions
                                 |                    ^  made equal
                                 +--> what was done --+

The loss is the model's own, so all models learn by this file. `--objective` puts another method in the place
of `Imitation`, with the same demonstrations and the same run (`sayso.learn.objectives`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from torch import Tensor, nn

from sayso.data.fit import check_fits
from sayso.data.windows import RawBatch, Windows
from sayso.learn.beginning import first_policy, learned_from, reading, refuse_device, resolved
from sayso.learn.config import DEVICES, decides, plain
from sayso.learn.config import TrainConfig as TrainConfig
from sayso.learn.devices import Devices, devices_of
from sayso.learn.each import write_each
from sayso.learn.heldout import HeldOut
from sayso.learn.loop import Objective, fit
from sayso.learn.objectives import OBJECTIVES
from sayso.learn.plot import MISSING, can_plot, plot
from sayso.learn.portion import let_learn
from sayso.learn.record import recording_seconds
from sayso.learn.rewording import Rewording
from sayso.learn.run import Run, kept, trained_seconds
from sayso.learn.selection import chosen, held_out, paced, remarks, said
from sayso.learn.source import Demonstrations
from sayso.learn.validation import validation_of
from sayso.learn.views import beginnings
from sayso.models.policy import ModelPolicy
from sayso.tasks.contract import World
from sayso.work.provenance import provenance


class Imitation:
    """Objective of imitation learning: the model's own loss of the actions that were shown."""

    def __init__(self, policy: ModelPolicy, config: TrainConfig) -> None:
        """Learn as `policy` does."""
        self.policy = policy

    def loss(self, model: nn.Module, batch: RawBatch) -> Mapping[str, Tensor]:
        """Return the loss to minimise, ``total``, and its terms."""
        losses: Mapping[str, Tensor] = model(self.policy.collate(batch))
        return losses


def train(config: TrainConfig, *, world: World | None = None) -> Path:
    """Train on demonstrations, or go on training, and return the folder of the policy.

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
    devices = devices_of(config)
    torch.set_num_threads(config.threads)
    # From here on a batch is that of all devices and passes together, of which each sees its shares.
    config = dataclasses.replace(resolved(config), batch_size=config.batch_size * devices.shares)
    with devices.joined(config.out):
        return _trained(config, devices, world)


def _trained(config: TrainConfig, devices: Devices, world: World | None) -> Path:
    windows = open_windows(config)
    learned = learned_from(windows, config.init)
    validation = validation_of(config, learned, world) if devices.leads else None
    policy = first_policy(config, windows)
    if not devices.leads:
        run, source, objective = begin(config, windows, policy, devices)
        fit(run, source, objective)
        return run.policy_folder
    if validation is not None:
        check_fits(policy.features, validation.world.features)  # before an hour of training, not after
    with kept(config.out, "training"):
        run, source, objective = begin(config, windows, policy, devices)
        heldout = HeldOut(config, windows, objective) if len(windows.measured) else None
        fit(run, source, objective, [check for check in (validation, heldout) if check is not None])
        if heldout is not None:
            print(heldout.summary(run))
    for folder in write_each(run, windows):
        print(f"policy of one robot: {folder}")
    print(f"plot: {plot(config.out)}" if can_plot() else MISSING + f", then sayso show {config.out}")
    return run.policy_folder


def begin(
    config: TrainConfig,
    windows: Windows,
    policy: ModelPolicy | None = None,
    devices: Devices | None = None,
) -> tuple[Run, Demonstrations, Objective]:
    """Return what `sayso.learn.loop.fit` needs, without writing anything.

    Args:
        config: what to train; its batch is that of all devices and passes together.
        windows: what it learns from.
        policy: what it begins with; None chooses it.
        devices: on which; None is the one that ``config.device`` names.

    Raises:
        SaysoError: if ``config.out`` holds another run, or none of its checkpoints is whole.
    """
    idle: Literal["skip", "keep"] = "skip" if windows.skip_idle else "keep"
    config = dataclasses.replace(resolved(config), spacing=windows.spacing, idle=idle)
    policy = policy or first_policy(config, windows)
    let_learn(policy.model, config.update)
    hashes = [dataset.whole.hash for dataset in windows.datasets]
    rewording = rewording_of(config, windows)
    worded = {"wordings_digest": rewording.digest} if rewording else {}
    decided = decides(config, dataset_hashes=hashes, heldout=said(windows), **worded)
    devices = devices or Devices(config.accumulate)
    decided |= {DEVICES: devices.count}
    facts = _facts(config, windows, rewording)
    run = Run(config, policy, decided=decided, facts=facts, devices=devices)
    run.notes += [*([str(rewording)] if rewording else []), *devices.remarks(policy.model)]
    source = Demonstrations(
        windows,
        batch_size=config.batch_size,
        seed=config.seed,
        grounding_share=config.grounding_share if policy.model.learns_to_point else 0.0,
        heard=rewording.heard if rewording else None,
        opened=lambda opened: _remember_pictures(policy, opened),
    )
    return run, source, OBJECTIVES[config.objective](policy, config)


def rewording_of(config: TrainConfig, windows: Windows) -> Rewording | None:
    """Return in which other words windows are asked for; None if as they were recorded.

    Raises:
        SaysoError: if there are no such wordings, or none of what was recorded.
    """
    if not config.wordings:
        return None
    sentences = (sentence for dataset in windows.datasets for sentence in dataset.tasks)
    return Rewording.of(config.wordings, config.wordings_share, sentences)


def _remember_pictures(policy: ModelPolicy, windows: Windows) -> None:
    """Keep with a policy what its pictures look like, for those of a robot to be compared with."""
    policy.stats = {**policy.stats, **windows.appearances()}
    if not policy.features.robots:  # each robot's own stand beside its own policy
        policy.views = beginnings(windows, policy.features)


def open_windows(config: TrainConfig) -> Windows:
    """Return the windows that a config trains on, and say what is not read; nothing is decoded yet."""
    datasets = chosen(config)
    how = reading(config, [dataset.features for dataset in datasets])
    config = paced(resolved(config), datasets, how.get("like"))
    assert config.chunk
    windows = Windows(
        datasets,
        chunk=config.chunk,
        stride=config.stride,
        spacing=config.spacing,
        skip_idle=config.idle == "skip",
        cache=config.cache,
        weights=config.weights or None,
        units=config.units,
        heldout=held_out(config, datasets),
        **how,
    )
    for remark in (*remarks(config, windows), *windows.remarks):
        Console(stderr=True).print(remark, markup=False, highlight=False, soft_wrap=True)
    return windows


def _facts(
    config: TrainConfig, windows: Windows, rewording: Rewording | None = None
) -> Callable[[Run], Mapping[str, Any]]:
    """Return a function that says how the policy of a run was trained."""
    asked = {name: value for name, value in plain(config).items() if name not in ("datasets", "out")}
    known = {
        **dataclasses.asdict(learned_from(windows, config.init)),
        "demonstrations": sum(len(dataset.episodes) for dataset in windows.datasets),
        "earlier_seconds": trained_seconds(config.init) if config.init else 0.0,
        "recording_seconds": sum(map(recording_seconds, config.datasets)),
        "config": asked,
    }
    if rewording is not None:  # it learned words rather than the sentences that were recorded
        known |= {"sentences": (), "words": rewording.named, "rewording": rewording.facts}

    def facts(run: Run) -> Mapping[str, Any]:
        done = {"steps": run.step, "samples": run.step * config.batch_size, "seconds": round(run.seconds, 1)}
        return {**known, **done, **provenance()}

    return facts
