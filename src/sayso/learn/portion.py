"""Portion of a model that learns: all weights, those of its last part, or gains and biases alone.

::

    vision --> pointer --> decoder --> actions
    all        all         all             every weight
                           last            the part that answers, on features that stay as they are
    offsets    offsets     offsets         gains and biases: each channel is scaled and shifted, as FiLM does

The fewer weights move, the less of what was learned before can be lost, and the fewer demonstrations can say
where to. Offsets are BitFit (Ben Zaken et al. 2022, arXiv:2106.10199), with the gains of norms beside biases.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

Portion = Literal["all", "last", "offsets"]


def let_learn(model: nn.Module, portion: Portion) -> None:
    """Let only a portion of a model's weights learn; the others stay as they are."""
    last = last_part(model)
    for name, weight in model.named_parameters():
        of_last = name.partition(".")[0] == last
        weight.requires_grad_(portion == "all" or (of_last if portion == "last" else weight.ndim < 2))


def last_part(model: nn.Module) -> str:
    """Return the name of the last part of a model that has weights: what answers."""
    return [name for name, part in model.named_children() if any(True for _ in part.parameters())][-1]
