"""Vision encoder: a ResNet whose every block the instruction modulates (FiLM), from views to patches.

::

    views [B, T, 3, H, W] of each camera
        |
    /4 stem -> blocks -> /8 -> blocks       every block is told the words and the camera
        v
    patches [B, T, P, F] of each camera

Shapes: B batch, T frames (always the present one alone), C camera, V views (one per camera), H x W pixels
and P patches, which may differ from camera to camera, F features per patch, N slots, D slot width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.initialisation import normal

STRIDE = 8
"""Pixels per patch, each way."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel; no batch statistics, so acting is as training."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, F, h, w]`` with each pixel normalised; free of copies in channels_last."""
        normalised: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return normalised.permute(0, 3, 1, 2)


class FiLMBlock(nn.Module):
    """Residual block that the instruction modulates (FiLM, Perez et al. 2018, arXiv:1709.07871)."""

    def __init__(self, width: int) -> None:
        """Build a block of `width` channels."""
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            # A deep sum of residuals keeps its scale when each one starts small.
            self.conv2.weight.mul_(0.5)

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """Return ``[B, F, h, w]``; `film` is ``[B, 2F]``, scales (around one) and shifts (around zero)."""
        hidden = self.conv1(self.norm(x))
        scale, shift = film.to(hidden.dtype)[:, :, None, None].chunk(2, 1)
        y: Tensor = x + self.conv2(F.relu(torch.addcmul(shift, hidden, 1 + scale)))
        return y


class FiLMResNet(nn.Module):
    """Vision encoder: a ResNet whose every block is modulated by the instruction (FiLM).

    All cameras share the convolutions; a learned offset per view tells them apart.
    """

    def __init__(
        self, *, image_sizes: Sequence[tuple[int, int]], condition: int, stem: int, width: int,
        stem_blocks: int, blocks: int,
    ) -> None:  # fmt: skip
        """Build the network.

        Args:
            image_sizes: (height, width) of each of the C cameras in pixels. Grey is added, right and below,
                up to a multiple of `STRIDE`.
            condition: N * D, size of the concatenated slots.
            stem: channels at a quarter of the resolution.
            width: F, channels at an eighth of the resolution.
            stem_blocks: residual blocks at a quarter.
            blocks: residual blocks at an eighth.
        """
        super().__init__()
        self.grids = [(-(-height // STRIDE), -(-width_px // STRIDE)) for height, width_px in image_sizes]
        self.spans = [(height / STRIDE, width_px / STRIDE) for height, width_px in image_sizes]
        self.stem = nn.Conv2d(3, stem, 4, 4)
        self.stem_blocks = nn.ModuleList(FiLMBlock(stem) for _ in range(stem_blocks))
        self.down = nn.Conv2d(stem, width, 2, 2)
        self.positions = nn.ParameterList(normal(1, width, *grid, std=0.02) for grid in self.grids)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(blocks))
        self.norm = ChannelNorm(width)
        self.film_sizes = [2 * stem] * stem_blocks + [2 * width] * blocks
        self.film = nn.Linear(condition, sum(self.film_sizes))
        self.film_of_view = nn.Parameter(torch.zeros(len(image_sizes), 1, sum(self.film_sizes)))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(
        self, views: Sequence[Tensor], slots: Tensor, cameras: Sequence[int] | None = None
    ) -> list[Tensor]:
        """Return patches ``[B, T, P, F]`` of each camera's views ``[B, T, 3, H, W]``, slots ``[B, N, D]``.

        `cameras` says whose views they are; None is all of them in turn.
        """
        film = self.film(slots.flatten(1))[:, None]
        of = range(len(self.positions)) if cameras is None else cameras
        return [
            self._camera(view, film + self.film_of_view[c], self.positions[c])
            for c, view in zip(of, views, strict=True)
        ]

    def _camera(self, views: Tensor, film: Tensor, positions: Tensor) -> Tensor:
        films = iter(film.flatten(0, 1).split(self.film_sizes, 1))
        x = self.stem(_padded(views.flatten(0, 1)).contiguous(memory_format=torch.channels_last))
        for block in self.stem_blocks:
            x = block(x, next(films))
        x = self.down(x)
        x = x + positions.to(x.dtype)
        for block in self.blocks:
            x = block(x, next(films))
        patches: Tensor = self.norm(x).flatten(2).transpose(1, 2).unflatten(0, views.shape[:2])
        return patches


def _padded(images: Tensor) -> Tensor:
    """Add middle grey to ``[N, 3, H, W]``, right and below, until both sides are multiples of `STRIDE`."""
    down, right = (-images.shape[-2] % STRIDE, -images.shape[-1] % STRIDE)
    return F.pad(images, (0, right, 0, down)) if down or right else images
