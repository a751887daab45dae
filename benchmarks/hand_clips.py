"""Film clips of a rendered hand for `human_video.py`, with their truth, which scores what is understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sayso.data.cameras import CalibratedCamera, write_cameras
from sayso.data.clips import Clip
from sayso.data.video import encode_video
from sayso.learn.watching.demonstration import pointing
from sayso.learn.watching.understanding import Understood
from sayso.learn.watching.way import way_of
from sayso.sim.filmed_hand import SKINS, STANDS, FilmedHand
from sayso.sim.gesture import Gesture, pick_and_place
from sayso.sim.objects import shape_of
from sayso.sim.simulation import Simulation
from sayso.spec import SPLITS
from sayso.tasks.household.goals.goal import Goal
from sayso.tasks.household.goals.grounding import conditions
from sayso.tasks.household.goals.imagination import arranged
from sayso.tasks.household.goals.trial import scene_of
from sayso.tasks.household.goals.world import in_own_words

WORLD, FPS = "tabletop", 20
SIZE = (480, 480)
"""Of the clips' pictures: square, as the tabletop's own front camera's are."""
EDGE = 8
"""Frames at either end in which the hand comes and leaves, and its path is not scored."""


def film_clip(folder: Path, goal: Goal, number: int) -> None:
    """Film one clip, in a scene, a skin and a light of its own, and keep the truth beside it."""
    seed = SPLITS["train"].start + number
    scene, rng = scene_of(WORLD, goal, seed), np.random.default_rng([seed, 2])
    name = scene.asked[0][0].ways[0][0]
    item = next(one for one in scene.layout.items if one.name == name)
    shape, simulation = shape_of(item), Simulation(WORLD, scene.layout)
    arranged(simulation, scene.asked[0])
    up = np.array([0.0, 0.0, shape.grasp_m])
    gesture = pick_and_place(
        np.array(item.position_m) + up,
        simulation.data.body(name).xpos.copy() + up,
        width_m=shape.width_m,
        yaw_rad=item.yaw_rad,
        symmetry=shape.symmetry,
        from_rad=np.pi,
        rng=rng,
        fps=FPS,
    )
    skin = [*SKINS.values()][number % len(SKINS)]
    light = bool(number // len(SKINS) % 2)
    with FilmedHand(scene.layout, name, skin, size=SIZE, shadows=light) as film:
        cameras = [calibrated(film, camera) for camera in STANDS]
        for camera in STANDS:
            encode_video(folder / f"{number:03}.{camera}.mp4", pictures(film, gesture, camera), FPS)
    write_cameras(folder / "cameras.json", cameras)
    np.savez(folder / f"{number:03}.npz", **vars(gesture))


def pictures(film: FilmedHand, gesture: Gesture, camera: str) -> Iterator[np.ndarray]:
    """Yield what a camera sees of a gesture."""
    for row in range(len(gesture.middle_m)):
        film.show(gesture, row)
        yield film.picture(camera)


def calibrated(film: FilmedHand, name: str) -> CalibratedCamera:
    """Return a camera as a calibration without error would have it."""
    matrix, rotation, translation_m = film.pinhole(name)
    return CalibratedCamera(
        name=name,
        size=film.size,
        matrix=matrix,
        rotation=rotation,
        translation_m=translation_m,
        distortion=np.zeros(5),
    )


def said(goal: Goal, number: int) -> str:
    """Return what a person says who shows this in the scene of a clip, with the colours of what is meant."""
    return in_own_words(goal, scene_of(WORLD, goal, SPLITS["train"].start + number).things)


def truth_of(folder: Path, clip: Clip) -> Gesture:
    """Return what the hand of a clip really did."""
    with np.load(folder / f"{clip.name}.npz") as kept:
        found = {key: kept[key] for key in kept.files}
    whole = {key: int(found.pop(key)) for key in ("grasp", "release")}
    return Gesture(from_rad=float(found.pop("from_rad")), **found, **whole)


def truly(found: Understood, true: Gesture) -> Understood:
    """Return a clip as it would be understood by a tracker that makes no error."""
    across = np.stack([np.cos(true.closing_rad), np.sin(true.closing_rad), 0 * true.closing_rad], axis=1)
    return replace(
        found,
        path_m=true.middle_m,
        opening_m=true.opening_m,
        closing=across,
        grasp=true.grasp,
        release=true.release,
    )


def replayed(goal: Goal, number: int, found: Understood) -> bool:
    """Tell whether the arm does what a clip shows, driven along its way in its scene without seeing."""
    scene = scene_of(WORLD, goal, SPLITS["train"].start + number)
    simulation, way = Simulation(WORLD, scene.layout), way_of(found, FPS)
    simulation.watch_heights()
    for action in (*way.action, *way.action[-1:].repeat(FPS, axis=0)):
        simulation.apply(action)
    return all(conditions(scene.asked[0], simulation).values())


def score(found: Understood, true: Gesture) -> dict[str, Any]:
    """Return how far what was understood of a clip is from what the hand did."""
    length = min(len(found.path_m), len(true.middle_m))
    rows = slice(EDGE, length - EDGE)
    path = np.linalg.norm(found.path_m[:length] - true.middle_m[:length], axis=1)[rows]
    opening = np.abs(found.opening_m[:length] - true.opening_m[:length])[rows]
    labels = [pointing(one)[:length].reshape(length, -1, 3) for one in (found, truly(found, true))]
    seen = (labels[0][..., 2] * labels[1][..., 2])[rows] > 0
    off = np.linalg.norm(labels[0][rows, :, :2] - labels[1][rows, :, :2], axis=-1)[seen]
    return {
        "path_mm": (1000 * path).round(2).tolist(),
        "opening_mm": (1000 * opening).round(2).tolist(),
        "grasp_frames": found.grasp - true.grasp,
        "release_frames": found.release - true.release,
        "pointing": float(np.median(off)),
    }
