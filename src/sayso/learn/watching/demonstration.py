"""Demonstration made of a clip: pictures, pointing labels, and joints that bring the arm where the hand was.

At a moment at which the arm does not reach the hand, training learns to point and no action: what else could
be asked there is what was asked (`sayso.spec.OTHER_TASK`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sayso.learn.watching.understanding import Understood
from sayso.learn.watching.way import Way, way_of
from sayso.robots import SO101
from sayso.sim.robots import REST_RAD, to_robot_units
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


def demonstration(
    understood: Understood, fps: float, *, actions: bool = True
) -> tuple[list[Observation], float]:
    """Return the frames of a clip, and at which share of them the arm reaches the hand.

    Args:
        understood: the clip.
        fps: rows a second.
        actions: whether the arm's are worked out; else every frame only teaches to point.
    """
    points = pointing(understood)
    way = way_of(understood, fps) if actions else _at_rest(len(points))
    last, frames = len(way.moments) - 1, []
    for k, row in enumerate(way.moments):
        frame: Observation = {image_key(v.camera.name): v.images[row] for v in understood.views}
        follows = way.reached[k] and way.reached[min(k + 1, last)]
        frames.append(
            frame
            | {
                STATE: way.state[k],
                ACTION: way.action[k],
                TASK: understood.clip.sentence,
                POINTS: points[row],
                OTHER_TASK: "" if follows else understood.clip.sentence,
                OTHER_POINTS: points[row],
            }
        )
    return frames, float(way.reached.mean())


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


def _at_rest(length: int) -> Way:
    numbers = np.tile(to_robot_units(REST_RAD.copy()), (length, 1))
    never = np.zeros(length, np.bool_)
    return Way(moments=np.arange(length), state=numbers, action=numbers, reached=never)
