"""Toy objective: behaviour cloning with the squared error (L2) of a vla's actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sayso.learn.config import TrainConfig
from sayso.models.policy import ModelPolicy
from sayso.models.vla.augmentation import prepare
from sayso.models.vla.model import VisionLanguageAction


class SquaredError:
    """Squared error of whole chunks, in model units; what pads them does not count."""

    def __init__(self, policy: ModelPolicy, config: TrainConfig) -> None:
        """Learn from what `policy` sees."""
        self.policy = policy

    def loss(self, model: VisionLanguageAction, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Return the loss as ``total``, and for the log the largest error."""
        windows = self.policy.collate(batch)
        actions, is_pad = windows.targets()
        views = [prepare(images) for images in windows.images]
        context, _ = model.perceive(views, windows.state, windows.words, windows.words_mask)
        off = (model.decoder.sample(context, None) - actions)[~is_pad]
        return {"total": off.square().mean(), "largest": off.abs().max()}
