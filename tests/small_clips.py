"""Clips whose hand is known without any network: joints of the rendered hand, seen by two cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sayso.data.cameras import CalibratedCamera, write_cameras
from sayso.data.video import encode_video
from sayso.geometry import look_at
from sayso.models.hands.landmarks import Hand
from sayso.sim.gesture import Gesture, pick_and_place
from sayso.sim.hand import FINGERS, hand_mesh
from sayso.sim.pinch import pinching

FPS = 20
SIZE = (96, 128)
EYES = {"front": (0.75, 0.0, 0.50), "left": (0.45, 0.55, 0.45)}
THING, PLACE = np.array([0.22, -0.08, 0.02]), np.array([0.20, 0.10, 0.05])


def cameras(*names: str) -> list[CalibratedCamera]:
    """Return cameras on stands around the arm's table."""
    found = []
    for name in names:
        axes = look_at(EYES[name], (0.2, 0.0, 0.04))
        right, up = axes[:3], axes[3:]
        rotation = np.stack([right, -up, np.cross(up, right)])
        found.append(
            CalibratedCamera(
                name=name,
                size=SIZE,
                matrix=np.array([[110.0, 0, 63.5], [0, 110.0, 47.5], [0, 0, 1]]),
                rotation=rotation,
                translation_m=-rotation @ np.array(EYES[name]),
                distortion=np.zeros(5),
            )
        )
    return found


def gesture(seed: int = 0, place=PLACE) -> Gesture:
    """Return a person's gesture from the thing to the place."""
    return pick_and_place(
        THING,
        np.asarray(place),
        width_m=0.03,
        yaw_rad=0.3,
        symmetry=4,
        from_rad=np.pi,
        rng=np.random.default_rng(seed),
        fps=FPS,
    )


def landmarks_m(one: Gesture) -> np.ndarray:
    """Return where the 21 landmarks of a hand are, ``[N, 21, 3]``."""
    mesh = hand_mesh()
    names = ["wrist", "thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal", "thumb-tip"]
    for finger in FINGERS[1:]:
        names += [
            f"{finger}-{part}" for part in ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal")
        ]
        names += [f"{finger}-tip"]
    rows = [mesh.index(name) for name in names]
    found = []
    for k in range(len(one.middle_m)):
        frames = pinching(
            one.middle_m[k],
            float(one.opening_m[k]),
            closing_rad=float(one.closing_rad[k]),
            tilt_rad=float(one.tilt_rad[k]),
            from_rad=one.from_rad,
        )
        found.append(frames[rows, :3, 3])
    return np.array(found)


class KnownHand:
    """Tracker that knows where the hand is in one camera's pictures, and in which it sees none, or two."""

    def __init__(self, camera, points, rng=None, lost=(), count=1):
        self._seen = camera.project(points) + (rng.normal(0, 0.15, (*points.shape[:2], 2)) if rng else 0)
        turned = (points - points.mean(axis=1, keepdims=True)) @ camera.rotation.T
        self._shape, self._lost, self._count, self._row = turned, set(lost), count, -1

    def __call__(self, image):
        self._row += 1
        if self._row in self._lost or self._row >= len(self._seen):
            return None
        return Hand(pixels=self._seen[self._row], world_m=self._shape[self._row], score=1.0, right=1.0)

    def hands(self, image):
        return [self] * self._count


def film(folder: Path, one: Gesture, names=("front", "left"), clips=("can",), pads=None) -> Path:
    """Write grey videos of a gesture, sentences and the calibration; `pads` makes a camera's longer."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        for name in names:
            length = len(one.middle_m) + (pads or {}).get(name, 0)
            encode_video(folder / f"{clip}.{name}.mp4", _grey(length), FPS)
    lines = [f"{clip}: put the can in the bowl" for clip in clips]
    (folder / "sentences.txt").write_text("\n".join(lines), encoding="utf-8")
    return write_cameras(folder / "cameras.json", cameras(*names))


def _grey(length: int) -> Iterator[np.ndarray]:
    for k in range(length):
        yield np.full((*SIZE, 3), 60 + k % 100, np.uint8)
