"""Things in a LIBERO scene as their collision boxes: where they are, what touches them, what is in the way.

All of it is read from the simulator's own model and data, so no table of sizes is kept here: whatever a task
or a perturbed suite puts on the table has boxes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.geometry import Vector

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

ROBOT = ("robot0_", "gripper0_", "mount0_")
PADS = ("gripper0_finger1", "gripper0_finger2")
SHOULDER = "robot0_link2"
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)


@dataclass(frozen=True)
class Boxes:
    """Some oriented boxes in the world, metres."""

    middle: Array
    """[N, 3]."""
    rotation: Array
    """World from box, [N, 3, 3]."""
    half: Array
    """Half sizes, [N, 3]."""

    @functools.cached_property
    def reach(self) -> Array:
        """Return how far each reaches from its middle along the world's axes, [N, 3]."""
        reach: Array = np.matmul(np.abs(self.rotation), self.half[:, :, None])[..., 0]
        return reach

    @functools.cached_property
    def corners(self) -> Array:
        """Return the corners of each, [N, 8, 3]."""
        spread = _CORNERS[None] * self.half[:, None]
        turned: Array = np.matmul(spread, self.rotation.transpose(0, 2, 1))
        return self.middle[:, None] + turned

    @property
    def low(self) -> Vector:
        """Return the lowest coordinates of them all, [3]."""
        low: Vector = (self.middle - self.reach).min(axis=0)
        return low

    @property
    def high(self) -> Vector:
        """Return the highest coordinates of them all, [3]."""
        high: Vector = (self.middle + self.reach).max(axis=0)
        return high

    def some(self, chosen: Array | Ids | NDArray[np.bool_]) -> Boxes:
        """Return a part of them."""
        return Boxes(self.middle[chosen], self.rotation[chosen], self.half[chosen])

    def inside(self, points: Array, margin_m: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points, [P, 3], lie in any of them."""
        if not len(self.middle):
            return np.zeros(len(points), bool)
        away = np.matmul(points[None] - self.middle[:, None], self.rotation)
        hit: NDArray[np.bool_] = (np.abs(away) < self.half[:, None] + margin_m).all(axis=2).any(axis=0)
        return hit


@dataclass(frozen=True)
class Things:
    """What stands in one scene; to be made anew with each model."""

    model: Any
    data: Any
    named: Any
    """LIBERO's problem, which knows bodies, sites and joints by the names of its goals."""
    _ids: dict[str, Ids] = field(default_factory=dict)

    @property
    def shoulder(self) -> Vector:
        """Return the point about which the arm swings up and down, [3]."""
        return np.array(self.data.body(SHOULDER).xpos)

    def body(self, name: str) -> Any:
        """Return MuJoCo's view of an object or a fixture."""
        return self.data.body(self.named.get_object(name).root_body)

    def joint_value(self, name: str) -> float:
        """Return how far a hinge is turned, radians, or a slide is out, metres."""
        return float(self.data.qpos[self.model.joint(name).qposadr[0]])

    def joint_axis(self, name: str) -> tuple[Vector, Vector]:
        """Return a point on the axis of a joint, and its direction, [3] each."""
        joint = self.data.joint(name)
        return np.array(joint.xanchor), np.array(joint.xaxis)

    def joint_of(self, name: str) -> str:
        """Return the joint by which a region, or a fixture, is opened or turned."""
        at = self.region(name) if self.is_region(name) else self.named.get_object(name)
        return str(at.joints[0])

    def moved_by(self, joint: str) -> Ids:
        """Return the collision geometry that a joint moves."""
        return self.part(int(self.model.jnt_bodyid[self.model.joint(joint).id]))

    def is_region(self, name: str) -> bool:
        """Tell whether a name is that of a region, and not of a thing."""
        return name in self.named.object_sites_dict

    def region(self, name: str) -> Any:
        """Return LIBERO's region: its parent's name, its joints and its half sizes."""
        return self.named.object_sites_dict[name]

    def place(self, name: str) -> tuple[Vector, Array]:
        """Return where the origin of a thing or the middle of a region is, and how it is turned."""
        at = self.data.site(name) if self.is_region(name) else self.body(name)
        return np.array(at.xpos), np.array(at.xmat).reshape(3, 3)

    def parent(self, name: str) -> str | None:
        """Return the thing that a region belongs to; None for one of the table."""
        return self.region(name).parent_name if self.is_region(name) else name

    def geoms(self, name: str) -> Ids:
        """Return the collision geometry of a thing with all of its parts."""
        if name not in self._ids:
            self._ids[name] = self._below(self.model.body(self.named.get_object(name).root_body).id)
        return self._ids[name]

    def part(self, body: int) -> Ids:
        """Return the collision geometry of one body and those that hang on it."""
        key = f"#{body}"
        if key not in self._ids:
            self._ids[key] = self._below(body)
        return self._ids[key]

    def boxes(self, geoms: Ids) -> Boxes:
        """Return geometry as oriented boxes, where it is now."""
        local = self.model.geom_aabb[geoms]
        rotation = self.data.geom_xmat[geoms].reshape(-1, 3, 3)
        middle = self.data.geom_xpos[geoms] + np.matmul(rotation, local[:, :3, None])[..., 0]
        return Boxes(middle, rotation, local[:, 3:])

    def of(self, name: str) -> Boxes:
        """Return the boxes of a thing."""
        return self.boxes(self.geoms(name))

    def others(self, but: Iterable[str] = ()) -> Ids:
        """Return the collision geometry of all but the robot, the floor and some things."""
        key = "all but " + " ".join(names := sorted(but))
        if key not in self._ids:
            m = self.model
            robot = [any(m.body(b).name.startswith(part) for part in ROBOT) for b in range(m.nbody)]
            solid = (m.geom_contype | m.geom_conaffinity) > 0
            plane = m.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE)
            kept = solid & ~plane & ~np.array(robot)[m.geom_bodyid]
            for name in names:
                kept[self.geoms(name)] = False
            self._ids[key] = np.flatnonzero(kept)
        return self._ids[key]

    def touching(self, first: Sequence[int] | Ids, second: Sequence[int] | Ids) -> bool:
        """Tell whether any geometry of the one touches any of the other."""
        pairs = self.data.contact.geom[: self.data.ncon]
        if not len(pairs):
            return False
        side = np.zeros(self.model.ngeom, np.int8)
        side[first], side[second] = 1, 2
        return bool((side[pairs].sum(axis=1) == 3).any())

    def finger(self, number: int) -> Ids:
        """Return the geometry of finger 0 or 1."""
        key = PADS[number]
        if key not in self._ids:
            names = [(g, self.model.geom(g).name) for g in range(self.model.ngeom)]
            found = [g for g, name in names if name.startswith(key) and "collision" in name]
            self._ids[key] = np.array(found)
        return self._ids[key]

    def fingers_on(self, geoms: Ids) -> int:
        """Return how many fingers touch some geometry."""
        return sum(self.touching(self.finger(number), geoms) for number in (0, 1))

    def top_under(self, low: Vector, high: Vector, but: Iterable[str] = ()) -> float:
        """Return the height of the highest thing whose outline meets a rectangle; -inf for none."""
        boxes = self.boxes(self.others(but))
        least, most = boxes.middle - boxes.reach, boxes.middle + boxes.reach
        meets = ((least[:, :2] < high) & (most[:, :2] > low)).all(axis=1)
        return float(most[meets, 2].max()) if meets.any() else -np.inf

    def top_between(self, start: Vector, end: Vector, wide_m: float, but: Iterable[str] = ()) -> float:
        """Return the height of the highest thing near the straight way between points; -inf for none."""
        boxes = self.boxes(self.others(but))
        least, most = boxes.middle - boxes.reach, boxes.middle + boxes.reach
        way = (end - start)[:2]
        steps = np.linspace(0.0, 1.0, 2 + int(np.hypot(*way) / 0.02))
        points = start[:2] + steps[:, None] * way
        apart = np.maximum(least[:, None, :2] - points, points - most[:, None, :2]).clip(min=0.0)
        near = (np.hypot(apart[..., 0], apart[..., 1]) < wide_m).any(axis=1)
        return float(most[near, 2].max()) if near.any() else -np.inf

    def _below(self, body: int) -> Ids:
        m = self.model
        under = {body}
        for b in range(body + 1, m.nbody):
            if int(m.body_parentid[b]) in under:
                under.add(b)
        solid = (m.geom_contype | m.geom_conaffinity) > 0
        return np.flatnonzero(solid & np.isin(m.geom_bodyid, list(under)))
