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
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sayso.calling import CalledLikeAModel
from sayso.data.looks import check_state
from sayso.data.normalize import RELATIVE, Stats, two_way
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


class VLAPolicy(CalledLikeAModel):
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
        self._chain = two_way(stats, features)
        self._encoder = FrozenTextEncoder(max_words=model.config.max_words)
        self._noise = EpisodeNoise()

    @classmethod
    def build(cls, config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> Self:
        """Return a policy with fresh weights, drawn from torch's own generator, of the sizes in `config`."""
        sizes = {name: value for name, value in config.items() if name != "type"}
        return cls(vla.VisionLanguageAction(vla.VLAConfig.from_json(sizes)), features, stats)

    def config(self) -> dict[str, Any]:
        """Return ``type`` and the model's sizes as plain JSON."""
        return {"type": "vla", **dataclasses.asdict(self.model.config)}

    def reset(self) -> None:
        """Forget the episode that just ended: noise begins anew, if the decoder has any."""
        self._noise.begin()

    def seed(self, seed: int) -> None:
        """Let the noise of the episode that begins depend on `seed` alone."""
        self._noise.begin(seed)

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
            NotFiniteError: if it holds a number that nobody could act on.
        """
        self.model.eval()
        batch = self._batch(one_look(observation, self.features))
        actions = self.model.sample(batch, self._noise.generator)
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
        units = self._chain.forward(with_state(windows, self.features))
        words, mask = self._encoder.encode(look_up(windows, TASK))
        tensors = {"state": look_up(units, STATE)[:, -1:], "words": words, "words_mask": mask}
        if ACTION in windows:
            tensors |= {"actions": units[ACTION], "is_pad": look_up(windows, IS_PAD)}
        if POINTS in windows:
            c = self.model.config
            tensors |= {"points": windows[POINTS].reshape(-1, len(c.image_sizes), c.referents, 3)}
        batch = vla.Batch(
            images=tuple(torch.from_numpy(image[:, -1:]) for image in camera_images(windows, self.features)),
            **{name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in tensors.items()},
        )
        return batch.to(next(self.model.parameters()).device)


class EpisodeNoise:
    """Draw noise for acting that depends on the episode alone, not on those before it nor on who ran them."""

    def __init__(self) -> None:
        """Begin with an episode whose seed nobody told."""
        self.generator = torch.Generator()
        self.begin()

    def begin(self, seed: int = 0) -> None:
        """Draw the same noise as ever for an episode of this seed."""
        self.generator.manual_seed(seed)


def one_look(observation: Observation, features: Features) -> dict[str, Any]:
    """Return one observation as windows of one frame for a batch of one.

    Raises:
        FeatureMismatchError: if something that a policy with these features needs is missing, or too large.
        NotFiniteError: if a number of the state is beyond what any robot could mean.
    """
    keys = [*([STATE] if features.state else []), *map(image_key, features.cameras)]
    look = {key: np.asarray(look_up(observation, key))[None, None] for key in keys}
    if features.state:
        check_state(look[STATE][0, 0], features)
    return {**look, TASK: [look_up(observation, TASK)]}


def with_state(windows: Mapping[str, Any], features: Features) -> Mapping[str, Any]:
    """Return windows with a state ``[B, 1, 0]`` where the robot tells none: cameras are all it has."""
    if features.state:
        return windows
    return {**windows, STATE: np.zeros((len(look_up(windows, TASK)), 1, 0), np.float32)}


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
    check_statistics(features, stats)
    expected: dict[str, tuple[object, object]] = {
        "image sizes": (config.image_sizes, tuple((h, w) for h, w in features.cameras.values())),
        "dimensions of the state": (config.state_dim, len(features.state)),
        "dimensions of the action": (config.action_dim, len(features.action)),
    }
    if features.points:
        expected["numbers in label.points"] = (
            len(config.image_sizes) * config.referents * 3,
            len(features.points),
        )
    if RELATIVE in stats:
        expected["numbers in a chunk's statistics"] = (
            config.chunk * config.action_dim,
            len(stats[RELATIVE].mean),
        )
    wrong = [f"{name}: {given}, model has {own}" for name, (own, given) in expected.items() if own != given]
    if wrong:
        raise FeatureMismatchError("the model does not belong to these features: " + "; ".join(wrong))


def check_statistics(features: Features, stats: Mapping[str, Stats]) -> None:
    """Raise `FeatureMismatchError`, unless there are statistics of each number of the features."""
    sizes = {STATE: len(features.state), ACTION: len(features.action)}
    for key in (key for key, size in sizes.items() if size):
        if (found := len(look_up(stats, key).mean)) != sizes[key]:
            raise FeatureMismatchError(
                f"the statistics of {key!r} have {found} dimensions, but the features {sizes[key]}"
            )
