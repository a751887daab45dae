"""Keypoints (visual grounding): what was asked for is looked up in every view.

::

    patches [B, T, P, F] of each camera
        |                      slot "object" ---.   slot "place" ---.   learned ----.
    Pointer                                     v                   v               v
        |         heat-map over the P patches and one more place: "not in this view"
        v
    Keypoints      per view and query: what is there, where it is, whether it is there at all

Shapes: B batch, T frames (always the present one alone), C camera, V views (one per camera), P patches, which
may differ from camera to camera, F features per patch, N slots, D slot width, R referents, G free queries,
Q = R + G queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.initialisation import constant, normal

HEAT_SIGMA = 0.7
"""Width of the Gaussian around a labelled point that a heat-map is trained towards, in patches."""
PEAK = 2
"""How far around the best patch a heat-map counts when acting, in patches."""


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
        self.referent_query = nn.Linear(slot_width, width)
        self.free_query = nn.Linear(slots * slot_width, free * width)
        self.view_query = nn.Parameter(normal(len(grids), 1, referents + free, width, std=0.5))
        self.absent = nn.Parameter(normal(width))
        for camera, (grid, span) in enumerate(zip(grids, spans, strict=True)):
            patches = grid[0] * grid[1]
            centres = constant(patches, 2, computed=partial(_centres, grid, span))
            near = constant(patches, patches, computed=partial(_near, grid))
            self.register_buffer(f"centres_{camera}", centres, persistent=False)
            self.register_buffer(f"near_{camera}", near, persistent=False)

    def forward(
        self, patches: Sequence[Tensor], slots: Tensor, cameras: Sequence[int] | None = None
    ) -> Keypoints:
        """Return `Keypoints` of each camera's patches ``[B, T, P, F]``, slots ``[B, N, D]``; in float32.

        `cameras` says whose patches they are; None is all of them in turn.
        """
        of = range(len(self.spans)) if cameras is None else cameras
        with torch.autocast(slots.device.type, enabled=False):
            asked = self._queries(slots.float())
            looks = [
                self._look(c, seen.float(), asked + self.view_query[c])
                for c, seen in zip(of, patches, strict=True)
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
            here = self._near_the_peak(here, self.get_buffer(f"near_{camera}"))
        share = here.softmax(-1)
        where = share @ self.get_buffer(f"centres_{camera}")
        return presence[..., None] * (share @ patches), where, presence, log_heat

    def _near_the_peak(self, here: Tensor, near: Tensor) -> Tensor:
        """Leave the referents' queries only what lies around their best patch; ``[B, T, Q, P]``.

        In training a heat-map soon has one peak. In a new scene it may have two, on a cyan mug and on a cyan
        block, and their mean would be a place between them where nothing is.
        """
        named, free = here.split([self.referents, self.free], 2)
        aside = ~near[named.argmax(-1)]
        return torch.cat([named.masked_fill(aside, -torch.inf), free], 2)

    def _queries(self, slots: Tensor) -> Tensor:
        """Return ``[B, 1, Q, F]``: what is asked in every view."""
        named = self.referent_query(slots[:, : self.referents])
        free = self.free_query(slots.flatten(1)).unflatten(1, (self.free, self.width))
        return torch.cat([named, free], 1)[:, None]

    def loss(
        self, keypoints: Keypoints, points: Tensor, cameras: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compare the referents' heat-maps in the present views with labelled points.

        Args:
            keypoints: what `forward` returned.
            points: ``[B, C, R, 3]`` u, v in 0..1 and whether visible: 1, 0, or -1 where nobody knows, which
                teaches nothing.
            cameras: whose they are, as in `forward`.

        Returns:
            Cross-entropy to a small Gaussian around each visible point, or to "not in this view"; and the
            mean of |du| + |dv| over visible points, as shares of the image's width and height.
        """
        visible, known = points[..., 2] > 0.5, points[..., 2] > -0.5
        uv = torch.where(visible[..., None], points[..., :2], 0.5)
        of = range(len(self.spans)) if cameras is None else cameras
        cross_entropy = torch.stack(
            [
                _mean_of(
                    self._cross_entropy(c, log_heat[:, -1, : self.referents], uv[:, n], visible[:, n]),
                    known[:, n],
                )
                for n, (c, log_heat) in enumerate(zip(of, keypoints.log_heats, strict=True))
            ]
        ).mean()
        where = keypoints.where.unflatten(1, (points.shape[1], -1))[:, :, -1, : self.referents]
        distance = (where - uv).abs().sum(-1) * visible
        return cross_entropy, distance.sum() / visible.sum().clamp(min=1)

    def _cross_entropy(self, camera: int, log_heat: Tensor, uv: Tensor, visible: Tensor) -> Tensor:
        """Hold heat-maps ``[B, R, P + 1]`` against points ``[B, R, 2]``, visible or not: ``[B, R]``."""
        down, right = self.spans[camera]
        offset = (uv[..., None, :] - self.get_buffer(f"centres_{camera}")) * uv.new_tensor([right, down])
        gaussian = (-offset.square().sum(-1) / (2 * HEAT_SIGMA**2)).softmax(-1)
        target = torch.cat([gaussian * visible[..., None], (~visible)[..., None].float()], -1)
        return -(target * log_heat).sum(-1)


def _mean_of(losses: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of those losses that count; zero if none does."""
    return losses.masked_fill(~counts, 0.0).sum() / counts.sum().clamp(min=1)


def _near(grid: tuple[int, int]) -> Tensor:
    """Tell of every two patches whether they lie at most `PEAK` patches apart, bool ``[P, P]``."""
    place = torch.cartesian_prod(*(torch.arange(n) for n in grid))
    return (place[:, None] - place).abs().amax(-1) <= PEAK


def _centres(grid: tuple[int, int], span: tuple[float, float]) -> Tensor:
    """Return u and v of the middle of every patch, ``[P, 2]``, for an image that fills `span` patches."""
    down, right = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    return torch.stack([(right + 0.5) / span[1], (down + 0.5) / span[0]], -1).flatten(0, 1)
