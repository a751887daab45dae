"""Garage: another workshop than sayso's, with another photograph, another lens and another friction."""

from __future__ import annotations

from pathlib import Path

from sayso.sim.domain import CameraModel, Domain
from sayso.sim.dynamics import Dynamics
from sayso.sim.lens import Lens

PHOTOGRAPH = Path(__file__).with_name("garage.png")
GARAGE = Domain(
    name="garage",
    says="a striped floor, a pincushion lens, more friction",
    photographs=dict.fromkeys(("table", "floor", "wall"), PHOTOGRAPH),
    camera=CameraModel(lens=Lens(barrel=-0.1)),
    dynamics=Dynamics(friction=1.4),
)
