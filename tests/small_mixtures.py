"""Tiny recordings of unlike robots: one arm simulated and on a desk, a hand that tells no state, two arms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sayso.data.writer import assemble, stage_episode
from sayso.spec import ACTION, POINTS, STATE, TASK, Dimension, Features, image_key

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
SIZE = (16, 24)


def arm(prefix: str = "") -> tuple[Dimension, ...]:
    """Return the six numbers of an arm."""
    return tuple(
        Dimension(name=f"{prefix}{joint}.pos", unit="%" if joint == "gripper" else "deg") for joint in JOINTS
    )


MARKS = tuple(f"{part}.{what}" for part in ("object", "place") for what in ("u", "v", "visible"))
SIMULATED = Features(
    robot_type="so101", fps=20, state=arm(), action=arm(), cameras={"front": SIZE, "wrist": SIZE},
    points=tuple(f"{camera}.{mark}" for camera in ("front", "wrist") for mark in MARKS),
)  # fmt: skip
DESK = Features(
    robot_type="so101", fps=30, state=arm(), action=arm(), cameras={"desk": (24, 32), "hand": (24, 32)}
)
BLIND = Features(
    robot_type="seven", fps=20, state=(), cameras={"front": SIZE},
    action=tuple(Dimension(name=name, unit="") for name in ("x", "y", "z", "roll", "pitch", "yaw", "grip")),
)  # fmt: skip
BOTH_ARMS = (
    *arm("left_"), Dimension(name="left_rail.pos", unit=""),
    *arm("right_"), Dimension(name="right_rail.pos", unit=""),
)  # fmt: skip
TWO_ARMS = Features(
    robot_type="two_arms", fps=20, state=BOTH_ARMS, action=BOTH_ARMS, cameras={"top": (32, 32)}
)
ALL = (SIMULATED, DESK, BLIND, TWO_ARMS)


def record(root: Path, features: Features, episodes: int = 4, length: int = 10, seed: int = 0) -> Path:
    """Record episodes of smooth motions whose pictures, states and actions belong together."""
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        places = np.cumsum(rng.normal(0, 3, (length + 1, len(features.action))), 0).astype(np.float32)
        places += 20 * np.arange(len(features.action), dtype=np.float32)
        frames = []
        for t in range(length):
            grey = int(np.clip(128 + 5 * places[t, 0], 0, 255))
            frame = {
                image_key(c): np.full((*size, 3), grey, np.uint8) for c, size in features.cameras.items()
            }
            frame |= {ACTION: places[t + 1], TASK: f"do number {episode % 2}"}
            frame |= {STATE: places[t]} if features.state else {}
            if features.points:
                frame[POINTS] = rng.random(len(features.points)).round().astype(np.float32)
            frames.append(frame)
        stage_episode(root, features, frames, seed=100 * seed + episode, family="put")
    return assemble(root, features)


def unlabelled(features: Features) -> Features:
    """Return features without points."""
    return replace(features, points=())
