"""ResNet-18 encoder and absolute targets: what the published baselines have in common.

::

    cameras --ResNet-18--> features      windows --> absolute targets, standardised or scaled to -1..1

`act` and `diffusion` both look with a ResNet-18 (He et al. 2016, arXiv:1512.03385) that
all cameras share, read the instruction with the frozen encoder of our own model, see the newest frame only
and predict absolute targets.

Shapes: B batch, T frames, C cameras, H x W pixels, L words, K chunk, A action, S state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.data.transforms import Chain
from sayso.models.baselines.pretrained import fetch
from sayso.models.collate import Collator, all_inputs, check_statistics
from sayso.models.contract import Model, ModelType, Renames
from sayso.models.typed import read, within
from sayso.models.words import MAX_WORDS, OLD_MAX_WORDS, FrozenTextEncoder
from sayso.spec import ACTION, STATE, Features

RESNET_18 = "microsoft/resnet-18"
STAGES = (64, 128, 256, 512)
"""Channels of ResNet-18's four stages, at 1/4 to 1/32 of the resolution."""

WeightsFrom = Literal["auto", "imagenet", "random"]
"""Where a ResNet-18 begins: ``auto`` asks for ImageNet's weights and is answered by one of the others."""


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """Sizes that both published models have."""

    chunk: int = 16
    """K."""
    max_words: int = MAX_WORDS
    """L, word pieces of the longest instruction that is read whole."""
    stages: tuple[int, ...] = STAGES
    """Channels of the backbone's stages."""
    bf16: bool = True
    """Compute in bfloat16 where that is safe."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        within(self, {"chunk": (1, 10_000), "max_words": (4, 512)})
        wrong = any(not 0 < channels <= 10_000 or channels % 16 for channels in self.stages)
        if wrong or len(self.stages) != len(STAGES):
            raise ValueError(f"stages are {self.stages}, but must be {len(STAGES)} multiples of 16")

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what ``dataclasses.asdict`` wrote, or some of it, after a round through JSON.

        Raises:
            ValueError: if a field is unknown, of another type, or cannot work.
        """
        return read(cls, {"max_words": OLD_MAX_WORDS, **raw}, "model")


class ResNet18(nn.Module):
    """ResNet-18 backbone: images become a feature map at 1/32 of their resolution.

    ImageNet's weights keep their batch statistics frozen, as ACT has it. Random weights have none worth
    keeping and no two alike batches to take them from: their norms are over groups of 16 channels, as
    Diffusion Policy has it.
    """

    weights_from: Literal["imagenet", "random"]
    """Where it began: what was obtained, not what was asked for."""

    def __init__(self, weights_from: WeightsFrom, stages: tuple[int, ...] = STAGES) -> None:
        """Build the network.

        Args:
            weights_from: ``auto`` takes ImageNet's weights out of the local cache or from the Hugging Face
                hub; when neither has them, one line of warning says so and the weights are random.
                ``imagenet`` is for saved policies, which bring their weights.
            stages: channels of the four stages; only tests have others than ResNet-18's.
        """
        super().__init__()
        from transformers import ResNetConfig, ResNetModel

        fetched = fetch(ResNetModel, RESNET_18) if weights_from == "auto" else None
        if fetched is None and weights_from == "auto":
            warnings.warn(
                f"{RESNET_18} is not cached and the hub is out of reach: random weights", stacklevel=2
            )
        frozen = fetched is not None or weights_from == "imagenet"
        self.weights_from = "imagenet" if frozen else "random"
        shape = ResNetConfig(
            embedding_size=stages[0], hidden_sizes=list(stages), depths=[2] * len(stages), layer_type="basic"
        )
        self.network = fetched or ResNetModel(shape)
        self.channels = stages[-1]
        if frozen:
            for norm in _batch_norms(self.network):
                norm.requires_grad_(False)
        else:
            _group_instead_of_batch(self.network)

    def train(self, mode: bool = True) -> ResNet18:
        """Switch to training or acting; frozen batch statistics stay frozen."""
        super().train(mode)
        for norm in _batch_norms(self.network):
            norm.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[N, F, h, w]`` of uint8 images ``[N, H, W, 3]``."""
        features: Tensor = self.network(standardise_pixels(images)).last_hidden_state
        return features


def standardise_pixels(images: Tensor) -> Tensor:
    """Turn uint8 ``[N, H, W, 3]`` into float ``[N, 3, H, W]`` as ImageNet's were, without moving memory."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=images.device)
    std = torch.tensor([0.229, 0.224, 0.225], device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def _batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def _group_instead_of_batch(network: nn.Module) -> None:
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(network, name, nn.GroupNorm(max(1, child.num_features // 16), child.num_features))
        else:
            _group_instead_of_batch(child)


def published_type(
    build: Callable[[Mapping[str, Any], Features], Model],
    config: Callable[[Mapping[str, Any]], PublishedConfig],
    chain: Callable[[Mapping[str, Stats]], Chain],
    *,
    tiny: Mapping[str, Any],
    renames: Renames,
    learning: tuple[str, ...] = (),
) -> ModelType:
    """Return the row in the table of models of one that predicts absolute targets.

    Args:
        build: makes the model.
        config: reads its config from JSON.
        chain: makes the way to model units and back from statistics of state and action.
        tiny: fields of its preset for tests, beside those that both have.
        renames: see `ModelType`.
        learning: see `ModelType`.
    """

    def small(features: Features, chunk: int) -> dict[str, Any]:
        return {"chunk": chunk, "max_words": MAX_WORDS}

    def smallest(features: Features, chunk: int) -> dict[str, Any]:
        return {**small(features, chunk), "stages": (16, 16, 32, 32), "bf16": False, **tiny}

    def collator(config: PublishedConfig, features: Features, stats: Mapping[str, Stats]) -> Collator:
        check_statistics(features, stats)
        return Collator(
            features=features,
            chain=chain({key: stats[key] for key in (STATE, ACTION) if key in stats}),
            inputs=all_inputs(features),
            encoder=FrozenTextEncoder(max_words=config.max_words),
            trims_words=True,
        )

    return ModelType(
        build=build,
        presets={"small": small, "tiny": smallest},
        collator=collator,
        renames=renames,
        config=config,
        learning=learning,
    )
