"""Disturbances of Meta-World's table, one at a time: options of a world's ``reset``, as data.

What is measured in levels along axes of generalisation is `generalisation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Axes = Mapping[str, Mapping[str, Any]]

CAMERA: Axes = {
    "camera_5cm": {"camera_shift_m": 0.05},
    "camera_10cm": {"camera_shift_m": 0.10},
    "camera_5deg": {"camera_turn_deg": 5.0},
}
ANYWHERE: Axes = {
    "paraphrase": {"wording": "heldout"},
    **CAMERA,
    "light": {"light": 0.6},
    "image_noise": {"image_noise": 10.0},
}
"""What every world of ours understands, and Meta-World."""
