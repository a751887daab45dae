"""Optimisation: learning-rate schedule, optimisers, exponential moving average of the weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from sayso.learn.muon import Muon
from sayso.learn.parts import placed


def learning_rate(step: int, *, steps: int, warmup: int, peak: float) -> float:
    r"""Return the learning rate of a step, counted from 1.

    ::

        peak       /\
                  /  `-._
                 /       `-._
        0       /            `--  1 % of the peak at the last step
             warm-up   cosine

    The warm-up takes a tenth of all steps if `warmup` is more than that.
    """
    warmup = max(1, min(warmup, steps // 10))
    if step <= warmup:
        return peak * step / warmup
    done = (step - warmup) / (steps - warmup)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def adamw(parameters: Mapping[str, nn.Parameter], *, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) that decays matrices and kernels, but no biases and gains."""
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    vectors = [p for p in parameters.values() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def muon(parameters: Mapping[str, nn.Parameter], *, weight_decay: float) -> Muon:
    """Return Muon for weights and kernels, except those that write the answer.

    Tables of positions and queries have two dimensions too, but map nothing to anything.
    """
    matrices = {
        name: p
        for name, p in parameters.items()
        if p.ndim >= 2 and name.endswith("weight") and "head" not in name
    }
    others = [p for name, p in parameters.items() if name not in matrices]
    return Muon(list(matrices.values()), others, weight_decay=weight_decay)


OPTIMIZERS = {"muon": muon, "adamw": adamw}


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the optimiser's state under flat names, ``<parameter>/<slot>``."""
    return {
        f"{name}/{slot}": value
        for name, parameter in parameters.items()
        for slot, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_tensors` returned.

    Fused kernels walk through a parameter and its moments in the order of memory, so each moment must get the
    strides of its parameter (channels last for a kernel), not those it had in a file.
    """
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, slot = key.rsplit("/", 1)
        by_parameter.setdefault(name, {})[slot] = value
    for name, parameter in parameters.items():
        # Only the moments have the shape of the parameter; the count of steps is a single number.
        optimizer.state[parameter] = {
            slot: placed(value, parameter) if value.ndim else value.to(parameter.device)
            for slot, value in by_parameter.get(name, {}).items()
        }


class Average:
    """Exponential moving average of a model's trained weights, and of the statistics of its batch norms.

    The decay of step n is ``min(decay, (1 + n) / (10 + n))``: the average looks back over a fixed part of a
    young run rather than over a fixed time, so the random first weights leave no trace in it.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start from the weights as they are."""
        self.decay = decay
        self.live = {name: p for name, p in model.named_parameters() if p.requires_grad}
        stored = model.state_dict().keys()
        statistics = {
            name: b for name, b in model.named_buffers() if name in stored and b.is_floating_point()
        }
        self._averaged: dict[str, Tensor] = {**self.live, **statistics}
        self.tensors = {name: t.detach().clone() for name, t in self._averaged.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the live weights after optimiser step `step`, counted from 1."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.tensors.values()), list(self._averaged.values()), weight)

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` held; what older runs did not average begins with what the model has."""
        for name, live in self._averaged.items():
            if name in tensors:
                self.tensors[name] = placed(tensors[name], live)
            else:
                self.tensors[name].copy_(live)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model hold the averaged weights inside a `with`, and its own again behind it."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for name, live in self._averaged.items():
            live.data, self.tensors[name] = self.tensors[name], live.data
