"""See what was asked for: images and the instruction's slots in, a few looked-at places out.

::

    images uint8 [B, T, C, H, W, 3] --prepare--> float [B, V, 3, H, W], V = T * C views
        |
    FiLMResNet     /4 stem -> blocks -> /8 -> blocks       every block is told the words and the camera
        v
    patches [B, V, P, F]
        |                      slot "object" ---.   slot "place" ---.   learned ----.
    Pointer                                     v                   v               v
        |         heat-map over the P patches and one more place: "not in this view"
        v
    Glance         per view and query: what is there, where it is, whether it is there at all

Shapes: B batch, T history, C camera, V views (T * C, the present ones last), H x W pixels, P patches,
F features per patch, N slots, D slot width, R referents, G free queries, Q = R + G queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 8
"""Pixels per patch, each way."""

HEAT_SIGMA = 0.7
"""Width of the Gaussian around a labelled point that a heat-map is trained towards, in patches."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Say how much training images are varied. Hues are never turned: instructions name colours."""

    shift_px: int = 0
    """Largest shift each way. The actions do not follow it, so it costs precision: keep it small."""
    brightness: float = 0.1
    """Largest change of all pixels, in units of the full range."""
    contrast: float = 0.2
    """Largest relative change of contrast around middle grey."""
    colour_gain: float = 0.08
    """Largest relative change of red, green and blue, each on its own."""


def prepare(images: Tensor) -> Tensor:
    """Turn uint8 ``[B, T, C, H, W, 3]`` into float ``[B, V, 3, H, W]`` in -1..1: the only place that does."""
    return _as_views(images.float().mul_(2 / 255).sub_(1))


def prepare_augmented(
    images: Tensor, points: Tensor | None, how: Augmentation, generator: torch.Generator | None
) -> tuple[Tensor, Tensor | None]:
    """Do what `prepare` does to randomly shifted and tinted images.

    One draw per sample and camera, the same for all of its history.

    Args:
        images: uint8 ``[B, T, C, H, W, 3]``.
        points: ``[B, C, R, 3]`` (u, v, visible), moved along with the pixels; what leaves the image becomes
            invisible.
        how: how far to go.
        generator: source of the randomness; None is torch's own.

    Returns:
        Views ``[B, V, 3, H, W]`` in about -1..1, and the points.
    """
    batch, _, cameras, height, width, _ = images.shape
    shift = torch.randint(-how.shift_px, how.shift_px + 1, (batch, cameras, 2), generator=generator)
    if how.shift_px:
        images = _shifted(images, shift)
        points = None if points is None else _shifted_points(points, shift, height, width)

    def draw(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(batch, 1, cameras, 1, 1, *shape, generator=generator) - 1)

    contrast = 1 + draw(how.contrast, 1)
    gain = 2 / 255 * contrast * (1 + draw(how.colour_gain, 3))
    offset = 2 * draw(how.brightness, 1) - contrast
    tinted = images.float().mul_(gain.to(images.device)).add_(offset.to(images.device))
    return _as_views(tinted), points


def _as_views(images: Tensor) -> Tensor:
    """Fold history and cameras into views and put channels first, without moving memory."""
    return images.flatten(1, 2).permute(0, 1, 4, 2, 3)


def _shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Move each sample's and camera's pixels by (right, down); uncovered borders keep what they showed."""
    moved = images.clone()
    height, width = images.shape[3:5]
    for b, row in enumerate(shift.tolist()):
        for c, (right, down) in enumerate(row):
            to_y, to_x = _overlap(down, height), _overlap(right, width)
            from_y, from_x = _overlap(-down, height), _overlap(-right, width)
            moved[b, :, c, to_y, to_x] = images[b, :, c, from_y, from_x]
    return moved


def _overlap(shift: int, size: int) -> slice:
    """Return the pixels that a shift lands on."""
    return slice(max(shift, 0), size + min(shift, 0))


def _shifted_points(points: Tensor, shift: Tensor, height: int, width: int) -> Tensor:
    """Move labels ``[B, C, R, 3]`` by a shift in pixels ``[B, C, 2]`` (right, down)."""
    size = torch.tensor([width, height], device=points.device)
    uv = points[..., :2] + (shift.to(points.device) / size)[:, :, None]
    inside = ((uv >= 0) & (uv <= 1)).all(-1, keepdim=True)
    return torch.cat([uv, points[..., 2:] * inside], -1)


class ChannelNorm(nn.LayerNorm):
    """Normalise the channels of each pixel: no statistics over the batch, so nothing differs when acting."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, F, h, w]`` with each pixel normalised; free of copies in channels_last."""
        normalised: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return normalised.permute(0, 3, 1, 2)


class FiLMBlock(nn.Module):
    """Add a residual that the instruction modulates (FiLM, Perez et al. 2018, arXiv:1709.07871)."""

    def __init__(self, width: int) -> None:
        """Build a block of `width` channels."""
        super().__init__()
        self.norm = ChannelNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            # A deep sum of residuals keeps its scale when each one starts small.
            self.second.weight.mul_(0.5)

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """Return ``[B, F, h, w]``; `film` is ``[B, 2F]``, scales (around one) and shifts (around zero)."""
        hidden = self.first(self.norm(x))
        scale, shift = film.to(hidden.dtype)[:, :, None, None].chunk(2, 1)
        y: Tensor = x + self.second(F.relu(torch.addcmul(shift, hidden, 1 + scale)))
        return y


class FiLMResNet(nn.Module):
    """Turn every view into a map of patches, reading the instruction from the first block on.

    All cameras share the convolutions; a learned offset per view tells them apart.
    """

    def __init__(
        self, *, views: int, condition: int, image_size: tuple[int, int], stem: int, width: int,
        stem_blocks: int, blocks: int,
    ) -> None:  # fmt: skip
        """Build the network.

        Args:
            views: V, cameras times history.
            condition: N * D, size of the concatenated slots.
            image_size: (height, width) in pixels, multiples of 8.
            stem: channels at a quarter of the resolution.
            width: F, channels at an eighth of the resolution.
            stem_blocks: residual blocks at a quarter.
            blocks: residual blocks at an eighth.
        """
        super().__init__()
        if image_size[0] % STRIDE or image_size[1] % STRIDE:
            raise ValueError(f"image_size is {image_size}, but both must be multiples of {STRIDE}")
        self.grid = (image_size[0] // STRIDE, image_size[1] // STRIDE)
        self.stem = nn.Conv2d(3, stem, 4, 4)
        self.stem_blocks = nn.ModuleList(FiLMBlock(stem) for _ in range(stem_blocks))
        self.down = nn.Conv2d(stem, width, 2, 2)
        self.positions = nn.Parameter(0.02 * torch.randn(1, width, *self.grid))
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(blocks))
        self.norm = ChannelNorm(width)
        self.film_sizes = [2 * stem] * stem_blocks + [2 * width] * blocks
        self.film = nn.Linear(condition, sum(self.film_sizes))
        self.film_of_view = nn.Parameter(torch.zeros(views, sum(self.film_sizes)))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, views: Tensor, slots: Tensor) -> Tensor:
        """Return patches ``[B, V, P, F]`` of views ``[B, V, 3, H, W]`` under slots ``[B, N, D]``."""
        batch = len(views)
        film = self.film(slots.flatten(1))[:, None] + self.film_of_view
        films = iter(film.flatten(0, 1).split(self.film_sizes, 1))
        x = self.stem(views.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        for block in self.stem_blocks:
            x = block(x, next(films))
        x = self.down(x)
        x = x + self.positions.to(x.dtype)
        for block in self.blocks:
            x = block(x, next(films))
        patches: Tensor = self.norm(x).flatten(2).transpose(1, 2).unflatten(0, (batch, -1))
        return patches


class Glance(NamedTuple):
    """Say what each query found in each view."""

    seen: Tensor
    """``[B, V, Q, F]`` what is there."""
    where: Tensor
    """``[B, V, Q, 2]`` expected u (image right) and v (image down), 0..1."""
    presence: Tensor
    """``[B, V, Q]`` probability that it is in the view at all."""
    log_heat: Tensor
    """``[B, V, Q, P + 1]`` log of the heat-map; the last entry is "not in this view"."""


class Pointer(nn.Module):
    """Look for what the words name: attention over the patches of each view, with a way to say "not here".

    The first R queries come one each from the first R slots and learn from labelled points to say where what
    is named stands ("grounding"); the other G come from all slots and look wherever it helps the action.
    """

    def __init__(
        self, *, views: int, slots: int, slot_width: int, width: int, referents: int, free: int,
        grid: tuple[int, int],
    ) -> None:  # fmt: skip
        """Build the queries.

        Args:
            views: V.
            slots: N, at least R.
            slot_width: D.
            width: F, features per patch.
            referents: R, queries that labels train.
            free: G, queries that only the actions train.
            grid: patches (down, right).
        """
        super().__init__()
        self.referents, self.free, self.grid, self.width = referents, free, grid, width
        self.ask_referent = nn.Linear(slot_width, width)
        self.ask_free = nn.Linear(slots * slot_width, free * width)
        self.ask_in_view = nn.Parameter(0.5 * torch.randn(views, referents + free, width))
        self.absent = nn.Parameter(torch.randn(width))
        down, right = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
        centres = torch.stack([(right + 0.5) / grid[1], (down + 0.5) / grid[0]], -1).flatten(0, 1)
        self.centres: Tensor
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, patches: Tensor, slots: Tensor) -> Glance:
        """Return a `Glance` for patches ``[B, V, P, F]`` and slots ``[B, N, D]``, in float32 throughout."""
        with torch.autocast(patches.device.type, enabled=False):
            patches, slots = patches.float(), slots.float()
            queries = self._queries(slots) * self.width**-0.5
            here = queries @ patches.transpose(2, 3)
            nowhere = (queries @ self.absent)[..., None]
            log_heat = F.log_softmax(torch.cat([here, nowhere], -1), -1)
            heat = log_heat.exp()
            among_patches = here.softmax(-1)
            return Glance(
                seen=heat[..., :-1] @ patches,
                where=among_patches @ self.centres,
                presence=1 - heat[..., -1],
                log_heat=log_heat,
            )

    def _queries(self, slots: Tensor) -> Tensor:
        """Return ``[B, V, Q, F]``."""
        named = self.ask_referent(slots[:, : self.referents])
        free = self.ask_free(slots.flatten(1)).unflatten(1, (self.free, self.width))
        return torch.cat([named, free], 1)[:, None] + self.ask_in_view

    def loss(self, glance: Glance, points: Tensor) -> tuple[Tensor, Tensor]:
        """Compare the referents' heat-maps in the present views with labelled points.

        Args:
            glance: what `forward` returned.
            points: ``[B, C, R, 3]`` u, v in 0..1 and whether visible, 0 or 1.

        Returns:
            Cross-entropy to a small Gaussian around each visible point, or to "not in this view"; and the
            mean distance in u plus v over visible points, in image widths.
        """
        cameras = points.shape[1]
        log_heat = glance.log_heat[:, -cameras:, : self.referents]
        where = glance.where[:, -cameras:, : self.referents]
        visible = points[..., 2] > 0.5
        uv = torch.where(visible[..., None], points[..., :2], 0.5)
        target = torch.cat([self._gaussian(uv) * visible[..., None], (~visible)[..., None].float()], -1)
        cross_entropy = -(target * log_heat).sum(-1).mean()
        distance = (where - uv).abs().sum(-1) * visible
        return cross_entropy, distance.sum() / visible.sum().clamp(min=1)

    def _gaussian(self, uv: Tensor) -> Tensor:
        """Return a heat-map ``[..., P]`` that sums to one, around points ``[..., 2]``."""
        patches = torch.tensor([self.grid[1], self.grid[0]], device=uv.device)
        offset = (uv[..., None, :] - self.centres) * patches
        return (-offset.square().sum(-1) / (2 * HEAT_SIGMA**2)).softmax(-1)
