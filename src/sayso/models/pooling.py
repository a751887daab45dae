"""Pooling of a loss's terms: the mean over parts of a batch, and over the devices that share one.

::

    device 0: errors S0 of weight W0 --.
                                       +--> the term, (S0 + S1) / (W0 + W1), as one device would have it
    device 1: errors S1 of weight W1 --'

The loss of several devices is the mean of theirs. Where weights differ, as where one has more padding, the
mean of means is not that of all; so each divides by the mean weight of them all instead of its own. A model
names the weight of each term, and knows no more of it than that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import torch
from torch import Tensor

_MEAN_WEIGHT: ContextVar[Callable[[Tensor], Tensor] | None] = ContextVar("mean weight", default=None)


def pooled(terms: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the mean of terms, each with its weight; a single one as it is, unless a batch is shared."""
    over_devices = _MEAN_WEIGHT.get()
    if len(terms) == 1 and over_devices is None:
        return terms[0][0]
    weights = torch.stack([weight.float() for _, weight in terms])
    summed = (torch.stack([term for term, _ in terms]) * weights).sum()
    weight = weights.sum()
    if over_devices is not None:
        weight = over_devices(weight)
    found: Tensor = summed / weight.clamp(min=1e-9)
    return found


@contextlib.contextmanager
def shared(mean_weight: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let batches be shares of one, inside a `with`.

    Args:
        mean_weight: returns the mean over all shares of a weight; each of them asks in the same order.
    """
    token = _MEAN_WEIGHT.set(mean_weight)
    try:
        yield
    finally:
        _MEAN_WEIGHT.reset(token)
