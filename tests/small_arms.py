"""Build tiny healthy recordings of an arm, as sayso leaves them and as LeRobot does, to be broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sayso.data.writer import assemble, stage_episode
from sayso.robots import JOINTS
from sayso.spec import ACTION, STATE, TASK, Array, Dimension, Features, Image, image_key
from small_datasets import foreign

SIZE = (48, 64)
FPS = 30
EPISODES, FRAMES = 5, 45
NAMES = tuple(f"{joint}.pos" for joint in JOINTS)
SENTENCES = ("put the red block in the box", "push the can to the left")
_BACKGROUND = np.kron(np.random.default_rng(0).integers(40, 220, (12, 16, 3)), np.ones((4, 4, 1)))


def pose(episode: int, step: int) -> Array:
    """Return where the joints are: each swings at its own pace, up to 110 degrees."""
    swing = np.sin(step / FRAMES * np.pi * (1 + np.arange(6) / 4) + 0.3 * episode + np.arange(6))
    return (swing * [60, 50, 55, 60, 110, 30] + [0, 0, 0, 0, 0, 50]).astype(np.float32)


def picture(episode: int, step: int) -> Image:
    """Return what a camera sees: a dark arm that crosses a chequered room."""
    image = _BACKGROUND.astype(np.uint8)
    left = 4 + step + episode
    image[10:34, left : left + 10] = 10
    return image


def arm(
    root: Path,
    *,
    pictures: Callable[[int, int], Image] = picture,
    poses: Callable[[int, int], Array] = pose,
    actions: Callable[[int, int], Array] | None = None,
    sentences: tuple[str, ...] = SENTENCES,
    lengths: tuple[int, ...] = (FRAMES,) * EPISODES,
    cameras: tuple[str, ...] = ("front",),
    theirs: bool = True,
    robot_type: str = "so_follower",
) -> Path:
    """Record episodes of an arm; `theirs` leaves them as LeRobot's recorder would: without units."""
    dimensions = tuple(
        Dimension(name=name, unit="" if theirs else "%" if "gripper" in name else "deg") for name in NAMES
    )
    features = Features(
        robot_type=robot_type,
        fps=FPS,
        state=dimensions,
        action=dimensions,
        cameras=dict.fromkeys(cameras, pictures(0, 0).shape[:2]),
    )
    for episode, length in enumerate(lengths):
        frames = [
            {
                **{image_key(camera): pictures(episode, step) for camera in cameras},
                STATE: poses(episode, step),
                ACTION: (actions or poses)(episode, step + (actions is None)),
                TASK: sentences[episode % len(sentences)],
            }
            for step in range(length)
        ]
        stage_episode(root, features, frames, seed=episode, family="put")
    assemble(root, features)
    return foreign(root) if theirs else root
