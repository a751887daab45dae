"""Vision encoder (FiLM ResNet) and keypoints: what was asked for is looked up in every view.

::

    images uint8 [B, T, H, W, 3] of each camera --prepare--> float [B, T, 3, H, W]
        |
    FiLMResNet     /4 stem -> blocks -> /8 -> blocks       every block is told the words and the camera
        v
    patches [B, T, P, F] of each camera
        |                      slot "object" ---.   slot "place" ---.   learned ----.
    Pointer                                     v                   v               v
        |         heat-map over the P patches and one more place: "not in this view"
        v
    Keypoints      per view and query: what is there, where it is, whether it is there at all

Shapes: B batch, T frames (always the present one alone), C camera, V views (one per camera), H x W pixels
and P patches, which may differ from camera to camera, F features per patch, N slots, D slot width,
R referents, G free queries, Q = R + G queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.typed import within

STRIDE = 8
"""Pixels per patch, each way."""

HEAT_SIGMA = 0.7
"""Width of the Gaussian around a labelled point that a heat-map is trained towards, in patches."""
PEAK = 2
"""How far around the best patch a heat-map counts when acting, in patches."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Image augmentation in training. Hues are never turned: instructions name colours."""

    shift_px: int = 0
    """Largest shift each way. The actions do not follow it, so it costs precision: keep it small."""
    brightness: float = 0.1
    """Largest change of all pixels, in units of the full range."""
    contrast: float = 0.2
    """Largest relative change of contrast around middle grey."""
    colour_gain: float = 0.08
    """Largest relative change of red, green and blue, each on its own."""

    def __post_init__(self) -> None:
        """Refuse what would leave nothing of an image."""
        within(self, {"shift_px": (0, 1000), "brightness": (0, 1), "contrast": (0, 1), "colour_gain": (0, 1)})


def prepare(images: Tensor) -> Tensor:
    """Turn uint8 ``[B, T, H, W, 3]`` into float ``[B, T, 3, H, W]`` in -1..1: the only place that does."""
    return images.float().mul_(2 / 255).sub_(1).permute(0, 1, 4, 2, 3)


def prepare_augmented(
    images: Tensor, points: Tensor | None, how: Augmentation, generator: torch.Generator | None
) -> tuple[Tensor, Tensor | None]:
    """Do what `prepare` does to randomly shifted and tinted images of one camera.

    One draw per sample, the same for all of its history.

    Args:
        images: uint8 ``[B, T, H, W, 3]``.
        points: ``[B, R, 3]`` (u, v, visible), moved along with the pixels; what leaves the image becomes
            invisible.
        how: how far to go.
        generator: source of the randomness; None is torch's own.

    Returns:
        Views ``[B, T, 3, H, W]`` in about -1..1, and the points.
    """
    batch, _, height, width, _ = images.shape
    if how.shift_px:
        shift = torch.randint(-how.shift_px, how.shift_px + 1, (batch, 2), generator=generator)
        images = _shifted(images, shift)
        points = None if points is None else _shifted_points(points, shift, height, width)

    def draw(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(batch, 1, 1, 1, *shape, generator=generator) - 1)

    contrast = 1 + draw(how.contrast, 1)
    gain = 2 / 255 * contrast * (1 + draw(how.colour_gain, 3))
    offset = 2 * draw(how.brightness, 1) - contrast
    tinted = images.float().mul_(gain.to(images.device)).add_(offset.to(images.device))
    return tinted.permute(0, 1, 4, 2, 3), points


def _shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Move each sample's pixels by (right, down); uncovered borders keep what they showed."""
    moved = images.clone()
    height, width = images.shape[2:4]
    for b, (right, down) in enumerate(shift.tolist()):
        to_y, to_x = _overlap(down, height), _overlap(right, width)
        from_y, from_x = _overlap(-down, height), _overlap(-right, width)
        moved[b, :, to_y, to_x] = images[b, :, from_y, from_x]
    return moved


def _overlap(shift: int, size: int) -> slice:
    """Return the pixels that a shift lands on."""
    return slice(max(shift, 0), size + min(shift, 0))


def _shifted_points(points: Tensor, shift: Tensor, height: int, width: int) -> Tensor:
    """Move labels ``[B, R, 3]`` by a shift in pixels ``[B, 2]`` (right, down)."""
    size = torch.tensor([width, height], device=points.device)
    uv = points[..., :2] + (shift.to(points.device) / size)[:, None]
    inside = ((uv >= 0) & (uv <= 1)).all(-1, keepdim=True)
    return torch.cat([uv, points[..., 2:] * inside], -1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel: acting differs in nothing from training."""

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
        self.positions = nn.ParameterList(0.02 * torch.randn(1, width, *grid) for grid in self.grids)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(blocks))
        self.norm = ChannelNorm(width)
        self.film_sizes = [2 * stem] * stem_blocks + [2 * width] * blocks
        self.film = nn.Linear(condition, sum(self.film_sizes))
        self.film_of_view = nn.Parameter(torch.zeros(len(image_sizes), 1, sum(self.film_sizes)))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, views: Sequence[Tensor], slots: Tensor) -> list[Tensor]:
        """Return patches ``[B, T, P, F]`` of each camera's views ``[B, T, 3, H, W]``, slots ``[B, N, D]``."""
        film = self.film(slots.flatten(1))[:, None]
        cameras = zip(views, self.film_of_view, self.positions, strict=True)
        return [self._camera(view, film + offset, positions) for view, offset, positions in cameras]

    def _camera(self, views: Tensor, film: Tensor, positions: Tensor) -> Tensor:
        films = iter(film.flatten(0, 1).split(self.film_sizes, 1))
        x = self.stem(_filled_up(views.flatten(0, 1)).contiguous(memory_format=torch.channels_last))
        for block in self.stem_blocks:
            x = block(x, next(films))
        x = self.down(x)
        x = x + positions.to(x.dtype)
        for block in self.blocks:
            x = block(x, next(films))
        patches: Tensor = self.norm(x).flatten(2).transpose(1, 2).unflatten(0, views.shape[:2])
        return patches


def _filled_up(images: Tensor) -> Tensor:
    """Add middle grey to ``[N, 3, H, W]``, right and below, until both sides are multiples of `STRIDE`."""
    down, right = (-images.shape[-2] % STRIDE, -images.shape[-1] % STRIDE)
    return F.pad(images, (0, right, 0, down)) if down or right else images


class Keypoints(NamedTuple):
    """Keypoints: what each query found in each view."""

    seen: Tensor
    """``[B, V, Q, F]`` what is there."""
    where: Tensor
    """``[B, V, Q, 2]`` expected u (image right) and v (image down), 0..1."""
    presence: Tensor
    """``[B, V, Q]`` probability that it is in the view at all."""
    log_heats: list[Tensor]
    """``[B, T, Q, P + 1]`` of each camera: log of the heat-map; the last entry is "not in this view"."""


class Pointer(nn.Module):
    """Grounding: cross-attention of queries to the patches of each view, with a way to say "not here".

    The first R queries come one each from the first R slots and learn from labelled points to say where what
    is named stands ("grounding"); the other G come from all slots and look wherever it helps the action.
    """

    def __init__(
        self, *, grids: Sequence[tuple[int, int]], spans: Sequence[tuple[float, float]], slots: int,
        slot_width: int, width: int, referents: int, free: int,
    ) -> None:  # fmt: skip
        """Build the queries.

        Args:
            grids: patches (down, right) of each of the C cameras.
            spans: how many of them its image fills, a fraction where the last ones are cut.
            slots: N, at least R.
            slot_width: D.
            width: F, features per patch.
            referents: R, queries that labels train.
            free: G, queries that only the actions train.
        """
        super().__init__()
        self.referents, self.free, self.spans, self.width = referents, free, list(spans), width
        self.ask_referent = nn.Linear(slot_width, width)
        self.ask_free = nn.Linear(slots * slot_width, free * width)
        self.ask_in_view = nn.Parameter(0.5 * torch.randn(len(grids), 1, referents + free, width))
        self.absent = nn.Parameter(torch.randn(width))
        for camera, (grid, span) in enumerate(zip(grids, spans, strict=True)):
            self.register_buffer(f"centres_{camera}", _centres(grid, span), persistent=False)
            self.register_buffer(f"near_{camera}", _near(grid), persistent=False)

    def forward(self, patches: Sequence[Tensor], slots: Tensor) -> Keypoints:
        """Return `Keypoints` of each camera's patches ``[B, T, P, F]``, slots ``[B, N, D]``; in float32."""
        with torch.autocast(slots.device.type, enabled=False):
            asked = self._queries(slots.float())
            looks = [
                self._look(c, seen.float(), asked + self.ask_in_view[c]) for c, seen in enumerate(patches)
            ]
        seen, where, presence, log_heats = zip(*looks, strict=True)
        return Keypoints(torch.cat(seen, 1), torch.cat(where, 1), torch.cat(presence, 1), list(log_heats))

    def _look(self, camera: int, patches: Tensor, queries: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the queries ``[B, T, Q, F]`` find in one camera's patches: a `Keypoints` of T views."""
        queries = queries * self.width**-0.5
        here = queries @ patches.transpose(2, 3)
        nowhere = (queries @ self.absent)[..., None]
        log_heat = F.log_softmax(torch.cat([here, nowhere], -1), -1)
        presence = 1 - log_heat[..., -1].exp()
        if not self.training:
            here = self._committed(here, self.get_buffer(f"near_{camera}"))
        share = here.softmax(-1)
        where = share @ self.get_buffer(f"centres_{camera}")
        return presence[..., None] * (share @ patches), where, presence, log_heat

    def _committed(self, here: Tensor, near: Tensor) -> Tensor:
        """Leave the referents' queries only what lies around their best patch; ``[B, T, Q, P]``.

        In training a heat-map soon has one peak. In a new scene it may have two, on a cyan mug and on a cyan
        block, and their mean would be a place between them where nothing is.
        """
        named, free = here.split([self.referents, self.free], 2)
        aside = ~near[named.argmax(-1)]
        return torch.cat([named.masked_fill(aside, -torch.inf), free], 2)

    def _queries(self, slots: Tensor) -> Tensor:
        """Return ``[B, 1, Q, F]``: what is asked in every view."""
        named = self.ask_referent(slots[:, : self.referents])
        free = self.ask_free(slots.flatten(1)).unflatten(1, (self.free, self.width))
        return torch.cat([named, free], 1)[:, None]

    def loss(self, keypoints: Keypoints, points: Tensor) -> tuple[Tensor, Tensor]:
        """Compare the referents' heat-maps in the present views with labelled points.

        Args:
            keypoints: what `forward` returned.
            points: ``[B, C, R, 3]`` u, v in 0..1 and whether visible, 0 or 1.

        Returns:
            Cross-entropy to a small Gaussian around each visible point, or to "not in this view"; and the
            mean distance in u plus v over visible points, in image widths.
        """
        visible = points[..., 2] > 0.5
        uv = torch.where(visible[..., None], points[..., :2], 0.5)
        cross_entropy = torch.stack(
            [
                self._cross_entropy(c, log_heat[:, -1, : self.referents], uv[:, c], visible[:, c])
                for c, log_heat in enumerate(keypoints.log_heats)
            ]
        ).mean()
        where = keypoints.where.unflatten(1, (points.shape[1], -1))[:, :, -1, : self.referents]
        distance = (where - uv).abs().sum(-1) * visible
        return cross_entropy, distance.sum() / visible.sum().clamp(min=1)

    def _cross_entropy(self, camera: int, log_heat: Tensor, uv: Tensor, visible: Tensor) -> Tensor:
        """Hold heat-maps ``[B, R, P + 1]`` against points ``[B, R, 2]``, visible ``[B, R]`` or not."""
        down, right = self.spans[camera]
        offset = (uv[..., None, :] - self.get_buffer(f"centres_{camera}")) * uv.new_tensor([right, down])
        gaussian = (-offset.square().sum(-1) / (2 * HEAT_SIGMA**2)).softmax(-1)
        target = torch.cat([gaussian * visible[..., None], (~visible)[..., None].float()], -1)
        return -(target * log_heat).sum(-1).mean()


def _near(grid: tuple[int, int]) -> Tensor:
    """Tell of every two patches whether they lie at most `PEAK` patches apart, bool ``[P, P]``."""
    place = torch.cartesian_prod(*(torch.arange(n) for n in grid))
    return (place[:, None] - place).abs().amax(-1) <= PEAK


def _centres(grid: tuple[int, int], span: tuple[float, float]) -> Tensor:
    """Return u and v of the middle of every patch, ``[P, 2]``, for an image that fills `span` patches."""
    down, right = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    return torch.stack([(right + 0.5) / span[1], (down + 0.5) / span[0]], -1).flatten(0, 1)
