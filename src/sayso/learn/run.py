"""Hold a training run: all that changes while it trains, kept on disk, brought back bit for bit.

Everything random in step n is drawn from (seed, n): which windows, how their images are varied, what is
hidden from the model. A run that is killed and begun again therefore goes on bit for bit from its newest
checkpoint, as if nothing had happened, and no state of a random generator has to be kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sayso.data.normalize import Integers
from sayso.data.windows import Batch, Windows, prefetch
from sayso.evaluate import Training, refuse_seen_seeds, tally
from sayso.learn import checkpoint
from sayso.learn.config import TrainConfig, decides, plain
from sayso.learn.optimise import OPTIMIZERS, Average, learning_rate, optimizer_tensors, restore_optimizer
from sayso.learn.record import recording_seconds
from sayso.models import checkpoint as policies
from sayso.models import table
from sayso.models.policy import TrainablePolicy
from sayso.provenance import provenance, training_facts
from sayso.rollout import World, rollout
from sayso.spec import EXECUTE, NotFiniteError, check_fits, seeds

_OTHERS_STREAM = 0x07E5  # keeps what is asked otherwise independent of what is drawn from the same seed


class Run:
    """Hold everything that changes while training, keep it on disk and bring it back."""

    def __init__(self, config: TrainConfig, windows: Windows) -> None:
        """Begin the run in ``config.out``, or take it up where its newest checkpoint left it."""
        self.config, self.windows = config, windows
        self.training = _training(windows)
        if config.eval_every:
            refuse_seen_seeds(seeds("validation", config.eval_episodes), self.training)
        self.policy = _begin_with(config, windows)
        windows.decode()
        checkpoint.claim(config.out, decides(config, [dataset.hash for dataset in windows.datasets]))
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
        other_share = self.config.other_share if table.learns_to_point(self.policy) else 0.0

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
            "config": {name: v for name, v in plain(self.config).items() if name not in ("datasets", "out")},
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


def _begin_with(config: TrainConfig, windows: Windows) -> TrainablePolicy:
    """Return the policy a run begins with: fresh weights, or those of ``config.init``."""
    if config.init is not None:
        policy = policies.load(config.init)
        check_fits(policy.features, windows.features)
        table.learn_otherwise(policy, config.model_config)
        return policy
    with _seeded(config.seed):
        return table.build(
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
