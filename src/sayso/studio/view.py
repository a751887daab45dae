"""View of one moment, to be drawn: the scene, the pictures, the plan, the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.physics import Eye, Physics
from sayso.spec import Actor, Image

Vectors = NDArray[np.float64]
Tone = Literal["idle", "busy", "good", "bad"]
Mark = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What is drawn once: a model and which of its bodies are shown. Another scene is another object."""

    model: mujoco.MjModel
    bodies: frozenset[int] | None = None
    """None is all of them."""
    cameras: Mapping[str, Eye] = field(default_factory=dict)
    """Name -> its camera in the model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Poses:
    """Where everything is: positions ``[N, 3]`` in metres and quaternions ``[N, 4]``."""

    bodies_m: Vectors
    bodies_wxyz: Vectors
    cameras_m: Mapping[str, Vectors]
    cameras_wxyz: Mapping[str, Vectors]
    """Of cameras that look along +z, with y down, as browsers draw them."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One step of a plan."""

    sentence: str
    mark: Mark = "waiting"
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """All that the page shows. It is never changed, only replaced, so that any thread may read it."""

    scene: Scene | None = None
    poses: Poses | None = None
    images: Mapping[str, Image] = field(default_factory=dict)
    path_m: Vectors | None = None
    """Where the newest chunk brings the hand, ``[K, 3]``."""
    examples: tuple[str, ...] = ()
    headline: str = "Ready"
    tone: Tone = "idle"
    detail: str = ""
    lines: tuple[Line, ...] = ()
    conditions: Mapping[str, bool] = field(default_factory=dict)
    hz: float = 0.0
    """Control steps per second, as of late."""
    wanted_hz: float = 0.0
    policy_ms: float = 0.0
    answer_ms: float = 0.0
    """From a look to its answer, injected delay included."""
    robot: str = ""
    simulated: bool = True
    driving: bool = False
    steered: bool = False
    """Whether a person could act now: something is driven whose hand can be moved."""
    actor: Actor | None = None
    """Who acted in the last step."""
    hand_m: Vectors | None = None
    """Where the hand is, ``[3]``; None if nobody knows."""
    alone: bool = False
    """Whether a person acts without any policy."""
    judged: bool = False
    """Whether it waits for a person to keep or discard what was done."""
    kept: str = ""
    """What has been recorded of what people did, in words."""
    number: int = 0
    """Of the scene, counted from the first of the test split."""


def scene_of(physics: Physics) -> Scene:
    """Return what to draw of a scene, once."""
    return Scene(model=physics.model, bodies=physics.bodies, cameras=physics.eyes)


def poses_of(physics: Physics) -> Poses:
    """Return where everything is now, as a copy."""
    data = physics.data
    cameras = {name: data.camera(eye.name) for name, eye in physics.eyes.items()}
    return Poses(
        bodies_m=data.xpos.copy(),
        bodies_wxyz=data.xquat.copy(),
        cameras_m={name: camera.xpos.copy() for name, camera in cameras.items()},
        cameras_wxyz={
            name: _forwards(camera.xmat.reshape(3, 3), turned=physics.eyes[name].turned)
            for name, camera in cameras.items()
        },
    )


def _forwards(rotation: Vectors, *, turned: bool) -> Vectors:
    """Return the quaternion of a camera that looks along +z, from the matrix of one that looks along -z."""
    quat, side = np.zeros(4), -1.0 if turned else 1.0
    mujoco.mju_mat2Quat(quat, (rotation * [side, -side, -1.0]).flatten())
    return quat
