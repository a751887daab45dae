"""First values of parameters, and constants: on a device without memory only their shapes.

A checkpoint is first built on the device ``meta``, which has no memory, to see whether its weights fit.
Arithmetic there loads PyTorch's compiler, which takes longer than everything else that loading does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def normal(*shape: int, std: float = 1.0) -> Tensor:
    """Draw from a normal distribution of mean 0."""
    return constant(*shape, computed=lambda: std * torch.randn(shape))


def constant(*shape: int, computed: Callable[[], Tensor]) -> Tensor:
    """Return what is computed and has a shape."""
    return torch.empty(shape) if torch.get_default_device().type == "meta" else computed()
