"""Image registration: by how much a picture is shifted, turned and scaled against others, in any light.

::

    picture --> grey, small --> gradient, its angle doubled: exp(2i angle), next to 0 where nothing is
                                      |
    template, shifted, turned and scaled in turn --> correlation with it --> the best, then refined

What counts is where edges run, not how strong they are nor which side of them is brighter (orientation
correlation; Fitch, Kadyrov, Christmas and Kittler 2002). So a template may be the mean over many pictures:
edges that are in all of them stay, those of things that lie elsewhere each time cancel out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from sayso.spec import Array, Image

Field = NDArray[np.complex64]
WIDTH = 64
"""Pixels across of pictures that are registered: so few that a search takes hundredths of a second."""
LEAST_EDGE = 3.0
"""Grey levels a pixel below which a gradient is noise."""
TURNS_RAD = tuple(np.radians(range(-16, 17, 4)).tolist())
SIZES = (0.85, 1.0, 1.18)
"""Turns and sizes that are searched, before the best is refined; a picture is found up to a third aside."""
MARGIN = 1.4
"""Size of what is transformed, to that of the picture: behind its border a shifted template finds nothing."""
FINEST_PX = 0.1
LEVERAGE = 0.03
"""Radians, and share of the size, of which a step moves a picture's edge by about a pixel."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Place of what a picture shows: scaled and turned about the middle, then shifted."""

    right: float = 0.0
    """Shift, as a share of the picture's width."""
    down: float = 0.0
    turned_rad: float = 0.0
    """Clockwise."""
    larger: float = 1.0

    def moved(self, shape: tuple[int, int]) -> float:
        """Return how far it moves points of a (height, width), on average, as a share of the width."""
        height, width = shape
        x, y = _centred(height, width)
        cos, sin = self.larger * np.cos(self.turned_rad), self.larger * np.sin(self.turned_rad)
        across, along = cos * x - sin * y - x, sin * x + cos * y - y
        return float(np.hypot(across / width + self.right, along / width + self.down).mean())


NOWHERE_ELSE = Placement()


def small(image: Image, shape: tuple[int, int] | None = None) -> Image:
    """Return a picture, uint8 ``[H, W, 3]``, in the width in which pictures are registered, or in a shape."""
    height, width = image.shape[:2]
    down, across = shape or (max(8, round(height * WIDTH / width)), WIDTH)
    picture = Picture.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((across, down), Picture.Resampling.BOX))


def edges(image: Image) -> Field:
    """Return the edges of a `small` picture, ``[h, w]``: of twice their angle, and of a size up to 1."""
    grey = _smooth(np.asarray(image, np.float32).mean(2))
    down, right = np.gradient(grey)
    strength = right**2 + down**2
    usual = max(LEAST_EDGE, float(np.sqrt(strength).mean()))
    found: Field = ((right + 1j * down) ** 2 / (strength + usual**2)).astype(np.complex64)
    return found


def placed(template: Field, placement: Placement) -> Field:
    """Return edges as they are in another place; nothing comes in from outside."""
    height, width = template.shape
    x, y = _centred(height, width)
    x, y = x - placement.right * width, y - placement.down * width
    cos = np.cos(placement.turned_rad) / placement.larger
    sin = np.sin(placement.turned_rad) / placement.larger
    u, v = cos * x + sin * y + (width - 1) / 2, cos * y - sin * x + (height - 1) / 2
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    u, v = np.clip(u, 0, width - 1.001), np.clip(v, 0, height - 1.001)
    i, j = u.astype(np.int64), v.astype(np.int64)
    right, down = u - i, v - j
    upper = template[j, i] * (1 - right) + template[j, i + 1] * right
    lower = template[j + 1, i] * (1 - right) + template[j + 1, i + 1] * right
    mixed = (upper * (1 - down) + lower * down) * inside
    found: Field = (mixed * np.exp(2j * placement.turned_rad)).astype(np.complex64)
    return found


@dataclass(frozen=True, kw_only=True)
class Match:
    """Where a template was found in a picture, and how well it fits there: 1 where all edges agree."""

    placement: Placement
    likeness: float


@dataclass(frozen=True, eq=False)
class Registration:
    """Template and a picture's edges, both ``[h, w]``, held against each other."""

    template: Field
    picture: Field

    def likeness(self, placement: Placement) -> float:
        """Return how well the template fits at a place: the mean agreement of edges, at most 1."""
        moved = placed(self.template, placement)
        return float(np.vdot(moved, self.picture).real) / (self._size * placement.larger)

    def near(self, match: Placement = NOWHERE_ELSE) -> Match:
        """Return the best place around one: pattern search, its steps halved until they are tiny."""
        best, steps = Match(placement=match, likeness=self.likeness(match)), 1.0
        while steps >= FINEST_PX:
            found = max((self._at(p) for p in _around(best.placement, steps)), key=lambda m: m.likeness)
            if found.likeness > best.likeness:
                best = found
            else:
                steps /= 2
        return best

    def anywhere(self) -> Match:
        """Return the best place of all: each turn and size, every shift at once by Fourier transform."""
        height, width = self.picture.shape
        shape = (round(MARGIN * height), round(MARGIN * width))
        spectrum, best = np.fft.fft2(self.picture, shape), self._at(NOWHERE_ELSE)
        for larger in SIZES:
            for turned_rad in TURNS_RAD:
                moved = placed(self.template, Placement(turned_rad=turned_rad, larger=larger))
                agreeing = np.fft.ifft2(spectrum * np.conj(np.fft.fft2(moved, shape))).real
                down, right = np.unravel_index(agreeing.argmax(), shape)
                likeness = float(agreeing[down, right]) / (self._size * larger)
                if likeness > best.likeness:
                    place = Placement(
                        right=_signed(int(right), shape[1]) / width,
                        down=_signed(int(down), shape[0]) / width,
                        turned_rad=turned_rad,
                        larger=larger,
                    )
                    best = Match(placement=place, likeness=likeness)
        return self.near(best.placement)

    def _at(self, placement: Placement) -> Match:
        return Match(placement=placement, likeness=self.likeness(placement))

    @cached_property
    def _size(self) -> float:
        return float(np.linalg.norm(self.template) * np.linalg.norm(self.picture)) + 1e-6


def _around(p: Placement, step: float) -> Iterator[Placement]:
    """Yield the eight places that a step leads to."""
    for sign in (-step, step):
        shift, turn = sign / WIDTH, sign * LEVERAGE
        yield Placement(right=p.right + shift, down=p.down, turned_rad=p.turned_rad, larger=p.larger)
        yield Placement(right=p.right, down=p.down + shift, turned_rad=p.turned_rad, larger=p.larger)
        yield Placement(right=p.right, down=p.down, turned_rad=p.turned_rad + turn, larger=p.larger)
        yield Placement(right=p.right, down=p.down, turned_rad=p.turned_rad, larger=p.larger * (1 + turn))


def _signed(index: int, side: int) -> int:
    """Return what an index into a Fourier transform means as a shift."""
    return index - side if index > side // 2 else index


def _centred(height: int, width: int) -> tuple[Array, Array]:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x - (width - 1) / 2, y - (height - 1) / 2


def _smooth(grey: Array) -> Array:
    """Return a picture with a binomial filter of five pixels run over it, both ways."""
    kernel = np.array([1, 4, 6, 4, 1], np.float32) / 16
    for axis in (0, 1):
        ends = [(2, 2) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(grey, ends, mode="edge")
        shifted = (np.take(wide, range(k, k + grey.shape[axis]), axis) for k in range(5))
        grey = sum((k * part for k, part in zip(kernel, shifted, strict=True)), np.zeros_like(grey))
    return grey
