"""Act with a model: from windows or one look in robot units to tensors, and from its answer to actions.

::

    windows ---.                                          .--> losses     (training)
               |--> one chain forwards --> model units ---|
    one look --'                                          '--> actions --> the chain backwards --> robot units

The number of torch's threads is the caller's business.

Shapes: B batch, T history, H x W pixels, C camera, R referents, K chunk, A action, S state.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sayso.data.normalize import Stats, two_way
from sayso.data.resize import as_learned
from sayso.models import vla
from sayso.models.words import LEARNING, FrozenTextEncoder
from sayso.spec import (
    ACTION,
    POINTS,
    STATE,
    TASK,
    Chunk,
    FeatureMismatchError,
    Features,
    Observation,
    Policy,
    image_key,
)

IS_PAD = "action_is_pad"


class TrainablePolicy(Policy, Protocol):
    """Say what training and checkpoints need of a policy; they never know which model it wraps."""

    features: Features
    stats: Mapping[str, Stats]

    @property
    def model(self) -> nn.Module:
        """Return what is trained."""
        ...

    def config(self) -> dict[str, Any]:
        """Return ``type`` and the model's sizes as plain JSON, enough for `rebuild`."""
        ...

    def losses(self, windows: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and its terms, for windows in robot units."""
        ...


class VLAPolicy:
    """Act with a `VisionLanguageAction` model."""

    def __init__(
        self, model: vla.VisionLanguageAction, features: Features, stats: Mapping[str, Stats]
    ) -> None:
        """Join a model with the features and statistics of the demonstrations it learns from.

        Raises:
            FeatureMismatchError: if the model's sizes, the features and the statistics disagree.
        """
        _check_sizes(model.config, features, stats)
        self.model, self.features, self.stats = model, features, stats
        self.generator: torch.Generator | None = None
        """Source of the flow decoder's noise when acting; None is torch's own."""
        self._chain = two_way(stats, features)
        self._encoder = FrozenTextEncoder()
        self._past: deque[Observation] = deque(maxlen=model.config.history)

    @classmethod
    def build(cls, config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> Self:
        """Return a policy with fresh weights, drawn from torch's own generator, of the sizes in `config`."""
        sizes = {name: value for name, value in config.items() if name != "type"}
        return cls(vla.VisionLanguageAction(vla.VLAConfig.from_json(sizes)), features, stats)

    def config(self) -> dict[str, Any]:
        """Return ``type`` and the model's sizes as plain JSON."""
        return {"type": "vla", **dataclasses.asdict(self.model.config)}

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self._past.clear()

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        With a history of more than one frame, call it at every step of an episode: what it remembers are
        its own calls. Before the first one it supposes that nothing had moved.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
        """
        self._past.append(observation)
        missing = self.model.config.history - len(self._past)
        frames = [self._past[0]] * missing + list(self._past)
        keys = [STATE, *map(image_key, self.features.cameras)]
        windows = {key: np.stack([look_up(frame, key) for frame in frames])[None] for key in keys}
        self.model.eval()
        batch = self._batch({**windows, TASK: [observation[TASK]]})
        actions = self.model.sample(batch, self.generator)
        answer = {ACTION: actions.cpu().numpy(), STATE: batch.state.cpu().numpy()}
        return Chunk(self._chain.inverse(answer)[ACTION][0])

    def losses(
        self, windows: Mapping[str, Any], generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and the terms of it: ``action``, ``point``, ``where``.

        Args:
            windows: numpy, robot units. ``observation.images.<camera>`` uint8 ``[B, T, H, W, 3]``,
                ``observation.state`` ``[B, T, S]``, ``action`` ``[B, K, A]``, ``action_is_pad`` ``[B, K]``,
                ``task`` a list of B instructions; ``label.points`` ``[B, C * R * 3]`` if there are any.
            generator: source of everything random; None is torch's own.

        Raises:
            FeatureMismatchError: if the windows are not what the policy was built for.
        """
        self._encoder.make_room(LEARNING)
        return self.model.losses(self._batch(windows), generator)

    def _batch(self, windows: Mapping[str, Any]) -> vla.Batch:
        """Go from windows in robot units to tensors in model units, on the model's device."""
        units = self._chain.forward(windows)
        words, mask = self._encoder.encode(windows[TASK])
        tensors = {"state": look_up(units, STATE), "words": words, "words_mask": mask}
        if ACTION in windows:
            tensors |= {"actions": units[ACTION], "is_pad": look_up(windows, IS_PAD)}
        if POINTS in windows:
            c = self.model.config
            tensors |= {"points": windows[POINTS].reshape(-1, len(c.image_sizes), c.referents, 3)}
        batch = vla.Batch(
            images=tuple(torch.from_numpy(image) for image in camera_images(windows, self.features)),
            **{name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in tensors.items()},
        )
        return batch.to(next(self.model.parameters()).device)


def camera_images(windows: Mapping[str, Any], features: Features) -> list[NDArray[np.uint8]]:
    """Return uint8 ``[B, T, H, W, 3]`` of each camera, in the order of the features.

    Raises:
        FeatureMismatchError: if a camera's images are missing or of another kind.
    """
    return [
        np.ascontiguousarray(as_learned(look_up(windows, image_key(camera)), camera, features))
        for camera in features.cameras
    ]


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """Return ``values[key]``, or raise `FeatureMismatchError` naming the key and what is there instead."""
    if key not in values:
        raise FeatureMismatchError(
            f"the policy needs {key!r}, but it was given only {', '.join(sorted(values))}"
        )
    return values[key]


def _check_sizes(config: vla.VLAConfig, features: Features, stats: Mapping[str, Stats]) -> None:
    expected = {
        "cameras": (len(config.image_sizes), len(features.cameras)),
        "dimensions of the state": (config.state_dim, len(features.state)),
        "dimensions of the action": (config.action_dim, len(features.action)),
        "dimensions of the state's statistics": (config.state_dim, len(look_up(stats, STATE).mean)),
        "dimensions of the action's statistics": (config.action_dim, len(look_up(stats, ACTION).mean)),
    }
    if features.points:
        expected["numbers in label.points"] = (
            len(config.image_sizes) * config.referents * 3,
            len(features.points),
        )
    wrong = [f"{name}: {given}, model has {own}" for name, (own, given) in expected.items() if own != given]
    if wrong:
        raise FeatureMismatchError("the model does not belong to these features: " + "; ".join(wrong))
