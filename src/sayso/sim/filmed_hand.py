"""Filming of a rendered hand at the arm's table: clips whose truth is known, to measure what watches them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.gesture import Gesture
from sayso.sim.hand import add_hand, hand_mesh, place_hand
from sayso.sim.pinch import pinching
from sayso.sim.render import Cameras
from sayso.sim.robots import add_camera
from sayso.sim.scene import Layout, bare_table_spec
from sayso.sim.variation import RGB
from sayso.spec import Image

Numbers = NDArray[np.float64]
SKINS: Mapping[str, RGB] = {
    "pale": (0.86, 0.68, 0.58),
    "light": (0.80, 0.60, 0.48),
    "brown": (0.58, 0.40, 0.29),
    "dark": (0.40, 0.27, 0.20),
}


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Camera on a stand: where it is, what it looks at, and how wide."""

    eye_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    fovy_deg: float


STANDS: Mapping[str, Stand] = {
    "front": Stand(eye_m=(0.75, 0.0, 0.50), target_m=(0.20, 0.0, 0.04), fovy_deg=46),
    "left": Stand(eye_m=(0.45, 0.55, 0.45), target_m=(0.20, 0.0, 0.04), fovy_deg=46),
}
"""Two cameras that see the thumb of a person at the arm's place, about 60 degrees apart."""


class FilmedHand:
    """Table, things and a hand before cameras on stands, the arm aside; to be used in a ``with``."""

    def __init__(
        self,
        layout: Layout,
        thing: str,
        skin: RGB,
        *,
        scale: float = 1.0,
        size: tuple[int, int] = (480, 640),
        stands: Mapping[str, Stand] = STANDS,
        shadows: bool = False,
    ) -> None:
        """Build the scene.

        Args:
            layout: what lies there.
            thing: name of that which the hand takes.
            skin: colour of the hand.
            scale: of the hand.
            size: height and width of the pictures.
            stands: name -> where a camera is.
            shadows: whether things throw them.
        """
        self._mesh, self._scale, self.size = hand_mesh(scale), scale, size
        self._item = next(item for item in layout.items if item.name == thing)
        spec = bare_table_spec(layout)
        add_hand(spec, self._mesh, skin)
        for name, stand in stands.items():
            add_camera(spec.worldbody, stand.eye_m, stand.target_m, stand.fovy_deg, name)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._cameras = Cameras(*size, plain=not shadows)
        self._cameras.load(self.model)
        mujoco.mj_forward(self.model, self.data)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the cameras."""
        self._cameras.close()

    def show(self, gesture: Gesture, row: int) -> None:
        """Bring hand and thing to where they are at a moment of a gesture."""
        middle = gesture.middle_m[row]
        frames = pinching(
            middle,
            float(gesture.opening_m[row]),
            closing_rad=float(gesture.closing_rad[row]),
            tilt_rad=float(gesture.tilt_rad[row]),
            from_rad=gesture.from_rad,
            scale=self._scale,
        )
        place_hand(self.model, self.data, self._mesh, frames)
        held = int(np.clip(row, gesture.grasp, gesture.release))
        moved = gesture.middle_m[held] - gesture.middle_m[gesture.grasp]
        turned = float(gesture.closing_rad[held] - gesture.closing_rad[gesture.grasp])
        start = self.model.joint(self._item.name).qposadr[0]
        yaw = self._item.yaw_rad + turned
        self.data.qpos[start : start + 3] = self._item.position_m + moved
        self.data.qpos[start + 3 : start + 7] = (math.cos(yaw / 2), 0, 0, math.sin(yaw / 2))
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def picture(self, camera: str) -> Image:
        """Return what a camera sees now, uint8 ``[H, W, 3]``."""
        return self._cameras.picture(self.data, camera)

    def pinhole(self, camera: str) -> tuple[Numbers, Numbers, Numbers]:
        """Return a camera's matrix [3, 3], camera_from_arm [3, 3] and translation [3], as OpenCV has them."""
        height, width = self.size
        focal = height / 2 / math.tan(math.radians(float(self.model.camera(camera).fovy[0])) / 2)
        matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        seen = self.data.camera(camera)
        rotation = (seen.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])).T
        return matrix, rotation, -rotation @ seen.xpos
