"""Things from meshes: files and pictures of a package, thinned to be drawn, and solids to touch them by.

    mesh, 15,000 faces --stand upright, foot at 0, to size--+--thin--> 4,000 faces and a picture of 256 pixels
                                                            +--slabs--> few boxes or cylinders for contact

A set of them is one file of rows, such as `sayso.sim.libero`, and a row of `sayso.sim.objects.SETS`.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sayso.sim.textures import lay
from sayso.sim.variation import RGB
from sayso.spec import Image, SaysoError
from sayso.work.cache import cache_folder

Points = NDArray[np.float64]
"""[N, 2] or [N, 3]."""
Faces = NDArray[np.int64]
"""Three numbers of points, [F, 3]."""

FACES, PICTURE_PX = 4000, 256
"""How much of a mesh, and of its picture, is left: things are 30 pixels wide in what cameras see."""
GRIDS = (96, 80, 64, 52, 42, 34, 26, 18, 12)
"""Cells along the longest side of a mesh, tried one after another until few enough faces are left."""
FINE = 4095
"""Steps of a mesh's longest side, and of its picture, within which two points are one."""
SLABS = 8
"""Into how many layers a thing is cut to find its solids; alike neighbours become one."""
ALIKE_M = 0.0015
"""How far the outlines of two such layers may differ."""


class MissingMeshesError(SaysoError):
    """Things from meshes that no installed package carries."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Mesh of a thing, in MuJoCo's own format, and how it is coloured; paths are in its package."""

    mesh: str
    picture: str = ""
    rgb: RGB = (1.0, 1.0, 1.0)
    """What it is painted with where there is no picture."""


@dataclass(frozen=True, kw_only=True)
class MeshKind:
    """Kind of thing with a mesh: what people call it, its files, and its sizes as it stands in a scene."""

    called: tuple[str, ...]
    """Other words for it than its name; the last is never heard in training either, but held out."""
    package: str
    parts: tuple[Part, ...]
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """About x, then y, then z of the file, so that it stands upright and jaws close along x."""
    symmetry: int = 2
    """How many headings jaws may take; 0 for anything round."""
    height_m: float
    """To which it is scaled; the other sizes follow and stand here so that scenes can be laid out without."""
    width_m: float
    """Across the jaws, at the height of the grasp."""
    radius_m: float
    grasp_m: float
    grams: float = 35.0


@dataclass(frozen=True, kw_only=True)
class MeshSet:
    """Things from meshes of one origin."""

    package: str
    """Where they are; it is found, never imported."""
    extra: str
    """Extra of ours that installs it."""
    modules: tuple[str, ...]
    """Modules of it that must all be there."""
    kinds: Mapping[str, MeshKind]

    def require(self) -> None:
        """Do nothing if it is installed.

        Raises:
            MissingMeshesError: if it is not, with what to type.
        """
        if find_spec(self.package) is None or not all(find_spec(m) for m in self.modules):
            raise MissingMeshesError(
                f"real things as meshes are not installed: pip install 'sayso[{self.extra}]'"
            )


@dataclass(frozen=True)
class Solid:
    """Box, or upright cylinder if it is round, that stands for a layer of a thing in contacts; metres."""

    round: bool
    middle: tuple[float, float, float]
    half: tuple[float, float, float]

    @property
    def volume_m3(self) -> float:
        """Return how much space it takes."""
        x, y, z = self.half
        return math.pi * x * x * 2 * z if self.round else 8 * x * y * z

    @property
    def size(self) -> list[float]:
        """Return it as MuJoCo has it: half lengths, or radius and half height."""
        return [self.half[0], self.half[2], 0.0] if self.round else list(self.half)


@dataclass(frozen=True)
class Surface:
    """Thinned mesh of a part: points [V, 3] in metres, where they are in the picture [V, 2], and faces."""

    points: Points
    at: Points
    faces: Faces
    picture: Image


@dataclass(frozen=True)
class Model:
    """Scanned thing as it is built: what is seen and what is touched."""

    surfaces: tuple[Surface, ...]
    solids: tuple[Solid, ...]


@functools.cache
def model_of(kind: MeshKind) -> Model:
    """Return a thing ready to be built, read once in a process.

    Raises:
        MissingMeshesError: if its package is not installed, or has no such file.
    """
    read = [_thinned(kind, part) for part in kind.parts]
    turned = [surface.points @ _turn(kind.turn_deg).T for surface in read]
    dense = np.concatenate([_spread(t[s.faces]) for t, s in zip(turned, read, strict=True)])
    low, high = dense.min(axis=0), dense.max(axis=0)
    foot = dense[dense[:, 2] < low[2] + 0.08 * (high[2] - low[2])]
    middle = (foot.min(axis=0) + foot.max(axis=0)) / 2
    scale, origin = kind.height_m / (high[2] - low[2]), np.array([*middle[:2], low[2]])
    moved = [scale * (points - origin) for points in turned]
    surfaces = tuple(replace(s, points=points) for s, points in zip(read, moved, strict=True))
    return Model(surfaces, _solids(scale * (dense - origin), kind))


def _thinned(kind: MeshKind, part: Part) -> Surface:
    """Return a part's mesh, as it lies in its file, and its picture, both made small once and then kept."""
    files = [_file(kind, path) for path in (part.mesh, part.picture) if path]
    known = hashlib.sha256(repr((FACES, GRIDS, PICTURE_PX, part.rgb)).encode())
    for path in files:
        known.update(path.read_bytes())
    kept = cache_folder() / f"thing-{Path(part.mesh).stem}-{known.hexdigest()[:16]}.npz"
    if not kept.exists():
        points, at, faces = thin(*_read(files[0]), FACES)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, points=points, at=at, faces=faces, picture=_picture(files[1:], part.rgb))
        partial.replace(kept)  # atomic, so that workers that start together cannot read half a file
    with np.load(kept) as arrays:
        return Surface(arrays["points"], arrays["at"], arrays["faces"], arrays["picture"])


def add_assets(spec: mujoco.MjSpec, name: str, kind: MeshKind, scale: float) -> None:
    """Add a thing's meshes and materials to a scene, under its name there."""
    for number, surface in enumerate(model_of(kind).surfaces):
        asset = f"{name} {number}"
        spec.add_texture(
            name=asset,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=PICTURE_PX,
            height=PICTURE_PX,
        )
        material = spec.add_material(name=asset)
        textures = list(material.textures)
        textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = asset
        material.textures = textures
        mesh = spec.add_mesh(name=asset)
        mesh.uservert = (scale * surface.points).ravel()
        mesh.usertexcoord = surface.at.ravel()
        mesh.userface = surface.faces.ravel()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # what was scanned is not watertight


def build(body: mujoco.MjsBody, name: str, kind: MeshKind, scale: float) -> None:
    """Give a body what is seen and what is touched of a thing; the first solid bears its name."""
    model = model_of(kind)
    for number in range(len(model.surfaces)):
        asset = f"{name} {number}"
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=asset,
            material=asset,
            contype=0,
            conaffinity=0,
            mass=0.0,
        )
    total = sum(solid.volume_m3 for solid in model.solids)
    for number, solid in enumerate(model.solids):
        rolls = {"condim": 6, "friction": [0.6, 0.01, 0.003]} if solid.round else {}
        body.add_geom(
            name=name if not number else f"{name} solid {number}",
            type=mujoco.mjtGeom.mjGEOM_CYLINDER if solid.round else mujoco.mjtGeom.mjGEOM_BOX,
            size=[scale * length for length in solid.size],
            pos=[scale * length for length in solid.middle],
            rgba=[0.0, 0.0, 0.0, 0.0],
            mass=kind.grams / 1000 * solid.volume_m3 / total,
            **rolls,
        )


def dress(model: mujoco.MjModel, name: str, kind: MeshKind) -> None:
    """Draw a thing's pictures in a compiled scene."""
    for number, surface in enumerate(model_of(kind).surfaces):
        lay(model, model.texture(f"{name} {number}").id, surface.picture)


def thin(points: Points, at: Points, faces: Faces, most: int) -> tuple[Points, Points, Faces]:
    """Return a mesh with about `most` faces, by merging the points in each cell of a grid.

    Points of different charts of the picture stay apart, so that no face is stretched over the whole of it.

    Args:
        points: [V, 3].
        at: where they are in the picture, [V, 2].
        faces: [F, 3].
        most: how many faces at most, unless the coarsest grid leaves more.
    """
    low, longest = points.min(axis=0), float(np.ptp(points, axis=0).max())
    first, same = _alike([*np.rint(FINE * (points - low) / longest).T, *np.rint(FINE * at).T])
    points, at, faces = points[first], at[first], same[faces]
    if len(faces) <= most:
        return points, at, faces
    charts = _charts(len(points), faces)
    for grid in GRIDS:
        _, cell = _alike(list(np.floor(grid * (points - low) / longest).T))
        pairs, corner = _alike([cell, charts])
        a, b, c = cell[faces].T
        found = corner[faces[(a != b) & (b != c) & (c != a)]]
        if len(found) <= most:
            break
    moved = _means(points, cell)[cell[pairs]]
    used, faces = np.unique(found, return_inverse=True)
    return moved[used], _means(at, corner)[used], faces.reshape(-1, 3)


def _alike(columns: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each different row of whole numbers stands first, and which of them each row is, [N]."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        whole = column.astype(np.int64)
        key = key * (int(np.ptp(whole)) + 1) + whole - whole.min()
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    return first, same.reshape(-1)


def _means(values: Points, group: NDArray[np.int64]) -> Points:
    """Return the mean of the rows of each group."""
    sums = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return sums / np.bincount(group)[:, None]


def _charts(count: int, faces: Faces) -> NDArray[np.int64]:
    """Return numbers of the corners, [V]: those joined by faces have one."""
    labels = np.arange(count)
    while True:
        before = labels.copy()
        np.minimum.at(labels, faces.reshape(-1), np.repeat(labels[faces].min(axis=1), 3))
        labels = labels[labels]
        if np.array_equal(labels, before):
            return labels


def _solids(dense: Points, kind: MeshKind) -> tuple[Solid, ...]:
    """Return few solids that a thing, [N, 3] points of its surface, fills layer by layer."""
    edges = np.linspace(0.0, kind.height_m, SLABS + 1)
    layers: list[tuple[float, float, Points]] = []
    for low, high in pairwise(edges):
        inside = dense[(dense[:, 2] >= low) & (dense[:, 2] <= high), :2]
        # What is far out and thin, such as a twig, does not count.
        outline = np.percentile(inside, [2, 98], axis=0) if len(inside) > 1 else layers[-1][2]
        if layers and np.abs(outline - layers[-1][2]).max() < ALIKE_M:
            below = layers.pop()
            low, outline = (
                below[0],
                np.stack([np.minimum(outline[0], below[2][0]), np.maximum(outline[1], below[2][1])]),
            )
        layers.append((low, high, outline))
    return tuple(_solid(*layer, kind.symmetry == 0) for layer in layers)


def _solid(low: float, high: float, outline: Points, is_round: bool) -> Solid:
    (x0, y0), (x1, y1) = outline
    half = np.array([x1 - x0, y1 - y0]) / 2
    if is_round:
        half[:] = half.mean()
    half = np.maximum(half, 0.002)
    middle = ((x0 + x1) / 2, (y0 + y1) / 2, (low + high) / 2)
    return Solid(is_round, middle, (float(half[0]), float(half[1]), (high - low) / 2))


def _spread(corners: Points) -> Points:
    """Return points spread over faces, [F, 3, 3] -> [N, 3]."""
    shares = [(i / 8, j / 8, 1 - (i + j) / 8) for i in range(9) for j in range(9 - i)]
    spread: Points = np.einsum("sc,fcd->sfd", np.array(shares), corners)
    return spread.reshape(-1, 3)


def _turn(degrees: Sequence[float]) -> Points:
    """Return a rotation about x, then y, then z, [3, 3]."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: Points = about_z @ about_y @ about_x
    return turn


def _file(kind: MeshKind, path: str) -> Path:
    found = find_spec(kind.package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (Path(folder) / path).exists():
            return Path(folder) / path
    raise MissingMeshesError(f"no installed package carries {path} of {kind.package}")


def _read(path: Path) -> tuple[Points, Points, Faces]:
    """Read points, their places in the picture, and faces of a mesh in MuJoCo's binary format (.msh).

    It is four counts, then points, normals, texture coordinates and faces: 4 bytes each number.
    """
    content = path.read_bytes()
    points, normals, at, faces = np.frombuffer(content, np.int32, 4).tolist()
    ends = 16 + 4 * np.cumsum([3 * points, 3 * normals, 2 * at, 3 * faces])
    if ends[-1] != len(content) or at != points:
        raise MissingMeshesError(f"{path} is no mesh with texture coordinates in MuJoCo's format")
    return (
        np.frombuffer(content, np.float32, 3 * points, 16).reshape(-1, 3).astype(float),
        np.frombuffer(content, np.float32, 2 * at, ends[1]).reshape(-1, 2).astype(float),
        np.frombuffer(content, np.int32, 3 * faces, ends[2]).reshape(-1, 3).astype(np.int64),
    )


def _picture(files: Sequence[Path], rgb: RGB) -> Image:
    if not files:
        return np.full((PICTURE_PX, PICTURE_PX, 3), np.rint(255 * np.array(rgb)), np.uint8)
    with Pillow.open(files[0]) as opened:
        coloured = opened if opened.mode == "RGB" else opened.convert("RGB")
        return np.asarray(coloured.resize((PICTURE_PX, PICTURE_PX), Pillow.Resampling.BOX))
