"""Calibrated cameras: where each stands and how it draws, as JSON; pixels become rays in the arm's frame.

    {"cameras": {"front": {"size": [480, 640],                       height, width in pixels
                           "matrix": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
                           "distortion": [k1, k2, p1, p2, k3],       left out: none
                           "rotation": [[..], [..], [..]],           camera_from_arm, [3, 3]
                           "translation_m": [x, y, z]}}}             the arm's base, seen by the camera

The arm's frame: metres, x forward, y left, z up from the table that the arm stands on. A camera's: x right,
y down, z forward, as OpenCV has it. Lens: Brown and Conrady's model (Brown 1971), with OpenCV's coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.work.replace import appearing

Numbers = NDArray[np.float64]
UNDISTORTING = 12
"""How often a point is brought nearer to where it would be without the lens; phones need five."""


@dataclass(frozen=True, kw_only=True)
class CalibratedCamera:
    """One fixed camera: a pinhole behind a lens, and where it stands."""

    name: str
    size: tuple[int, int]
    """Height and width in pixels of the pictures it was calibrated with."""
    matrix: Numbers
    """``[3, 3]``, pixels."""
    rotation: Numbers
    """camera_from_arm, ``[3, 3]``."""
    translation_m: Numbers
    """``[3]``."""
    distortion: Numbers
    """k1, k2, p1, p2, k3."""

    @property
    def eye_m(self) -> Numbers:
        """Return where it stands in the arm's frame, ``[3]``."""
        return -self.rotation.T @ self.translation_m

    def scaled_to(self, height: int, width: int) -> CalibratedCamera:
        """Return the same camera for pictures of another size.

        Raises:
            SaysoError: if they are of another shape: a part of the picture was cut away, nobody knows which.
        """
        high, wide = self.size
        if abs(height * wide - width * high) > 0.02 * height * wide:
            raise SaysoError(
                f"camera {self.name!r} was calibrated with {wide} x {high} pixels, and its clip has "
                f"{width} x {height}, another shape: film both in the same mode, or calibrate again"
            )
        scale = np.diag([width / wide, height / high, 1.0])
        return CalibratedCamera(
            name=self.name,
            size=(height, width),
            matrix=scale @ self.matrix,
            rotation=self.rotation,
            translation_m=self.translation_m,
            distortion=self.distortion,
        )

    def project(self, points_m: Numbers) -> Numbers:
        """Return the pixels of points of the arm's frame, ``[..., 3]`` -> ``[..., 2]``, lens and all."""
        seen = points_m @ self.rotation.T + self.translation_m
        flat = _distorted(seen[..., :2] / seen[..., 2:], self.distortion)
        pixels: Numbers = flat @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        return pixels

    def flattened(self, pixels: Numbers) -> Numbers:
        """Return where pixels, ``[..., 2]``, lie on the plane 1 before the camera, without its lens."""
        drawn = (pixels - self.matrix[:2, 2]) @ np.linalg.inv(self.matrix[:2, :2]).T
        flat = drawn.copy()
        for _ in range(UNDISTORTING):
            flat = flat + drawn - _distorted(flat, self.distortion)
        return flat

    def rays(self, pixels: Numbers) -> Numbers:
        """Return the directions of pixels in the arm's frame, ``[..., 2]`` -> ``[..., 3]``, not normalised.

        A point at depth z is at ``eye_m + z * ray``.
        """
        flat = self.flattened(pixels)
        ahead: Numbers = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1) @ self.rotation
        return ahead


def read_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Read what `write_cameras`, or a person, wrote.

    Raises:
        SaysoError: if it is no calibration, saying of which camera what cannot be.
    """
    try:
        raw = parsed(path.read_text(encoding="utf-8"))["cameras"]
        found = {name: _camera(str(name), about) for name, about in raw.items()}
    except FileNotFoundError as error:
        raise SaysoError(
            f"{path} is not there: make it with `sayso calibrate`, from pictures of a printed board"
        ) from error
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise SaysoError(f"{path} is no calibration ({error}): make it with `sayso calibrate`") from error
    if not found:
        raise SaysoError(f"{path} names no camera: make it with `sayso calibrate`")
    return found


def write_cameras(path: Path, cameras: Sequence[CalibratedCamera]) -> Path:
    """Write cameras as JSON, and return `path`."""
    about = {
        camera.name: {
            "size": list(camera.size),
            "matrix": camera.matrix.tolist(),
            "distortion": camera.distortion.tolist(),
            "rotation": camera.rotation.tolist(),
            "translation_m": camera.translation_m.tolist(),
        }
        for camera in cameras
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path) as partial:
        partial.write_text(json.dumps({"cameras": about}, indent=2), encoding="utf-8")
    return path


def _camera(name: str, raw: Mapping[str, Any]) -> CalibratedCamera:
    def numbers(key: str, *shape: int) -> Numbers:
        found = np.array(raw[key], np.float64)
        if found.shape != shape or not np.isfinite(found).all():
            raise ValueError(f"{key} of camera {name!r} must be finite numbers of shape {shape}")
        return found

    height, width = raw["size"]
    rotation = numbers("rotation", 3, 3)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
        raise ValueError(f"rotation of camera {name!r} is none: its rows must be of length 1 and upright")
    matrix = numbers("matrix", 3, 3)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise ValueError(f"matrix of camera {name!r} has a focal length that is not above 0")
    return CalibratedCamera(
        name=name,
        size=(int(height), int(width)),
        matrix=matrix,
        rotation=rotation,
        translation_m=numbers("translation_m", 3),
        distortion=numbers("distortion", 5) if "distortion" in raw else np.zeros(5),
    )


def _distorted(flat: Numbers, lens: Numbers) -> Numbers:
    """Return where a lens draws points of the plane at distance 1, ``[..., 2]``."""
    k1, k2, p1, p2, k3 = lens
    x, y = flat[..., 0], flat[..., 1]
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
