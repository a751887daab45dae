"""Diffusion Policy, given an instruction, to measure ourselves against it: noise is turned into actions.

::

    cameras --ResNet-18, spatial softmax--> keypoints --.
    words (frozen MiniLM) --mean--> sentence -----------+--> condition, with the time of the diffusion
    state ----------------------------------------------'        | modulates every block (FiLM)
                                                                 v
    noisy chunk [B, K, A] --> 1-D U-Net over the steps of the chunk --> the noise in it [B, K, A]

Chi et al. 2023, arXiv:2303.04137, the variant with convolutions: random crops of nine tenths, group norms, 32
keypoints per camera, targets and states scaled to -1..1 by their extremes, a squared-cosine schedule of 100
steps that is trained on the noise (epsilon), and 10 steps of DDIM (Song et al. 2021, arXiv:2010.02502) when
acting. Three changes are ours:

- The instruction's sentence vector is part of the condition.
- The U-Net has widths of 128, 256 and 512 instead of 512, 1024 and 2048. That makes 29.5 M trained
  parameters.
- It sees one frame, not two: between looks it carries out as many actions as all it is measured with.

Its own learning rate is 1e-4 for batches of 64.

Shapes: B batch, C cameras, F features, K chunk, A action, S state, G condition, D channels of a level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.data.transforms import Chain, Standardise
from sayso.models.baselines.act import sines
from sayso.models.baselines.published import PublishedConfig, ResNet18, published_type
from sayso.models.contract import Batch, Model
from sayso.models.pooling import pooled
from sayso.models.typed import within
from sayso.models.vla.action import unpadded_mean
from sayso.models.words import WORD_WIDTH
from sayso.spec import Features

GROUPS = 8
"""Groups of every group norm in the U-Net."""


LIMITS: Mapping[str, tuple[float, float]] = {
    "widths": (GROUPS, 10_000), "kernel": (1, 99),
    "time_width": (2, 10_000), "text_width": (1, 10_000), "keypoints": (1, 10_000), "crop": (0.1, 1),
    "train_steps": (1, 10_000), "sample_steps": (1, 10_000),
}  # fmt: skip
"""What no config goes beyond."""


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(PublishedConfig):
    """Sizes of the model and of its noise schedule; every level of the U-Net but the last halves chunks."""

    widths: tuple[int, ...] = (128, 256, 512)
    """D of each level of the U-Net, multiples of 8; each but the last halves the number of steps."""
    kernel: int = 5
    """Steps of the chunk that a convolution reaches over."""
    time_width: int = 128
    """Numbers that tell the time of the diffusion."""
    text_width: int = 128
    """Numbers that tell the instruction."""
    keypoints: int = 32
    """Places that are looked at in every image."""
    crop: float = 0.9
    """Side of the part of every image that is seen: a random one in training, the middle when acting."""
    train_steps: int = 100
    """Steps of the schedule of noise."""
    sample_steps: int = 10
    """Steps of DDIM when acting; must divide `train_steps`."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        super().__post_init__()
        within(self, LIMITS)
        if not self.widths or len(self.widths) > 10 or any(width % GROUPS for width in self.widths):
            raise ValueError(f"widths are {self.widths}, but must be up to 10 multiples of {GROUPS}")
        if not self.kernel % 2 or self.time_width % 2:
            raise ValueError(
                f"kernel is {self.kernel} and must be odd, time_width {self.time_width} and even"
            )
        halvings = 2 ** (len(self.widths) - 1)
        if self.chunk % halvings:
            raise ValueError(
                f"chunk is {self.chunk}, but {len(self.widths)} levels need a multiple of {halvings}"
            )
        if self.train_steps % self.sample_steps:
            raise ValueError(f"{self.sample_steps} sample_steps do not divide {self.train_steps} train_steps")


class DiffusionModel(Model):
    """Diffusion Policy: a condition made once, and a U-Net that takes noise away under it."""

    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig, *, cameras: int, state_dim: int, action_dim: int) -> None:
        """Build the model for C cameras, S and A, with fresh weights drawn from torch's own generator."""
        super().__init__()
        c = self.config = config
        self.action_dim = action_dim
        self.backbone = ResNet18("random", c.stages)
        self.keypoints = SpatialSoftmax(self.backbone.channels, c.keypoints)
        self.embed_text = nn.Linear(WORD_WIDTH, c.text_width)
        self.unet = UNet(
            c, condition=cameras * 2 * c.keypoints + c.text_width + state_dim, action_dim=action_dim
        )
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", squared_cosine(c.train_steps), persistent=False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of the noise at one random time per sample, as ``total``."""
        actions, is_pad = batch.targets()
        # Drawn where torch's own generator is, so that a seed means the same on every device.
        noise = torch.randn(actions.shape).to(actions.device)
        time = torch.randint(self.config.train_steps, (len(actions),)).to(actions.device)
        alpha = self.alphas_cumprod[time][:, None, None]
        noisy = alpha.sqrt() * actions + (1 - alpha).sqrt() * noise
        with self.autocast(batch):
            guess = self.unet(noisy, time, self.condition(batch))
        error = unpadded_mean((guess - noise).square(), is_pad)
        return {"total": pooled([(error, (~is_pad).sum())])}

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return actions, float32 ``[B, K, A]``, a different draw each time (DDIM, eq. 12 with sigma = 0)."""
        c, device = self.config, batch.state.device
        chunk = torch.randn(len(batch.state), c.chunk, self.action_dim, generator=generator).to(device)
        stride = c.train_steps // c.sample_steps
        with self.autocast(batch):
            condition = self.condition(batch)
            for time in range(c.train_steps - stride, -1, -stride):
                alpha, next_alpha = (
                    self.alphas_cumprod[time],
                    self.alphas_cumprod[time - stride] if time else self.alphas_cumprod.new_ones(()),
                )
                noise = self.unet(chunk, chunk.new_full((len(chunk),), time), condition)
                clean = ((chunk - (1 - alpha).sqrt() * noise) / alpha.sqrt()).clamp(-1, 1)
                # What is left of the noise once the clean chunk is known to lie in -1..1.
                noise = (chunk - alpha.sqrt() * clean) / (1 - alpha).sqrt()
                chunk = next_alpha.sqrt() * clean + (1 - next_alpha).sqrt() * noise
        return chunk

    @property
    def draws_noise(self) -> bool:
        """Tell that every chunk begins as noise."""
        return True

    def condition(self, batch: Batch) -> Tensor:
        """Return what the actions depend on, ``[B, G]``: keypoints, sentence, state."""
        places = [self.keypoints(self.backbone(self._cropped(images[:, -1]))) for images in batch.images]
        # Padding is zero; the mean over words is what this encoder was trained to be pooled by.
        sentence = batch.words.sum(1) / batch.words_mask.sum(1, keepdim=True)
        return torch.cat([*places, self.embed_text(sentence), batch.state[:, -1]], -1)

    def _cropped(self, images: Tensor) -> Tensor:
        """Return part of each image ``[N, H, W, 3]``: another one each in training, else the middle."""
        height, width = (round(self.config.crop * side) for side in images.shape[1:3])
        down, right = images.shape[1] - height, images.shape[2] - width
        if not self.training:
            return images[:, down // 2 : down // 2 + height, right // 2 : right // 2 + width]
        corners = zip(_draw(down, len(images)), _draw(right, len(images)), strict=True)
        parts = [image[y : y + height, x : x + width] for image, (y, x) in zip(images, corners, strict=True)]
        return torch.stack(parts)


def _draw(limit: int, n: int) -> list[int]:
    """Draw n whole numbers from 0 to `limit`, both included."""
    numbers: list[int] = torch.randint(limit + 1, (n,)).tolist()
    return numbers


def squared_cosine(steps: int) -> Tensor:
    """Return how much of the signal's power is left after each of `steps` times of noise, ``[steps]``.

    This is alpha-bar of the squared-cosine schedule (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17).
    """
    ends = torch.arange(steps + 1, dtype=torch.float64) / steps
    power = ((ends + 0.008) / 1.008 * math.pi / 2).cos().square()
    return (1 - (1 - power[1:] / power[:-1]).clamp(max=0.999)).cumprod(0).float()


class SpatialSoftmax(nn.Module):
    """Spatial softmax: feature maps become keypoints, one for each of n detectors (Levine et al. 2016)."""

    def __init__(self, features: int, keypoints: int) -> None:
        """Build n = `keypoints` detectors."""
        super().__init__()
        self.conv = nn.Conv2d(features, keypoints, 1)
        self.linear = nn.Sequential(nn.Linear(2 * keypoints, 2 * keypoints), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        """Return ``[N, 2n]`` for features ``[N, F, h, w]``: expected places in -1..1, one linear layer on."""
        heat = self.conv(features).float()
        height, width = heat.shape[-2:]
        down = torch.linspace(-1, 1, height, device=heat.device)
        right = torch.linspace(-1, 1, width, device=heat.device)
        share = heat.flatten(2).softmax(-1).unflatten(-1, (height, width))
        places = torch.cat([(share.sum(2) * right).sum(-1), (share.sum(3) * down).sum(-1)], -1)
        told: Tensor = self.linear(places)
        return told


class UNet(nn.Module):
    """Denoising U-Net over the steps of a chunk: down to fewer and up again, with skip connections."""

    def __init__(self, config: DiffusionConfig, *, condition: int, action_dim: int) -> None:
        """Build the levels of ``config.widths`` for G = `condition` numbers and A = `action_dim`."""
        super().__init__()
        c = config
        self.time_width = c.time_width
        self.embed_time = nn.Sequential(
            nn.Linear(c.time_width, 4 * c.time_width), nn.Mish(), nn.Linear(4 * c.time_width, c.time_width)
        )

        def blocks(*widths: int) -> nn.ModuleList:
            told = condition + c.time_width
            return nn.ModuleList(FiLMBlock1d(a, b, told, c.kernel) for a, b in pairwise(widths))

        fine, coarse = c.widths[:-1], c.widths[1:]
        self.down = nn.ModuleList(blocks(a, b, b) for a, b in zip((action_dim, *fine), c.widths, strict=True))
        self.downsample = nn.ModuleList(nn.Conv1d(width, width, 3, 2, 1) for width in fine)
        self.mid = blocks(c.widths[-1], c.widths[-1], c.widths[-1])
        levels = list(zip(fine, coarse, strict=True))[::-1]
        self.up = nn.ModuleList(blocks(2 * b, a, a) for a, b in levels)
        self.upsample = nn.ModuleList(nn.ConvTranspose1d(a, a, 4, 2, 1) for a, _ in levels)
        first = c.widths[0]
        self.out = nn.Sequential(ConvBlock1d(first, first, c.kernel), nn.Conv1d(first, action_dim, 1))

    def forward(self, noisy: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Return the noise, float32 ``[B, K, A]``, in chunks ``[B, K, A]`` at times ``[B]``."""
        told = torch.cat([self.embed_time(sines(time, self.time_width)), condition], -1)
        x, shortcuts = noisy.transpose(1, 2), []
        for level, first_and_second in enumerate(self.down):
            x = _through(first_and_second, x, told)
            shortcuts.append(x)
            if level < len(self.downsample):
                x = self.downsample[level](x)
        x = _through(self.mid, x, told)
        for blocks, upsample in zip(self.up, self.upsample, strict=True):
            x = upsample(_through(blocks, torch.cat([x, shortcuts.pop()], 1), told))
        answer: Tensor = self.out(x)
        return answer.transpose(1, 2).float()


def _through(blocks: nn.Module, x: Tensor, told: Tensor) -> Tensor:
    for block in blocks.children():
        x = block(x, told)
    return x


class ConvBlock1d(nn.Sequential):
    """Convolution over the steps of a chunk, group normalisation and Mish."""

    def __init__(self, given: int, width: int, kernel: int) -> None:
        """Build the block from `given` to `width` channels."""
        super().__init__(
            nn.Conv1d(given, width, kernel, padding=kernel // 2), nn.GroupNorm(GROUPS, width), nn.Mish()
        )


class FiLMBlock1d(nn.Module):
    """Residual block that the condition modulates (FiLM, Perez et al. 2018, arXiv:1709.07871)."""

    def __init__(self, given: int, width: int, condition: int, kernel: int) -> None:
        """Build the block from `given` to `width` channels, told `condition` numbers."""
        super().__init__()
        self.conv1, self.conv2 = ConvBlock1d(given, width, kernel), ConvBlock1d(width, width, kernel)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * width))
        self.shortcut = nn.Conv1d(given, width, 1) if given != width else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return ``[B, width, K]`` for ``[B, given, K]`` and what is told ``[B, condition]``."""
        scale, shift = self.film(told)[..., None].chunk(2, 1)
        y: Tensor = self.conv2(scale * self.conv1(x) + shift) + self.shortcut(x)
        return y


def _build(fields: Mapping[str, Any], features: Features) -> DiffusionModel:
    return DiffusionModel(
        DiffusionConfig.from_json(fields),
        cameras=len(features.cameras),
        state_dim=len(features.state),
        action_dim=len(features.action),
    )


def scale_to_extremes(stats: Mapping[str, Stats]) -> Chain:
    """Return the chain that brings every feature there are statistics for to -1..1."""
    return Chain(tuple(_by_extremes(key, s) for key, s in stats.items()))


def _by_extremes(key: str, stats: Stats) -> Standardise:
    """Return what brings a feature to -1..1: its middle subtracted, half its range as the unit."""
    ends = list(zip(stats.min, stats.max, strict=True))
    middle, half = tuple((a + b) / 2 for a, b in ends), tuple((b - a) / 2 for a, b in ends)
    return Standardise(key=key, mean=middle, std=half)


DIFFUSION = published_type(
    _build,
    DiffusionConfig.from_json,
    scale_to_extremes,
    tiny={"widths": (16, 32), "keypoints": 8, "time_width": 16, "text_width": 16},
    renames=(
        ("keypoints.detect", "keypoints.conv"),
        ("keypoints.think", "keypoints.linear"),
        ("first", "conv1"),
        ("second", "conv2"),
        ("shorten", "downsample"),
        ("lengthen", "upsample"),
        ("middle", "mid"),
        ("answer", "out"),
    ),
)
"""Its row in the table of models."""
