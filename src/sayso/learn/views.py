"""Making of reference pictures: from the demonstrations of a training, or from a simulated world.

In a simulated world it is also measured how far each level of its axis ``camera`` moves each picture, so that
what seems moved can be told in such levels, for which success is measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sayso.data.mixture import Places
from sayso.data.resize import seen
from sayso.data.views import MOST, Views, spread
from sayso.data.windows import Windows
from sayso.spec import STATE, Features, Observation, image_key, seeds
from sayso.tasks.axes import departures, options_of
from sayso.tasks.contract import World
from sayso.tasks.worlds import WorldEntry

MOVED_LEVELS, SCENES = (1, 2, 3), 16
"""Levels at which it is measured how far pictures move, and in how many scenes each."""


def beginnings(windows: Windows, features: Features, robot: int = 0, places: Places | None = None) -> Views:
    """Return the reference pictures of a training: the first frames of its episodes.

    Args:
        windows: of the demonstrations.
        features: of the policy.
        robot: which robot of a mixture it is.
        places: where that robot's cameras and numbers lie in the mixture; None of a single robot.
    """
    first = windows.first(robot)
    frames: list[Observation] = []
    for number in first[spread(len(first))]:
        batch = windows.batch([number])
        batch = places.own(batch) if places else batch
        cameras = {image_key(camera): batch[image_key(camera)][0, -1] for camera in features.cameras}
        frames.append({**cameras, STATE: batch[STATE][0, -1]})
    return Views.of(frames, tuple(features.cameras))


def of_world(entry: WorldEntry, features: Features) -> Views:
    """Return reference pictures of a world's training scenes, and how far its levels move each picture."""
    with contextlib.closing(entry.make()) as world:
        return _of_scenes(entry, world, features)


def _of_scenes(entry: WorldEntry, world: World, features: Features) -> Views:
    frames = [_shown(entry, world, features, seed, 0) for seed in seeds("train", MOST)]
    views = Views.of(frames, tuple(features.cameras))
    moved: dict[str, list[float]] = {camera: [] for camera in views.cameras}
    for level in MOVED_LEVELS:
        for seed in seeds("train", SCENES, MOST):
            frame = _shown(entry, world, features, seed, level)
            for camera, view in views.cameras.items():
                found = view.compared(frame[image_key(camera)], frame[STATE])
                if found.alike:
                    moved[camera].append(found.moved / level)
    return replace(
        views,
        cameras={
            camera: replace(view, known=view.usual, per_level=_median(moved[camera]))
            for camera, view in views.cameras.items()
        },
    )


def _median(numbers: Sequence[float]) -> float:
    return float(np.median(numbers)) if numbers else 0.0


def _shown(entry: WorldEntry, world: World, features: Features, seed: int, level: int) -> Observation:
    """Return what a policy sees first in a scene, the cameras at a level of the axis ``camera``."""
    asked = departures(entry.axes, [f"camera={level}"])
    family = world.families[seed % len(world.families)]
    observation, _ = world.reset(seed=seed, options={"family": family, **options_of(asked)})
    cameras = {image_key(c): seen(observation[image_key(c)], c, features) for c in features.cameras}
    return {**cameras, STATE: observation[STATE]}
