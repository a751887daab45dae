"""Toy model: one linear layer from the colours of a picture and the state to a chunk of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.data.transforms import two_way
from sayso.models.collate import Collator, all_inputs
from sayso.models.contract import Batch, Model, ModelType
from sayso.models.words import FrozenTextEncoder
from sayso.spec import Features


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Sizes of the toy model."""

    inputs: int
    action_dim: int
    chunk: int
    bf16: bool = False


class ToyModel(Model):
    """Linear policy."""

    config: ToyConfig

    def __init__(self, config: ToyConfig) -> None:
        """Build the layer."""
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.inputs, config.chunk * config.action_dim)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error."""
        actions, is_pad = batch.targets()
        error = (self.predict(batch) - actions).square().mean(-1)
        return {"total": error[~is_pad].mean()}

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the chunk."""
        return self.predict(batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return actions ``[B, K, A]``."""
        colours = [images[:, -1].float().mean((1, 2)) / 255 for images in batch.images]
        sentence = batch.words.sum(1) / batch.words_mask.sum(1, keepdim=True)
        told = torch.cat([*colours, batch.state[:, -1], sentence], -1)
        chunk: Tensor = self.layer(told).unflatten(-1, (-1, self.config.action_dim))
        return chunk


def _preset(features: Features, chunk: int) -> Mapping[str, Any]:
    inputs = 3 * len(features.cameras) + len(features.state) + 384
    return {"inputs": inputs, "action_dim": len(features.action), "chunk": chunk}


def _collator(config: ToyConfig, features: Features, stats: Mapping[str, Stats]) -> Collator:
    return Collator(
        features=features,
        chain=two_way(stats, features),
        inputs=all_inputs(features),
        encoder=FrozenTextEncoder(),
    )


MODEL = ModelType(
    build=lambda fields, features: ToyModel(ToyConfig(**fields)),
    presets={"small": _preset, "tiny": _preset},
    collator=_collator,
    config=lambda fields: ToyConfig(**fields),
    decided=("inputs", "action_dim", "chunk"),
)
