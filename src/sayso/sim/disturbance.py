"""Disturbance of a scene, running or about to begin: cameras are moved, lamps dimmed, tinted and moved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.physics import Physics

Vector = NDArray[np.float64]
Triple = tuple[float, float, float]
X, Y = np.eye(3)[:2]
STILL: Triple = (0.0, 0.0, 0.0)
AIM_M = 2.0
"""How far away from a lamp the point is that it goes on lighting when it is moved."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How far from their places the cameras are, and how lamps differ from what they are."""

    right_m: float = 0.0
    """The first camera along its own axes, as in its picture."""
    up_m: float = 0.0
    pan_deg: float = 0.0
    """To the right."""
    tilt_deg: float = 0.0
    """Upwards."""
    shift_m: Triple = STILL
    """Along the axes of what carries the first camera."""
    turn_deg: Triple = STILL
    """Rotation vector in those axes: about which axis, and, as its length, by how much."""
    wrist_shift_m: Triple = STILL
    """The same of every other camera."""
    wrist_turn_deg: Triple = STILL
    light: float = 1.0
    """Factor on all lamps."""
    tint: Triple = (1.0, 1.0, 1.0)
    """Further factors on their red, green and blue."""
    lamp_aside_m: tuple[float, float] = (0.0, 0.0)
    """How far they are moved along x and y; they light the same place from there."""


class Disturber:
    """Scene as it was built, remembered so that it can be disturbed and put right again."""

    def __init__(self, physics: Physics) -> None:
        """Take a scene in which nothing was disturbed yet."""
        model = self._model = physics.model
        self._data = physics.data
        first, *_ = eyes = tuple(physics.eyes.values())
        self._cameras = [model.camera(eye.name).id for eye in eyes]
        self._upright = -1 if first.turned else 1
        self._positions_m: Vector = model.cam_pos[self._cameras].copy()
        self._rotations: Vector = model.cam_quat[self._cameras].copy()
        self._bright = [lamp.copy() for lamp in _lamps(model)]
        self._lamps_m, self._directions = model.light_pos.copy(), model.light_dir.copy()

    def show(self, disturbance: Disturbance) -> None:
        """Disturb the scene so far, counted from how it was built; only cameras and lamps move."""
        self._move_cameras(disturbance)
        colour = disturbance.light * np.array(disturbance.tint)
        for lamp, bright in zip(_lamps(self._model), self._bright, strict=True):
            lamp[:] = bright * colour
        aside = np.array([*disturbance.lamp_aside_m, 0.0])
        self._model.light_pos[:] = self._lamps_m + aside
        self._model.light_dir[:] = self._directions
        if aside.any():
            aimed = AIM_M * self._directions - aside
            self._model.light_dir[:] = aimed / np.linalg.norm(aimed, axis=1, keepdims=True)
        mujoco.mj_camlight(self._model, self._data)

    def _move_cameras(self, disturbance: Disturbance) -> None:
        sign, offset = self._upright, np.zeros(3)
        aside = np.array([sign * disturbance.right_m, sign * disturbance.up_m, 0.0])
        mujoco.mju_rotVecQuat(offset, aside, self._rotations[0])
        own = _product(_turn(Y, -sign * disturbance.pan_deg), _turn(X, sign * disturbance.tilt_deg))
        for place, camera in enumerate(self._cameras):
            turn = disturbance.wrist_turn_deg if place else disturbance.turn_deg
            shift = disturbance.wrist_shift_m if place else disturbance.shift_m + offset
            rotation = _product(_turn(np.array(turn), float(np.linalg.norm(turn))), self._rotations[place])
            self._model.cam_pos[camera] = self._positions_m[place] + shift
            self._model.cam_quat[camera] = rotation if place else _product(rotation, own)


def _lamps(model: mujoco.MjModel) -> tuple[Vector, ...]:
    head = model.vis.headlight
    lamps = (model.light_ambient, model.light_diffuse, model.light_specular)
    return (head.ambient, head.diffuse, head.specular, *lamps)


def _turn(axis: Vector, angle_deg: float) -> Vector:
    """Return the quaternion of a turn about an axis of any length."""
    rotation, length = np.zeros(4), float(np.linalg.norm(axis))
    mujoco.mju_axisAngle2Quat(rotation, axis / length if length else X, math.radians(angle_deg))
    return rotation


def _product(second: Vector, first: Vector) -> Vector:
    """Return the quaternion of one turn after another."""
    both = np.zeros(4)
    mujoco.mju_mulQuat(both, second, first)
    return both
