"""Demonstration made of a clip: pictures, pointing labels, and joints that bring the arm where the hand was.

At a moment at which the arm does not reach the hand, training learns to point and no action: what else could
be asked there is what was asked (`sayso.spec.OTHER_TASK`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sayso.learn.watching.smoothing import gaussian
from sayso.learn.watching.understanding import Understood
from sayso.robots import SO101
from sayso.sim.jaws import percent_for
from sayso.sim.kinematics import PAN_AXIS_X_M, ArmKinematics
from sayso.sim.robots import REST_RAD, gripper_rad, to_robot_units
from sayso.spec import (
    ACTION,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    STATE,
    TASK,
    Array,
    Features,
    Observation,
    image_key,
    point_names,
)

Numbers = NDArray[np.float64]
TILT_RAD = 0.25
"""How far the hand of the arm leans outward, as its experts hold it."""
REACHES_M = 0.015
"""How near the arm must come to where the hand was."""
SHUT_PERCENT = 0.0
"""What is asked of the jaws while they hold: they stop at the thing and squeeze it."""
LOWEST_M = 0.008
"""A measured path may lie in the table; the arm's does not."""


def features_of(understood: Understood, fps: float) -> Features:
    """Return what the dataset's frames have: the arm's numbers, and pictures of the cameras that filmed."""
    sizes: Mapping[str, tuple[int, int]] = {
        view.camera.name: (view.images[0].shape[0], view.images[0].shape[1]) for view in understood.views
    }
    return Features(
        robot_type=SO101.name,
        fps=fps,
        state=SO101.in_degrees,
        action=SO101.in_degrees,
        cameras=sizes,
        points=point_names(sizes),
    )


def demonstration(understood: Understood, *, actions: bool = True) -> tuple[list[Observation], float]:
    """Return the frames of a clip, and at which share of them the arm reaches the hand.

    Args:
        understood: the clip.
        actions: whether the arm's are worked out; else every frame only teaches to point.
    """
    points = pointing(understood)
    numbers, reached = joints(understood) if actions else _at_rest(len(points))
    last, frames = len(points) - 1, []
    for k in range(len(points)):
        frame: Observation = {image_key(v.camera.name): v.images[k] for v in understood.views}
        follows = reached[k] and reached[min(k + 1, last)]
        frames.append(
            frame
            | {
                STATE: numbers[k],
                ACTION: numbers[min(k + 1, last)],
                TASK: understood.clip.sentence,
                POINTS: points[k],
                OTHER_TASK: "" if follows else understood.clip.sentence,
                OTHER_POINTS: points[k],
            }
        )
    return frames, float(reached.mean())


def joints(understood: Understood) -> tuple[Array, NDArray[np.bool_]]:
    """Return the arm's numbers in its units ``[N, 6]``, and at which moments it reaches the hand ``[N]``.

    By inverse kinematics; the jaws close along the heading along which the hand closed around the thing.
    """
    arm, pose = ArmKinematics(), REST_RAD[:5]
    path = understood.path_m.copy()
    path[:, 2] = path[:, 2].clip(LOWEST_M)
    percent = np.where(understood.held, SHUT_PERCENT, percent_for(understood.opening_m))
    percent = gaussian(percent[:, None], 0.7)[:, 0]
    rows, reached = [], []
    heading = _nearest_heading(arm, understood)
    for k, target in enumerate(path):
        bearing = np.arctan2(target[1], target[0] - PAN_AXIS_X_M)
        at_grasp = path[understood.grasp]
        turned = bearing - np.arctan2(at_grasp[1], at_grasp[0] - PAN_AXIS_X_M)
        closing = heading if k <= understood.grasp else heading + turned  # what is held turns with the arm
        pose = arm.solve(pose, target, TILT_RAD, closing, iterations=60 if k == 0 else 12)
        reached.append(float(np.linalg.norm(arm.forward(pose)[0] - target)) <= REACHES_M)
        rows.append(to_robot_units(np.array([*pose, gripper_rad(float(percent[k]))])))
    return np.array(rows, np.float32), np.array(reached)


def pointing(understood: Understood) -> Array:
    """Return the labels of a clip: where thing and place are in each picture, float32 ``[N, P]``."""
    place = np.broadcast_to(understood.path_m[understood.release], understood.path_m.shape)
    columns = []
    for view in understood.views:
        height, width = view.camera.size
        for points in (understood.object_m, place):
            uv = view.camera.project(points) / (width, height)
            inside = np.asarray(((uv >= 0) & (uv <= 1)).all(axis=1))
            columns.append(np.where(inside[:, None], uv, 0.5))
            columns.append(inside[:, None].astype(np.float64))
    return np.concatenate(columns, axis=1).astype(np.float32)


def _at_rest(length: int) -> tuple[Array, NDArray[np.bool_]]:
    return np.tile(to_robot_units(REST_RAD.copy()), (length, 1)), np.zeros(length, np.bool_)


def _nearest_heading(arm: ArmKinematics, understood: Understood) -> float:
    """Return the heading of the grasp, whichever way round the wrist turns least for."""
    target = understood.path_m[understood.grasp]
    ways = [understood.heading_rad + turn for turn in (0.0, np.pi, -np.pi)]
    turns = [
        abs(float(arm.solve(REST_RAD, target, TILT_RAD, way, iterations=60)[4] - REST_RAD[4])) for way in ways
    ]
    return ways[int(np.argmin(turns))]
