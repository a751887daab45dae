"""Training run: model, optimiser, moving average, log and checkpoints, kept on disk and resumed bit for bit.

Everything random in step n is drawn from (seed, n): which examples, how their images are varied, what is
hidden from the model. A run that is killed and begun again therefore goes on bit for bit from its newest
checkpoint, as if nothing had happened, and no state of a random generator has to be kept.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from sayso.learn import checkpoint
from sayso.learn.claim import Claim
from sayso.learn.config import FitConfig
from sayso.learn.devices import Devices
from sayso.learn.events import Events, refuse_missing
from sayso.learn.optimise import OPTIMIZERS, Average, learning_rate, optimizer_tensors, restore_optimizer
from sayso.learn.parts import whole
from sayso.learn.progress import say
from sayso.models import checkpoint as policies
from sayso.models.contract import renamed
from sayso.models.policy import ModelPolicy
from sayso.models.table import MODELS
from sayso.spec import SaysoError
from sayso.work.ledger import Ledger
from sayso.work.lock import locked
from sayso.work.provenance import training_facts


class Run:
    """Everything that changes while training, whatever the method."""

    def __init__(
        self,
        config: FitConfig,
        policy: ModelPolicy,
        *,
        decided: Mapping[str, Any],
        facts: Callable[[Run], Mapping[str, Any]],
        part: nn.Module | None = None,
        devices: Devices | None = None,
    ) -> None:
        """Begin the run in ``config.out``, or take it up where its newest checkpoint left it.

        Nothing is written before `opened`.

        Args:
            config: how long, how fast, and where to keep it.
            policy: what it begins with; it changes in place.
            decided: all that decides the weights (`sayso.learn.config.decides`).
            facts: what the policy's folder says of its training, asked whenever it is written.
            part: what of the policy's model is trained; None is all of it.
            devices: on which it is trained; None is the one that ``config.device`` names.

        Raises:
            SaysoError: if the folder holds another run, or none of its checkpoints is whole.
        """
        self.config, self.policy, self._facts = config, policy, facts
        self.devices = devices or Devices()
        self._claim = Claim(config, decided)
        self._acting: nn.Module = (part or policy.model).to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.step, self._seconds_before = 0, 0.0
        with self.devices.leader_first():
            found, self.notes = checkpoint.load_newest(config.out, config.begin_with(self.policy_folder))
        """What is worth saying to whoever asked for this run."""
        self.devices.refuse_unlike([decided, found.step if found else 0])
        with self._of_this_model(found):
            if found:
                self._acting.load_state_dict(self._part(found, "model"))
            self.model = self.devices.prepared(self._acting)
            self.model.train()
            self.average = Average(self.model, config.ema)
            self.optimizer = OPTIMIZERS[config.optimizer](self.average.live, weight_decay=config.weight_decay)
            if found:
                self.average.restore(self._part(found, "average"))
                restore_optimizer(self.optimizer, self.average.live, self._part(found, "optimizer"))
                self.step, self._seconds_before = found.step, found.seconds
        self.learner: Any = self.devices.wrapped(self.model)
        if getattr(config, "compile", False):
            self.learner = torch.compile(self.learner)
        """The model as the loss is to call it: it may be spread over devices, or compiled."""
        policies.refuse_other_files(self.policy_folder)
        self._events: Events | None = None
        if config.tensorboard:
            refuse_missing()
        self._began = self._saved = self._idle_since = time.monotonic()

    @contextlib.contextmanager
    def opened(self) -> Iterator[Self]:
        """Write down in the folder which run this is, and take up its log, inside a `with`."""
        if not self.devices.leads:
            yield self
            return
        with checkpoint.written(self.config.out):
            self._claim.hold(self.step)
            self._log = Ledger(self.config.out / "log.jsonl", lambda row: int(row["step"]) <= self.step)
        self.notes += [*self._claim.notes, *_notes(self._log, self.step)]
        self._log.rows.clear()
        self._began = self._saved = self._idle_since = time.monotonic()
        if self.config.tensorboard:
            self._events = Events(self.config.out, self.step)
        try:
            yield self
        finally:
            if self._events:
                self._events.close()

    @property
    def policy_folder(self) -> Path:
        """Return where the policy is kept, with the averaged weights."""
        return self.config.out / "policy"

    @property
    def seconds(self) -> float:
        """Return the time spent on this run, over all the times it was taken up again."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def lr(self) -> float:
        """Return the learning rate of the step that is being taken."""
        c, steps = self.config, self._claim.total(self.step)
        return learning_rate(self.step, steps=steps, warmup=c.warmup, peak=c.lr)

    def write_step(self, losses: Mapping[str, Tensor], grad_norm: float) -> dict[str, float]:
        """Append a step that was just taken to the log, and return what was written."""
        line = {"step": self.step, **{name: float(loss.detach()) for name, loss in losses.items()}}
        line |= {"lr": self.lr, "grad_norm": grad_norm, "samples_per_s": self._samples_per_s()}
        line |= {"seconds": round(self.seconds, 3)}
        self.write(line)
        return line

    def write(self, line: Mapping[str, float]) -> None:
        """Append a line to the log."""
        if not self.devices.leads:
            return
        with checkpoint.written(self.config.out):
            self._log.append(line)
        if self._events:
            self._events.write(line)

    def _samples_per_s(self) -> float:
        """Return the rate of the step that ends now, the wait for its batch included."""
        began, self._idle_since = self._idle_since, time.monotonic()
        return round(self.config.batch_size / max(self._idle_since - began, 1e-9), 1)

    @contextlib.contextmanager
    def deployed(self) -> Iterator[None]:
        """Let the policy be what would be deployed now, inside a `with`; its time belongs to no step.

        Where weights lie in parts on several devices, all of them have called `gather` since the last step.
        """
        self._acting.eval()
        try:
            with self.average.applied() if self._acting is self.model else contextlib.nullcontext():
                yield
        finally:
            self._acting.train()
            self._idle_since = time.monotonic()

    def gather(self) -> None:
        """Bring together what would be deployed, where each device has a part of it."""
        if self._acting is not self.model:
            named = {**self.model.state_dict(), **self.average.tensors}
            self._acting.load_state_dict({name: whole(part) for name, part in named.items()})

    def save_is_due(self) -> bool:
        """Tell whether the last checkpoint is old enough, or the run is over."""
        age_s = time.monotonic() - self._saved
        return self.step == self.config.steps or age_s >= 60 * self.config.save_minutes

    def save(self) -> None:
        """Write the policy, then the checkpoint: a kill between the two costs time, but loses nothing.

        All devices call it, and one of them writes.
        """
        self.gather()
        tensors = self._tensors()
        if self.devices.leads:
            facts = self._facts(self)
            with checkpoint.written(self.config.out):
                with self.deployed():
                    policies.save(self.policy, self.policy_folder, training=facts)
                self._log.flush()
                checkpoint.save(self.config.out, self.step, tensors, {"seconds": self.seconds})
        self._saved = self._idle_since = time.monotonic()

    def complete(self) -> None:
        """Write the policy of a finished run again if somebody has removed or damaged it."""
        c, wrong = self.config, ""
        try:
            if self.devices.leads:
                policies.load(self.policy_folder)
        except SaysoError as error:
            wrong = f"{error}. It is written again from the newest checkpoint"
            self.notes.append(wrong)
        if self.devices.agree(bool(wrong)):
            self.save()
        self.notes.append(f"{c.out} is finished, all {c.steps} steps are done; more --steps lengthen it")

    def _tensors(self) -> dict[str, Tensor]:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.tensors,
            "optimizer": optimizer_tensors(self.optimizer, self.average.live),
        }
        return {
            f"{part}/{name}": whole(tensor) for part, named in parts.items() for name, tensor in named.items()
        }

    def _part(self, found: checkpoint.State, name: str) -> dict[str, Tensor]:
        """Return what a checkpoint has of the model, the average or the optimiser."""
        renames, tensors = MODELS[self.policy.type].renames, {}
        for key, tensor in found.tensors.items():
            of, weight, *slot = key.split("/")
            if of == name:
                tensors["/".join([renamed(weight, renames), *slot])] = tensor
        return tensors

    @contextlib.contextmanager
    def _of_this_model(self, found: checkpoint.State | None) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, KeyError) as error:
            if found is None:
                raise
            raise SaysoError(
                f"the checkpoint of step {found.step} in {self.config.out} is of another model than this "
                f"version of sayso builds ({error}); go on with the version that began it, or begin a new run"
            ) from error


@contextlib.contextmanager
def kept(out: Path, activity: str) -> Iterator[None]:
    """Let nobody else write into a run's folder inside a `with`, and say at Ctrl-C what is kept there.

    Raises:
        InUseError: if somebody else is training there.
    """
    with locked(out, activity):
        try:
            yield
        except KeyboardInterrupt:
            say(f"{out}: {checkpoint.kept(out)}; the same command goes on from there")
            raise


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


def _notes(log: Ledger, step: int) -> Iterator[str]:
    """Yield what is worth saying about a log that goes on behind a step."""
    if log.damage:
        yield log.damage
    reached = max([0, *(int(row["step"]) for row in log.rows)])
    if reached < step:
        yield f"{log.path} holds nothing of steps {reached + 1} to {step}; it goes on behind them"
