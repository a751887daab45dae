"""Scene composition: rooms, furniture and objects around a robot, as one MjSpec per episode.

the home from above, in metres               y left
                                             ^
     basket o  person                        |
  - - - - -     ======= sofa at x = 1.05     +--> x
  lane of               .
  the robot       [o] bin by the sofa
               +-----+
  robot (o>    | . . |  objects lie in a strip along the front edge of the table at x = 0.57,
               | . . |  where an arm on the floor can reach them
               +-----+
                  [o] bin by the cabinet

               -+======= cabinet, its front at x = 1.00, with a drawer that opens towards the robot
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sayso.geometry import quat_about_z
from sayso.sim.drawer import add_cabinet
from sayso.sim.mesh_kinds import add_assets, dress
from sayso.sim.objects import BOX, CAPSULE, CYLINDER, SHAPES, SPHERE, STRAW, Item
from sayso.sim.robots import ARM, BASE_JOINTS, LEKIWI, MOUNT_M, SO101, RobotKind, add_camera, arm_spec
from sayso.sim.textures import SIZE_PX, SURFACES, lay
from sayso.sim.variation import RGB, Appearance

TABLETOP, HOME = "tabletop", "home"
"""What both rooms are called, everywhere."""
TABLE_EDGE_X_M, TABLE_DEPTH_M, TABLE_WIDTH_M, TABLE_HEIGHT_M = 0.57, 0.40, 0.90, 0.10
BASKET_M, FIGURE_M = (0.38, 1.30, 0.08), (0.56, 1.64, 0.0)
"""Where the hand-over basket stands on its stool, and the person behind it."""
SOFA_M = (1.05, 1.20, 0.36)
FRICTION = 0.6
"""Of everything but the finger pads: what is pushed low down slides rather than topples."""
TIMESTEP_S = 0.005
TILES_PER_M = 2.0
"""How often a texture is repeated on a metre."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Everything that is decided before an episode is compiled."""

    items: tuple[Item, ...]
    appearance: Appearance = Appearance()
    robot_pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where LeKiwi starts: x, y in metres and heading in radians. The arm on the table does not move."""
    arm_rad: tuple[float, ...] | None = None
    """Six joint angles to start with; None folds the arm."""
    drawer_m: float = 0.0
    """How far the drawer stands open at the start."""


def _rgba(rgb: RGB) -> list[float]:
    return [*rgb, 1.0]


def tabletop_spec(layout: Layout) -> mujoco.MjSpec:
    """Return the SO-101 bolted to a table, with the layout's items on it."""
    spec = _table_spec(layout)
    world = spec.worldbody
    _attach_arm(spec, world, (0.0, 0.0, 0.0))
    add_camera(world, (0.60, 0.0, 0.44), (0.21, 0.0, 0.0), 46)
    _add_items(spec, layout.items)
    return spec


def bare_table_spec(layout: Layout) -> mujoco.MjSpec:
    """Return the same table with the layout's items, without arm and cameras."""
    spec = _table_spec(layout)
    _add_items(spec, layout.items)
    return spec


def _table_spec(layout: Layout) -> mujoco.MjSpec:
    spec = _empty_spec(layout.appearance, floor_z_m=-0.72)
    spec.worldbody.add_geom(
        name="table",
        type=BOX,
        size=[0.45, 0.6, 0.02],
        pos=[0.25, 0, -0.02],
        **_cover(layout.appearance, "table", layout.appearance.surface),
    )
    return spec


def home_spec(layout: Layout) -> mujoco.MjSpec:
    """Return LeKiwi in a furnished room, with the layout's items on the low table and on the floor."""
    spec = _empty_spec(layout.appearance)
    _furnish(spec, layout)
    _attach_arm(spec, _add_chassis(spec), tuple(MOUNT_M))
    _add_items(spec, layout.items)
    return spec


SPECS: Mapping[str, tuple[RobotKind, Callable[[Layout], mujoco.MjSpec]]] = {
    TABLETOP: (SO101, tabletop_spec),
    HOME: (LEKIWI, home_spec),
}


def _empty_spec(appearance: Appearance, floor_z_m: float = 0.0) -> mujoco.MjSpec:
    """Return a room without furniture: options, lamps and a floor."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False  # else the ranges of radian joints attached below shrink 57 times
    spec.option.timestep = TIMESTEP_S
    spec.default.geom.friction = [FRICTION, 0.005, 0.0001]
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # A stiffer friction than the default: with that, round things creep out of the jaws within ten seconds.
    spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
    spec.stat.extent, spec.stat.center = 1.0, [0.3, 0, 0.1]
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20
    spec.visual.quality.offsamples = 0  # anti-aliasing doubles the cost of a frame in the software renderer
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 10, 6
    spec.visual.headlight.ambient = [0.40 * appearance.light] * 3
    spec.visual.headlight.diffuse = [0.40 * appearance.light] * 3
    spec.visual.headlight.specular = [0.1] * 3
    x, y = appearance.light_from
    spec.worldbody.add_light(
        pos=[0.3 + x, y, 2.0],
        dir=[-x / 2, -y / 2, -1],
        diffuse=[0.45 * appearance.light] * 3,
        castshadow=False,
    )
    if appearance.textures:
        _add_textures(spec)
    floor = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "size": [4, 4, 0.1]}
    cover = _cover(appearance, "floor", appearance.floor)
    spec.worldbody.add_geom(name="floor", pos=[0, 0, floor_z_m], **floor, **cover)
    return spec


def _add_textures(spec: mujoco.MjSpec) -> None:
    """Add a blank texture and a material for each of `SURFACES`; `cover` draws them once compiled."""
    for surface in SURFACES:
        spec.add_texture(
            name=surface,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=SIZE_PX,
            height=SIZE_PX,
        )
        material = spec.add_material(name=surface, texuniform=True, texrepeat=[TILES_PER_M] * 2)
        textures = list(material.textures)
        textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = surface
        material.textures = textures


def cover(model: mujoco.MjModel, layout: Layout) -> None:
    """Draw the textures of a compiled scene: of its surfaces, and of things from meshes."""
    textures = layout.appearance.textures
    for surface, texture in zip(SURFACES, textures, strict=bool(textures)):
        lay(model, model.texture(surface).id, texture.image())
    for item in layout.items:
        if kind := SHAPES[item.kind].mesh:
            dress(model, item.name, kind)


def _cover(appearance: Appearance, surface: str, paint: RGB) -> dict[str, object]:
    """Return what a surface's geom looks like: painted, or covered with a texture."""
    return {"material": surface} if appearance.textures else {"rgba": _rgba(paint)}


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
        if shape.mesh:
            add_assets(spec, item.name, shape.mesh, item.scale)
        shape.build(body, item)


def _add_chassis(spec: mujoco.MjSpec) -> mujoco.MjsBody:
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
        # Force = gain * (command - speed), written out: MuJoCo 3.3.0 has no `set_to_velocity`.
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0], actuator.biasprm[2] = gain, -gain
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
    add_camera(chassis, (-0.07, 0.11, 0.72), (0.66, 0.0, 0.10), 50)
    return chassis


def _furnish(spec: mujoco.MjSpec, layout: Layout) -> None:
    """Put up walls, a rug, the low table, a sofa, a cabinet with a drawer, and a person who waits for things.

    Every piece is a body at the point that stands for it: the middle of its front edge, or of the basket.
    """
    appearance, room = layout.appearance, spec.worldbody
    _add_wall(room, (2.6, 0.6), (2.2, 0, 0.6), 0.0, appearance)
    for side in (-1, 1):
        _add_wall(room, (2.2, 0.6), (0.2, 2.3 * side, 0.6), math.pi / 2, appearance)
    rug = _cover(appearance, "floor", appearance.rug)
    room.add_geom(type=BOX, size=[0.9, 0.7, 0.002], pos=[-0.1, 0, 0.002], contype=0, conaffinity=0, **rug)
    table = room.add_body(name="table", pos=[TABLE_EDGE_X_M, 0, TABLE_HEIGHT_M])
    table.add_geom(
        type=BOX,
        size=[TABLE_DEPTH_M / 2, TABLE_WIDTH_M / 2, TABLE_HEIGHT_M / 2],
        pos=[TABLE_DEPTH_M / 2, 0, -TABLE_HEIGHT_M / 2],
        **_cover(appearance, "table", appearance.surface),
    )
    _add_sofa(room.add_body(name="sofa", pos=list(SOFA_M)))
    add_cabinet(spec, layout.drawer_m)
    _add_person(room.add_body(name="figure", pos=list(FIGURE_M)))
    _add_items(spec, [Item(name="person", kind="person", rgb=STRAW, position_m=BASKET_M)])


def _box(body: mujoco.MjsBody, size: Sequence[float], pos: Sequence[float], rgb: RGB, **more: int) -> None:
    body.add_geom(type=BOX, size=list(size), pos=list(pos), rgba=_rgba(rgb), **more)


def _add_wall(
    room: mujoco.MjsBody, half_m: tuple[float, float], pos: Sequence[float], yaw_rad: float, look: Appearance
) -> None:
    """Put up a wall of half a length and half a height, along y or, turned, along x."""
    (along, up), thick = half_m, 0.03
    cover = _cover(look, "wall", look.wall)
    if not look.textures:
        size = [along, thick, up] if yaw_rad else [thick, along, up]
        room.add_geom(type=BOX, size=size, pos=list(pos), **cover)
        return
    # A texture lies in the plane of a geom's x and y, so that wall is built lying, and put upright.
    upright, quarter = np.zeros(4), math.cos(math.pi / 4)
    mujoco.mju_mulQuat(upright, quat_about_z(yaw_rad), np.array([quarter, 0, quarter, 0]))
    room.add_geom(type=BOX, size=[up, along, thick], pos=list(pos), quat=upright, **cover)


def _add_sofa(body: mujoco.MjsBody) -> None:
    cover, cushion = (0.33, 0.36, 0.45), (0.40, 0.43, 0.53)
    _box(body, [0.30, 0.56, 0.16], [0.30, 0, -0.20], cover)
    _box(body, [0.10, 0.56, 0.34], [0.55, 0, -0.02], cover)
    for side in (-1, 1):
        _box(body, [0.24, 0.25, 0.04], [0.26, 0.26 * side, -0.01], cushion)


def _add_person(body: mujoco.MjsBody) -> None:
    """Add a standing figure that faces the basket on its right."""
    trousers, shirt, skin = (0.24, 0.26, 0.33), (0.52, 0.37, 0.33), (0.80, 0.61, 0.50)

    def limb(start: Sequence[float], end: Sequence[float], radius: float, rgb: RGB) -> None:
        body.add_geom(type=CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], rgba=_rgba(rgb))

    for side in (-1, 1):
        limb([0.09 * side, 0, 0.06], [0.08 * side, 0, 0.78], 0.065, trousers)
        limb([0.20 * side, 0, 1.28], [0.23 * side, -0.04, 1.00], 0.045, shirt)
        limb([0.23 * side, -0.04, 1.00], [0.15 * side, -0.24, 0.92], 0.035, skin)
    limb([0, 0, 0.90], [0, 0, 1.24], 0.15, shirt)
    body.add_geom(type=SPHERE, size=[0.11, 0, 0], pos=[0, -0.01, 1.52], rgba=_rgba(skin))
    body.add_geom(type=SPHERE, size=[0.112, 0, 0], pos=[0, 0.02, 1.55], rgba=_rgba((0.20, 0.14, 0.10)))
