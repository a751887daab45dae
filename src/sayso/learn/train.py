"""Train a policy on demonstrations: one loop for every model, and a run that survives being killed.

    windows --> policy.losses --> gradients --> AdamW --> weights --> their moving average --> policy folder

Everything random in step n is drawn from (seed, n): which windows, how their images are varied, what is
hidden from the model. A run that is killed and begun again therefore goes on bit for bit from its newest
checkpoint, as if nothing had happened, and no state of a random generator has to be kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sayso.data.normalize import Integers
from sayso.data.reader import Dataset
from sayso.data.windows import Batch, Windows, prefetch
from sayso.evaluate import Training, refuse_seen_seeds, tally
from sayso.learn import checkpoint
from sayso.learn.optimise import OPTIMIZERS, Average, learning_rate, optimizer_tensors, restore_optimizer
from sayso.learn.progress import TrainingProgress
from sayso.learn.record import recording_seconds
from sayso.models import policy as policies
from sayso.provenance import provenance, training_facts
from sayso.rollout import World, rollout
from sayso.spec import EXECUTE, NotFiniteError, seeds


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Say what to train, on what, for how long, and where to keep it."""

    datasets: tuple[Path, ...]
    """Folders of LeRobotDataset v3.0 demonstrations of one robot; every window is drawn equally often."""
    out: Path
    """Folder of the run: checkpoints/, policy/, log.jsonl. A run found there is continued."""
    model: Literal["vla", "textbook", "act", "diffusion"] = "vla"
    """Which model: sayso's own, the textbook's three boxes, ACT, or Diffusion Policy."""
    preset: Literal["small", "tiny"] = "small"
    """Its size: small is for use, tiny for tests."""
    init: Path | None = None
    """Folder of a policy whose weights to begin with, such as one to improve with more demonstrations; its
    sizes, features and statistics are kept."""
    steps: int = 10_000
    """Optimiser steps of the whole run; the schedule of the learning rate ends there."""
    batch_size: int = 32
    """Windows per step."""
    history: int = 1
    """Frames the policy sees, the present one included."""
    chunk: int = 16
    """Actions the policy predicts at once."""
    decoder: Literal["regression", "flow"] = "regression"
    """How sayso's model reads actions off: in one pass with L1, or by flow matching in several."""
    model_config: tuple[str, ...] = ()
    """Changes to sayso's model, such as ``fusion=late point_weight=0 augmentation=none``: fields of
    `sayso.models.vla.VLAConfig` that have no flag of their own; with ``init`` only how it learns."""
    stride: int = 1
    """Frames between the present frames of neighbouring windows; a larger one needs less disk."""
    other_share: float = 0.25
    """Share of windows that ask for something else in the scene, only to be pointed at, where demonstrations
    are labelled so; a model that learns no pointing is asked nothing else."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """What moves the weights: Muon, or AdamW, with which the other models were published. Both understand the
    same learning rate and decay."""
    lr: float = 7e-4
    """Peak of the learning rate, reached after the warm-up; a cosine then takes it down to 1 % of this. The
    textbook's and Diffusion Policy's own is 1e-4, ACT's 1e-5."""
    warmup: int = 300
    """Steps over which the learning rate rises from zero; a tenth of all steps if that is less."""
    weight_decay: float = 0.01
    """Decoupled weight decay of matrices and kernels; biases, gains and other vectors have none."""
    clip: float = 1.0
    """Longest gradient, over all parameters together; a longer one is shortened to this."""
    ema: float = 0.998
    """Decay per step of the moving average of the weights, which is what gets evaluated and deployed."""
    seed: int = 0
    """Seed of the first weights, the order of windows and the variation of images."""
    device: str = "cpu"
    """Where the model computes, in torch's words: cpu, cuda, mps."""
    threads: int = 2
    """Threads torch uses; one where something else is running on these cores."""
    save_minutes: float = 5.0
    """Minutes between checkpoints, which is the most that a kill can cost; 0 saves after every step."""
    eval_every: int = 0
    """Steps between evaluations in closed loop; 0 is never."""
    eval_episodes: int = 20
    """Episodes of such an evaluation, on the first seeds of the validation split."""
    world: Literal["", "tabletop", "home", "metaworld"] = ""
    """World of these evaluations."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        for name in ("steps", "batch_size", "history", "chunk", "stride", "threads", "eval_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if not 0 <= self.other_share < 1:
            raise ValueError(f"other_share is {self.other_share}, but a share lies in 0..1, 1 excluded")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}, but a decay lies in 0..1, 1 excluded")
        if not self.datasets:
            raise ValueError("no datasets are given; name at least one folder of demonstrations")
        policies.changed_fields(self.model, self.model_config, built=self.init is not None)


_OTHERS_STREAM = 0x07E5  # keeps what is asked otherwise independent of what is drawn from the same seed
FREE_TO_CHANGE = frozenset({"out", "datasets", "save_minutes", "eval_every", "eval_episodes", "world"})
"""Fields that may differ when a run is taken up again, since they cannot change its weights. Datasets may
have moved: what counts is their hash."""


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
        for indices, windows in batches:
            progress.step(run.advance(indices, windows))
            if world is not None and config.eval_every and run.step % config.eval_every == 0:
                progress.note(run.evaluate(world))
            if run.save_is_due():
                run.save()
    return run.policy_folder


def open_windows(config: TrainConfig) -> Windows:
    """Return the windows that a config trains on."""
    datasets = [Dataset(root) for root in config.datasets]
    return Windows(datasets, history=config.history, chunk=config.chunk, stride=config.stride)


class Run:
    """Hold everything that changes while training, keep it on disk and bring it back."""

    def __init__(self, config: TrainConfig, windows: Windows) -> None:
        """Begin the run in ``config.out``, or take it up where its newest checkpoint left it."""
        self.config, self.windows = config, windows
        self.training = _training(windows)
        if config.eval_every:
            refuse_seen_seeds(seeds("validation", config.eval_episodes), self.training)
        checkpoint.claim(config.out, _decides(config, windows))
        self.policy = _begin_with(config, windows)
        self.model = self.policy.model.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.train()
        self.average = Average(self.model, config.ema)
        self.optimizer = OPTIMIZERS[config.optimizer](self.average.live, weight_decay=config.weight_decay)
        self.step, self._seconds_before = 0, 0.0
        if found := checkpoint.newest(config.out):
            self._restore(found)
        self.log = checkpoint.Log(config.out / "log.jsonl", step=self.step)
        self._began = self._saved = self._idle_since = time.monotonic()

    @property
    def policy_folder(self) -> Path:
        """Return where the policy is kept, with the averaged weights."""
        return self.config.out / "policy"

    @property
    def seconds(self) -> float:
        """Return the time spent on this run, over all the times it was taken up again."""
        return self._seconds_before + time.monotonic() - self._began

    def batches(self) -> Generator[tuple[Integers, Batch], None, None]:
        """Yield the windows of each step that is still to be done, and their indices."""
        other_share = self.config.other_share if policies.learns_to_point(self.policy) else 0.0

        def load(step: int) -> tuple[Integers, Batch]:
            indices = self.windows.draw(self.config.seed, step, self.config.batch_size)
            draws = np.random.default_rng([_OTHERS_STREAM, self.config.seed, step]).random(len(indices))
            return indices, self.windows.batch(indices, draws < other_share)

        return prefetch(load, range(self.step, self.config.steps))

    def advance(self, indices: Integers, windows: Batch) -> dict[str, float]:
        """Take one optimiser step and return what it wrote into the log.

        Raises:
            NotFiniteError: if a loss or a gradient is not finite; the weights are untouched.
        """
        self.step += 1
        with _seeded(self.config.seed, self.step):
            losses = self.policy.losses(windows)
        self.optimizer.zero_grad(set_to_none=True)
        _refuse_not_finite_loss(losses, self.step, indices, windows)
        losses["total"].backward()
        norm = self._clip(indices)
        c = self.config
        rate = learning_rate(self.step, steps=c.steps, warmup=c.warmup, peak=c.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.average.update(self.step)
        line = {"step": self.step, **{name: float(loss.detach()) for name, loss in losses.items()}}
        line |= {"lr": rate, "grad_norm": norm, "samples_per_s": self._samples_per_s()}
        line |= {"seconds": round(self.seconds, 3)}
        self.log.write(line)
        return line

    def _samples_per_s(self) -> float:
        """Return the rate of the step that ends now, the wait for its windows included."""
        began, self._idle_since = self._idle_since, time.monotonic()
        return round(self.config.batch_size / max(self._idle_since - began, 1e-9), 1)

    def _clip(self, indices: Integers) -> float:
        """Shorten the gradient if it is too long, and return the length it had."""
        moving = [p for p in self.average.live.values() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in moving if p.grad is not None])
        if not torch.isfinite(norm):
            gradients = {name: p.grad for name, p in self.average.live.items() if p.grad is not None}
            bad = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
            raise NotFiniteError(
                f"step {self.step}: the gradient is not finite in {', '.join(bad[:5]) or 'its norm only'}"
                f"{f' and {len(bad) - 5} more' if len(bad) > 5 else ''}; windows {indices.tolist()}. "
                "Try a smaller lr or clip"
            )
        nn.utils.clip_grads_with_norm_(moving, self.config.clip, norm)
        return float(norm)

    def evaluate(self, world: World) -> dict[str, float]:
        """Let the averaged weights act on validation seeds, and return what that wrote into the log."""
        # A policy that remembers its own calls must be asked at every step.
        execute = EXECUTE if self.config.history == 1 else 1
        families, chosen = world.families, seeds("validation", self.config.eval_episodes)
        with self._deployed(), _seeded(self.config.seed, self.step):
            episodes = [
                rollout(world, self.policy, seed, family=families[k % len(families)], execute=execute)
                for k, seed in enumerate(chosen)
            ]
        line: dict[str, float] = {"step": self.step}
        for family in families:
            counted = tally([e for e in episodes if e.family == family])
            line |= {f"eval/{family}": counted.successes / counted.n} if counted.n else {}
            line |= {f"eval/{family}/n": counted.n, f"eval/{family}/invalid": counted.invalid}
        self.log.write(line)
        self._idle_since = time.monotonic()
        return line

    def save_is_due(self) -> bool:
        """Tell whether the last checkpoint is old enough, or the run is over."""
        age_s = time.monotonic() - self._saved
        return self.step == self.config.steps or age_s >= 60 * self.config.save_minutes

    def save(self) -> None:
        """Write the policy, then the checkpoint: a kill between the two costs time, but loses nothing."""
        facts = {
            **dataclasses.asdict(self.training),
            "demonstrations": sum(len(dataset.episodes) for dataset in self.windows.datasets),
            "steps": self.step,
            "samples": self.step * self.config.batch_size,
            "seconds": round(self.seconds, 1),
            "earlier_seconds": trained_seconds(self.config.init) if self.config.init else 0.0,
            "recording_seconds": sum(map(recording_seconds, self.config.datasets)),
            "config": {name: v for name, v in _plain(self.config).items() if name not in ("datasets", "out")},
            **provenance(),
        }
        with self._deployed():
            checkpoint.replace_folder(
                self.policy_folder, lambda folder: policies.save(self.policy, folder, training=facts)
            )
        self.log.flush()
        checkpoint.save(self.config.out, self.step, self._tensors(), {"seconds": self.seconds})
        self._saved = self._idle_since = time.monotonic()

    @contextlib.contextmanager
    def _deployed(self) -> Iterator[None]:
        """Let the policy be what would be deployed now, inside a `with`."""
        self.model.eval()
        with self.average.applied():
            yield
        self.model.train()

    def _tensors(self) -> dict[str, Tensor]:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.tensors,
            "optimizer": optimizer_tensors(self.optimizer, self.average.live),
        }
        return {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def _restore(self, found: Path) -> None:
        tensors, facts = checkpoint.load(found)

        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}/"
            return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}

        self.model.load_state_dict(part("model"))
        for name, tensor in part("average").items():
            self.average.tensors[name].copy_(tensor)
        restore_optimizer(self.optimizer, self.average.live, part("optimizer"))
        self.step, self._seconds_before = int(facts["step"]), float(facts["seconds"])


def trained_seconds(policy: Path) -> float:
    """Return how long a policy was trained and taught, the trainings included whose weights it began with."""
    facts = training_facts(policy)
    taught = facts.get("wordings", {})
    return float(sum(had.get("seconds", 0.0) for had in (facts, taught)) + facts.get("earlier_seconds", 0.0))


def _begin_with(config: TrainConfig, windows: Windows) -> policies.TrainablePolicy:
    """Return the policy a run begins with: fresh weights, or those of ``config.init``."""
    if config.init is not None:
        policy = policies.load(config.init)
        policies.check_fits(policy.features, windows.features)
        policies.learn_otherwise(policy, config.model_config)
        return policy
    with _seeded(config.seed):
        return policies.build(
            config.model,
            preset=config.preset,
            features=windows.features,
            stats=windows.stats,
            history=config.history,
            chunk=config.chunk,
            decoder=config.decoder,
            changes=config.model_config,
        )


@contextlib.contextmanager
def _seeded(*numbers: int) -> Iterator[None]:
    """Let torch's own generator depend on these numbers only, inside a `with`, and restore it behind it."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))
        yield


def _refuse_not_finite_loss(
    losses: Mapping[str, Tensor], step: int, indices: Integers, windows: Batch
) -> None:
    bad = [name for name, loss in losses.items() if not torch.isfinite(loss)]
    if not bad:
        return
    broken = [
        f"{key} of windows {indices[~np.isfinite(values).reshape(len(indices), -1).all(1)].tolist()}"
        for key, values in windows.items()
        if isinstance(values, np.ndarray) and not np.isfinite(values).all()
    ]
    cause = (
        f"the data is not finite itself: {'; '.join(broken)}"
        if broken
        else f"the data is finite, so the model diverged on windows {indices.tolist()}; try a smaller lr"
    )
    raise NotFiniteError(f"step {step}: loss {', '.join(bad)} is not finite: {cause}")


def _training(windows: Windows) -> Training:
    """Say where the demonstrations come from, so that no policy is ever measured on them."""
    known_seeds = [[e.seed for e in d.episodes if e.seed is not None] for d in windows.datasets]
    return Training(
        datasets={f"{k}-{d.root.resolve().name}": d.hash for k, d in enumerate(windows.datasets)},
        seeds=tuple((min(block), max(block)) for block in known_seeds if block),
    )


def _world(name: str) -> World:
    # Only here: training needs no simulator unless it evaluates.
    from sayso.tasks.world import make_world

    return make_world(name)


def _plain(config: TrainConfig) -> dict[str, Any]:
    """Return the config as JSON would give it back."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def _decides(config: TrainConfig, windows: Windows) -> dict[str, Any]:
    """Return, as JSON, everything that decides what the weights become."""
    fields = {name: value for name, value in _plain(config).items() if name not in FREE_TO_CHANGE}
    if not config.model_config:
        # Runs that were begun before there was this flag go on as well.
        del fields["model_config"]
    return {**fields, "dataset_hashes": [dataset.hash for dataset in windows.datasets]}
