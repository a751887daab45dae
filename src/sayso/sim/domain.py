"""Domains: named bundles of all that differs from the simulation that training sees, laid over its worlds.

::

    layout --photographs--> model --lamps, wider view--> renderer --lens, exposure, white, noise--> pictures
    commands --zeros, lag, play--> motors, in matter of another friction and mass

A domain stands to the simulation as a workshop does to a textbook. Both are simulated (sim-to-sim): what a
policy does there says how well it bears a change that it was not trained for, and nothing of a real robot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import mujoco
import numpy as np

from sayso.sim.dynamics import Dynamics
from sayso.sim.lens import Lens
from sayso.sim.optics import Optics
from sayso.sim.render import Cameras, Drawing
from sayso.sim.scene import Layout
from sayso.sim.textures import SURFACES, Texture
from sayso.spec import Image

RGB = tuple[float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CameraModel:
    """Camera behind the renderer: its lens, its sensor, and how late its pictures come."""

    lens: Lens = Lens()
    optics: Optics = Optics()
    """Exposure, white balance, noise and compression."""
    white_roll: float = 0.0
    """By which share of each colour the white balance rolls up and down, one colour after the other."""
    white_period_s: float = 6.0
    """How long it takes for one such roll."""
    late_s: float = 0.0
    """How much older a picture is than what the joints say beside it."""

    def taken(self, pictures: Mapping[str, Image], at_s: float, rng: np.random.Generator) -> dict[str, Image]:
        """Return straight pictures, uint8 [H, W, 3] each, as it takes them so long into an episode."""
        bent = {name: self.lens.bend(picture) for name, picture in pictures.items()}
        return replace(self.optics, white=self.white(at_s)).spoil(bent, rng)

    def white(self, at_s: float) -> RGB:
        """Return the factors on red, green and blue so long into an episode."""
        turns = at_s / self.white_period_s
        red, green, blue = (
            factor * (1 + self.white_roll * math.sin(2 * math.pi * (turns + place / 3)))
            for place, factor in enumerate(self.optics.white)
        )
        return red, green, blue


@dataclass(frozen=True, kw_only=True)
class Lamps:
    """Lamps of a domain, in place of those that the scene was built with."""

    brightness: float = 1.0
    """Factor on the hanging lamp."""
    around: float = 1.0
    """Factor on the light that comes with the camera and from everywhere."""
    colour: RGB = (1.0, 1.0, 1.0)
    """Further factors on their red, green and blue."""
    aside_m: tuple[float, float] = (0.0, 0.0)
    """How far the lamp hangs aside, x and y, lighting the same place from there."""
    shadows: bool = False

    def hang(self, model: mujoco.MjModel) -> None:
        """Change the lamps of a compiled scene."""
        colour = np.array(self.colour)
        model.light_diffuse[:] *= self.brightness * colour
        for lamp in (model.vis.headlight.ambient, model.vis.headlight.diffuse, model.vis.headlight.specular):
            lamp[:] = self.around * colour * lamp
        model.light_castshadow[:] = self.shadows
        for lamp in range(model.nlight):
            height_m, aside = model.light_pos[lamp, 2], np.array([*self.aside_m, 0.0])
            aimed = model.light_dir[lamp] * height_m / max(-model.light_dir[lamp, 2], 0.1) - aside
            model.light_pos[lamp] += aside
            model.light_dir[lamp] = aimed / np.linalg.norm(aimed)


def _nothing() -> None:
    """Need nothing."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Everything that differs from the training world, by one name."""

    name: str
    says: str
    """What differs, in a sentence that a report can carry."""
    opens: Callable[[int, int], Drawing] = Cameras
    """Opens the renderer, for pictures of up to a height and a width in pixels."""
    needs: Callable[[], None] = _nothing
    """Raises `SaysoError`, with a remedy, where that renderer cannot start."""
    photographs: Mapping[str, Path] = field(default_factory=dict)
    """Surface (table, floor, wall) -> what it is covered with: all three, or none."""
    camera: CameraModel = CameraModel()
    lamps: Lamps = Lamps()
    dynamics: Dynamics = Dynamics()

    def __post_init__(self) -> None:
        """Refuse photographs for some of the surfaces only.

        Raises:
            ValueError: if that is so.
        """
        if self.photographs and {*self.photographs} != {*SURFACES}:
            raise ValueError(
                f"the domain {self.name!r} covers {', '.join(self.photographs)}, but must cover "
                f"{', '.join(SURFACES)}, or none of them"
            )

    @property
    def key(self) -> str:
        """Return what a training that was shown it calls it, among the axes that it varied."""
        return f"domain {self.name}"

    def told(self, within: Mapping[str, Range] | None) -> str:
        """Return what a report says of it, to a training that says what it showed; None is of no training."""
        if within is None:
            return f"{self.key} ({self.says})"
        seen = "shown in training" if within.get(self.key, (0.0, 0.0))[1] else "unseen in training"
        return f"{self.key} ({self.says}; {seen})"

    def covered(self, layout: Layout) -> Layout:
        """Return a layout whose surfaces are this domain's, whatever they were covered with."""
        if not self.photographs:
            return layout
        textures = tuple(
            Texture(name=surface, number=0, file=self.photographs[surface]) for surface in SURFACES
        )
        return replace(layout, appearance=replace(layout.appearance, textures=textures))

    def furnish(self, model: mujoco.MjModel) -> None:
        """Hang the lamps of a compiled scene, and let its cameras see as wide as the lens does."""
        self.lamps.hang(model)
        model.cam_fovy[:] = [self.camera.lens.widened_deg(fovy) for fovy in model.cam_fovy]
