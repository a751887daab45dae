"""Drawing of a scene in the browser (viser): once, then what moves is moved."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import viser
from numpy.typing import NDArray

from sayso.spec import Image
from sayso.studio.solids import Solid, Vectors, solids
from sayso.studio.view import Poses, Scene, View

FRUSTUM = 0.04
"""Size of the first camera that is drawn; one in the hand would hide it at that size and is half as large."""
PATH_M, DOT_M = 0.003, 0.005
NOW, LATER = np.array([255, 146, 43]), np.array([190, 75, 219])
"""Colours of the next step of a path and of its last."""
MOVED_M, TURNED = 2e-5, 1e-4
"""What changes less is not sent again."""


class Drawing:
    """What is drawn, of which only changes are sent."""

    def __init__(self, server: viser.ViserServer) -> None:
        """Begin with nothing."""
        self._server = server
        self._scene: Scene | None = None
        self._poses: Poses | None = None
        self._path: Vectors | None = None
        self._images: dict[str, Image] = {}
        self._root: viser.FrameHandle | None = None
        self._scenes = 0
        self._bodies: dict[int, viser.FrameHandle] = {}
        self._shows_cameras = True
        self._cameras: dict[str, viser.CameraFrustumHandle] = {}
        self._line: viser.LineSegmentsHandle | None = None
        self._dots: viser.PointCloudHandle | None = None

    def update(self, view: View) -> None:
        """Draw a view."""
        if view.scene is None or view.poses is None:  # nothing is known of where the robot is
            self._clear()
            return
        with self._server.atomic():
            if view.scene is not self._scene:
                self._build(view.scene, view.poses)
            if view.poses is not self._poses:
                self._move(view.poses)
            if view.path_m is not self._path:
                self._draw_path(view.path_m)
        for name, image in view.images.items():
            if name in self._cameras and image is not self._images.get(name):
                self._images[name] = image
                self._cameras[name].image = image

    def show_cameras(self, visible: bool) -> None:
        """Show or hide where the robot's cameras stand."""
        self._shows_cameras = visible
        for camera in self._cameras.values():
            camera.visible = visible

    def _clear(self) -> None:
        """Take away the scene that is drawn, if there is one."""
        if self._root is not None:
            self._root.remove()
        self._root, self._scene, self._poses, self._images = None, None, None, {}
        self._bodies, self._cameras = {}, {}
        if self._path is not None:
            self._draw_path(None)

    def _build(self, scene: Scene, poses: Poses) -> None:
        self._clear()
        self._scene = scene
        scene_api = self._server.scene
        # A name of its own: browsers remember where a node that is gone was, for the next one of its name.
        self._scenes += 1
        root = f"/scene {self._scenes}"
        self._root = scene_api.add_frame(root, show_axes=False)
        for i, solid in enumerate(solids(scene.model, scene.bodies)):
            body = solid.body
            if scene.model.body_weldid[body] == 0:
                self._add(f"{root}/fixed/{i}", solid, _placed(solid.vertices, poses, body))
                continue
            if body not in self._bodies:
                self._bodies[body] = scene_api.add_frame(f"{root}/{body}", show_axes=False)
            self._add(f"{root}/{body}/{i}", solid, solid.vertices)
        for i, (name, eye) in enumerate(scene.cameras.items()):
            fovy = math.radians(float(scene.model.camera(eye.name).fovy[0]))
            self._cameras[name] = scene_api.add_camera_frustum(
                f"{root}/camera {name}",
                fovy,
                eye.aspect,
                scale=FRUSTUM / 2 if i else FRUSTUM,
                thickness=0.0015,
                cast_shadow=False,
                color=(90, 90, 100),
                visible=self._shows_cameras,
            )

    def _add(self, name: str, solid: Solid, vertices: Vectors) -> None:
        *rgb, alpha = solid.rgba
        self._server.scene.add_mesh_simple(
            name,
            vertices.astype(np.float32),
            solid.faces.astype(np.uint32),
            color=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
            opacity=alpha if alpha < 1 else None,
        )

    def _move(self, poses: Poses) -> None:
        before, self._poses = self._poses, poses
        for body, frame in self._bodies.items():
            position, turn = poses.bodies_m[body], poses.bodies_wxyz[body]
            if before is None or np.abs(position - before.bodies_m[body]).max() > MOVED_M:
                frame.position = position
            if before is None or np.abs(turn - before.bodies_wxyz[body]).max() > TURNED:
                frame.wxyz = turn
        for name, camera in self._cameras.items():
            if before is None or np.abs(poses.cameras_m[name] - before.cameras_m[name]).max() > MOVED_M:
                camera.position = poses.cameras_m[name]
            if before is None or np.abs(poses.cameras_wxyz[name] - before.cameras_wxyz[name]).max() > TURNED:
                camera.wxyz = poses.cameras_wxyz[name]

    def _draw_path(self, path: Vectors | None) -> None:
        self._path = path
        drawn = path is not None and len(path) > 1
        if path is not None and drawn:
            segments, dots, (along, at) = _gradient(path)
            if self._line is None or self._dots is None:
                add = self._server.scene
                self._line = add.add_line_segments("/path", segments, along, thickness=PATH_M)
                self._dots = add.add_point_cloud(
                    "/path/steps", dots, at, point_size=DOT_M, point_shape="circle", precision="float32"
                )
            self._line.points, self._line.colors = segments, along
            self._dots.points, self._dots.colors = dots, at
        for handle in (self._line, self._dots):
            if handle is not None and handle.visible != drawn:
                handle.visible = drawn


def _placed(vertices: Vectors, poses: Poses, body: int) -> Vectors:
    """Return vertices of a body in the world."""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, poses.bodies_wxyz[body])
    return np.asarray(vertices @ rotation.reshape(3, 3).T + poses.bodies_m[body])


def _gradient(
    path: Vectors,
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return a path as segments ``[K - 1, 2, 3]`` and dots ``[K, 3]``, with the colours of both."""
    share = np.linspace(0, 1, len(path))[:, None]
    colours = ((1 - share) * NOW + share * LATER).astype(np.uint8)
    segments = np.stack([path[:-1], path[1:]], axis=1).astype(np.float32)
    return segments, path.astype(np.float32), (np.stack([colours[:-1], colours[1:]], axis=1), colours)
