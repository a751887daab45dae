"""Table of domains: ours, and those that other packages add by an entry point.

A package of somebody else's adds a workshop of its own, other photographs, another lens, another friction,
and nothing here changes::

    [project.entry-points."sayso.domains"]
    garage = "my_package.garage:GARAGE"           # a `Domain`

What is ours is kept for measuring: everything about it lies beyond the last level of every axis along which
demonstrations can vary (`sayso.tasks.axes`), or on no axis at all, and a test holds that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sayso.extensions import Table
from sayso.sim.domain import CameraModel, Domain, Lamps
from sayso.sim.dynamics import Dynamics
from sayso.sim.filament import FilamentCameras, refuse_without
from sayso.sim.lens import Lens
from sayso.sim.optics import Optics
from sayso.sim.render import RenderingError

GROUP = "sayso.domains"
"""Entry points under which packages offer domains."""
PHOTOGRAPHS = Path(__file__).with_name("workshop")
"""Photographs in the public domain; the README beside them says whose they are."""
CLASSIC = "workshop-classic"


def _needs() -> None:
    """Raise RenderingError where Filament cannot start, naming what is there without it."""
    try:
        refuse_without()
    except RenderingError as error:
        raise RenderingError(
            f"{error}. Without one, --domain {CLASSIC} is the same workshop drawn by MuJoCo's classic "
            "renderer, and reported under that name"
        ) from error


_COMMON = (
    "other photographs on table, floor and walls, one warm lamp 3 m aside, a lens with barrel distortion, "
    "exposure, noise, a white balance that rolls, pictures 20 ms late; friction 0.55 and mass 2.6 times what "
    "they were, motors that lag by 55 ms, 1 degree of play, a calibration 2 degrees off at every joint"
)
_CLASSIC = Domain(
    name=CLASSIC,
    says=f"drawn by the classic renderer, {_COMMON}",
    photographs={
        "table": PHOTOGRAPHS / "moon.jpg",
        "floor": PHOTOGRAPHS / "writing.jpg",
        "wall": PHOTOGRAPHS / "astronaut.jpg",
    },
    camera=CameraModel(
        lens=Lens(barrel=0.25),
        optics=Optics(exposure=0.8, noise=16.0, white=(0.72, 1.0, 1.55)),
        white_roll=0.12,
        late_s=0.02,
    ),
    lamps=Lamps(colour=(1.25, 1.0, 0.65), aside_m=(1.9, 2.5), shadows=True),
    dynamics=Dynamics(
        friction=0.55,
        mass=2.6,
        lag_s=0.055,
        play_deg=1.0,
        zeros=(2.0, -2.0, 2.0, -2.0, 2.0, 2.0),
    ),
)
WORKSHOP = replace(
    _CLASSIC,
    name="workshop",
    says=f"drawn physically based, {_COMMON}",
    opens=FilamentCameras,
    needs=_needs,
)
DOMAINS = Table("domain", GROUP, Domain, {each.name: each for each in (WORKSHOP, _CLASSIC)})
"""The domains there are."""
