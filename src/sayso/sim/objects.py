"""Objects that robots grasp, and that they put things into: from primitives, and from meshes.

Every kind is a row of `SHAPES`; those from meshes come from the files in `SETS`. A thing stands on the
origin of its body. One that is grasped is turned so that jaws which close along its x axis grip it well: a
mug has its handle along y, a banana lies along y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import mujoco
import numpy as np

from sayso.geometry import quat_about_z
from sayso.sim import mesh_kinds
from sayso.sim.drawer import INSIDE_M
from sayso.sim.libero import LIBERO
from sayso.sim.mesh_kinds import MeshKind
from sayso.sim.variation import RGB

BOX, CYLINDER = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
SPHERE, CAPSULE = mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE
ELLIPSOID = mujoco.mjtGeom.mjGEOM_ELLIPSOID

WHITE: RGB = (0.93, 0.93, 0.91)
TIN: RGB = (0.74, 0.75, 0.77)
STRAW: RGB = (0.83, 0.71, 0.50)
STALK: RGB = (0.30, 0.19, 0.08)
LEAF: RGB = (0.25, 0.55, 0.12)
HOLLOW: RGB = (0.13, 0.12, 0.12)

LOOKS_ONLY = {"contype": 0, "conaffinity": 0, "mass": 0.0}
ROLLS_TO_REST = {"condim": 6, "friction": [0.6, 0.01, 0.003]}
"""Without rolling friction a ball, or a can that fell over, never stops."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """Placed thing: its name in the scene ("red block"), kind, colour, position, heading and size."""

    name: str
    kind: str
    rgb: RGB
    position_m: tuple[float, float, float]
    """Middle of its footprint: x, y and the height of what it stands on."""
    yaw_rad: float = 0.0
    scale: float = 1.0
    """Factor on every length of its kind. Jaws reach around anything up to 1.25."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Kind of thing: how to build it and the few sizes that experts and success need."""

    build: Callable[[mujoco.MjsBody, Item], None]
    radius_m: float
    """Of the circle it needs to itself on a surface."""
    height_m: float
    movable: bool = False
    symmetry: int = 0
    """How many headings look the same: 4 for a cube, 0 for anything round."""
    width_m: float = 0.0
    """Across the jaws, where they grasp it; 0 for what is not grasped, as in the next."""
    grasp_m: float = 0.0
    """Height of the point to grasp above what it stands on."""
    flat_top: bool = False
    """Whether something can be stacked on it."""
    pushable: bool = False
    """Whether it slides when it is pushed, rather than rolls or falls over."""
    mesh: MeshKind | None = None
    """Its mesh and the like; None is made of primitives."""


def shape_of(item: Item) -> Shape:
    """Return the shape of an item's kind with lengths at the item's scale."""
    shape = SHAPES[item.kind]
    return replace(
        shape,
        radius_m=shape.radius_m * item.scale,
        height_m=shape.height_m * item.scale,
        width_m=shape.width_m * item.scale,
        grasp_m=shape.grasp_m * item.scale,
    )


def _rgba(rgb: RGB) -> list[float]:
    return [*rgb, 1.0]


def _mix(rgb: RGB, other: RGB, share: float) -> RGB:
    """Return a colour with a share of another in it."""
    r, g, b = (1 - share) * np.array(rgb) + share * np.array(other)
    return float(r), float(g), float(b)


def _contrast(rgb: RGB) -> RGB:
    """Return the colour of a detail that stands out: white, or dark grey on what is white itself."""
    return (0.30, 0.30, 0.32) if min(rgb) > 0.7 else WHITE


class _Maker:
    """Maker of the primitives of an item's body, all lengths in metres at scale 1."""

    def __init__(self, body: mujoco.MjsBody, item: Item) -> None:
        self._body, self._item = body, item
        # What stands fast may weigh anything; MuJoCo 3.3.0 compiles no body whose parts all weigh nothing.
        self._mass = {"mass": 0.0} if SHAPES[item.kind].movable else {}

    def main(self, shape: Any, size: Sequence[float], at: Sequence[float], grams: float, **more: Any) -> None:
        """Add the geom that bears the item's name and all of its mass."""
        self.part(shape, size, at, self._item.rgb, name=self._item.name, mass=grams / 1000, **more)

    def part(self, shape: Any, size: Sequence[float], at: Sequence[float], rgb: RGB, **more: Any) -> None:
        """Add a geom that touches the world."""
        size = [self._item.scale * s for s in (*size, 0, 0)[:3]]
        at = [self._item.scale * a for a in at]
        self._body.add_geom(type=shape, size=size, pos=at, rgba=_rgba(rgb), **{**self._mass, **more})

    def look(self, shape: Any, size: Sequence[float], at: Sequence[float], rgb: RGB, **more: Any) -> None:
        """Add a geom that is only seen."""
        self.part(shape, size, at, rgb, **LOOKS_ONLY, **more)

    def rod(self, start: Sequence[float], end: Sequence[float], radius: float, rgb: RGB, **more: Any) -> None:
        """Add a capsule between two points."""
        scale = self._item.scale
        self._body.add_geom(
            type=CAPSULE, fromto=[scale * c for c in (*start, *end)], size=[scale * radius, 0, 0],
            rgba=_rgba(rgb), **{**self._mass, **more},
        )  # fmt: skip


def _block(body: mujoco.MjsBody, item: Item) -> None:
    _Maker(body, item).main(BOX, [0.015] * 3, [0, 0, 0.015], 25)


def _cylinder(body: mujoco.MjsBody, item: Item) -> None:
    _Maker(body, item).main(CYLINDER, [0.0155, 0.017], [0, 0, 0.017], 28, **ROLLS_TO_REST)


def _can(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(CYLINDER, [0.015, 0.022], [0, 0, 0.022], 28, **ROLLS_TO_REST)
    for z in (0.0018, 0.0424):
        make.look(CYLINDER, [0.0154, 0.002], [0, 0, z], TIN)


def _ball(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(SPHERE, [0.018], [0, 0, 0.018], 24, **ROLLS_TO_REST)
    stripe = [math.cos(0.6), 0.0, math.sin(0.6), 0.0]
    make.look(CYLINDER, [0.0192, 0.0035], [0, 0, 0.018], _contrast(item.rgb), quat=stripe)


def _bottle(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(CYLINDER, [0.0155, 0.023], [0, 0, 0.023], 38, **ROLLS_TO_REST)
    make.look(ELLIPSOID, [0.0155, 0.0155, 0.012], [0, 0, 0.046], item.rgb)
    make.part(CYLINDER, [0.0065, 0.010], [0, 0, 0.061], item.rgb)
    make.part(CYLINDER, [0.0080, 0.005], [0, 0, 0.074], _contrast(item.rgb))


def _mug(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(CYLINDER, [0.019, 0.020], [0, 0, 0.020], 40)
    make.look(CYLINDER, [0.0162, 0.0004], [0, 0, 0.0402], HOLLOW)
    handle = [[0, 0.016, 0.033], [0, 0.030, 0.031], [0, 0.030, 0.012], [0, 0.016, 0.010]]
    for start, end in pairwise(handle):
        make.rod(start, end, 0.0034, item.rgb)


def _small_bowl(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(CYLINDER, [0.022, 0.0085], [0, 0, 0.0195], 35)
    make.part(CYLINDER, [0.018, 0.006], [0, 0, 0.006], item.rgb)
    make.look(CYLINDER, [0.0188, 0.0004], [0, 0, 0.0282], _mix(item.rgb, HOLLOW, 0.65))
    make.look(CYLINDER, [0.011, 0.0004], [0, 0, 0.0286], _mix(item.rgb, HOLLOW, 0.25))


def _apple(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.main(SPHERE, [0.018], [0, 0, 0.018], 35, **ROLLS_TO_REST)
    make.look(ELLIPSOID, [0.0195, 0.0195, 0.012], [0, 0, 0.023], item.rgb)
    make.rod([0, 0, 0.034], [0.003, 0.002, 0.046], 0.0018, STALK, **LOOKS_ONLY)
    make.look(ELLIPSOID, [0.009, 0.0045, 0.0014], [0.010, 0.003, 0.041], LEAF)


def _banana(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    make.rod([0, -0.017, 0.0155], [0, 0.017, 0.0155], 0.0155, item.rgb, name=item.name, mass=0.020)
    for end in (-1, 1):
        tip = [-0.014, 0.038 * end, 0.0105]
        make.rod([0, 0.016 * end, 0.0135], tip, 0.0105, item.rgb, mass=0.008)
        make.look(SPHERE, [0.0065], [-0.0185, 0.0450 * end, 0.0105], STALK)


def _vessel(
    make: _Maker,
    sides: int,
    radius_m: float,
    wall_m: float,
    lean_rad: float,
    floor: RGB,
    walls: Sequence[RGB],
) -> None:
    """Build an open vessel: a floor and `sides` walls around it, `wall_m` high before they lean outward."""
    thick = 0.002
    shape, size = (BOX, [radius_m, radius_m, thick]) if sides == 4 else (CYLINDER, [radius_m, thick])
    make.part(shape, size, [0, 0, thick], floor)
    brim = radius_m + wall_m * math.sin(lean_rad)
    half_width = 1.03 * brim * math.tan(math.pi / sides)
    out, up = radius_m + 0.5 * wall_m * math.sin(lean_rad), 0.5 * wall_m * math.cos(lean_rad)
    for side in range(sides):
        angle = 2 * math.pi * side / sides
        turn, lean = np.zeros(4), np.array([math.cos(lean_rad / 2), 0, math.sin(lean_rad / 2), 0])
        mujoco.mju_mulQuat(turn, quat_about_z(angle), lean)
        make.part(
            BOX, [thick, half_width, wall_m / 2], [out * math.cos(angle), out * math.sin(angle), up],
            walls[side % len(walls)], quat=turn,
        )  # fmt: skip


def _tray(body: mujoco.MjsBody, item: Item) -> None:
    _vessel(_Maker(body, item), 4, 0.055, 0.016, 0.0, _mix(item.rgb, (0, 0, 0), 0.2), [item.rgb])


def _bowl(body: mujoco.MjsBody, item: Item) -> None:
    _vessel(_Maker(body, item), 10, 0.046, 0.034, 0.45, _mix(item.rgb, (0, 0, 0), 0.2), [item.rgb])


def _bin(body: mujoco.MjsBody, item: Item) -> None:
    _vessel(_Maker(body, item), 4, 0.085, 0.13, 0.08, _mix(item.rgb, (0, 0, 0), 0.2), [item.rgb])


def _basket(body: mujoco.MjsBody, item: Item) -> None:
    floor = _mix(item.rgb, (0, 0, 0), 0.2)
    _vessel(_Maker(body, item), 8, 0.055, 0.045, 0.10, floor, [item.rgb, STRAW])


def _plate(body: mujoco.MjsBody, item: Item) -> None:
    make = _Maker(body, item)
    _vessel(make, 10, 0.046, 0.016, 1.15, item.rgb, [_mix(item.rgb, (0, 0, 0), 0.12)])
    make.look(CYLINDER, [0.030, 0.0005], [0, 0, 0.0045], _mix(item.rgb, WHITE, 0.35))


def _mat(body: mujoco.MjsBody, item: Item) -> None:
    _Maker(body, item).look(BOX, [0.055, 0.055, 0.0005], [0, 0, 0.0005], item.rgb, name=item.name)


def _handover(body: mujoco.MjsBody, item: Item) -> None:
    """Build the basket beside the person, on a stool that reaches down to the floor."""
    make = _Maker(body, item)
    woven = [item.rgb, _mix(item.rgb, (0, 0, 0), 0.35)]
    _vessel(make, 8, 0.074, 0.055, 0.10, _mix(item.rgb, (0, 0, 0), 0.2), woven)
    below = item.position_m[2]
    make.part(CYLINDER, [0.072, 0.008], [0, 0, -0.008], (0.35, 0.24, 0.15))
    make.look(CYLINDER, [0.022, (below - 0.016) / 2], [0, 0, -(below + 0.016) / 2], (0.25, 0.17, 0.11))


def _drawer(body: mujoco.MjsBody, item: Item) -> None:
    """Build nothing: the drawer comes with its cabinet, and only its sizes stand here."""


def _from_mesh(kind: MeshKind) -> Shape:
    return Shape(
        build=lambda body, item: mesh_kinds.build(body, item.name, kind, item.scale),
        radius_m=kind.radius_m, height_m=kind.height_m, movable=True, symmetry=kind.symmetry,
        width_m=kind.width_m, grasp_m=kind.grasp_m, mesh=kind,
    )  # fmt: skip


SETS = (LIBERO,)
"""Sets of things from meshes, none of which training shows; each is an extra of ours."""
MESHES: Mapping[str, MeshKind] = {name: kind for one in SETS for name, kind in one.kinds.items()}
SHAPES: Mapping[str, Shape] = {
    "block": Shape(
        build=_block, radius_m=0.022, height_m=0.030, movable=True, symmetry=4, width_m=0.030, grasp_m=0.013,
        flat_top=True, pushable=True,
    ),
    "cylinder": Shape(
        build=_cylinder, radius_m=0.016, height_m=0.034, movable=True, width_m=0.031, grasp_m=0.017,
        flat_top=True, pushable=True,
    ),
    "can": Shape(
        build=_can, radius_m=0.016, height_m=0.044, movable=True, width_m=0.030, grasp_m=0.022, pushable=True
    ),
    "ball": Shape(build=_ball, radius_m=0.018, height_m=0.036, movable=True, width_m=0.036, grasp_m=0.017),
    "bottle": Shape(
        build=_bottle, radius_m=0.016, height_m=0.079, movable=True, width_m=0.031, grasp_m=0.027
    ),
    "mug": Shape(
        build=_mug, radius_m=0.034, height_m=0.040, movable=True, symmetry=2, width_m=0.038, grasp_m=0.022,
        pushable=True,
    ),
    "small bowl": Shape(
        build=_small_bowl, radius_m=0.023, height_m=0.028, movable=True, width_m=0.044, grasp_m=0.018,
        pushable=True,
    ),
    "apple": Shape(build=_apple, radius_m=0.020, height_m=0.036, movable=True, width_m=0.036, grasp_m=0.017),
    "banana": Shape(
        build=_banana, radius_m=0.052, height_m=0.031, movable=True, symmetry=2, width_m=0.031, grasp_m=0.015
    ),
    "tray": Shape(build=_tray, radius_m=0.070, height_m=0.016),
    "bowl": Shape(build=_bowl, radius_m=0.062, height_m=0.031),
    "basket": Shape(build=_basket, radius_m=0.066, height_m=0.045),
    "plate": Shape(build=_plate, radius_m=0.062, height_m=0.010),
    "mat": Shape(build=_mat, radius_m=0.060, height_m=0.001),
    "bin": Shape(build=_bin, radius_m=0.12, height_m=0.13),
    "drawer": Shape(build=_drawer, radius_m=min(INSIDE_M[:2]) / 2, height_m=INSIDE_M[2]),
    "person": Shape(build=_handover, radius_m=0.084, height_m=0.055),
    **{name: _from_mesh(kind) for name, kind in MESHES.items()},
}  # fmt: skip
