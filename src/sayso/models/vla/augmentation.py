"""Image augmentation: training images shifted and tinted, labelled points with them; and images as numbers.

Shapes: B batch, T frames (always the present one alone), H x W pixels, R referents.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.models.typed import within


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

    One draw per sample, the same for all of its T frames.

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
    visible = points[..., 2:]
    return torch.cat([uv, torch.where(inside, visible, visible.clamp(max=0))], -1)
