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
from sayso.learn import checkpoint
from sayso.learn.beginning import first_policy, learned_from, resolved, seeded
from sayso.learn.claim import Claim
from sayso.learn.config import TrainConfig, plain
from sayso.learn.log import Log
from sayso.learn.optimise import OPTIMIZERS, Average, learning_rate, optimizer_tensors, restore_optimizer
from sayso.learn.record import recording_seconds
from sayso.models import checkpoint as policies
from sayso.models import table
from sayso.models.policy import TrainablePolicy
from sayso.provenance import provenance, training_facts
from sayso.rollout import World, rollout
from sayso.spec import EXECUTE, NotFiniteError, SaysoError, seeds
from sayso.statistics import tally

_OTHERS_STREAM = 0x07E5  # keeps what is asked otherwise independent of what is drawn from the same seed


class Run:
    """Hold everything that changes while training, keep it on disk and bring it back."""

    def __init__(self, config: TrainConfig, windows: Windows, policy: TrainablePolicy | None = None) -> None:
        """Begin the run in ``config.out``, or take it up where its newest checkpoint left it.

        Args:
            config: what to train.
            windows: what it learns from.
            policy: what it begins with; None chooses it.

        Raises:
            SaysoError: if the folder holds another run, or none of its checkpoints is whole.
        """
        config = resolved(config)
        self.config, self.windows = config, windows
        self.training = learned_from(windows, config.init)
        claim = Claim(config, [dataset.hash for dataset in windows.datasets])
        self._total = claim.total
        self.policy = policy or first_policy(config, windows)
        self.model = self.policy.model.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.train()
        self.average = Average(self.model, config.ema)
        self.optimizer = OPTIMIZERS[config.optimizer](self.average.live, weight_decay=config.weight_decay)
        self._spent = {
            "earlier_seconds": trained_seconds(config.init) if config.init else 0.0,
            "recording_seconds": sum(map(recording_seconds, config.datasets)),
        }
        self.step, self._seconds_before = 0, 0.0
        found, notes = checkpoint.load_newest(config.out)
        if found:
            self._restore(found)
        policies.refuse_other_files(self.policy_folder)
        windows.decode()
        with checkpoint.written(config.out):
            claim.hold(self.step)
            self.log = Log(config.out / "log.jsonl", step=self.step)
        self.notes = [*windows.taking_room, *notes, *claim.notes, *self.log.notes]
        """What is worth saying to whoever asked for this run."""
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
        with seeded(self.config.seed, self.step):
            losses = self.policy.losses(windows)
        self.optimizer.zero_grad(set_to_none=True)
        _refuse_not_finite_loss(losses, self.step, indices, windows)
        losses["total"].backward()
        norm = self._clip(indices)
        c = self.config
        rate = learning_rate(self.step, steps=self._total(self.step), warmup=c.warmup, peak=c.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.average.update(self.step)
        line = {"step": self.step, **{name: float(loss.detach()) for name, loss in losses.items()}}
        line |= {"lr": rate, "grad_norm": norm, "samples_per_s": self._samples_per_s()}
        line |= {"seconds": round(self.seconds, 3)}
        self._write(line)
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
        families, chosen = world.families, seeds("validation", self.config.eval_episodes)
        with self._deployed(), seeded(self.config.seed, self.step):
            episodes = [
                rollout(world, self.policy, seed, family=families[k % len(families)], execute=EXECUTE)
                for k, seed in enumerate(chosen)
            ]
        line: dict[str, float] = {"step": self.step}
        for family in families:
            counted = tally([e for e in episodes if e.family == family])
            line |= {} if counted.void else {f"eval/{family}": counted.success.share}
            line |= {f"eval/{family}/n": counted.n, f"eval/{family}/invalid": counted.invalid}
        self._write(line)
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
            **self._spent,
            "config": {name: v for name, v in plain(self.config).items() if name not in ("datasets", "out")},
            **provenance(),
        }
        with checkpoint.written(self.config.out):
            with self._deployed():
                policies.save(self.policy, self.policy_folder, training=facts)
            self.log.flush()
            checkpoint.save(self.config.out, self.step, self._tensors(), {"seconds": self.seconds})
        self._saved = self._idle_since = time.monotonic()

    def complete(self) -> None:
        """Write the policy of a finished run again if somebody has removed or damaged it."""
        try:
            policies.load(self.policy_folder)
        except SaysoError as error:
            self.notes.append(f"{error}. It is written again from the newest checkpoint")
            self.save()

    def _write(self, line: Mapping[str, float]) -> None:
        with checkpoint.written(self.config.out):
            self.log.write(line)

    @contextlib.contextmanager
    def _deployed(self) -> Iterator[None]:
        """Let the policy be what would be deployed now, inside a `with`."""
        self.model.eval()
        try:
            with self.average.applied():
                yield
        finally:
            self.model.train()

    def _tensors(self) -> dict[str, Tensor]:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.tensors,
            "optimizer": optimizer_tensors(self.optimizer, self.average.live),
        }
        return {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def _restore(self, found: checkpoint.State) -> None:
        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}/"
            return {key.removeprefix(start): t for key, t in found.tensors.items() if key.startswith(start)}

        try:
            self.model.load_state_dict(part("model"))
            self.average.restore(part("average"))
            restore_optimizer(self.optimizer, self.average.live, part("optimizer"))
        except (RuntimeError, KeyError) as error:
            raise SaysoError(
                f"the checkpoint of step {found.step} in {self.config.out} is of another model than this "
                f"version of sayso builds ({error}); go on with the version that began it, or begin a new run"
            ) from error
        self.step, self._seconds_before = found.step, found.seconds


def trained_seconds(policy: Path) -> float:
    """Return how long a policy was trained and taught, the trainings included whose weights it began with.

    Raises:
        SaysoError: if what the policy's folder says of that is no number.
    """
    facts = training_facts(policy)
    try:
        taught = facts.get("wordings", {}).get("seconds", 0.0)
        return float(facts.get("seconds", 0.0) + taught + facts.get("earlier_seconds", 0.0))
    except (TypeError, ValueError, AttributeError) as error:
        raise SaysoError(
            f"{policy / 'config.json'} is damaged where it says how long it took ({error})"
        ) from error


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
