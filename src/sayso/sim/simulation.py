"""Physics of one episode: actions in robot units go in; robot, things, contacts and cameras are read."""

from __future__ import annotations

import math
import warnings

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.geometry import project, rotate_z, yaw_of
from sayso.robots import JOINT_RANGE_RAD, JOINTS
from sayso.sim.drawer import DRAWER, INSIDE_M
from sayso.sim.dynamics import Dynamics, Matter, Motors
from sayso.sim.kinematics import path_of
from sayso.sim.objects import SHAPES, Shape, shape_of
from sayso.sim.physics import Eye, Physics
from sayso.sim.render import Drawing
from sayso.sim.robots import (
    ARM,
    BASE_JOINTS,
    BASE_SPEED_LIMIT,
    CAMERAS,
    FPS,
    MOUNT_M,
    REST_RAD,
    from_robot_units,
    to_robot_units,
)
from sayso.sim.scene import SPECS, TIMESTEP_S, Layout, cover
from sayso.spec import Array, Image, known

Vector = NDArray[np.float64]
SUBSTEPS = round(1 / (FPS * TIMESTEP_S))
PADS = (f"{ARM}fixed_jaw_pad", f"{ARM}moving_jaw_pad")


IN_THE_ROOM = (DRAWER, "person")
"""Places that belong to the home, and to no layout."""


class Simulation:
    """Compiled scene with its robot. The same layout and actions give the same states, bit for bit."""

    def __init__(
        self, world: str, layout: Layout, dynamics: Dynamics | None = None, late_s: float = 0.0
    ) -> None:
        """Compile the scene, put the robot at its start and let things settle.

        With other `dynamics` things weigh and slide otherwise, motors follow late, and the arm's numbers are
        not what they mean. Pictures are `late_s` older than readings.

        Raises:
            UnknownNameError: if there is no such world.
        """
        self.kind, build = SPECS[known("world", world, SPECS)]
        self.layout = layout
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Attaching a spec")
            self.model = build(layout).compile()
        cover(self.model, layout)
        self._motors = Motors(dynamics, TIMESTEP_S, len(JOINTS)) if dynamics else None
        self._zeros = dynamics.zeros if dynamics else ()
        self._late, self._seen = round(late_s / TIMESTEP_S), mujoco.MjData(self.model) if late_s else None
        if dynamics:
            things = [self.model.body(item.name).id for item in layout.items if SHAPES[item.kind].movable]
            Matter(self.model, things).change(dynamics)
        self.data = mujoco.MjData(self.model)
        self._joint_qpos = np.array([self.model.joint(ARM + j).qposadr[0] for j in JOINTS])
        self._joint_ctrl = np.array([self.model.actuator(ARM + j).id for j in JOINTS])
        if self.kind.mobile:
            self._base_qpos = np.array([self.model.joint(j).qposadr[0] for j in BASE_JOINTS])
            self._base_qvel = np.array([self.model.joint(j).dofadr[0] for j in BASE_JOINTS])
            self._base_ctrl = np.array([self.model.actuator(j).id for j in BASE_JOINTS])
        self._pads = tuple(self.model.geom(name).id for name in PADS)
        self._shapes = {name: SHAPES[name] for name in IN_THE_ROOM if self.kind.mobile}
        self._shapes |= {item.name: shape_of(item) for item in layout.items}
        self._robot_geoms = self._geoms_of_robot()
        self.place_robot(layout.robot_pose, layout.arm_rad)

    def place_robot(self, pose: tuple[float, float, float], arm_rad: tuple[float, ...] | None = None) -> None:
        """Put the robot at rest at a pose (x, y in metres, heading in radians) and let things settle.

        The arm is folded unless its six joint angles are given. What `highest` remembers starts anew.
        """
        joints = REST_RAD if arm_rad is None else np.array(arm_rad)
        self.data.qvel[:] = 0
        self.data.qpos[self._joint_qpos] = joints
        self.data.ctrl[self._joint_ctrl] = joints
        if self.kind.mobile:
            self.data.qpos[self._base_qpos] = pose
            self.data.ctrl[self._base_ctrl] = 0
        mujoco.mj_forward(self.model, self.data)
        for _ in range(SUBSTEPS):
            mujoco.mj_step(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        if self._motors:
            self._motors.rest_at(np.concatenate([joints, np.zeros(3)]))
        self._look()
        self.watch_heights()

    def pose_arm(self, joints_rad: Vector) -> None:
        """Put the arm at six joint angles without any physics: to be looked at, not to act from."""
        self.data.qpos[self._joint_qpos] = joints_rad
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def watch_heights(self) -> None:
        """Let `highest` count from where things are now, as when another task begins."""
        self._start_heights = {name: self.position(name)[2] for name, s in self._shapes.items() if s.movable}
        self._highest = dict.fromkeys(self._start_heights, 0.0)

    def apply(self, action: Array, substeps: int = SUBSTEPS) -> Array:
        """Advance one control step (1/20 s, or so many substeps) and return the action as it was clipped."""
        joints, velocity = from_robot_units(self._meant(action))
        joints = np.clip(joints, *np.array(JOINT_RANGE_RAD).T)
        velocity = np.clip(velocity, -BASE_SPEED_LIMIT, BASE_SPEED_LIMIT)
        reached, speed = joints, velocity
        for left in reversed(range(substeps)):
            if self._motors:
                command = self._motors.follow(np.concatenate([joints, velocity]))
                reached, speed = command[: len(joints)], command[len(joints) :]
            self.data.ctrl[self._joint_ctrl] = reached
            if self.kind.mobile:  # the servos push along the room's axes, the command is in the body's
                self.data.ctrl[self._base_ctrl] = rotate_z(speed, self.data.qpos[self._base_qpos[2]])
            mujoco.mj_step(self.model, self.data)
            if left == min(self._late, substeps - 1):
                self._look()
        mujoco.mj_forward(self.model, self.data)
        for name, start in self._start_heights.items():
            self._highest[name] = max(self._highest[name], float(self.position(name)[2] - start))
        return self.as_read(to_robot_units(joints, velocity if self.kind.mobile else None))

    def as_read(self, numbers: Array) -> Array:
        """Return true joint angles and speeds, in robot units, in the arm's own numbers: as calibrated."""
        if not self._zeros:
            return numbers
        return numbers + np.pad(self._zeros, (0, len(numbers) - len(self._zeros))).astype(np.float32)

    def _meant(self, numbers: Array) -> Array:
        """Return the opposite of `as_read`; of several rows each."""
        if not self._zeros:
            return numbers
        return numbers - np.pad(self._zeros, (0, numbers.shape[-1] - len(self._zeros))).astype(np.float32)

    def take_note(self) -> None:
        """Have lamps and cameras where the model has them now, after somebody has changed it."""
        mujoco.mj_camlight(self.model, self.data)
        self._look()

    def _look(self) -> None:
        """Let the cameras see everything as it is now, until the next look; only where pictures are late."""
        if self._seen is not None:
            self._seen.qpos[:] = self.data.qpos
            mujoco.mj_kinematics(self.model, self._seen)
            mujoco.mj_camlight(self.model, self._seen)

    @property
    def joints_rad(self) -> Vector:
        """Return the six joint angles."""
        return np.array(self.data.qpos[self._joint_qpos])

    @property
    def base_pose(self) -> Vector:
        """Return x, y [m] and heading [rad] of the chassis; zeros for the arm on the table."""
        return self.data.qpos[self._base_qpos].copy() if self.kind.mobile else np.zeros(3)

    @property
    def base_speed(self) -> float:
        """Return how fast the chassis moves over the floor, m/s; zero for the arm on the table."""
        return float(np.hypot(*self.data.qvel[self._base_qvel][:2])) if self.kind.mobile else 0.0

    def state(self) -> Array:
        """Return what the robot feels, in robot units."""
        if not self.kind.mobile:
            return self.as_read(to_robot_units(self.joints_rad))
        velocity = rotate_z(self.data.qvel[self._base_qvel], -self.base_pose[2])
        return self.as_read(to_robot_units(self.joints_rad, velocity))

    def arm_from_world(self, point_m: Vector) -> Vector:
        """Return a point in the frame of the arm's base."""
        x, y, yaw = self.base_pose
        mount = MOUNT_M if self.kind.mobile else np.zeros(3)
        return rotate_z(np.asarray(point_m) - [x, y, 0.0], -yaw) - mount

    def shape(self, name: str) -> Shape:
        """Return the sizes of a thing or of a place in this scene, at its scale.

        Raises:
            UnknownNameError: if there is none of that name.
        """
        return self._shapes[known("thing", name, self._shapes)]

    def position(self, name: str) -> Vector:
        """Return the point of the world, [3], that stands for a thing or a piece of furniture.

        It is half-way up on the axis of what can be moved, the middle of the floor of a container and of the
        drawer (which it follows), and the middle of the front edge of furniture.
        """
        if name == DRAWER:
            return np.array(self.data.site(f"{DRAWER}_floor").xpos)
        body = self.data.body(name)
        return np.array(body.xpos + self._half_height(name) * body.xmat.reshape(3, 3)[:, 2])

    def handle(self) -> Vector:
        """Return where the middle of the drawer's handle is, [3], in the world."""
        return np.array(self.data.site(f"{DRAWER}_handle").xpos)

    @property
    def drawer_m(self) -> float:
        """Return how far the drawer stands open."""
        return float(self.data.joint(DRAWER).qpos[0])

    def highest(self, name: str) -> float:
        """Return how far a movable thing has been, at most, above where it was when the robot was placed."""
        return self._highest[name]

    def yaw(self, name: str) -> float:
        """Return a thing's heading in radians."""
        return yaw_of(self.data.body(name).xmat.reshape(3, 3))

    def speed(self, name: str) -> float:
        """Return how fast a thing or the drawer moves, m/s."""
        body = self.model.body(name)
        start, axes = body.dofadr[0], min(3, body.dofnum[0])
        return float(np.linalg.norm(self.data.qvel[start : start + axes]))

    def tcp(self) -> tuple[Vector, NDArray[np.float64]]:
        """Return the tool centre point in the world: position [3] and the hand's rotation [3, 3]."""
        site = self.data.site(f"{ARM}tcp")
        body = self.data.body(f"{ARM}gripper")
        return site.xpos.copy(), body.xmat.reshape(3, 3).copy()

    def touching(self, name: str) -> set[int]:
        """Return which of the robot's geoms touch a thing, by geom id."""
        geoms = set(np.flatnonzero(self.model.geom_bodyid == self.model.body(name).id).tolist())
        touched = set()
        for first, second in self.data.contact.geom:
            for one, other in ((first, second), (second, first)):
                if one in geoms and other in self._robot_geoms:
                    touched.add(int(other))
        return touched

    def held(self, name: str) -> bool:
        """Tell whether both finger pads press on a thing."""
        return self.touching(name).issuperset(self._pads)

    def inside(self, thing: str, place: str) -> bool:
        """Tell whether a thing's middle lies inside a place: between its walls and not far above its rim.

        On what has no walls, or lower ones than half the thing, the thing may stand.
        """
        shape = self.shape(place)
        across, along, up = self.position(thing) - self.position(place)
        if place == DRAWER:
            within = abs(across) < INSIDE_M[0] / 2 and abs(along) < INSIDE_M[1] / 2
        else:
            within = math.hypot(across, along) < shape.radius_m - 0.004
        return within and bool(-0.02 < up < max(shape.height_m, self._half_height(thing)) + 0.02)

    def _half_height(self, name: str) -> float:
        """Return half the height of a movable thing, and 0 for what stays where it is."""
        shape = self._shapes.get(name)
        return shape.height_m / 2 if shape is not None and shape.movable else 0.0

    def physics(self, *, robot_alone: bool = False) -> Physics:
        """Return model and state, and the cameras in it; of the bodies all or the robot's."""
        sizes = self.kind.cameras
        eyes = {name: Eye(name=camera_name(name), aspect=w / h) for name, (h, w) in sizes.items()}
        robot = self.model.body_rootid[self.model.body(f"{ARM}gripper").id]
        own = frozenset(np.flatnonzero(self.model.body_rootid == robot).tolist())
        return Physics(model=self.model, data=self.data, eyes=eyes, bodies=own if robot_alone else None)

    def path_m(self, actions: Array, hz: float) -> Vector:
        """Return where actions, [K, A] at so many a second, would bring the hand from here, metres [K, 3]."""
        return path_of(self._meant(actions), self.base_pose, mobile=self.kind.mobile, hz=hz)

    def feel(self, state: Array) -> None:
        """Stand as a robot feels that it stands, in robot units, to be looked at."""
        self.pose_arm(from_robot_units(state)[0])

    def in_image(self, camera: str, point_m: Vector) -> tuple[float, float, bool]:
        """Return u, v in 0..1 and whether a point of the world lies inside a camera's picture."""
        view = (self._seen or self.data).camera(camera_name(camera))
        fovy = math.radians(self.model.camera(camera_name(camera)).fovy[0])
        height, width = self.kind.cameras[camera]
        return project(point_m, view.xpos, view.xmat.reshape(3, 3), fovy, width / height)

    def pictures(self, cameras: Drawing) -> dict[str, Image]:
        """Return what every camera sees, by name. The `cameras` must have loaded this model."""
        sizes, seen = self.kind.cameras, self._seen or self.data
        return {name: cameras.picture(seen, camera_name(name), sizes[name]) for name in CAMERAS}

    def _geoms_of_robot(self) -> set[int]:
        """Return every geom that moves with the chassis, or with the arm where there is no chassis."""
        root = self.model.body_rootid[self.model.body(f"{ARM}gripper").id]
        return set(np.flatnonzero(self.model.body_rootid[self.model.geom_bodyid] == root).tolist())


def camera_name(camera: str) -> str:
    """Return a camera's name in the model: the wrist's belongs to the arm."""
    return ARM + camera if camera == "wrist" else camera
