"""Compose rooms, furniture and objects around a robot, as one MjSpec per episode.

the home from above, in metres            y left
                                          ^
  sofa            bin .          . table  |        front edge of the table at x = 0.57
 =======              [o]        +-----+  +--> x
                                 | . . |
  robot (o>        - - - - - ->  | . . |  objects lie in a strip along the edge,
                                 | . . |  where an arm on the floor can reach them
 =======              [o]        +-----+
  cabinet         bin .
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sayso.geometry import quat_about_z
from sayso.sim.robots import ARM, BASE_JOINTS, LEKIWI, MOUNT_M, SO101, RobotKind, add_camera, arm_spec
from sayso.sim.variation import RGB, Look

BOX, CYLINDER = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
TABLE_EDGE_X_M, TABLE_DEPTH_M, TABLE_WIDTH_M, TABLE_HEIGHT_M = 0.57, 0.40, 0.90, 0.10
TIMESTEP_S = 0.005


@dataclass(frozen=True, kw_only=True)
class Item:
    """Place one thing: its name in the scene ("red block"), kind, colour, position and heading."""

    name: str
    kind: str
    rgb: RGB
    position_m: tuple[float, float, float]
    """Middle of its footprint: x, y and the height of what it stands on."""
    yaw_rad: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Describe a kind of thing: how to build it and the few sizes that experts and success need."""

    build: Callable[[mujoco.MjsBody, Item], None]
    radius_m: float
    """Of the circle it needs to itself on a surface."""
    height_m: float
    movable: bool
    symmetry: int = 0
    """How many headings look the same: 4 for a cube, 0 for anything round."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Hold everything that is decided before an episode is compiled."""

    items: tuple[Item, ...]
    look: Look = Look()
    robot_pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where LeKiwi starts: x, y in metres and heading in radians. The arm on the table does not move."""


def _rgba(rgb: RGB) -> list[float]:
    return [*rgb, 1.0]


def _block(body: mujoco.MjsBody, item: Item) -> None:
    half = 0.015
    body.add_geom(
        name=item.name, type=BOX, size=[half] * 3, pos=[0, 0, half], rgba=_rgba(item.rgb), mass=0.025
    )


def _can(body: mujoco.MjsBody, item: Item) -> None:
    radius, half = 0.015, 0.022
    body.add_geom(
        name=item.name, type=CYLINDER, size=[radius, half, 0], pos=[0, 0, half], rgba=_rgba(item.rgb),
        mass=0.025, friction=[1.0, 0.005, 0.003],
    )  # fmt: skip


def _walls(
    body: mujoco.MjsBody, item: Item, sides: int, radius_m: float, height_m: float, lean_rad: float
) -> None:
    """Build an open vessel: a floor and `sides` walls at distance `radius_m` from the middle."""
    thick = 0.002
    shape = BOX if sides == 4 else CYLINDER
    size = [radius_m, radius_m, thick] if sides == 4 else [radius_m, thick, 0]
    darker = tuple(0.8 * c for c in item.rgb)
    body.add_geom(type=shape, size=size, pos=[0, 0, thick], rgba=_rgba(darker))  # type: ignore[arg-type]
    width = radius_m * math.tan(math.pi / sides)
    for side in range(sides):
        angle = 2 * math.pi * side / sides
        out = radius_m + 0.5 * height_m * math.sin(lean_rad)
        turn, lean = np.zeros(4), np.array([math.cos(lean_rad / 2), 0, math.sin(lean_rad / 2), 0])
        mujoco.mju_mulQuat(turn, quat_about_z(angle), lean)
        body.add_geom(
            type=BOX, size=[thick, width * 1.06, height_m / 2], quat=turn, rgba=_rgba(item.rgb),
            pos=[out * math.cos(angle), out * math.sin(angle), height_m / 2],
        )  # fmt: skip


def _tray(body: mujoco.MjsBody, item: Item) -> None:
    _walls(body, item, 4, 0.055, 0.016, 0.0)


def _bowl(body: mujoco.MjsBody, item: Item) -> None:
    _walls(body, item, 10, 0.046, 0.032, 0.45)


def _bin(body: mujoco.MjsBody, item: Item) -> None:
    _walls(body, item, 4, 0.085, 0.13, 0.08)


SHAPES: Mapping[str, Shape] = {
    "block": Shape(build=_block, radius_m=0.022, height_m=0.030, movable=True, symmetry=4),
    "can": Shape(build=_can, radius_m=0.016, height_m=0.044, movable=True),
    "tray": Shape(build=_tray, radius_m=0.070, height_m=0.016, movable=False),
    "bowl": Shape(build=_bowl, radius_m=0.062, height_m=0.032, movable=False),
    "bin": Shape(build=_bin, radius_m=0.12, height_m=0.13, movable=False),
}


def tabletop_spec(layout: Layout) -> mujoco.MjSpec:
    """Return the SO-101 bolted to a table, with the layout's items on it."""
    spec = _empty_spec(layout.look, floor_z_m=-0.72)
    world = spec.worldbody
    world.add_geom(
        name="table", type=BOX, size=[0.45, 0.6, 0.02], pos=[0.25, 0, -0.02], rgba=_rgba(layout.look.surface)
    )
    _attach_arm(spec, world, (0.0, 0.0, 0.0))
    add_camera(spec, world, (0.60, 0.0, 0.44), (0.21, 0.0, 0.0), 46)
    _add_items(spec, layout.items)
    return spec


def home_spec(layout: Layout) -> mujoco.MjSpec:
    """Return LeKiwi in a furnished room, with the layout's items on the low table and on the floor."""
    spec = _empty_spec(layout.look)
    _furnish(spec, layout.look)
    _attach_arm(spec, _add_chassis(spec, layout.robot_pose), tuple(MOUNT_M))
    _add_items(spec, layout.items)
    return spec


SPECS: Mapping[str, tuple[RobotKind, Callable[[Layout], mujoco.MjSpec]]] = {
    "tabletop": (SO101, tabletop_spec),
    "home": (LEKIWI, home_spec),
}


def _empty_spec(look: Look, floor_z_m: float = 0.0) -> mujoco.MjSpec:
    """Return a room without furniture: options, lamps and a floor."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False  # else the ranges of radian joints attached below shrink 57 times
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.stat.extent, spec.stat.center = 1.0, [0.3, 0, 0.1]
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20
    spec.visual.quality.offsamples = 0  # anti-aliasing doubles the cost of a frame in the software renderer
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 10, 6
    spec.visual.headlight.ambient = [0.40 * look.light] * 3
    spec.visual.headlight.diffuse = [0.40 * look.light] * 3
    spec.visual.headlight.specular = [0.1] * 3
    x, y = look.light_from
    spec.worldbody.add_light(
        pos=[0.3 + x, y, 2.0], dir=[-x / 2, -y / 2, -1], diffuse=[0.45 * look.light] * 3, castshadow=False
    )
    floor = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "size": [4, 4, 0.1], "rgba": _rgba(look.floor)}
    spec.worldbody.add_geom(name="floor", pos=[0, 0, floor_z_m], **floor)
    return spec


def _attach_arm(spec: mujoco.MjSpec, body: mujoco.MjsBody, position_m: Sequence[float]) -> None:
    """Mount the arm on a body."""
    spec.attach(arm_spec(), frame=body.add_frame(pos=list(position_m)), prefix=ARM)


def _add_items(spec: mujoco.MjSpec, items: Sequence[Item]) -> None:
    for item in items:
        shape = SHAPES[item.kind]
        body = spec.worldbody.add_body(
            name=item.name, pos=list(item.position_m), quat=quat_about_z(item.yaw_rad)
        )
        if shape.movable:
            body.add_freejoint(name=item.name)
        shape.build(body, item)


def _add_chassis(spec: mujoco.MjSpec, pose: tuple[float, float, float]) -> mujoco.MjsBody:
    """Add LeKiwi's base: planar joints with velocity servos, a hull, wheels to look at, the mast camera."""
    chassis = spec.worldbody.add_body(name="chassis")
    axes = ([1, 0, 0], [0, 1, 0], [0, 0, 1])
    gains, limits = (60.0, 60.0, 3.0), (40.0, 40.0, 6.0)
    for name, axis, gain, limit in zip(BASE_JOINTS, axes, gains, limits, strict=True):
        kind = mujoco.mjtJoint.mjJNT_HINGE if name == "base_yaw" else mujoco.mjtJoint.mjJNT_SLIDE
        chassis.add_joint(
            name=name, type=kind, axis=axis, damping=1.0 if kind == mujoco.mjtJoint.mjJNT_SLIDE else 0.05
        )
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_velocity(kv=gain)
        actuator.forcerange, actuator.forcelimited = [-limit, limit], True
    dark, plate = [0.16, 0.16, 0.18, 1], [0.30, 0.31, 0.33, 1]
    chassis.add_geom(
        name="hull", type=CYLINDER, size=[0.125, 0.032, 0], pos=[0, 0, 0.082], rgba=plate, mass=2.5
    )
    for angle in (math.pi / 3, math.pi, -math.pi / 3):
        wheel = [0.105 * math.cos(angle), 0.105 * math.sin(angle), 0.05]
        tilt = np.zeros(4)
        mujoco.mju_mulQuat(
            tilt, quat_about_z(angle), np.array([math.cos(math.pi / 4), 0, math.sin(math.pi / 4), 0])
        )
        chassis.add_geom(
            type=CYLINDER,
            size=[0.05, 0.012, 0],
            pos=wheel,
            quat=tilt,
            rgba=dark,
            contype=0,
            conaffinity=0,
            mass=0.2,
        )
    mast = {"contype": 0, "conaffinity": 0, "mass": 0.1}
    chassis.add_geom(type=CYLINDER, size=[0.008, 0.28, 0], pos=[-0.09, 0.11, 0.38], rgba=dark, **mast)
    add_camera(spec, chassis, (-0.07, 0.11, 0.72), (0.46, 0.0, 0.10), 68)
    return chassis


def _furnish(spec: mujoco.MjSpec, look: Look) -> None:
    """Put up walls, the low table, a sofa, a rug and a cabinet with a drawer."""
    solid = spec.worldbody

    def box(size: Sequence[float], pos: Sequence[float], rgb: RGB, *, touch: bool = True) -> None:
        bit = int(touch)
        solid.add_geom(
            type=BOX, size=list(size), pos=list(pos), rgba=_rgba(rgb), contype=bit, conaffinity=bit
        )

    half_depth, half_width = TABLE_DEPTH_M / 2, TABLE_WIDTH_M / 2
    box(
        [half_depth, half_width, TABLE_HEIGHT_M / 2],
        [TABLE_EDGE_X_M + half_depth, 0, TABLE_HEIGHT_M / 2],
        look.surface,
    )
    box([0.03, 2.6, 0.6], [2.2, 0, 0.6], look.wall)
    box([2.2, 0.03, 0.6], [0.2, 2.3, 0.6], look.wall)
    box([2.2, 0.03, 0.6], [0.2, -2.3, 0.6], look.wall)
    box([0.9, 0.7, 0.002], [-0.1, 0, 0.002], (0.45, 0.40, 0.42), touch=False)
    sofa, cushion = (0.33, 0.36, 0.45), (0.40, 0.43, 0.53)
    box([0.30, 0.62, 0.16], [1.35, 1.25, 0.16], sofa)
    box([0.10, 0.62, 0.34], [1.60, 1.25, 0.34], sofa)
    for y in (0.97, 1.53):
        box([0.24, 0.26, 0.04], [1.31, y, 0.35], cushion)
    wood, front = (0.45, 0.30, 0.18), (0.58, 0.42, 0.27)
    box([0.24, 0.45, 0.30], [1.40, -1.25, 0.30], wood)
    for height in (0.14, 0.44):
        box([0.01, 0.40, 0.12], [1.155, -1.25, height], front)
        box([0.012, 0.08, 0.012], [1.14, -1.25, height], (0.2, 0.2, 0.2))
