"""Hold what the published policies we measure ourselves against have in common.

::

    windows --> Batch in model units --> Peer.losses            (training)
                                     --> Peer.sample --> robot units, a chunk     (acting)

`act` and `diffusion` each hold one `Peer`. Both look with a ResNet-18 (He et al. 2016, arXiv:1512.03385) that
all cameras share, read the instruction with the frozen encoder of our own model, see the newest frame only
and predict absolute targets.

Shapes: B batch, T frames, C cameras, H x W pixels, L words, K chunk, A action, S state.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sayso.calling import CalledLikeAModel
from sayso.data.normalize import Chain, Stats
from sayso.models.policy import (
    IS_PAD,
    EpisodeNoise,
    camera_images,
    check_statistics,
    look_up,
    one_look,
    with_state,
)
from sayso.models.pretrained import fetch
from sayso.models.vla import Batch
from sayso.models.words import LEARNING, MAX_WORDS, FrozenTextEncoder
from sayso.spec import ACTION, STATE, TASK, Chunk, Features, Observation

RESNET_18 = "microsoft/resnet-18"
STAGES = (64, 128, 256, 512)
"""Channels of ResNet-18's four stages, at 1/4 to 1/32 of the resolution."""

WeightsFrom = Literal["auto", "imagenet", "random"]
"""Where a ResNet-18 begins: ``auto`` asks for ImageNet's weights and is answered by one of the others."""


def refuse_stages(stages: tuple[int, ...]) -> None:
    """Refuse numbers of channels that a ResNet-18 cannot have.

    Raises:
        ValueError: saying what they must be.
    """
    if len(stages) != len(STAGES) or any(not 0 < channels <= 10_000 or channels % 16 for channels in stages):
        raise ValueError(f"stages are {stages}, but must be {len(STAGES)} multiples of 16")


class ResNet18(nn.Module):
    """See: turn images into a map of features at 1/32 of their resolution.

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


class Peer(nn.Module, ABC):
    """Say what `PeerPolicy` needs of a model. Every batch holds one frame: T is 1."""

    bf16: bool
    """Whether to compute in bfloat16 where that is safe."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and its terms; torch's own generator draws."""

    @abstractmethod
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the next actions, float32 ``[B, K, A]``, in model units."""

    def autocast(self, batch: Batch) -> torch.autocast:
        """Compute in bfloat16 inside a `with`, if the model is to."""
        return torch.autocast(batch.state.device.type, torch.bfloat16, enabled=self.bf16)


class PeerPolicy(CalledLikeAModel, ABC):
    """Act with a `Peer`: the newest images, the state and the instruction give the next chunk of actions."""

    def __init__(
        self,
        model: Peer,
        features: Features,
        stats: Mapping[str, Stats],
        chain: Chain,
        max_words: int = MAX_WORDS,
    ) -> None:
        """Join a model with the robot it moves.

        Args:
            model: what sees, decides and is trained.
            features: what the robot shows and accepts.
            stats: of the demonstrations, kept with the policy.
            chain: from robot units to the model's and back.
            max_words: L, word pieces of the longest instruction that it reads whole.

        Raises:
            FeatureMismatchError: if the statistics are not of these features.
        """
        check_statistics(features, stats)
        # Convolutions are about twice as fast on CPUs when channels lie together.
        self.model: Peer = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.features, self.stats = features, stats
        self._chain, self._encoder = chain, FrozenTextEncoder(max_words=max_words)
        self._noise = EpisodeNoise()

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return ``type`` and the model's sizes as plain JSON."""

    def reset(self) -> None:
        """Forget the episode that just ended: noise begins anew."""
        self._noise.begin()

    def seed(self, seed: int) -> None:
        """Let the noise of the episode that begins depend on `seed` alone."""
        self._noise.begin(seed)

    @torch.no_grad()
    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
            NotFiniteError: if it holds a number that nobody could act on.
        """
        self.model.eval()
        batch = self._batch(one_look(observation, self.features))
        actions = self.model.sample(batch, self._noise.generator)
        return Chunk(self._chain.inverse({ACTION: actions.cpu().numpy()})[ACTION][0])

    def losses(self, windows: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and its terms, in model units.

        Args:
            windows: numpy, robot units. ``observation.images.<camera>`` uint8 ``[B, T, H, W, 3]`` and
                ``observation.state`` ``[B, T, S]``, of which the last frame is used, ``action``
                ``[B, K, A]``, ``action_is_pad`` ``[B, K]``, ``task`` a list of B instructions.

        Raises:
            FeatureMismatchError: if the windows are not what the policy was built for.
        """
        self._encoder.make_room(LEARNING)
        return self.model.losses(self._batch(windows))

    def _batch(self, windows: Mapping[str, Any]) -> Batch:
        """Go from windows in robot units to tensors in model units, on the model's device, one frame each."""
        units = self._chain.forward(with_state(windows, self.features))
        words, mask = self._encoder.encode(look_up(windows, TASK))
        longest = int(mask.sum(1).max())
        tensors = {
            "state": look_up(units, STATE)[:, -1:],
            "words": words[:, :longest],
            "words_mask": mask[:, :longest],
        }
        if ACTION in windows:
            is_pad = look_up(windows, IS_PAD)
            # What stands beyond the end of an episode may be anything, even NaN.
            actions = np.where(is_pad[..., None], np.float32(0), units[ACTION])
            tensors |= {"actions": actions, "is_pad": is_pad}
        images = camera_images(windows, self.features)
        batch = Batch(
            images=tuple(torch.from_numpy(image[:, -1:]) for image in images),
            **{name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in tensors.items()},
        )
        return batch.to(next(self.model.parameters()).device)


def targets(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the actions ``[B, K, A]`` to learn and which are padding ``[B, K]``.

    Raises:
        ValueError: if the batch is one to act on.
    """
    if batch.actions is None or batch.is_pad is None:
        raise ValueError("losses need actions and is_pad in the batch")
    return batch.actions, batch.is_pad
