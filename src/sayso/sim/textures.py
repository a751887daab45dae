"""Textures for table, floor and walls: patterns that are drawn, and photographs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from sayso.spec import Image

SIZE_PX = 256
SURFACES = ("table", "floor", "wall")
PHOTOGRAPHS = Path(__file__).with_name("photographs")
"""Photographs that are CC0 or in the public domain; the README beside them says whose they are."""
Grid = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Texture:
    """What a surface is covered with."""

    name: str
    """A pattern, or a photograph."""
    number: int
    """Decides a pattern's colours and sizes."""
    strength: float = 1.0
    """Share of it; the rest is the middle grey of its own."""
    file: Path | None = None
    """Where it is, if it is a photograph that is not among ours."""

    def image(self) -> Image:
        """Return it, uint8 [SIZE_PX, SIZE_PX, 3]."""
        file = self.file or (PHOTOGRAPHS / f"{self.name}.jpg" if self.name in photographs() else None)
        drawn = _photograph(file) if file else _pattern(self.name, self.number)
        mean = drawn.mean(axis=(0, 1))
        image: Image = np.rint(mean + self.strength * (drawn - mean)).astype(np.uint8)
        return image


def patterned(rng: np.random.Generator) -> tuple[Texture, ...]:
    """Draw a pattern for each of `SURFACES`, all different."""
    names = rng.permutation(sorted(_PATTERNS))[: len(SURFACES)]
    return tuple(Texture(name=str(name), number=int(rng.integers(2**31))) for name in names)


def photographed(rng: np.random.Generator, strength: float) -> tuple[Texture, ...]:
    """Draw a photograph for each of `SURFACES`, all different, of so much contrast of 1."""
    names = rng.permutation(photographs())[: len(SURFACES)]
    return tuple(Texture(name=str(name), number=0, strength=strength) for name in names)


@functools.cache
def photographs() -> tuple[str, ...]:
    """Return the names of the photographs there are."""
    return tuple(sorted(path.stem for path in PHOTOGRAPHS.glob("*.jpg")))


def lay(model: mujoco.MjModel, texture: int, image: Image) -> None:
    """Replace one of a model's flat textures by an image, scaled to its size."""
    size = int(model.tex_width[texture]), int(model.tex_height[texture])
    drawn, start = np.asarray(Pillow.fromarray(image).resize(size)).ravel(), int(model.tex_adr[texture])
    model.tex_data[start : start + len(drawn)] = drawn


@functools.cache
def _photograph(file: Path) -> Image:
    """Return the middle of a photograph, uint8 [SIZE_PX, SIZE_PX, 3]."""
    whole = Pillow.open(file).convert("RGB")
    return np.asarray(whole if whole.size == (SIZE_PX, SIZE_PX) else ImageOps.fit(whole, (SIZE_PX, SIZE_PX)))


def _pattern(name: str, number: int) -> Image:
    """Return a pattern in two colours, uint8 [SIZE_PX, SIZE_PX, 3]."""
    rng = np.random.default_rng(number)
    one, other = rng.uniform(40, 215, 3), rng.uniform(40, 215, 3)
    down, right = np.mgrid[:SIZE_PX, :SIZE_PX] / SIZE_PX
    share = _PATTERNS[name](right, down, rng)[..., None]
    return np.rint(share * one + (1 - share) * other).astype(np.uint8)


def _stripes(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    return 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * int(rng.integers(4, 10)) * x))


def _checks(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    n = 2 * int(rng.integers(2, 6))
    return np.asarray((np.floor(n * x) + np.floor(n * y)) % 2)


def _dots(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    n, radius = int(rng.integers(4, 9)), rng.uniform(0.2, 0.4)
    return np.asarray(np.hypot((n * x) % 1 - 0.5, (n * y) % 1 - 0.5) < radius, float)


def _grain(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """Return rings that are bent a little, as in a board."""
    bend = 0.05 * np.sin(2 * np.pi * (y + rng.uniform()))
    rings = np.sin(2 * np.pi * (rng.uniform(6, 14) * (x + bend)))
    return np.clip(0.5 + 0.4 * rings + rng.normal(0, 0.06, x.shape), 0, 1)


def _clouds(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """Return a sum of waves of several lengths."""
    total = np.zeros_like(x)
    for _ in range(12):
        across, along = rng.integers(-6, 7, 2)
        total += np.sin(2 * np.pi * (across * x + along * y + rng.uniform())) / (1 + np.hypot(across, along))
    return np.asarray((total - total.min()) / max(float(np.ptp(total)), 1e-9))


_PATTERNS: Mapping[str, Callable[[Grid, Grid, np.random.Generator], Grid]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "grain": _grain,
    "clouds": _clouds,
}
