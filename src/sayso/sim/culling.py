"""Frustum culling: what of a scene cannot appear in a camera's picture is not handed to the renderer."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator

import mujoco
import numpy as np
from numpy.typing import NDArray

HIDDEN_GROUP = 3
"""Group of shapes that are never drawn: those of collisions."""
SLACK_M = 0.002
"""How far outside a shape must lie. MuJoCo draws in single precision."""


class Culling:
    """Culling of one model's shapes by the spheres around them."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Note how large the shapes are; planes have no end."""
        self._model = model
        self._radii_m = np.where(model.geom_rbound > 0, model.geom_rbound + SLACK_M, np.inf)[:, None]
        # With a sensor of its own or without perspective, the sides of a camera's view are others.
        projection = getattr(model, "cam_projection", getattr(model, "cam_orthographic", None))
        usual = (model.cam_sensorsize == 0).all(1)
        self._usual = usual & (projection == 0) if projection is not None else usual

    def outside(self, data: mujoco.MjData, camera: int, aspect: float) -> NDArray[np.intp]:
        """Return the ids of shapes that cannot be in a camera's picture, `aspect` times as wide as high."""
        if not self._usual[camera]:
            return np.empty(0, np.intp)
        normals = data.cam_xmat[camera].reshape(3, 3) @ _sides(float(self._model.cam_fovy[camera]), aspect)
        beyond = (data.geom_xpos - data.cam_xpos[camera]) @ normals > self._radii_m
        return np.flatnonzero(beyond.any(1))

    @contextlib.contextmanager
    def hidden(self, data: mujoco.MjData, camera: int, aspect: float) -> Iterator[None]:
        """Move what is outside into `HIDDEN_GROUP` for as long as this lasts."""
        shapes, groups = self.outside(data, camera, aspect), self._model.geom_group
        own = groups[shapes]
        groups[shapes] = HIDDEN_GROUP
        try:
            yield
        finally:
            groups[shapes] = own


@functools.lru_cache(maxsize=64)
def _sides(fovy_deg: float, aspect: float) -> NDArray[np.float64]:
    """Return the normals, [3, 5], that point out of a view along -z: right, left, up, down, and behind."""
    up = math.tan(math.radians(fovy_deg) / 2)
    sides = np.array([(1, 0, up * aspect), (-1, 0, up * aspect), (0, 1, up), (0, -1, up), (0, 0, 1)])
    normals: NDArray[np.float64] = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    return normals.T
