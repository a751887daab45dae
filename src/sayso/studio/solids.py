"""Triangle meshes of what a MuJoCo model shows: one solid for each body and colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Patch = tuple[Vectors, NDArray[np.int64]]
"""Vertices ``[V, 3]`` and faces ``[F, 3]``. A viewer rounds off what shares a vertex, so edges share none."""

AROUND, ALONG = 40, 20
"""Into how many pieces what is round is cut, around and from pole to pole."""
CREASE_RAD = np.radians(35)
LAST_SHOWN_GROUP = 2
"""Geoms of higher groups are shapes to collide with."""
FLOOR_M = 4.0
"""Half the side of a plane without an end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solid:
    """Triangles of one colour that move with one body, in its frame."""

    body: int
    rgba: tuple[float, float, float, float]
    vertices: Vectors
    faces: NDArray[np.int64]


def solids(model: mujoco.MjModel, bodies: Collection[int] | None = None) -> list[Solid]:
    """Return all that can be seen of some bodies, or of all."""
    found: dict[tuple[int, tuple[float, ...]], list[Patch]] = {}
    for geom in range(model.ngeom):
        body, rgba = int(model.geom_bodyid[geom]), _colour(model, geom)
        shown = model.geom_group[geom] <= LAST_SHOWN_GROUP and rgba[3] > 0
        if shown and (bodies is None or body in bodies):
            found.setdefault((body, rgba), []).extend(_placed(model, geom))
    return [
        Solid(body=body, rgba=rgba[:4], vertices=vertices, faces=faces)  # type: ignore[arg-type]
        for (body, rgba), patches in found.items()
        for vertices, faces in [_joined(patches)]
    ]


def _colour(model: mujoco.MjModel, geom: int) -> tuple[float, ...]:
    material = model.geom_matid[geom]
    rgba = model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
    return tuple(round(float(channel), 4) for channel in rgba)


def _placed(model: mujoco.MjModel, geom: int) -> Iterator[Patch]:
    """Yield the patches of a geom in the frame of its body."""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    for vertices, faces in _patches(model, geom):
        yield vertices @ rotation.reshape(3, 3).T + model.geom_pos[geom], faces


def _patches(model: mujoco.MjModel, geom: int) -> list[Patch]:
    shape, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    match shape:
        case mujoco.mjtGeom.mjGEOM_BOX:
            return box(size)
        case mujoco.mjtGeom.mjGEOM_CYLINDER:
            return cylinder(size[0], size[1])
        case mujoco.mjtGeom.mjGEOM_CAPSULE:
            return [ball(np.full(3, size[0]), size[1])]
        case mujoco.mjtGeom.mjGEOM_SPHERE:
            return [ball(np.full(3, size[0]))]
        case mujoco.mjtGeom.mjGEOM_ELLIPSOID:
            return [ball(size)]
        case mujoco.mjtGeom.mjGEOM_PLANE:
            half = [length or FLOOR_M for length in size[:2]]
            return [_grid(np.array([[-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]]) * [*half, 1], 2)]
        case mujoco.mjtGeom.mjGEOM_MESH:
            return [_mesh(model, int(model.geom_dataid[geom]))]
    raise NotImplementedError(f"nothing here draws a {shape.name}")


def box(half: Vectors) -> list[Patch]:
    """Return six sides."""
    sides = []
    for axis in range(3):
        for sign in (-1, 1):
            corners = np.array([[sign, b, c] for c in (-1, 1) for b in (-sign, sign)], dtype=float)
            sides.append(_grid(np.roll(corners, axis, axis=1) * half, 2))
    return sides


def cylinder(radius: float, half: float) -> list[Patch]:
    """Return a tube along z and the two discs that close it."""
    angles = np.linspace(0, 2 * np.pi, AROUND + 1)
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros_like(angles)], axis=1)
    tube = _grid(np.concatenate([ring - [0, 0, half], ring + [0, 0, half]]), AROUND + 1)
    fan = np.array([[0, i, i + 1] for i in range(1, AROUND + 1)])
    lids = [
        (np.concatenate([np.zeros((1, 3)), ring]) + [0, 0, sign * half], fan[:, ::sign]) for sign in (-1, 1)
    ]
    return [tube, *lids]


def ball(radii: Vectors, stretch: float = 0.0) -> Patch:
    """Return an ellipsoid whose upper half is lifted along z and whose lower half is lowered: a capsule."""
    angles = np.linspace(0, 2 * np.pi, AROUND + 1)
    below = np.linspace(-np.pi / 2, 0, ALONG // 2 + 1)
    rows = [(angle, -stretch) for angle in below] + [(angle, stretch) for angle in -below[::-1]]
    points = [
        np.stack(
            [np.cos(up) * np.cos(angles), np.cos(up) * np.sin(angles), np.full_like(angles, np.sin(up))], 1
        )
        * radii
        + [0, 0, lift]
        for up, lift in rows
    ]
    return _grid(np.concatenate(points), AROUND + 1)


def _mesh(model: mujoco.MjModel, mesh: int) -> Patch:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    faces = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
    return creased(model.mesh_vert[first : first + count].astype(float), faces.astype(np.int64))


def creased(vertices: Vectors, faces: NDArray[np.int64]) -> Patch:
    """Return a mesh whose faces share a vertex only where they meet at less than `CREASE_RAD`."""
    sides = np.diff(vertices[faces], axis=1)
    normals = np.cross(sides[:, 0], sides[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    # A corner is one of the three of a face; the edge of the same number leads from it to the next.
    corner = np.arange(faces.size)
    following = corner - corner % 3 + (corner + 1) % 3
    at = faces.reshape(-1)
    low, high = np.minimum(at, at[following]), np.maximum(at, at[following])
    order = np.lexsort((high, low))
    one, other = order[:-1], order[1:]
    met = (low[one] == low[other]) & (high[one] == high[other])
    met &= (normals[one // 3] * normals[other // 3]).sum(1) > np.cos(CREASE_RAD)
    one, other = one[met], other[met]
    alike = at[one] == at[other]  # both edges begin at the same vertex
    pairs = np.concatenate([
        np.stack([one, np.where(alike, other, following[other])]),
        np.stack([following[one], np.where(alike, following[other], other)]),
    ], axis=1)  # fmt: skip
    group, changed = corner.copy(), True
    while changed:
        before, least = group.copy(), group[pairs].min(0)
        np.minimum.at(group, pairs[0], least)
        np.minimum.at(group, pairs[1], least)
        changed = not np.array_equal(group, before)
    kept, index = np.unique(group, return_inverse=True)
    return vertices[at[kept]], index.reshape(-1, 3)


def _grid(points: Vectors, across: int) -> Patch:
    """Return the triangles between rows of so many points."""
    corners = np.arange(len(points)).reshape(-1, across)
    a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]
    faces = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    return points, faces


def _joined(patches: list[Patch]) -> Patch:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in patches[:-1])])
    vertices = np.concatenate([vertices for vertices, _ in patches])
    return vertices, np.concatenate([faces + s for (_, faces), s in zip(patches, starts, strict=True)])
