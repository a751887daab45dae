"""Dynamics of a scene other than it was built: friction, mass, motors that lag, act late and have play."""

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
    play_deg: float = 0.0
    """Backlash of the gears: how far a joint's command goes before the joint follows, when it turns back."""
    zeros: tuple[float, ...] = ()
    """Error of the calibration: how far each joint's number, in robot units, is from what it means, in
    readings and in commands alike; none for numbers that are not there."""

    def besides(self, other: Dynamics | None) -> Dynamics:
        """Return both at once: factors multiplied, times and angles added; zeros are of one of them."""
        if other is None:
            return self
        return Dynamics(
            friction=self.friction * other.friction,
            mass=self.mass * other.mass,
            lag_s=self.lag_s + other.lag_s,
            delay_s=self.delay_s + other.delay_s,
            play_deg=self.play_deg + other.play_deg,
            zeros=self.zeros or other.zeros,
        )


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

    def __init__(self, dynamics: Dynamics, step_s: float, geared: int = 0) -> None:
        """Begin with the first command that comes.

        Args:
            dynamics: how late and how slow they are.
            step_s: time from one call to the next.
            geared: how many of the numbers, the first ones, are angles of joints with gears, radians.
        """
        self._geared = geared
        self._wait, self._between = divmod(round(dynamics.delay_s / step_s, 6), 1.0)
        self._share = 1.0 - math.exp(-step_s / dynamics.lag_s) if dynamics.lag_s else 1.0
        self._play = math.radians(dynamics.play_deg) / 2
        self._under_way: deque[Vector] = deque()
        self._at: Vector | None = None
        self._behind: Vector | None = None

    def rest_at(self, command: Vector) -> None:
        """Stand still at a command, with nothing under way."""
        self._under_way = deque([command.copy()] * (int(self._wait) + 1))
        self._at, self._behind = command.copy(), command.copy()

    def follow(self, command: Vector) -> Vector:
        """Return what the motors do now, given what they are told now."""
        if self._at is None:
            self.rest_at(command)
        assert self._at is not None and self._behind is not None
        self._under_way.append(command.copy())
        older, newer = self._under_way.popleft(), self._under_way[0]
        heard = self._between * older + (1 - self._between) * newer
        self._at = self._at + self._share * (heard - self._at)
        if not self._play:
            return self._at
        behind = np.clip(self._behind, self._at - self._play, self._at + self._play)
        behind[self._geared :] = self._at[self._geared :]
        self._behind = behind
        return behind
