"""Person's right hand to be filmed: a skinned mesh of 25 joints (WebXR's generic hand, MIT) in a scene.

    wrist -+- thumb: metacarpal, proximal, distal, tip            each joint's own y axis points to the back
           +- index, middle, ring, pinky finger:                  of the hand, its -z to the finger's tip
              metacarpal, proximal, intermediate, distal, tip

The mesh is posed by mocap bodies, one a joint, and drawn by MuJoCo as a skin (linear blend skinning). A
forearm is added, without which trackers find no hand. It is only looked at: it touches nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.variation import RGB

Numbers = NDArray[np.float64]
MESH = Path(__file__).with_name("hand_mesh") / "right.glb"
FINGERS = ("thumb", "index-finger", "middle-finger", "ring-finger", "pinky-finger")
SEGMENTS = ("metacarpal", "phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
WRIST, FOREARM = "wrist", "forearm"
FOREARM_M, RINGS, AROUND = 0.26, 14, 24
FOREARM_PROFILE = ((0.0, 1.0), (0.08, 1.02), (0.25, 1.12), (0.55, 1.40), (0.80, 1.50), (1.0, 1.45))
"""How far down the forearm, of 1, and how thick it is there, in wrists."""
BLEND = 0.12
"""Share of the forearm that bends with the wrist."""
_TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True, kw_only=True)
class HandMesh:
    """Mesh of a hand and its forearm, at rest."""

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    """Of each joint; -1 of the wrist and of the forearm."""
    rest: Numbers
    """Frame of each joint in the mesh's own, ``[J, 4, 4]``."""
    vertices: Numbers
    """``[V, 3]``, metres."""
    faces: NDArray[np.int64]
    weights: Numbers
    """By how much each vertex goes with each joint ``[V, J]``."""

    def index(self, joint: str) -> int:
        """Return the place of a joint."""
        return self.joints.index(joint)

    @cached_property
    def local(self) -> Numbers:
        """Return the frame of each joint in its parent's, at rest, ``[J, 4, 4]``."""
        own = [self.rest[k] if p < 0 else np.linalg.inv(self.rest[p]) @ self.rest[k] for k, p in self._tree]
        return np.array(own)

    def posed(self, turns: Mapping[str, Numbers], fingers: tuple[str, ...] = FINGERS) -> Numbers:
        """Return the joints' frames ``[J, 4, 4]``, the wrist at rest, others turned in their own frames.

        Args:
            turns: joint -> its turn ``[3, 3]``.
            fingers: that move; the others stay as at rest.
        """
        frames = self.rest.copy()
        for k, parent in self._tree:  # parents come before their children
            if parent < 0 or not self.joints[k].startswith(fingers):
                continue
            frames[k] = frames[parent] @ self.local[k]
            if self.joints[k] in turns:
                frames[k, :3, :3] = frames[k, :3, :3] @ turns[self.joints[k]]
        return frames

    @property
    def _tree(self) -> list[tuple[int, int]]:
        return list(enumerate(self.parents))


@cache
def hand_mesh(scale: float = 1.0) -> HandMesh:
    """Return the hand, larger or smaller by a factor."""
    chunk, binary = _opened(MESH.read_bytes())
    primitive, skin = chunk["meshes"][0]["primitives"][0], chunk["skins"][0]
    attributes = primitive["attributes"]
    stored = [chunk["nodes"][node]["name"] for node in skin["joints"]]
    names = [name for name in _chains() if name in stored]
    vertices = _array(chunk, binary, attributes["POSITION"]).astype(np.float64) * scale
    weights = np.zeros((len(vertices), len(stored)))
    which = _array(chunk, binary, attributes["JOINTS_0"]).astype(int)
    for k, share in enumerate(_array(chunk, binary, attributes["WEIGHTS_0"]).T):
        np.add.at(weights, (np.arange(len(vertices)), which[:, k]), share)
    bind = _array(chunk, binary, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    rest = np.array(
        [_rigid(np.asarray(np.linalg.inv(matrix), np.float64), scale) for matrix in bind.astype(np.float64)]
    )
    order = [stored.index(name) for name in names]
    faces = _array(chunk, binary, primitive["indices"]).reshape(-1, 3).astype(np.int64)
    parents = [-1 if name == WRIST else names.index(_parent(name, names)) for name in names]
    welded = _welded(vertices, faces, weights[:, order])
    return _with_forearm(tuple(names), tuple(parents), rest[order], *welded, scale=scale)


def add_hand(spec: mujoco.MjSpec, mesh: HandMesh, rgb: RGB) -> None:
    """Hang a hand of one colour into a scene; `place_hand` moves it."""
    for joint in mesh.joints:
        spec.worldbody.add_body(name=_body(joint), mocap=True)
    used = [k for k in range(len(mesh.joints)) if (mesh.weights[:, k] > 1e-4).any()]  # tips move no vertex
    skin = spec.add_skin(name="hand")
    skin.vert = mesh.vertices.astype(np.float32).ravel().tolist()
    skin.face = mesh.faces.ravel().tolist()
    skin.bodyname = [_body(mesh.joints[k]) for k in used]
    skin.bindpos = mesh.rest[used][:, :3, 3].ravel().tolist()
    skin.bindquat = np.concatenate([_quat(frame) for frame in mesh.rest[used]]).tolist()
    skin.vertid = [np.flatnonzero(mesh.weights[:, k] > 1e-4).tolist() for k in used]
    skin.vertweight = [mesh.weights[mesh.weights[:, k] > 1e-4, k].tolist() for k in used]
    skin.rgba = [*rgb, 1.0]


def place_hand(model: mujoco.MjModel, data: mujoco.MjData, mesh: HandMesh, frames: Numbers) -> None:
    """Put the joints of a hand where frames of the world say, ``[J, 4, 4]``."""
    for joint, frame in zip(mesh.joints, frames, strict=True):
        number = model.body(_body(joint)).mocapid[0]
        data.mocap_pos[number], data.mocap_quat[number] = frame[:3, 3], _quat(frame)


def _body(joint: str) -> str:
    return f"hand_{joint}"


def _chains() -> list[str]:
    return [WRIST, *(f"{finger}-{segment}" for finger in FINGERS for segment in SEGMENTS)]


def _parent(name: str, names: list[str]) -> str:
    finger = next(one for one in FINGERS if name.startswith(one))
    chain = [WRIST, *(one for one in names if one.startswith(finger))]
    return chain[chain.index(name) - 1]


def _opened(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the two chunks of a binary glTF file."""
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def _array(chunk: Mapping[str, Any], binary: bytes, number: int) -> NDArray[Any]:
    accessor = chunk["accessors"][number]
    view = chunk["bufferViews"][accessor["bufferView"]]
    kind, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    begin = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", kind.itemsize * width)
    return np.ndarray((accessor["count"], width), kind, binary, begin, strides=(stride, kind.itemsize)).copy()


def _rigid(matrix: Numbers, scale: float) -> Numbers:
    left, _, right = np.linalg.svd(matrix[:3, :3])
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = left @ right, matrix[:3, 3] * scale
    return frame


def _welded(vertices: Numbers, faces: NDArray[np.int64], weights: Numbers) -> tuple[Any, Any, Any]:
    """Join vertices that lie on each other, as they do along the seams of a texture."""
    _, first, joined = np.unique(vertices.round(6), axis=0, return_index=True, return_inverse=True)
    faces = joined.ravel()[faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return vertices[first], faces[whole], weights[first]


def _with_forearm(
    names: tuple[str, ...],
    parents: tuple[int, ...],
    rest: Numbers,
    vertices: Numbers,
    faces: NDArray[np.int64],
    weights: Numbers,
    *,
    scale: float,
) -> HandMesh:
    """Add a tapered tube behind the wrist, and the joint that holds it."""
    wrist = rest[names.index(WRIST)]
    local = (vertices - wrist[:3, 3]) @ wrist[:3, :3]
    heel = local[np.abs(local[:, 2] - 0.010 * scale) < 0.008 * scale, :2]
    middle, radii = heel.mean(axis=0), np.ptp(heel, axis=0) / 2
    down = np.linspace(0, 1, RINGS)
    thick = np.interp(down, *np.array(FOREARM_PROFILE).T)[:, None]
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)[None]
    x = middle[0] + 0.97 * radii[0] * thick * np.cos(angle)
    y = middle[1] + radii[1] * (0.97 * thick + 0.35 * (thick - 1).clip(0)) * np.sin(angle)
    z = np.broadcast_to((0.004 + down[:, None] * FOREARM_M) * scale, x.shape)
    tube = np.stack([x, y, z], axis=-1).reshape(-1, 3) @ wrist[:3, :3].T + wrist[:3, 3]
    ring, place = np.meshgrid(np.arange(RINGS - 1), np.arange(AROUND), indexing="ij")
    a, b = (ring * AROUND + place).ravel(), (ring * AROUND + (place + 1) % AROUND).ravel()
    sides = np.concatenate([np.stack([a, b, b + AROUND], 1), np.stack([a, b + AROUND, a + AROUND], 1)])
    far = np.repeat((down / BLEND).clip(0, 1), AROUND)
    own = np.zeros((len(tube), len(names) + 1))
    own[:, names.index(WRIST)], own[:, -1] = 1 - far, far
    return HandMesh(
        joints=(*names, FOREARM),
        parents=(*parents, -1),
        rest=np.concatenate([rest, wrist[None]]),
        vertices=np.concatenate([vertices, tube]),
        faces=np.concatenate([faces, sides + len(vertices)]),
        weights=np.concatenate([np.pad(weights, ((0, 0), (0, 1))), own]),
    )


def _quat(frame: Numbers) -> Numbers:
    found = np.zeros(4)
    mujoco.mju_mat2Quat(found, np.ascontiguousarray(frame[:3, :3]).ravel())
    return found
