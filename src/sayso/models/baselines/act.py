"""ACT, the Action Chunking Transformer, given an instruction, to measure ourselves against it.

::

    cameras --ResNet-18--> [B, C * h * w, D] patches + 2-D sines --.
    state ------------------------------------> [B, D] ------------+--> encoder --> decoder <-- K queries
    words (frozen MiniLM) ---------------> [B, L, D] --------------|                   |
    z ----------------------------------------> [B, D] ------------'            actions [B, K, A]
    ^
    '-- training: drawn from what a second encoder makes of state and actions (CVAE); acting: zero

Zhao et al. 2023, arXiv:2304.13705, in the sizes LeRobot gives it: width 512, 8 heads, 4 encoder layers, 1
decoder layer (of the original's 7 only the first reaches the loss), a latent of 32, dropout, L1 + 10 KL,
targets standardised. That makes 51.8 M trained parameters. Three changes are ours:

- The words of the instruction are tokens beside the state's. (One vector per sentence, as others have it,
  cannot tell "A on B" from "B on A".)
- Chunks have 16 actions, not 100, so that it looks again as often as the others it is measured with.
- Without ImageNet's weights the backbone has group instead of frozen batch norms (`published.ResNet18`).

Its own learning rate is 1e-5 for batches of 8 with ImageNet's weights.

Shapes: B batch, C cameras, P patches per camera, L words, M memory tokens (2 + L + C * P), D width, Z latent,
K chunk, A action, S state.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.data.transforms import standardise
from sayso.models.baselines.published import PublishedConfig, ResNet18, WeightsFrom, published_type
from sayso.models.contract import Batch, Model
from sayso.models.pooling import pooled
from sayso.models.typed import within
from sayso.models.vla.action import or_zero, unpadded_mean
from sayso.models.words import WORD_WIDTH
from sayso.spec import Features

LIMITS: Mapping[str, tuple[float, float]] = {
    "width": (4, 10_000), "heads": (1, 100),
    "latent": (1, 10_000), "feedforward": (1, 100_000), "encoder_layers": (1, 100),
    "decoder_layers": (1, 100), "dropout": (0, 1), "kl_weight": (0, 1e6),
}  # fmt: skip
"""What no config goes beyond."""


@dataclass(frozen=True, kw_only=True)
class ActConfig(PublishedConfig):
    """ACT's sizes; the defaults are LeRobot's but for the chunk."""

    width: int = 512
    """D, a multiple of 4 and of `heads`."""
    heads: int = 8
    """Attention heads."""
    feedforward: int = 3200
    """Hidden width of every layer."""
    encoder_layers: int = 4
    """Layers over the memory, and as many in the CVAE's encoder."""
    decoder_layers: int = 1
    """Layers over the queries."""
    latent: int = 32
    """Z."""
    dropout: float = 0.1
    """Share of numbers left out in training."""
    kl_weight: float = 10.0
    """How dear it is for the latent to say something about the actions."""
    weights_from: WeightsFrom = "auto"
    """Where the backbone begins; a saved policy names where it began."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        super().__post_init__()
        within(self, LIMITS)
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width is {self.width}, but must be a multiple of 4 and of {self.heads} heads")


class ActionChunkingTransformer(Model):
    """ACT, a conditional VAE: one transformer over patches, words, state and latent."""

    config: ActConfig

    def __init__(self, config: ActConfig, *, state_dim: int, action_dim: int) -> None:
        """Build the model with fresh weights, drawn from torch's own generator.

        Args:
            config: its sizes.
            state_dim: S.
            action_dim: A.
        """
        super().__init__()
        c = config
        self.backbone = ResNet18(c.weights_from, c.stages)
        self.config = dataclasses.replace(c, weights_from=self.backbone.weights_from)
        self.latents = LatentEncoder(c, state_dim=state_dim, action_dim=action_dim)
        self.embed_patch = nn.Conv2d(self.backbone.channels, c.width, 1)
        self.embed_state = nn.Linear(max(1, state_dim), c.width)
        self.embed_latent = nn.Linear(c.latent, c.width)
        self.embed_word = nn.Linear(WORD_WIDTH, c.width)
        self.position = nn.Parameter(torch.randn(2 + c.max_words, c.width))
        self.encoder = nn.ModuleList(EncoderLayer(c) for _ in range(c.encoder_layers))
        self.query = nn.Parameter(torch.randn(c.chunk, c.width))
        self.decoder = nn.ModuleList(DecoderLayer(c) for _ in range(c.decoder_layers))
        self.norm = nn.LayerNorm(c.width)
        self.head = nn.Linear(c.width, action_dim)
        for layers in (self.encoder, self.decoder):
            for matrix in (p for p in layers.parameters() if p.ndim > 1):
                nn.init.xavier_uniform_(matrix)

    def predict(self, batch: Batch, latent: Tensor) -> Tensor:
        """Return actions, float32 ``[B, K, A]`` in model units, for latents ``[B, Z]``."""
        memory, position, padding = self._tokens(batch, latent)
        for layer in self.encoder:
            memory = layer(memory, position, padding)
        decided = torch.zeros_like(self.query).expand(len(memory), -1, -1)
        for layer in self.decoder:
            decided = layer(decided, self.query, memory, position, padding)
        actions: Tensor = self.head(self.norm(decided))
        return actions.float()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``total``, its terms ``action`` (L1) and ``kl``, for a latent drawn from what it encodes."""
        actions, is_pad = batch.targets()
        with self.autocast(batch):
            mean, log_variance = self.latents(batch.state[:, -1], actions, is_pad)
            latent = mean + (log_variance / 2).exp() * torch.randn(mean.shape).to(mean.device)
            error = (self.predict(batch, latent) - actions).abs()
        action = pooled([(unpadded_mean(error, is_pad), (~is_pad).sum())])
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1).mean()
        return {"total": action + self.config.kl_weight * kl, "action": action, "kl": kl}

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the actions for the latent's mean, zero; nothing is random here."""
        with self.autocast(batch):
            return self.predict(batch, batch.state.new_zeros(len(batch.state), self.config.latent))

    def _tokens(self, batch: Batch, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return memory tokens ``[B, M, D]``, their positions ``[M, D]`` and which are padding ``[B, M]``."""
        words = self.embed_word(batch.words)
        first = torch.stack([self.embed_latent(latent), self.embed_state(or_zero(batch.state[:, -1]))], 1)
        tokens, position = [first, words], [self.position[: 2 + words.shape[1]]]
        for images in batch.images:
            patches = self.embed_patch(self.backbone(images[:, -1]))
            tokens.append(patches.flatten(2).transpose(1, 2))
            position.append(
                sines_2d((patches.shape[-2], patches.shape[-1]), self.config.width).to(patches.device)
            )
        memory = torch.cat(tokens, 1)
        padding = memory.new_zeros(memory.shape[:2], dtype=torch.bool)
        padding[:, 2 : 2 + words.shape[1]] = ~batch.words_mask
        return memory, torch.cat(position), padding


class LatentEncoder(nn.Module):
    """CVAE encoder: in a few numbers, how these actions differ from others that would have done."""

    def __init__(self, config: ActConfig, *, state_dim: int, action_dim: int) -> None:
        """Build the encoder over a [CLS] token for the answer, one for the state and K for the actions."""
        super().__init__()
        c = config
        self.cls = nn.Parameter(torch.randn(1, c.width))
        self.embed_state = nn.Linear(max(1, state_dim), c.width)
        self.embed_action = nn.Linear(action_dim, c.width)
        self.layers = nn.ModuleList(EncoderLayer(c) for _ in range(c.encoder_layers))
        self.head = nn.Linear(c.width, 2 * c.latent)
        self.position: Tensor
        self.register_buffer("position", sines(torch.arange(2 + c.chunk), c.width), persistent=False)

    def forward(self, state: Tensor, actions: Tensor, is_pad: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, float32 ``[B, Z]``, of ``[B, S]``, ``[B, K, A]`` and ``[B, K]``."""
        cls = self.cls.expand(len(state), -1, -1)
        tokens = torch.cat([cls, self.embed_state(or_zero(state))[:, None], self.embed_action(actions)], 1)
        padding = F.pad(is_pad, (2, 0), value=False)
        for layer in self.layers:
            tokens = layer(tokens, self.position, padding)
        mean, log_variance = self.head(tokens[:, 0]).float().chunk(2, -1)
        return mean, log_variance


class EncoderLayer(nn.Module):
    """Transformer encoder layer, post-norm, that is told the positions anew (DETR's)."""

    def __init__(self, config: ActConfig) -> None:
        """Build the layer."""
        super().__init__()
        self.self_attention, self.mlp = _attention(config), _feedforward(config)
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, position: Tensor, padding: Tensor) -> Tensor:
        """Return ``[B, M, D]`` for tokens, positions ``[M, D]`` and padding ``[B, M]``."""
        placed = tokens + position
        attended, _ = self.self_attention(
            placed, placed, tokens, key_padding_mask=padding, need_weights=False
        )
        tokens = self.norm1(tokens + self.dropout(attended))
        thought: Tensor = self.norm2(tokens + self.dropout(self.mlp(tokens)))
        return thought


class DecoderLayer(nn.Module):
    """Transformer decoder layer: self-attention of the queries, cross-attention to the memory, an MLP."""

    def __init__(self, config: ActConfig) -> None:
        """Build the layer."""
        super().__init__()
        self.self_attention, self.cross_attention = _attention(config), _attention(config)
        self.mlp = _feedforward(config)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(config.width) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, query: Tensor, memory: Tensor, position: Tensor, padding: Tensor) -> Tensor:
        """Return ``[B, K, D]`` for queries' places ``[K, D]`` and the memory ``[B, M, D]``."""
        placed = x + query
        attended, _ = self.self_attention(placed, placed, x, need_weights=False)
        x = self.norm1(x + self.dropout(attended))
        seen, _ = self.cross_attention(
            x + query, memory + position, memory, key_padding_mask=padding, need_weights=False
        )
        x = self.norm2(x + self.dropout(seen))
        thought: Tensor = self.norm3(x + self.dropout(self.mlp(x)))
        return thought


def _attention(config: ActConfig) -> nn.MultiheadAttention:
    return nn.MultiheadAttention(config.width, config.heads, dropout=config.dropout, batch_first=True)


def _feedforward(config: ActConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(config.width, config.feedforward),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.feedforward, config.width),
    )


def sines(places: Tensor, width: int) -> Tensor:
    """Return sines and cosines ``[n, width]`` of places ``[n]`` (Vaswani et al. 2017, arXiv:1706.03762)."""
    rate = torch.exp(-math.log(10_000) / width * torch.arange(0, width, 2, device=places.device))
    angles = places[:, None] * rate
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def sines_2d(grid: tuple[int, int], channels: int) -> Tensor:
    """Return ``[P, channels]`` for a grid (down, right) of P places: half tell the row, half the column.

    Places run from 0 to 2 pi over the image whatever its size (Carion et al. 2020, arXiv:2005.12872).
    """
    down, right = (sines(2 * math.pi * torch.arange(1, n + 1) / n, channels // 2) for n in grid)
    both = [down[:, None].expand(-1, grid[1], -1), right[None].expand(grid[0], -1, -1)]
    return torch.cat(both, -1).flatten(0, 1)


def _build(fields: Mapping[str, Any], features: Features) -> ActionChunkingTransformer:
    sizes = ActConfig.from_json(fields)
    return ActionChunkingTransformer(sizes, state_dim=len(features.state), action_dim=len(features.action))


ACT = published_type(
    _build,
    ActConfig.from_json,
    standardise,
    tiny={
        "width": 32, "heads": 4, "feedforward": 64, "encoder_layers": 1, "latent": 4, "dropout": 0.0,
        "weights_from": "random",
    },
    renames=(
        ("attend", "self_attention"),
        ("look", "cross_attention"),
        ("think", "mlp"),
        ("norms.0", "norm1"),
        ("norms.1", "norm2"),
        ("norms.2", "norm3"),
        ("answer", "cls"),
    ),
    learning=("kl_weight",),
)  # fmt: skip
"""Its row in the table of models."""
