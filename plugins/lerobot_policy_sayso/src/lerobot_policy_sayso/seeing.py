"""Observations and batches as LeRobot hands them over, in sayso's shapes.

::

    observation.images.front   float [B, 3, H, W], 0 to 1      uint8 [B, H, W, 3]
    observation.image          the same, of a single camera    observation.images.image
    observation.state          float [B, S]                    float32 [B, S]
    task                       B sentences                     B sentences

Shapes: B batch, H x W pixels, S state, K chunk, A action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_policy_sayso.configuration_sayso import SAWYER
from sayso.data.windows import ACTION_IS_PAD
from sayso.spec import ACTION, IMAGES, POINTS, STATE, TASK, Features, Observation, image_key

PICTURE = "observation.image"
"""What LeRobot's names of pictures begin with."""


def observations(batch: Mapping[str, Any], features: Features) -> Iterator[Observation]:
    """Yield each of a batch's observations as a policy of these features sees it.

    Raises:
        ValueError: if nothing says what to do.
    """
    seen = arrays(batch)
    for one, sentence in enumerate(sentences(batch)):
        observation = {key: values[one] for key, values in seen.items()} | {TASK: sentence}
        yield views_cut(observation, features) if features.robot_type == SAWYER else observation


def windows(batch: Mapping[str, Any], features: Features) -> dict[str, Any]:
    """Return a batch to learn from, as `sayso.data.windows.Windows.batch` would."""
    found: dict[str, Any] = {key: values[:, None] for key, values in arrays(batch).items()}
    found |= {TASK: list(sentences(batch)), ACTION: _numbers(batch[ACTION])}
    if ACTION_IS_PAD in batch:
        found[ACTION_IS_PAD] = batch[ACTION_IS_PAD].cpu().numpy()
    else:
        found[ACTION_IS_PAD] = np.zeros(found[ACTION].shape[:2], bool)
    if features.points and POINTS in batch:
        found[POINTS] = _numbers(batch[POINTS])
    return found


def arrays(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return pictures, uint8 ``[B, H, W, 3]`` by sayso's names, and state ``[B, S]``."""
    found = {
        image_key(camera_of(key)): _picture(value)
        for key, value in batch.items()
        if key.startswith(PICTURE) and isinstance(value, Tensor) and value.ndim == 4
    }
    if STATE in batch:
        found[STATE] = _numbers(batch[STATE])
    return found


def sentences(batch: Mapping[str, Any]) -> Sequence[str]:
    """Return the batch's instructions.

    Raises:
        ValueError: if there are none.
    """
    told = batch.get(TASK)
    if not told:
        raise ValueError("a policy of sayso does what it is told, but nothing says what: give --task='...'")
    return [told] if isinstance(told, str) else told


def camera_of(key: str) -> str:
    """Return sayso's name of a camera from LeRobot's key of its pictures."""
    return key.removeprefix(IMAGES).removeprefix("observation.")


def views_cut(observation: Observation, features: Features) -> Observation:
    """Return Meta-World's two views of the one picture that LeRobot shows (`sayso.tasks.sawyer`)."""
    from sayso.tasks.sawyer import HAND, views

    pictures = [key for key in observation if key.startswith(IMAGES)]
    if len(pictures) != 1 or image_key(HAND) in observation:
        return observation
    sizes = {camera: height for camera, (height, _) in features.cameras.items()}
    cut = views(observation[pictures[0]], observation[STATE], sizes)
    others = {key: value for key, value in observation.items() if key != pictures[0]}
    return others | {image_key(name): view for name, view in cut.items()}


def _picture(value: Tensor) -> np.ndarray:
    """Return pictures ``[B, H, W, 3]`` as bytes; LeRobot has divided them by 255."""
    if value.dtype != torch.uint8:
        value = (value * 255).round().clamp(0, 255).to(torch.uint8)
    return value.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _numbers(value: Tensor) -> np.ndarray:
    return value.to(torch.float32).cpu().numpy()
