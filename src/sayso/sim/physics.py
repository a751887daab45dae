"""Physics of a world as MuJoCo has it: model and state, and the cameras through which a policy sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True, kw_only=True)
class Eye:
    """Camera of a model through which a policy sees."""

    name: str
    """In the model."""
    aspect: float = 1.0
    """Width of its pictures over their height."""
    turned: bool = False
    """It hangs upside down, and its pictures are turned by 180 degrees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Physics:
    """Model and state of a scene, to be drawn and disturbed from outside."""

    model: mujoco.MjModel
    data: mujoco.MjData
    eyes: Mapping[str, Eye]
    """Camera of the features -> its eye; the first is the one that people move."""
    bodies: frozenset[int] | None = None
    """Which bodies are worth looking at; None is all of them."""
