"""Mesh decimation of a scene: what is only drawn gets fewer faces and smaller pictures.

Policies look at pictures of 128 pixels, for which a bowl of 42,000 faces and a texture of 4,096 pixels cost
most of a step and show nothing. Each mesh and picture is made small once and then kept in the cache folder;
faces are joined by meshoptimizer (quadric error metrics), which keeps points where they are, and with them
where they lie in the texture.
"""

from __future__ import annotations

import functools
import hashlib
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sayso.spec import SaysoError
from sayso.work.cache import cache_folder

Points = NDArray[np.float64]
Faces = NDArray[np.int64]

DRAWN_GROUP = "1"
"""Group of the shapes that are only drawn; those of others may be touched or weighed."""
ERROR_M = 0.0008
"""How far a surface may move: an eighth of a pixel in a picture of 128 from a metre away. At twice that, the
inside of small bowls is lit otherwise; at half of it there are half as many faces more, for nothing seen."""
SHARE = 0.003
"""And how far that of something large, as a share of its size."""
FEWEST = 4
"""Points that a mesh must have for MuJoCo."""
PICTURE_PX = 512
"""Longest side of a texture that is left."""
INSTALL = "meshes cannot be thinned here: pip install 'sayso[libero]'"


def thinned(scene: str) -> str:
    """Return a scene (MJCF) in which meshes that are only drawn are thin, and textures small.

    What is touched stays as it is, and so does what anything weighs.

    Raises:
        SaysoError: if what thins them is not installed.
    """
    root = ElementTree.fromstring(scene)
    touched = {shape.get("mesh") for shape in root.iter("geom") if shape.get("group", "0") != DRAWN_GROUP}
    for mesh in root.iter("mesh"):
        file, scale = mesh.get("file"), mesh.get("scale", "1 1 1")
        if file is None or mesh.get("name") in touched:
            continue
        mesh.set("file", str(_thin_mesh(file, scale)))
        mesh.set("scale", "1 1 1")
        mesh.set("inertia", "shell")  # what was thinned may have holes; it weighs nothing anyway
    for texture in root.iter("texture"):
        if file := texture.get("file"):
            texture.set("file", str(_small_picture(file)))
    return ElementTree.tostring(root, encoding="unicode")


@functools.cache
def _thin_mesh(file: str, scale: str) -> Path:
    """Return a file with a thin mesh in MuJoCo's format, its scale already applied."""
    return _kept(Path(file), f"{scale} {ERROR_M} {SHARE}", ".msh", functools.partial(_thin_into, scale=scale))


@functools.cache
def _small_picture(file: str) -> Path:
    """Return a file with a picture no larger than need be; its own, if it is small already."""
    with Pillow.open(file) as picture:
        if max(picture.size) <= PICTURE_PX:
            return Path(file)
    return _kept(Path(file), str(PICTURE_PX), ".png", _shrink_into)


def _kept(source: Path, how: str, ending: str, make: Callable[[Path, Path], None]) -> Path:
    """Return a file in the cache that is made of another one, making it unless it is there."""
    known = hashlib.sha256(how.encode())
    known.update(source.read_bytes())
    kept = cache_folder() / f"thin-{source.stem}-{known.hexdigest()[:16]}{ending}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}{ending}")
        make(source, partial)
        partial.replace(kept)  # atomic, so that workers that start together cannot read half a file
    return kept


def _shrink_into(source: Path, target: Path) -> None:
    with Pillow.open(source) as opened:
        picture = opened if opened.mode in ("L", "RGB", "RGBA") else opened.convert("RGB")
        share = PICTURE_PX / max(picture.size)
        size = (max(1, round(share * picture.width)), max(1, round(share * picture.height)))
        picture.resize(size, Pillow.Resampling.BOX).save(target)


def _thin_into(source: Path, target: Path, *, scale: str) -> None:
    points, normals, at, faces = _read(source, [float(number) for number in scale.split()])
    left = decimated(points, faces)
    used, faces = np.unique(left, return_inverse=True)
    counts = [len(used), len(used), len(used) if at is not None else 0, len(left)]
    with target.open("wb") as file:
        file.write(np.array(counts, np.int32).tobytes())
        file.write(points[used].astype(np.float32).tobytes())
        file.write(normals[used].astype(np.float32).tobytes())
        if at is not None:
            file.write(at[used].astype(np.float32).tobytes())
        file.write(faces.astype(np.int32).tobytes())


def decimated(points: Points, faces: Faces) -> Faces:
    """Return fewer faces of the same points, [F, 3].

    Args:
        points: [V, 3], metres; two at one place are two sides of a seam in the texture, which stays closed.
        faces: [F, 3].

    Raises:
        SaysoError: if what thins them is not installed.
    """
    try:
        import meshoptimizer
    except ModuleNotFoundError as error:
        raise SaysoError(INSTALL) from error
    corners = np.ascontiguousarray(faces.reshape(-1), np.uint32)
    left = np.zeros_like(corners)
    size = meshoptimizer.simplify(
        left,
        corners,
        np.ascontiguousarray(points, np.float32),
        target_index_count=0,
        target_error=max(ERROR_M, SHARE * float(np.ptp(points, axis=0).max())),
        options=meshoptimizer.SIMPLIFY_ERROR_ABSOLUTE | meshoptimizer.SIMPLIFY_PRUNE,
    )
    thin = left[:size].reshape(-1, 3).astype(np.int64)
    return thin if len(np.unique(thin)) >= FEWEST else faces  # what is smaller than that would vanish


def _read(file: Path, scale: list[float]) -> tuple[Points, Points, Points | None, Faces]:
    """Return a mesh of any format that MuJoCo reads: points, normals, where they are in the texture, faces.

    Points [V, 3] and normals [V, 3] are where the file has them, once scaled; two corners are one point if
    they agree in place and in the texture, [V, 2], which is None where there is none.
    """
    spec = mujoco.MjSpec()
    spec.add_mesh(name="it", file=str(file), scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="it")
    model = spec.compile()
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, model.mesh_quat[0])
    back = turn.reshape(3, 3).T
    corners = model.mesh_face.reshape(-1)
    places = (model.mesh_vert @ back + model.mesh_pos[0])[corners]
    normals = (model.mesh_normal @ back)[model.mesh_facenormal.reshape(-1)]
    at = model.mesh_texcoord[model.mesh_facetexcoord.reshape(-1)] if model.mesh_texcoordadr[0] >= 0 else None
    fine = np.float64(1e5) / max(float(np.ptp(places, axis=0).max()), 1e-9)
    keys = np.rint(places * fine)
    if at is not None:
        keys = np.hstack([keys, np.rint(at * 1e4)])
    _, first, same = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    same = same.reshape(-1)
    mean = np.zeros((len(first), 3))
    np.add.at(mean, same, normals)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    return places[first], mean, None if at is None else at[first], same.reshape(-1, 3)
