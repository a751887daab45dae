r"""Way of an arm that does what a hand did: its numbers step by step, and the moment of the clip each is at.

::

    hand   comes from anywhere . grasps . carries . lets go . leaves anywhere
    arm    comes from its rest . waits  . carries . waits   . leaves straight up
                                 ^ until its jaws, which are slower than fingers, have closed, or opened

How a person's hand comes and leaves is the person's own matter; what it does near the thing is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.geometry import wrap_angle
from sayso.learn.watching.understanding import Understood
from sayso.sim.jaws import percent_for
from sayso.sim.kinematics import PAN_AXIS_X_M, ArmKinematics
from sayso.sim.robots import REST_RAD, gripper_percent, gripper_rad, to_robot_units
from sayso.spec import Array

Numbers = NDArray[np.float64]
TILT_RAD = 0.25
"""How far the hand of the arm leans outward, as its experts hold it."""
REACHES_M = 0.015
"""How near the arm must come to where the hand was."""
SHUT_PERCENT = 0.0
"""What is asked of the jaws while they hold: they stop at the thing and squeeze it."""
LOWEST_M = 0.008
"""A measured path may lie in the table; the arm's does not."""
NEAR_M, ABOVE_M = 0.12, 0.07
"""From how near to the grasp on the arm follows the hand; how far it leaves upward."""
FIXED_JAW_ROOM_M = 0.0115
"""Half width of the thing that fits between the tool centre point and the fixed jaw with 8 mm to spare: the
experts' 5, and by how much a path may be off that was watched."""
JAWS_PERCENT_S, JOINTS_RAD_S = 60.0, 2.0
"""How fast jaws close and open under load, and how fast joints turn: where a hand is quicker, the arm takes
the time that it needs."""
WRIST_SLACK_RAD = 0.15
"""By how much jaws may miss the hand's heading: a wrist that is at its limit comes no nearer."""
CLEAR_PERCENT = 12.0
"""By how much jaws open until they are clear of the thing."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """What an arm does in a clip, a row for each of its steps."""

    moments: NDArray[np.int64]
    """Row of the clip that is seen then ``[M]``."""
    state: Array
    """Joints and jaws, in the arm's units ``[M, 6]``."""
    action: Array
    """What is asked of them ``[M, 6]``."""
    reached: NDArray[np.bool_]
    """Whether the arm comes where the hand was ``[M]``."""


def way_of(understood: Understood, fps: float) -> Way:
    """Return the arm's way, by inverse kinematics; its jaws close along the hand's heading."""
    grasp, release = understood.grasp, understood.release
    first, last, path = _followed(understood)
    poses, reached = _poses(understood, path, first, last)
    rows = np.arange(first, last + 1)
    wide = percent_for(understood.opening_m)
    held = float(percent_for(np.array([np.median(understood.opening_m[grasp : release + 1])]))[0])
    each = JAWS_PERCENT_S / fps
    closes = math.ceil(max(0.0, float(wide[grasp - 3 : grasp + 1].max()) - held) / each)
    opens = math.ceil(CLEAR_PERCENT / each)
    times = np.ones(len(rows), int)
    times[grasp - first] += closes
    times[release - first] += opens
    steps = np.repeat(np.arange(len(rows)), times)
    asked = np.where(understood.held[rows], SHUT_PERCENT, wide[rows])[steps]
    asked[np.flatnonzero(rows[steps] == release)[0] :] = float(wide[release:].max())
    joints = np.concatenate([REST_RAD[None, :5], poses[steps]])
    asked = np.concatenate([asked[:1], asked])
    places = _paced(joints, JOINTS_RAD_S / fps)  # counted in these, and in between
    after, counted = np.ceil(places).astype(int), np.arange(len(joints))
    asked = asked[after]
    joints = np.stack([np.interp(places, counted, one) for one in joints.T], axis=1)
    seen = np.interp(places, counted, [0, *rows[steps]]).round().astype(np.int64)
    jaws = _jaws(
        asked, np.where(understood.held[seen], held, 0.0), each, start=gripper_percent(float(REST_RAD[5]))
    )
    numbers = [_units(*one) for one in zip(joints, jaws, strict=True)]
    wanted = [_units(*one) for one in zip(joints, asked, strict=True)]
    return Way(
        moments=seen,
        state=np.array(numbers, np.float32),
        action=np.array([*wanted[1:], wanted[-1]], np.float32),
        reached=np.concatenate([[True], reached[steps]])[after],
    )


def _followed(understood: Understood) -> tuple[int, int, Numbers]:
    """Return the first and last row in which the arm follows the hand, and the path that it follows."""
    path, grasp, release = understood.path_m.copy(), understood.grasp, understood.release
    path[:, 2] = path[:, 2].clip(LOWEST_M)
    path[release:, :2] = path[release, :2]
    path[release:, 2] = np.maximum.accumulate(path[release:, 2])
    far = np.flatnonzero(np.linalg.norm(path[:grasp] - path[grasp], axis=1) > NEAR_M)
    left = np.flatnonzero(path[release:, 2] > path[release, 2] + ABOVE_M)
    last = release + int(left[0]) if len(left) else len(path) - 1
    return (int(far[-1]) + 1 if len(far) else 0), last, path


def _poses(understood: Understood, path: Numbers, first: int, last: int) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the five joints of each row in radians, and whether the arm reaches it."""
    arm, pose, grasp = ArmKinematics(), REST_RAD[:5], path[understood.grasp]
    heading = _nearest_heading(arm, understood.heading_rad, grasp)
    width = float(np.median(understood.opening_m[understood.grasp : understood.release + 1]))
    beside = max(0.0, width / 2 - FIXED_JAW_ROOM_M)
    poses, reached = [], []
    for k in range(first, last + 1):
        turned = _bearing(path[k]) - _bearing(grasp)
        closing = heading if k <= understood.grasp else heading + turned  # what is held turns with the arm
        target = path[k] - beside * np.array([math.cos(closing), math.sin(closing), 0.0])
        pose = arm.solve(pose, target, TILT_RAD, closing, iterations=60 if k == first else 12)
        reached.append(float(np.linalg.norm(arm.forward(pose)[0] - target)) <= REACHES_M)
        poses.append(pose)
    return np.array(poses), np.array(reached)


def _bearing(point_m: Numbers) -> float:
    return math.atan2(point_m[1], point_m[0] - PAN_AXIS_X_M)


def _nearest_heading(arm: ArmKinematics, heading_rad: float, grasp_m: Numbers) -> float:
    """Return the heading of the grasp, whichever way round the wrist comes nearest to it, and turns least."""
    ways = [heading_rad + turn for turn in (0.0, math.pi, -math.pi)]

    def cost(way: float) -> float:
        pose = arm.solve(REST_RAD[:5], grasp_m, TILT_RAD, way, iterations=60)
        axis = arm.forward(pose)[1][:, 0]
        off = abs(wrap_angle(math.atan2(axis[1], axis[0]) - way))
        return max(0.0, off - WRIST_SLACK_RAD) * 10 + abs(float(pose[4] - REST_RAD[4]))

    return min(ways, key=cost)


def _paced(joints: Numbers, most: float) -> Numbers:
    """Return places along rows ``[N, D]``, between which no number changes by more, ``[M]``."""
    counts = np.ceil(np.abs(np.diff(joints, axis=0)).max(axis=1) / most).astype(int).clip(1)
    parts = [k + np.arange(1, count + 1) / count for k, count in enumerate(counts)]
    return np.concatenate([[0.0], *parts])


def _jaws(asked: Numbers, least: Numbers, each: float, start: float) -> Numbers:
    """Return where jaws are that go towards what is asked by so much a step, and stop at what they hold."""
    found = [start]
    for target, stop in zip(asked[1:], least[1:], strict=True):
        here = found[-1] + float(np.clip(target - found[-1], -each, each))
        found.append(max(here, min(float(stop), found[-1])))
    return np.array(found)


def _units(joints_rad: Numbers, percent: float) -> Array:
    return to_robot_units(np.array([*joints_rad, gripper_rad(percent)]))
