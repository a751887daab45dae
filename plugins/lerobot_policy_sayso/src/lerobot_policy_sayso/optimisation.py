"""Optimiser and learning-rate schedule of `sayso train`, as LeRobot's commands choose them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lerobot.optim import LRSchedulerConfig, OptimizerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sayso.learn.optimise import OPTIMIZERS, learning_rate
from sayso.models.lerobot_folder import SAYSO
from sayso.spec import known


@OptimizerConfig.register_subclass(SAYSO)
@dataclass
class SaysoOptimizerConfig(OptimizerConfig):
    """Muon for matrices and Adam for the rest, or AdamW."""

    lr: float = 1e-3
    weight_decay: float = 0.01
    grad_clip_norm: float = 1.0
    kind: str = "muon"

    def build(self, params: Mapping[str, nn.Parameter] | Iterable[nn.Parameter]) -> Optimizer:
        """Return the optimiser of parameters by name."""
        named = params if isinstance(params, Mapping) else {str(n): p for n, p in enumerate(params)}
        make = OPTIMIZERS[known("optimizer", self.kind, OPTIMIZERS)]
        optimizer: Optimizer = make(named, weight_decay=self.weight_decay)
        for group in optimizer.param_groups:
            group["lr"] = self.lr
        optimizer.register_state_dict_post_hook(_packed)
        optimizer.register_load_state_dict_post_hook(_laid_out)
        return optimizer


def _packed(_: Optimizer, kept: dict[str, Any]) -> dict[str, Any]:
    """Return an optimiser's state as a file holds it: kernels' moments lie channels last in memory."""
    state = {
        number: {slot: v.contiguous() if isinstance(v, Tensor) else v for slot, v in slots.items()}
        for number, slots in kept["state"].items()
    }
    return kept | {"state": state}


def _laid_out(optimizer: Optimizer) -> None:
    """Give each moment the order in memory that its parameter has."""
    for parameter, slots in optimizer.state.items():
        for slot, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[slot] = torch.empty_like(parameter).copy_(value)


@LRSchedulerConfig.register_subclass(SAYSO)
@dataclass
class SaysoSchedulerConfig(LRSchedulerConfig):
    """Warm-up, then a cosine down to one per cent of the peak at the last step."""

    num_warmup_steps: int = 300

    def build(self, optimizer: Optimizer, num_training_steps: int) -> LambdaLR:
        """Return the schedule of a run of so many steps."""

        def share(taken: int) -> float:
            step = min(taken + 1, num_training_steps)
            return learning_rate(step, steps=num_training_steps, warmup=self.num_warmup_steps, peak=1.0)

        return LambdaLR(optimizer, share)
