"""Articulated furniture: a cabinet with one drawer that works.

the cabinet from its right side, cut through the drawer      z up, x ahead

                 +---------+   0.50
             ==| |         |        fronts that are only drawn, set back: the air over an open drawer is free
             ==| |         |
        +--------+---------+   0.19
   o--| |_______|          |   0.116 .. 0.19      <- the drawer slides towards the robot, over LeKiwi's hull
        +------------------+   0.114
      | |                  |
        +------------------+   0
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco

CABINET, DRAWER = "cabinet", "drawer"
CABINET_M = (1.0, -1.25)
"""Middle of the cabinet's front on the floor, x and y in metres."""
TRAVEL_M = 0.16
"""How far the drawer comes out."""
INSIDE_M = (0.15, 0.26, 0.048)
"""Free room in the drawer: depth along x, width along y, height up to the rim of its sides."""
FLOOR_Z_M, HANDLE_Z_M, PANEL_TOP_Z_M = 0.124, 0.140, 0.190
"""Heights above the room's floor: of the drawer's inside floor, of its handle, of its front's upper edge."""
HANDLE_OUT_M = 0.034
"""How far the middle of the handle stands off the front, enough for a finger behind it."""

_WOOD, _FRONT, _INSIDE, _IRON = (0.45, 0.30, 0.18), (0.58, 0.42, 0.27), (0.72, 0.59, 0.43), (0.2, 0.2, 0.2)
_DEPTH_M, _WIDTH_M, _HEIGHT_M = 0.36, 0.46, 0.50
_COUNTER_Z_M, _SET_BACK_M = 0.190, 0.15
_HOLE_Z_M, _HOLE_WIDTH_M = (0.114, 0.176), 0.28
_PANEL_M, _WALL_M = 0.012, 0.010
_FRICTION_N, _DAMPING_NS_M = 1.0, 4.0
"""Of the slide: it stays where it is left, and a servo arm can move it."""


def add_cabinet(
    spec: mujoco.MjSpec, opening_m: float = 0.0, position_m: tuple[float, float] = CABINET_M
) -> None:
    """Add the bodies "cabinet" and "drawer", the joint "drawer", and what to look at and to touch of them.

    The joint's coordinate is the opening in metres. The sites "drawer_floor" (the middle of the inside floor)
    and "drawer_handle" (the middle of the bar) move with the drawer.

    Args:
        spec: the scene.
        opening_m: how far the drawer stands open at the start, 0 to `TRAVEL_M`.
        position_m: where the middle of the front stands, x and y; the drawer opens towards -x.

    Raises:
        ValueError: if the opening is not one that the drawer can have.
    """
    if not 0.0 <= opening_m <= TRAVEL_M:
        raise ValueError(f"the drawer opens by 0 to {TRAVEL_M} m, but got {opening_m}")
    x, y = position_m
    _add_carcass(spec.worldbody.add_body(name=CABINET, pos=[x, y, _COUNTER_Z_M]))
    drawer = spec.worldbody.add_body(name=DRAWER, pos=[x - opening_m, y, 0.0])
    drawer.add_joint(
        name=DRAWER, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-1, 0, 0], ref=opening_m, range=[0.0, TRAVEL_M],
        limited=True, frictionloss=_FRICTION_N, damping=_DAMPING_NS_M,
    )  # fmt: skip
    _add_drawer(drawer)
    spec.add_exclude(bodyname1=CABINET, bodyname2=DRAWER)  # the slide guides it, not the carcass


def _add_carcass(cabinet: mujoco.MjsBody) -> None:
    """Add wood around the hole in which the drawer runs, and the fronts of drawers that are only drawn."""
    low, high = _HOLE_Z_M
    beside = (_WIDTH_M - _HOLE_WIDTH_M) / 2
    _box(cabinet, (0.0, _DEPTH_M), (0.0, _WIDTH_M), (0.0, low), _WOOD)
    for side in (-1, 1):
        middle = side * (_HOLE_WIDTH_M + beside) / 2
        _box(cabinet, (0.0, _DEPTH_M), (middle, beside), (low, high), _WOOD)
    _box(cabinet, (0.0, _DEPTH_M), (0.0, _WIDTH_M), (high, _COUNTER_Z_M), _WOOD)
    _box(cabinet, (_SET_BACK_M, _DEPTH_M), (0.0, _WIDTH_M), (_COUNTER_Z_M, _HEIGHT_M), _WOOD)
    for x, bottom, top in ((0.0, 0.022, 0.104), (_SET_BACK_M, 0.20, 0.34), (_SET_BACK_M, 0.352, 0.49)):
        _box(cabinet, (x - _PANEL_M, x), (0.0, _WIDTH_M - 0.02), (bottom, top), _FRONT)
    for bottom in (0.265, 0.415):
        out = _SET_BACK_M - _PANEL_M
        _box(cabinet, (out - 0.018, out), (0.0, 0.12), (bottom, bottom + 0.01), _IRON)


def _add_drawer(drawer: mujoco.MjsBody) -> None:
    """Add a front with a bar to hold, and an open box behind it."""
    depth, width, height = INSIDE_M
    rim = FLOOR_Z_M + height
    _box(drawer, (-_PANEL_M, 0.0), (0.0, _WIDTH_M - 0.02), (0.116, PANEL_TOP_Z_M), _FRONT, mass=0.2)
    _box(drawer, (0.0, depth), (0.0, width), (FLOOR_Z_M - 0.006, FLOOR_Z_M), _INSIDE, mass=0.1)
    for side in (-1, 1):
        _box(drawer, (0.0, depth), (side * width / 2, _WALL_M), (FLOOR_Z_M - 0.006, rim), _INSIDE, mass=0.05)
    _box(drawer, (depth, depth + _WALL_M), (0.0, width), (FLOOR_Z_M - 0.006, rim), _INSIDE, mass=0.05)
    out, half = -_PANEL_M - HANDLE_OUT_M, 0.005
    level = (HANDLE_Z_M - half, HANDLE_Z_M + half)
    _box(drawer, (out - half, out + half), (0.0, 0.13), level, _IRON, mass=0.02)
    for side in (-1, 1):
        _box(drawer, (out, -_PANEL_M), (side * 0.06, 0.010), level, _IRON, mass=0.01)
    drawer.add_site(name=f"{DRAWER}_floor", pos=[depth / 2, 0.0, FLOOR_Z_M], size=[0.004] * 3, group=4)
    drawer.add_site(name=f"{DRAWER}_handle", pos=[out, 0.0, HANDLE_Z_M], size=[0.004] * 3, group=4)


def _box(
    body: mujoco.MjsBody,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    rgb: Sequence[float],
    mass: float = 1.0,
) -> None:
    """Add a box from x to x, around a middle y with a width, from z to z above the room's floor."""
    low, high, (middle, width) = (x[0], z[0]), (x[1], z[1]), y
    size = [(high[0] - low[0]) / 2, width / 2, (high[1] - low[1]) / 2]
    position = [(low[0] + high[0]) / 2, middle, (low[1] + high[1]) / 2 - body.pos[2]]
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=size, pos=position, rgba=[*rgb, 1.0], mass=mass)
