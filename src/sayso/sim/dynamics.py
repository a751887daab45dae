"""Dynamics of a scene other than it was built: friction, mass, and motors that lag behind and act late."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """How matter and motors differ from what they are."""

    friction: float = 1.0
    """Factor on the sliding friction of everything."""
    mass: float = 1.0
    """Factor on the mass of what can be moved."""
    lag_s: float = 0.0
    """Time constant with which motors follow their commands."""
    delay_s: float = 0.0
    """Time until a command reaches them."""


class Matter:
    """Friction and masses of a model as it was built, so that they can be changed and put right again."""

    def __init__(self, model: mujoco.MjModel, bodies: Sequence[int]) -> None:
        """Remember a model, and which of its bodies are things."""
        self._model, self._bodies = model, np.array(bodies, dtype=int)
        self._friction: Vector = model.geom_friction[:, 0].copy()
        self._mass: Vector = model.body_mass[self._bodies].copy()
        self._inertia: Vector = model.body_inertia[self._bodies].copy()
        self._is = Dynamics()

    def change(self, dynamics: Dynamics) -> None:
        """Give everything other friction and things other masses, counted from how they were built."""
        if (dynamics.friction, dynamics.mass) == (self._is.friction, self._is.mass):
            return
        self._is = dynamics
        self._model.geom_friction[:, 0] = self._friction * dynamics.friction
        self._model.body_mass[self._bodies] = self._mass * dynamics.mass
        self._model.body_inertia[self._bodies] = self._inertia * dynamics.mass
        mujoco.mj_setConst(self._model, mujoco.MjData(self._model))  # what follows from masses


class Motors:
    """Motors behind a delay line and a first-order lag: what they carry out of what they are told."""

    def __init__(self, dynamics: Dynamics, step_s: float) -> None:
        """Begin with the first command that comes.

        Args:
            dynamics: how late and how slow they are.
            step_s: time from one call to the next.
        """
        self._wait, self._between = divmod(round(dynamics.delay_s / step_s, 6), 1.0)
        self._share = 1.0 - math.exp(-step_s / dynamics.lag_s) if dynamics.lag_s else 1.0
        self._under_way: deque[Vector] = deque()
        self._at: Vector | None = None

    def rest_at(self, command: Vector) -> None:
        """Stand still at a command, with nothing under way."""
        self._under_way = deque([command.copy()] * (int(self._wait) + 1))
        self._at = command.copy()

    def follow(self, command: Vector) -> Vector:
        """Return what the motors do now, given what they are told now."""
        if self._at is None:
            self.rest_at(command)
        assert self._at is not None
        self._under_way.append(command.copy())
        older, newer = self._under_way.popleft(), self._under_way[0]
        heard = self._between * older + (1 - self._between) * newer
        self._at = self._at + self._share * (heard - self._at)
        return self._at
