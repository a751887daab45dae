"""Sight of a person who looks at the mock arm's pictures: where a thing's middle is, or that it is hidden.

Rays go from the camera through a grid of points around the thing. Those that meet it if nothing else were
there are its outline; those that meet it first are what is seen of it. Nothing is drawn.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

GRID = 25
"""Rays each way."""
SEEN = 0.2
"""Least share of the outline that must be seen for a person to know the thing."""
DRAWN = np.array([1, 1, 1, 0, 1, 1], np.uint8)
"""Groups of geoms that cameras show: all but collision shapes."""


def middle(
    model: Any, data: Any, camera: str, thing: str, size: tuple[int, int]
) -> tuple[float, float] | None:
    """Return u and v in 0..1 where a person would click; None if too little of the thing is to be seen.

    It is the middle of the outline unless the robot is before that or it is outside the picture; then it is
    the place nearest to the middle of what is seen.

    Args:
        model: MuJoCo's.
        data: its data, with every body where the picture shows it.
        camera: its name in the model.
        thing: name of the body, which is made of primitive shapes.
        size: height and width of the picture.
    """
    view, body = data.camera(camera), model.body(thing).id
    rotation = view.xmat.reshape(3, 3)
    half = math.tan(math.radians(float(model.camera(camera).fovy[0])) / 2)
    steep = half * np.array([size[1] / size[0], -1.0])
    geoms = np.flatnonzero(model.geom_bodyid == body)
    at = data.geom_xpos[geoms].mean(0)
    radius = float((np.linalg.norm(data.geom_xpos[geoms] - at, axis=1) + model.geom_rbound[geoms]).max())
    x, y, z = rotation.T @ (at - view.xpos)
    if z > -radius:  # behind the lens, or against it
        return None
    shifts = np.linspace(-radius, radius, GRID)
    places = (np.array([x, y]) + np.stack(np.meshgrid(shifts, shifts), -1).reshape(-1, 2)) / -z
    outline = places[[_meets(model, data, geoms, view.xpos, _ray(rotation, place)) for place in places]]
    inside = outline[(np.abs(outline / steep) <= 1).all(1)]
    seen = inside[[_first(model, data, view.xpos, _ray(rotation, place)) == body for place in inside]]
    if len(seen) < max(1, SEEN * len(outline)):
        return None
    point = outline.mean(0)
    first = _first(model, data, view.xpos, _ray(rotation, point))
    robot = model.body_rootid[model.cam_bodyid[model.camera("arm_wrist").id]]
    if (np.abs(point / steep) > 1).any() or model.body_rootid[first] == robot:
        point = seen[np.argmin(np.linalg.norm(seen - seen.mean(0), axis=1))]
    u, v = (1 + point / steep) / 2
    return float(u), float(v)


def _ray(rotation: Vector, place: Vector) -> Vector:
    """Return the direction in the world of a place [2] in the plane one metre before the camera."""
    ray: Vector = rotation @ np.array([*place, -1.0])
    return ray


def _meets(model: Any, data: Any, geoms: NDArray[np.int64], start: Vector, ray: Vector) -> bool:
    """Tell whether a ray meets one of some geoms, were they alone."""
    return any(
        mujoco.mju_rayGeom(
            data.geom_xpos[g], data.geom_xmat[g], model.geom_size[g], start, ray, model.geom_type[g]
        )
        >= 0
        for g in geoms
    )


def _first(model: Any, data: Any, start: Vector, ray: Vector) -> int:
    """Return the body that a ray meets first, 0 (the room) if there is none."""
    found = np.full(1, -1, np.int32)
    mujoco.mj_ray(model, data, start, ray, DRAWN, True, -1, found)
    return int(model.geom_bodyid[found[0]]) if found[0] >= 0 else 0
