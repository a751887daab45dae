"""Adaptation: a policy learns a few demonstrations of a new domain, and keeps what it could do.

::

    policy ----------------------- before --.
      |                                     |  weights in between: before + share (after - before)
      '-- train on NEW and OLD --- after ---'  the largest share that keeps the bound on OLD
          (a share of each batch)                and lowers the error on NEW

It is `sayso.learn.imitate` with a short schedule, old demonstrations replayed beside the new ones, and, where
that is wanted, a portion of the weights (`sayso.learn.portion`). Behind it stands a guard: the error on
held-out episodes of the old domain must not rise beyond a bound. Where it would, only a part of the way is
gone, down to none (Wortsman et al. 2022, arXiv:2109.01903, who interpolate for the same reason).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.evaluation.action_error import action_error, spread_evenly
from sayso.learn.beginning import first_policy, resolved
from sayso.learn.config import RATE, SHARE, Range, TrainConfig, refuse_outside
from sayso.learn.imitate import begin, open_windows
from sayso.learn.loop import fit
from sayso.learn.portion import Portion
from sayso.learn.run import kept
from sayso.models import checkpoint as policies
from sayso.models.policy import ModelPolicy
from sayso.spec import ConfigError, SaysoError, at_least
from sayso.work.provenance import training_facts, write_json

RUN, POLICY, FILE = "run", "policy", "adapted.json"
Numbers = NDArray[np.int64]
SHARES = (1.0, 0.75, 0.5, 0.25)
"""How much of the way from the weights before to those after is tried, the most first."""
MOST_WINDOWS = 256
"""Windows that an error is measured on at most."""


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """What to adapt to, what to keep, and how much may change."""

    datasets: tuple[Path, ...]
    """Folders of demonstrations of the new domain: ten of each family are a beginning."""
    keep: tuple[Path, ...] = ()
    """Folders of demonstrations of what the policy can do already, to be replayed and guarded. Without any,
    nothing stands against forgetting."""
    out: Path
    """Folder of the result: policy/, adapted.json, and run/, the training. What was begun there goes on."""
    what: Portion = "all"
    """Which weights learn: all; last, the part that answers; offsets, gains and biases alone."""
    keep_share: float = 0.5
    """Share of each batch that is drawn from --keep."""
    bound: float = 0.05
    """Most by which the error on held-out episodes of --keep may rise, as a share of what it was before."""
    heldout: str = "0.1"
    """Share of the episodes of each dataset to measure on and never to learn from."""
    steps: int = 600
    """Optimiser steps; a thousand take about ten minutes of one core."""
    batch_size: int = 32
    """Windows of demonstrations per step."""
    lr: float = 2e-4
    """Peak of the learning rate; a cosine takes it down to 1 % of this."""
    stride: int = 1
    """Frames between the present frames of neighbouring windows."""
    seed: int = 0
    """Seed of all that is random."""
    threads: int = 2
    """Threads torch uses; one where something else is running on these cores."""
    cache: Path | None = None
    """Folder for decoded frames; the user's cache folder if none is named."""
    save_minutes: float = 5.0
    """Minutes between checkpoints, which is the most that a kill can cost."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.datasets:
            raise ConfigError("no datasets are given; name at least one folder of new demonstrations")
        if both := {*map(Path.resolve, self.datasets)} & {*map(Path.resolve, self.keep)}:
            raise ConfigError(f"{both.pop()} is given as new and as what to keep; name it once")
        at_least(self, steps=1, batch_size=1, stride=1, threads=1)
        refuse_outside(self, {"keep_share": SHARE, "bound": Range(0, 10), "lr": RATE})
        if self.keep and not self.keep_share:
            raise ConfigError("keep_share is 0, but --keep is given: replay some of it, or leave it out")

    def training(self, checkpoint: Path) -> TrainConfig:
        """Return the training that this asks for, of a policy in a folder."""
        names = ("heldout", "steps", "batch_size", "lr", "stride", "seed", "threads", "cache", "save_minutes")
        return TrainConfig(
            **{name: getattr(self, name) for name in names},
            datasets=(*self.datasets, *self.keep),
            weights=self.weights,
            out=self.out / RUN,
            init=checkpoint,
            update=self.what,
            ema=0.99,
            heldout_every=0,
        )

    @property
    def weights(self) -> tuple[float, ...]:
        """Return how often a window of each dataset is drawn, for `keep_share` of a batch to be old ones."""
        if not self.keep:
            return ()
        new, old = (sum(len(Dataset(root)) for root in roots) for roots in (self.datasets, self.keep))
        often = self.keep_share / (1 - self.keep_share) * new / old
        return (*(1.0 for _ in self.datasets), *(float(f"{often:.4g}") for _ in self.keep))


@dataclass(frozen=True, kw_only=True)
class Step:
    """Weights on the way from before to after, and how far their actions are from what was shown."""

    share: float
    new: float
    """Error on held-out episodes of the new domain, in spreads of each dimension."""
    old: float | None
    """The same of the old one; None if nothing is kept."""


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """What an adaptation came to."""

    before: Step
    tried: tuple[Step, ...]
    bound: float

    @property
    def taken(self) -> Step:
        """Return the first step that was tried which keeps the bound and helps; where none does, `before`."""
        return next((step for step in self.tried if self.good(step)), self.before)

    def good(self, step: Step) -> bool:
        """Tell whether weights keep what there was, and are better at what is new."""
        return self.keeps(step) and step.new < self.before.new

    def keeps(self, step: Step) -> bool:
        """Tell whether weights keep the bound."""
        return step.old is None or step.old <= (1 + self.bound) * (self.before.old or 0.0)

    def __str__(self) -> str:
        """Return what a person should know, in sentences."""
        first, taken = self.before, self.taken
        lines = [f"held-out error of the new domain: {first.new:.3f} before, {taken.new:.3f} now"]
        if first.old is None or taken.old is None:
            lines.append("nothing is kept (--keep), so nobody knows what it forgot")
        else:
            lines.append(
                f"held-out error of the old domain: {first.old:.3f} before, {taken.old:.3f} now "
                f"({taken.old / max(first.old, 1e-9) - 1:+.1%}; at most {self.bound:+.0%} is allowed)"
            )
        if taken is first:
            why = (
                "not even a quarter of the way kept the bound on the old domain"
                if not any(map(self.keeps, self.tried))
                else "what kept the bound on the old domain made the new one no better"
            )
            lines.append(f"refused: {why}; the policy is what it was. Are these what you meant to show it?")
        elif taken.share < 1:
            lines.append(
                f"all of it would cost the old domain too much: {taken.share:.0%} of the way is taken"
            )
        return "\n".join(lines)


def adapt(checkpoint: Path, config: AdaptConfig) -> tuple[Path, Adapted]:
    """Adapt the policy in a folder, or go on, and return the folder of the result and what it came to.

    Raises:
        SaysoError: as `sayso.learn.imitate.train`; if old and new demonstrations are of unlike robots.
        KeyboardInterrupt: at Ctrl-C or SIGTERM; the same command goes on.
    """
    torch.set_num_threads(config.threads)
    asked = resolved(config.training(checkpoint))
    windows = open_windows(asked)
    if windows.features.robots:
        raise SaysoError(
            "what to adapt to and what to keep are of unlike robots or cameras, whose errors cannot be "
            "compared: leave out --keep, or train on both with `sayso train --datasets NEW OLD`"
        )
    before, learning = (first_policy(asked, windows) for _ in range(2))
    with kept(config.out, "adapting"):
        run, source, objective = begin(asked, windows, learning)
        fit(run, source, objective)
        after = policies.load(run.policy_folder)
        found = weighed(before, after, Errors(windows, len(config.datasets)), config.bound)
        share = found.taken.share
        result = _between(before, after, share)
        origin = run.policy_folder if share else checkpoint
        facts = dict(training_facts(origin)) | {"adapted": to_json(found)}
        result.views = after.views if share else before.views
        policies.save(result, config.out / POLICY, training=facts)
        write_json(config.out / FILE, to_json(found))
    print(found)
    return config.out / POLICY, found


class Errors:
    """Errors of a policy on held-out episodes of the new and of the old domain."""

    def __init__(self, windows: Windows, new: int) -> None:
        """Measure on held-out windows: those of the first `new` datasets are of the new domain."""
        self._windows = windows
        numbers = [windows.of_dataset(number)[1] for number in range(len(windows.datasets))]
        self._new, self._old = _joined(numbers[:new]), _joined(numbers[new:])
        if not len(self._new):
            raise SaysoError("no new demonstrations are held out to measure on: raise --heldout")

    def of(self, policy: ModelPolicy, share: float) -> Step:
        """Return the errors of a policy, which is so far on its way."""
        return Step(
            share=share, new=self._error(policy, self._new) or 0.0, old=self._error(policy, self._old)
        )

    def _error(self, policy: ModelPolicy, numbers: Numbers) -> float | None:
        if not len(numbers):
            return None
        return action_error(policy, self._windows, spread_evenly(numbers, MOST_WINDOWS)).error


def _joined(numbers: Sequence[Numbers]) -> Numbers:
    return np.concatenate([np.zeros(0, np.int64), *numbers])


def weighed(before: ModelPolicy, after: ModelPolicy, errors: Errors, bound: float) -> Adapted:
    """Return how far from one policy to the other it is good to go."""
    found = Adapted(before=errors.of(before, 0.0), tried=(), bound=bound)
    for share in SHARES:
        tried = errors.of(_between(before, after, share), share)
        found = dataclasses.replace(found, tried=(*found.tried, tried))
        if found.good(tried):
            break
    return found


def _between(before: ModelPolicy, after: ModelPolicy, share: float) -> ModelPolicy:
    """Return a policy with the weights before, moved by a share of the way to those after."""
    if share in (0.0, 1.0):
        return after if share else before
    first = before.model.state_dict()
    twin = copy.copy(after)
    twin.model = copy.deepcopy(after.model)
    mixed = {
        name: torch.lerp(first[name], weight, share) if weight.is_floating_point() else weight
        for name, weight in after.model.state_dict().items()
    }
    twin.model.load_state_dict(mixed)
    return twin


def to_json(found: Adapted) -> dict[str, Any]:
    """Return it as plain JSON."""
    return {**dataclasses.asdict(found), "taken": dataclasses.asdict(found.taken)}
