"""Rigid transforms: quaternions are ``wxyz``, angles radians, lengths metres."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]


def wrap_angle(angle_rad: float) -> float:
    """Return the same angle in (-pi, pi]."""
    return -((math.pi - angle_rad) % (2 * math.pi) - math.pi)


def quat_about_z(angle_rad: float) -> Vector:
    """Return the quaternion of a turn about z."""
    return np.array([math.cos(angle_rad / 2), 0.0, 0.0, math.sin(angle_rad / 2)])


def rotate_z(vector: ArrayLike, angle_rad: float) -> Vector:
    """Turn a 2-D or 3-D vector about z."""
    v = np.array(vector, dtype=float)
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    v[0], v[1] = c * v[0] - s * v[1], s * v[0] + c * v[1]
    return v


def yaw_of(rotation: NDArray[np.float64]) -> float:
    """Return the heading of a rotation matrix [3, 3]: where its x axis points in the plane."""
    return math.atan2(rotation[1, 0], rotation[0, 0])


def look_at(eye: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> Vector:
    """Return a MuJoCo camera's x and y axes, [6], for a camera at `eye` that looks at `target`.

    A MuJoCo camera looks along its own -z, with +y up in the image.
    """
    backward = np.asarray(eye, float) - np.asarray(target, float)
    backward /= np.linalg.norm(backward)
    right = np.cross(np.asarray(up, float), backward)
    right /= np.linalg.norm(right)
    return np.concatenate([right, np.cross(backward, right)])


def cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product of two vectors [3]: the same numbers as NumPy's, in a tenth of the time."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def limit_norm(vector: Vector, ceiling: float) -> Vector:
    """Shorten a vector to at most `ceiling`, keeping its direction."""
    norm = float(np.linalg.norm(vector))
    return vector if norm <= ceiling else vector * (ceiling / norm)


def project(
    point_m: ArrayLike,
    camera_pos_m: ArrayLike,
    camera_rotation: NDArray[np.float64],
    fovy_rad: float,
    aspect: float = 1.0,
) -> tuple[float, float, bool]:
    """Project a world point into an image.

    Args:
        point_m: the point, [3].
        camera_pos_m: the camera's position, [3].
        camera_rotation: world_from_camera, [3, 3]; the camera looks along its own -z.
        fovy_rad: the vertical field of view.
        aspect: width over height.

    Returns:
        u and v in 0..1 (right and down) and whether the point lies inside the picture.
    """
    x, y, z = camera_rotation.T @ (np.asarray(point_m, float) - np.asarray(camera_pos_m, float))
    if z > -1e-6:
        return 0.5, 0.5, False
    half = math.tan(fovy_rad / 2)
    u = 0.5 + 0.5 * x / (-z * half * aspect)
    v = 0.5 - 0.5 * y / (-z * half)
    return float(u), float(v), bool(0 <= u <= 1 and 0 <= v <= 1)
