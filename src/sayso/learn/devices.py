"""Devices that train together: one process for each, begun by torchrun or accelerate, joined by accelerate.

::

    process 0   its share of the batch --> loss --> gradient --.
                                                               +--> mean --> the same step for all
    process 1   its share of the batch --> loss --> gradient --'
       |
       '-- process 0 leads: it alone holds the folder, writes, measures and shows progress

Each has the whole model, or, sharded (FSDP2), a part of each weight, of its gradient, moments and average.
A process that dies closes its sockets, so that the others end at the next sum instead of waiting for it.
"""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sayso.learn.config import TrainConfig
from sayso.learn.dealing import Share
from sayso.models import pooling
from sayso.models.contract import computes_in_bf16
from sayso.spec import SaysoError

SUM_TIMEOUT = timedelta(minutes=5)
"""How long processes wait for one that has not come, or that has gone without closing its sockets."""
LEADER_TIMEOUT = timedelta(hours=12)
"""How long they wait while process 0 decodes pictures or measures."""
LOST = ("gloo", "nccl", "closed by peer", "reset by peer", "connection refused", "broken pipe", "timed out")
"""Words of torch's errors when a process is not there any more, where their type does not say it."""
REFUSED_PRECISIONS = ("fp16", "fp8")


class Devices:
    """Devices that train together; as it stands, the one device of a process that nobody else joined."""

    rank, count = 0, 1
    sharded = False

    def __init__(self, passes: int = 1) -> None:
        """Divide each device's examples into so many passes, whose gradients are accumulated."""
        self.passes = passes

    @property
    def leads(self) -> bool:
        """Tell whether this process is the one that writes."""
        return self.rank == 0

    @property
    def shares(self) -> int:
        """Return into how many shares the batch of a step is dealt."""
        return self.count * self.passes

    def mine(self, batch_size: int) -> list[Share]:
        """Return the shares of a batch that this device computes, one pass after the other."""
        first = self.rank * self.passes
        return [Share(number, self.shares, batch_size) for number in range(first, first + self.passes)]

    def prepared(self, model: nn.Module) -> nn.Module:
        """Return the module whose weights are trained: itself, or a sharded copy."""
        return model

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return what computes the losses of a prepared model."""
        return model

    @contextlib.contextmanager
    def passing(self, model: nn.Module, number: int) -> Iterator[None]:
        """Compute a pass inside a `with`; devices add up their gradients in the last one only."""
        yield

    def mean(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean over all devices of what each has computed."""
        return dict(losses)

    def agree(self, wish: bool) -> bool:
        """Tell whether any device wishes something, so that all do the same."""
        return wish

    def wait(self) -> None:
        """Wait until all devices are here."""

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let process 0 do what stands inside a `with` before the others do."""
        yield

    def refuse_unlike(self, facts: Sequence[Any]) -> None:
        """Raise SaysoError unless facts are the same for all devices."""

    def remarks(self, model: nn.Module) -> list[str]:
        """Return what is worth saying before training."""
        return []

    @contextlib.contextmanager
    def joined(self, out: Path) -> Iterator[None]:
        """Train inside a `with`: only process 0 prints, and one that is left behind ends in a sentence."""
        yield


class JoinedDevices(Devices):
    """Devices of several processes, joined by accelerate."""

    def __init__(self, device: str, passes: int, *, sharded: bool) -> None:
        """Wait for the others and join them.

        Raises:
            SaysoError: if accelerate is missing, or they do not come.
        """
        super().__init__(passes)
        accelerate = _accelerate()
        handlers = [
            accelerate.InitProcessGroupKwargs(timeout=SUM_TIMEOUT),
            # A mixture's batch may miss a camera, whose weights then have no gradient. And with it, sums are
            # taken in the same order from the first step on, as a run needs that is taken up again.
            accelerate.DistributedDataParallelKwargs(find_unused_parameters=True),
        ]
        with warnings.catch_warnings(), _in_a_sentence(None):
            warnings.simplefilter("ignore")  # of threads, which --threads decides
            self._accelerator = accelerate.Accelerator(
                cpu=device == "cpu", mixed_precision="no", kwargs_handlers=handlers
            )
            # On CPUs and patient: an evaluation of process 0 is not to be taken for its death.
            self._patient = torch.distributed.new_group(backend="gloo", timeout=LEADER_TIMEOUT)
        self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.sharded = sharded

    def prepared(self, model: nn.Module) -> nn.Module:
        """Return the model, or a sharded copy of it whose weights lie in parts on all devices (FSDP2)."""
        if not self.sharded:
            return model
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        # As a whole, not part by part: models call methods of their parts, which gather no weights.
        parts: nn.Module = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        mesh = init_device_mesh(self._accelerator.device.type, (self.count,))
        fully_shard(parts, mesh=mesh)
        return parts

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return what sums gradients over devices while it computes them (DDP), unless sharded already."""
        if self.sharded:
            return model
        found: nn.Module = self._accelerator.prepare_model(model)
        return found

    @contextlib.contextmanager
    def passing(self, model: nn.Module, number: int) -> Iterator[None]:
        """Compute a pass inside a `with`: means are those of all devices."""
        last = number == self.passes - 1
        if self.sharded:
            sharded: Any = getattr(model, "_orig_mod", model)  # inside what torch.compile made of it
            sharded.set_requires_gradient_sync(last)
        alone = contextlib.nullcontext() if last or self.sharded else self._accelerator.no_sync(model)
        with alone, pooling.shared(self._mean_weight):
            yield

    def _mean_weight(self, weight: Tensor) -> Tensor:
        mean: Tensor = self._accelerator.reduce(weight.detach().clone(), "mean")
        return mean

    def mean(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean over all devices of what each has computed."""
        mean = self._accelerator.reduce(
            torch.stack([loss.detach().float() for loss in losses.values()]), "mean"
        )
        return dict(zip(losses, mean, strict=True))

    def agree(self, wish: bool) -> bool:
        """Tell whether any device wishes something, so that all do the same."""
        wishes = torch.tensor(int(wish))
        torch.distributed.all_reduce(wishes, torch.distributed.ReduceOp.MAX, self._patient)
        return bool(wishes)

    def wait(self) -> None:
        """Wait until all devices are here."""
        self.agree(False)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let process 0 do what stands inside a `with` before the others do."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def refuse_unlike(self, facts: Sequence[Any]) -> None:
        """Raise SaysoError unless facts are the same for all devices."""
        found: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(found, list(facts), self._patient)
        unlike = [rank for rank, theirs in enumerate(found) if theirs != found[0]]
        if unlike:
            raise SaysoError(
                f"process {unlike[0]} of {self.count} trains something else than process 0, or goes on from "
                "elsewhere: give all of them the same command, and folders (--datasets, --out) that all of "
                "them see"
            )

    def remarks(self, model: nn.Module) -> list[str]:
        """Return what is worth saying before training."""
        how = "each with a part of the weights (FSDP2)" if self.sharded else "each with all weights (DDP)"
        kind = self._accelerator.device.type
        said = [f"{self.count} processes train together on {kind}, {how}"]
        bf16 = getattr(getattr(model, "config", None), "bf16", False) and computes_in_bf16(kind)
        if os.environ.get("ACCELERATE_MIXED_PRECISION") == "bf16" and not bf16:
            said.append(
                "accelerate is told to compute in bf16, but this model or this device does not (bf16 in the "
                "model's config; CPUs without instructions for it): it computes in float32"
            )
        return said

    @contextlib.contextmanager
    def joined(self, out: Path) -> Iterator[None]:
        """Train inside a `with`: only process 0 prints, and one that is left behind ends in a sentence."""
        with contextlib.ExitStack() as stack, _in_a_sentence(out):
            if not self.leads:
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
                stack.enter_context(contextlib.redirect_stderr(nowhere))
            stack.enter_context(warnings.catch_warnings())
            # A kernel one pixel wide has two orders of memory that are the same.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield
            self.wait()


def devices_of(config: TrainConfig) -> Devices:
    """Return the devices that a launcher has begun a process for, joined; without one, this alone.

    Raises:
        SaysoError: if they cannot be joined, or the launcher asks for what training does not do.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) <= 1:
        if "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ:
            raise SaysoError(
                "accelerate launch was asked for several processes and began one, as it does on CPUs: "
                "torchrun --nproc-per-node 2 -m sayso train begins two"
            )
        if config.shard:
            raise SaysoError(
                "--shard divides a model among devices, but there is one process: begin several, with "
                "torchrun --nproc-per-node 2 -m sayso train, or leave it out"
            )
        return Devices(config.accumulate)
    if (precision := os.environ.get("ACCELERATE_MIXED_PRECISION", "no")) in REFUSED_PRECISIONS:
        raise SaysoError(
            f"accelerate is told to compute in {precision}, but sayso computes in bf16 where a device can, "
            "and in float32 elsewhere: leave out --mixed_precision"
        )
    if int(os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS") or 1) > 1:
        raise SaysoError("give gradient accumulation to sayso train, as --accumulate, not to accelerate")
    sharded = config.shard or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    return JoinedDevices(config.device, config.accumulate, sharded=sharded)


def leads() -> bool:
    """Tell whether this process speaks for those that a launcher has begun with it, or was begun alone."""
    return int(os.environ.get("WORLD_SIZE") or 1) <= 1 or os.environ.get("RANK") == "0"


def pinned(batch: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return a batch that a GPU can fetch while it computes: its arrays in memory that is never moved."""
    if torch.device(device).type != "cuda":
        return dict(batch)
    return {
        name: torch.from_numpy(part).pin_memory().numpy() if isinstance(part, np.ndarray) else part
        for name, part in batch.items()
    }


def _accelerate() -> Any:
    try:
        import accelerate
    except ImportError as error:
        raise SaysoError(
            f"{os.environ['WORLD_SIZE']} processes were begun to train together, which needs accelerate: "
            "pip install 'sayso[scale]', or begin `sayso train` by itself"
        ) from error
    return accelerate


@contextlib.contextmanager
def _in_a_sentence(out: Path | None) -> Iterator[None]:
    """Say in a sentence that a process of the others is gone, whatever torch calls that.

    Raises:
        SaysoError: instead of an error of torch.distributed.
    """
    try:
        yield
    except RuntimeError as error:
        known = isinstance(error, torch.distributed.DistError)
        if not known and not any(word in str(error).lower() for word in LOST):
            raise
        # Who began the processes now asks this one to end: it does, but not before it has said why.
        with contextlib.suppress(ValueError):  # not in the main thread, to which signals come
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rank, count = os.environ.get("RANK", "0"), os.environ["WORLD_SIZE"]
        went = "has ended" if out else "did not come, or has ended"
        again = f": the same command goes on from the newest checkpoint of {out}" if out else ""
        raise SaysoError(
            f"process {rank} of {count} cannot go on, since another of them {went}{again}. Why it did stands "
            f"above, if it could say so ({shorten(str(error), 200)})"
        ) from error
