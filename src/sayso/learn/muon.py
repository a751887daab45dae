"""Muon optimiser: matrices move by an orthogonal step, whatever is no matrix by Adam.

The momentum of a weight matrix is replaced by the nearest matrix whose singular values are all about one, so
that directions which gradients show rarely count as much as those they show all the time. Here that took
a third of the samples AdamW needs: docs/log.md, 2026-11-23.

Sources: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks" (the iteration and its
coefficients); Liu et al. 2025, arXiv:2502.16982 (the scale that lets AdamW's learning rate and decay serve
unchanged). PyTorch's own Muon takes no convolution kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sayso.learn.parts import is_part, placed, whole
from sayso.models.contract import computes_in_bf16

A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration, which drives singular values from 0..1 to 0.7..1.2."""
ITERATIONS = 5
MOMENTUM = 0.95
MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8
"""Adam's, for the rest."""
ADAM_RMS = 0.2
"""Root mean square of a step of AdamW's in units of its learning rate, as measured by Liu et al."""


class Muon(torch.optim.Optimizer):
    """Muon optimiser, with one group of weight matrices and kernels, and one of everything else."""

    def __init__(
        self, matrices: Sequence[Tensor], others: Sequence[Tensor], *, weight_decay: float, lr: float = 1e-3
    ) -> None:
        """Take parameters of two and more dimensions, and the others, which do not decay.

        Args:
            matrices: weights ``[out, in]``, and kernels ``[out, in, h, w]``, read as ``[out, in h w]``.
            others: parameters of any shape.
            weight_decay: decoupled, of the matrices.
            lr: learning rate of both, in AdamW's units.
        """
        groups = [
            {"params": list(matrices), "weight_decay": weight_decay, "orthogonal": True},
            {"params": list(others), "weight_decay": 0.0, "orthogonal": False},
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("this optimiser takes no closure")
        for group in self.param_groups:
            move = self._orthogonal if group["orthogonal"] else self._adam
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(move(p, p.grad), alpha=-group["lr"])

    def _orthogonal(self, p: Tensor, gradient: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(state["momentum"], MOMENTUM)  # Nesterov's
        step = orthogonalised(whole(ahead).flatten(1))
        scale: float = ADAM_RMS * max(step.shape) ** 0.5
        moved = (scale * step).reshape(p.shape).to(p.dtype)
        return placed(moved, p) if is_part(p) else moved

    def _adam(self, p: Tensor, gradient: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state |= {"mean": torch.zeros_like(p), "square": torch.zeros_like(p), "count": torch.zeros(())}
        state["count"] += 1
        state["mean"].lerp_(gradient, 1 - MEAN_DECAY)
        state["square"].lerp_(gradient.square(), 1 - SQUARE_DECAY)
        count = float(state["count"])
        mean: Tensor = state["mean"] / (1 - MEAN_DECAY**count)
        square = state["square"] / (1 - SQUARE_DECAY**count)
        step: Tensor = mean / (square.sqrt() + EPSILON)
        return step


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return a matrix ``[m, n]`` of the same directions whose singular values are about one.

    It is computed, and returned, in bfloat16 where the device is made for it.
    """
    if computes_in_bf16(matrix.device.type):
        matrix = matrix.bfloat16()
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
