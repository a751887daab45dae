"""Palm detection: where in a picture hands may be, and which way they point, by single-shot anchors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.models.hands import networks
from sayso.spec import Image, SaysoError

Numbers = NDArray[np.float64]
SIDE_PX = 192
GRIDS = ((24, 2), (12, 6))
"""Cells each way, and anchors in each of them."""
OVERLAP = 0.3
"""Boxes that share more of their union are one hand."""
SURE = 0.5


@dataclass(frozen=True, kw_only=True)
class Palm:
    """Palm of a hand, in pixels of the picture."""

    score: float
    box: Numbers
    """Upper left and lower right corner, ``[2, 2]``."""
    wrist: Numbers
    middle: Numbers
    """Where the middle finger begins."""


class PalmDetector:
    """Detector of palms in whole pictures."""

    def __init__(self, threads: int = 1) -> None:
        """Open the network."""
        self._answer = networks.compiled(networks.PALMS, threads)
        self._anchors = anchors()

    def __call__(self, image: Image) -> list[Palm]:
        """Return the palms of a picture, uint8 ``[H, W, 3]``, the surest first."""
        height, width = image.shape[:2]
        side = max(height, width)
        left, above = (side - width) / 2, (side - height) / 2
        scale = side / SIDE_PX
        into = np.array([[scale, 0, (scale - 1) / 2 - left], [0, scale, (scale - 1) / 2 - above]])
        answer = self._answer(sampled(image, into, SIDE_PX))
        raw, logits = answer["Identity"][0].astype(np.float64), answer["Identity_1"][0, :, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
        keep = np.flatnonzero(scores >= SURE)
        return merged(scores[keep], raw[keep] / SIDE_PX, self._anchors[keep], side, np.array([left, above]))


def anchors() -> Numbers:
    """Return the middles of all anchors as shares of the picture, ``[2016, 2]``."""
    found = []
    for cells, each in GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middles, middles, indexing="ij")
        found.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), each, axis=0))
    return np.concatenate(found)


def merged(scores: Numbers, raw: Numbers, middles: Numbers, side: float, padding: Numbers) -> list[Palm]:
    """Join boxes that overlap, weighted by their scores (Bazarevsky et al. 2019, BlazeFace).

    Args:
        scores: ``[N]``.
        raw: box and seven key points of each, relative to its anchor, as shares of the picture, ``[N, 18]``.
        middles: of the anchors, ``[N, 2]``.
        side: of the square around the picture, in pixels.
        padding: what that adds at the left and above, in pixels.
    """
    centre, size = raw[:, :2] + middles, raw[:, 2:4]
    boxes = np.stack([centre - size / 2, centre + size / 2], axis=1)
    points = raw[:, 4:].reshape(-1, 7, 2) + middles[:, None]
    left, found = list(np.argsort(-scores)), []
    while left:
        group = [k for k in left if _overlap(boxes[left[0]], boxes[k]) > OVERLAP or k == left[0]]
        weights = scores[group] / scores[group].sum()
        box = np.einsum("n,nij->ij", weights, boxes[group]) * side - padding
        joined = np.einsum("n,nij->ij", weights, points[group]) * side - padding
        found.append(Palm(score=float(scores[left[0]]), box=box, wrist=joined[0], middle=joined[2]))
        left = [k for k in left if k not in group]
    return found


def sampled(image: Image, into: Numbers, side: int) -> NDArray[np.float32]:
    """Return a square of a picture, float32 ``[1, side, side, 3]`` in 0..1; `into` maps its pixels there.

    Raises:
        SaysoError: if OpenCV is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise SaysoError(networks.INSTALL) from error
    part = cv2.warpAffine(image, into, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return (np.asarray(part, np.float32) / np.float32(255))[None].astype(np.float32)


def _overlap(one: Numbers, other: Numbers) -> float:
    common = np.prod(np.clip(np.minimum(one[1], other[1]) - np.maximum(one[0], other[0]), 0, None))
    both = np.prod(one[1] - one[0]) + np.prod(other[1] - other[0]) - common
    return float(common / both) if both > 0 else 0.0
