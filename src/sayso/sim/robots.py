r"""Simulated robots: SO-101 bolted to a table, and LeKiwi, the same arm on three omnidirectional wheels.

Inside, joints are radians and the base moves in m/s and rad/s. At the border everything is in LeRobot's
units, converted here and nowhere else: degrees, gripper 0 (closed) to 100 (open), m/s and deg/s.

    LeKiwi from the side          x forward, y left, z up
        mast o front camera
             |      __ arm
             |   __/  \_ gripper with wrist camera
          ___|__|___
         (__________)  chassis, radius 0.125 m, arm mount at 0.114 m
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso import robots
from sayso.geometry import look_at
from sayso.robots import JOINT_RANGE_RAD, RobotEntry
from sayso.sim.meshes import arm_model_file, thin_mesh
from sayso.spec import Array, Features, point_names

BASE_JOINTS = ("base_x", "base_y", "base_yaw")
ARM = "arm_"
"""Prefix of everything in a scene's model that belongs to the arm."""
CAMERAS = ("front", "wrist")
FPS = int(robots.SO101.rate_hz)

GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD = JOINT_RANGE_RAD[5]
GRIPPER_TORQUE_NM = (
    0.8  # the asset allows 3.35, about 45 N at the tip, which flings blocks away while driving
)
_X, _Y, _YAW = (robots.LEKIWI.ranges[name][1] for name in robots.BASE)
BASE_SPEED_LIMIT = np.array([_X, _Y, math.radians(_YAW)])  # m/s, m/s, rad/s
MOUNT_M = np.array([0.028, 0.0, -(robots.LEKIWI.floor_m or 0.0)])  # arm base in the chassis frame of LeKiwi
REST_RAD = np.array(
    [-0.117, -0.534, 0.300, 1.556, -1.636, 0.82]
)  # hand 11 cm above the ground, jaws sideways and open

FACES_PER_PART, FACES_PER_JAW = 800, 1500


@dataclass(frozen=True, kw_only=True)
class RobotKind:
    """Simulated body of a robot of the table, and how large its cameras' pictures are."""

    entry: RobotEntry
    cameras: Mapping[str, tuple[int, int]]
    """Camera -> height and width of its picture in pixels."""

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.entry.name

    @property
    def mobile(self) -> bool:
        """Tell whether it drives."""
        return self.entry.drives

    @property
    def eye_axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return what is right, and what is nearer, for the front camera: x and y in the arm's frame.

        It stands before an arm on a table, and on the mast of a robot that drives.
        """
        return ((0.0, -1.0), (-1.0, 0.0)) if self.mobile else ((0.0, 1.0), (1.0, 0.0))

    def features(self) -> Features:
        """Return the names, units, order and image sizes that cross this robot's border."""
        dimensions = self.entry.in_degrees
        return Features(
            robot_type=self.name,
            fps=FPS,
            state=dimensions,
            action=dimensions,
            cameras=self.cameras,
            points=point_names(CAMERAS),
        )

    def action_limits(self) -> tuple[Array, Array]:
        """Return the lowest and highest action, float32 [A] each, in robot units."""
        low, high = np.array(JOINT_RANGE_RAD).T
        base = (-BASE_SPEED_LIMIT, BASE_SPEED_LIMIT) if self.mobile else (None, None)
        return to_robot_units(low, base[0]), to_robot_units(high, base[1])


SO101 = RobotKind(entry=robots.SO101, cameras={"front": (128, 128), "wrist": (128, 128)})
# The mast's camera sees a room, in which a block is a few pixels wide; the wrist's sees things close by.
LEKIWI = RobotKind(entry=robots.LEKIWI, cameras={"front": (128, 192), "wrist": (96, 96)})


def gripper_percent(angle_rad: float) -> float:
    """Return how far the gripper is open: 0 closed, 100 open."""
    return float(100 * (angle_rad - GRIPPER_CLOSED_RAD) / (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD))


def gripper_rad(percent: float) -> float:
    """Return the gripper's angle for an opening in per cent."""
    return float(GRIPPER_CLOSED_RAD + percent / 100 * (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD))


def to_robot_units(
    joints_rad: NDArray[np.float64], base_velocity: NDArray[np.float64] | None = None
) -> Array:
    """Convert six joint angles [rad] and, if there is one, the base's body velocity [m/s, m/s, rad/s]."""
    units = np.degrees(joints_rad)
    units[5] = gripper_percent(joints_rad[5])
    if base_velocity is not None:
        vx, vy, vyaw = base_velocity
        units = np.concatenate([units, [vx, vy, math.degrees(vyaw)]])
    return units.astype(np.float32)


def from_robot_units(action: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert an action back: joint targets [6] in rad, body velocity [3] in m/s, rad/s (zeros if fixed)."""
    units = np.asarray(action, dtype=np.float64)
    joints = np.radians(units[:6])
    joints[5] = gripper_rad(units[5])
    velocity = np.zeros(3)
    if len(units) == 9:
        velocity = np.array([units[6], units[7], math.radians(units[8])])
    return joints, velocity


def arm_spec() -> mujoco.MjSpec:
    """Return the SO-101, thinned and made to grasp: pads on the jaws, no mesh hulls, and a wrist camera."""
    path = arm_model_file()
    spec = mujoco.MjSpec.from_file(str(path))
    for mesh in list(spec.meshes):
        vertices, faces = thin_mesh(
            path.parent / "assets" / mesh.file, FACES_PER_JAW if "jaw" in mesh.file else FACES_PER_PART
        )
        mesh.name = mesh.name or mesh.file.removesuffix(".stl")
        mesh.file = ""
        mesh.uservert, mesh.userface = vertices.flatten(), faces.flatten()
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            if geom.classname.name == "collision":
                # Convex hulls would fill the gap between the jaws.
                geom.delete() if hasattr(geom, "delete") else spec.delete(geom)  # MuJoCo 3.3.0, and later
            else:
                geom.group = 2
    for material in spec.materials:
        if "sts3215" not in material.name:
            material.rgba = [0.86, 0.84, 0.80, 1]  # the asset's yellow would pass for a yellow block
    for body in spec.bodies:
        body.gravcomp = 1.0  # the servo loop holds its own weight; without it the arm droops by 0.02 rad
    _add_pads(spec)
    _add_hand_frames(spec)
    for actuator in spec.actuators:
        if actuator.name == "gripper":
            actuator.forcerange = [-GRIPPER_TORQUE_NM, GRIPPER_TORQUE_NM]
    return spec


def _add_pads(spec: mujoco.MjSpec) -> None:
    """Let the two finger pads, and nothing else of the hand but two slim rods, touch the world."""
    for geom in spec.geoms:
        if geom.name in ("fixed_jaw_pad", "moving_jaw_pad"):
            geom.contype = geom.conaffinity = 1
            geom.priority = 1
            geom.friction = [1.5, 0.02, 0.0005]
            geom.condim = 4
            geom.solref = [0.004, 1]
            geom.solimp = [0.95, 0.99, 0.001, 0.5, 2]
            geom.group = 3
    rod = {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "group": 3, "contype": 1, "conaffinity": 1, "mass": 0.0}
    spec.body("gripper").add_geom(
        name="fixed_jaw_rod", fromto=[-0.009, 0, -0.085, -0.009, 0, -0.03], size=[0.005, 0, 0], **rod
    )
    spec.body("moving_jaw_so101_v1").add_geom(
        name="moving_jaw_rod", fromto=[-0.006, -0.066, 0.0189, 0, -0.02, 0.0189], size=[0.005, 0, 0], **rod
    )
    spec.body("lower_arm").add_geom(
        name="forearm", fromto=[0, 0, 0.018, -0.12, 0.0, 0.018], size=[0.018, 0, 0], **rod
    )


def _add_hand_frames(spec: mujoco.MjSpec) -> None:
    """Add the tool centre point, 5 mm off the fixed jaw for a 3-cm object, and the wrist camera."""
    gripper = spec.body("gripper")
    gripper.add_site(name="tcp", pos=[0.0195, -0.0002, -0.0972], size=[0.003, 0.003, 0.003], group=4)
    eye, target = np.array([0.012, -0.07, -0.01]), np.array([0.012, -0.0, -0.105])
    gripper.add_camera(
        name="wrist", pos=eye, quat=_quat_from_axes(look_at(eye, target, up=(0, -1, 0))), fovy=70
    )


def _quat_from_axes(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quaternion of the frame whose x and y axes are given, [6]."""
    x, y = axes[:3], axes[3:]
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([x, y, np.cross(x, y)], axis=1).flatten())
    return quat


def add_camera(
    body: mujoco.MjsBody,
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    fovy_deg: float,
    name: str = "front",
) -> None:
    """Add a camera to a body, at `eye`, looking at `target`, both in the body's frame."""
    body.add_camera(name=name, pos=eye, quat=_quat_from_axes(look_at(eye, target)), fovy=fovy_deg)
