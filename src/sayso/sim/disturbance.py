"""Disturbance of a scene, running or about to begin: its first camera is moved and the lamps dimmed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.geometry import quat_about_z
from sayso.sim.physics import Physics

Vector = NDArray[np.float64]
X, Y = np.eye(3)[:2]


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How far from its place the first camera is, and how bright the lamps are."""

    right_m: float = 0.0
    """Along the camera's own axes, as in its picture."""
    up_m: float = 0.0
    pan_deg: float = 0.0
    """To the right."""
    tilt_deg: float = 0.0
    """Upwards."""
    shift_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Along the axes of what carries the camera."""
    turn_deg: float = 0.0
    """About the vertical of what carries it."""
    light: float = 1.0
    """Factor on all lamps."""


class Disturber:
    """Scene as it was built, remembered so that it can be disturbed and put right again."""

    def __init__(self, physics: Physics) -> None:
        """Take a scene in which nothing was disturbed yet."""
        self._model, self._data = physics.model, physics.data
        eye = next(iter(physics.eyes.values()))
        self._camera = self._model.camera(eye.name).id
        self._upright = -1 if eye.turned else 1
        self._position_m: Vector = self._model.cam_pos[self._camera].copy()
        self._rotation: Vector = self._model.cam_quat[self._camera].copy()
        self._bright = [lamp.copy() for lamp in _lamps(self._model)]

    def show(self, disturbance: Disturbance) -> None:
        """Disturb the scene so far, counted from how it was built; nothing in it moves but the camera."""
        sign, offset, turned = self._upright, np.zeros(3), np.zeros(4)
        aside = np.array([sign * disturbance.right_m, sign * disturbance.up_m, 0.0])
        mujoco.mju_rotVecQuat(offset, aside, self._rotation)
        mujoco.mju_mulQuat(turned, quat_about_z(math.radians(disturbance.turn_deg)), self._rotation)
        mujoco.mju_mulQuat(turned, turned.copy(), _turn(Y, -sign * disturbance.pan_deg))
        mujoco.mju_mulQuat(turned, turned.copy(), _turn(X, sign * disturbance.tilt_deg))
        self._model.cam_pos[self._camera] = self._position_m + disturbance.shift_m + offset
        self._model.cam_quat[self._camera] = turned
        for lamp, bright in zip(_lamps(self._model), self._bright, strict=True):
            lamp[:] = bright * disturbance.light
        mujoco.mj_camlight(self._model, self._data)


def _lamps(model: mujoco.MjModel) -> tuple[Vector, ...]:
    head = model.vis.headlight
    lamps = (model.light_ambient, model.light_diffuse, model.light_specular)
    return (head.ambient, head.diffuse, head.specular, *lamps)


def _turn(axis: Vector, angle_deg: float) -> Vector:
    rotation = np.zeros(4)
    mujoco.mju_axisAngle2Quat(rotation, axis, math.radians(angle_deg))
    return rotation
