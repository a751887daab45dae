"""Domain randomisation: what about a scene varies from episode to episode, apart from where things lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sayso.sim.textures import Texture

RGB = tuple[float, float, float]
LIGHT_RANGE = (0.85, 1.15)
"""Factors on the lamps that training shows."""
LAMP_ASIDE_M = 0.5
"""How far from the middle the lamp hangs in training, at most, along x and along y."""
PAINT_SPREAD = 0.10
"""How far each of a colour's three numbers strays in training, at most: its shade, and its hue by itself."""


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How a scene is lit and painted. Colours are RGB in 0..1; light is a factor on the lamps."""

    light: float = 1.0
    surface: RGB = (0.72, 0.66, 0.58)
    floor: RGB = (0.55, 0.53, 0.50)
    wall: RGB = (0.80, 0.80, 0.78)
    rug: RGB = (0.45, 0.40, 0.42)
    light_from: tuple[float, float] = (0.0, 0.0)
    """Where the lamp hangs, x and y in metres from the middle of the scene."""
    textures: tuple[Texture, ...] = ()
    """What table, floor and walls are covered with, in the order of `SURFACES`; nothing is paint."""


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a look from the training ranges."""

    def near(colour: RGB, spread: float) -> RGB:
        shade = rng.uniform(-spread, spread)
        r, g, b = np.clip(np.array(colour) + shade + rng.uniform(-0.02, 0.02, 3), 0, 1)
        return float(r), float(g), float(b)

    nominal = Appearance()
    return Appearance(
        light=float(rng.uniform(*LIGHT_RANGE)),
        surface=near(nominal.surface, 0.08),
        floor=near(nominal.floor, 0.08),
        wall=near(nominal.wall, 0.06),
        light_from=(
            float(rng.uniform(-LAMP_ASIDE_M, LAMP_ASIDE_M)),
            float(rng.uniform(-LAMP_ASIDE_M, LAMP_ASIDE_M)),
        ),
    )


def repainted(appearance: Appearance, by: float, rng: np.random.Generator) -> Appearance:
    """Return an appearance in other paint: each of a colour's numbers changed by so much, up or down."""

    def other(colour: RGB) -> RGB:
        here, change = np.array(colour), by * rng.choice((-1.0, 1.0), 3)
        fits = (here + change >= 0) & (here + change <= 1)
        r, g, b = np.where(fits, here + change, here - change)
        return float(r), float(g), float(b)

    paints = appearance.surface, appearance.floor, appearance.wall, appearance.rug
    surface, floor, wall, rug = (other(paint) for paint in paints)
    return replace(appearance, surface=surface, floor=floor, wall=wall, rug=rug)
