"""Disturbance of a running scene: the front camera is moved and the lamps dimmed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.simulation import Simulation, camera_name

Vector = NDArray[np.float64]
X, Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How far from its place the front camera is, and how bright the lamps are."""

    right_m: float = 0.0
    """Along the camera's own axes, as in its picture."""
    up_m: float = 0.0
    pan_deg: float = 0.0
    """To the right."""
    tilt_deg: float = 0.0
    """Upwards."""
    light: float = 1.0
    """Factor on all lamps."""


class Staging:
    """How a scene was built, to disturb it and to put it right again."""

    def __init__(self, simulation: Simulation) -> None:
        """Take a simulation in which nothing was disturbed yet."""
        self._model, self._data = simulation.model, simulation.data
        self._front = self._model.camera(camera_name("front")).id
        self._position_m: Vector = self._model.cam_pos[self._front].copy()
        self._rotation: Vector = self._model.cam_quat[self._front].copy()
        lamps = self._model.vis.headlight
        self._lamps = (lamps.ambient.copy(), lamps.diffuse.copy(), self._model.light_diffuse.copy())

    def show(self, disturbance: Disturbance) -> None:
        """Disturb the scene so far, counted from how it was built; nothing in it moves but the camera."""
        offset, turned = np.zeros(3), np.zeros(4)
        mujoco.mju_rotVecQuat(offset, np.array([disturbance.right_m, disturbance.up_m, 0.0]), self._rotation)
        mujoco.mju_mulQuat(turned, self._rotation, _turn(Y, -disturbance.pan_deg))
        mujoco.mju_mulQuat(turned, turned.copy(), _turn(X, disturbance.tilt_deg))
        self._model.cam_pos[self._front] = self._position_m + offset
        self._model.cam_quat[self._front] = turned
        ambient, diffuse, lights = (disturbance.light * lamp for lamp in self._lamps)
        self._model.vis.headlight.ambient, self._model.vis.headlight.diffuse = ambient, diffuse
        self._model.light_diffuse[:] = lights
        mujoco.mj_camlight(self._model, self._data)


def _turn(axis: Vector, angle_deg: float) -> Vector:
    rotation = np.zeros(4)
    mujoco.mju_axisAngle2Quat(rotation, axis, math.radians(angle_deg))
    return rotation
