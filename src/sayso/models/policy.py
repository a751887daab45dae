"""Turn a model into a policy: normalisation, features and weights in one folder that describes itself.

::

    windows ---.                                          .--> losses     (training)
               |--> one chain forwards --> model units ---|
    one look --'                                          '--> actions --> the chain backwards --> robot units

    checkpoint/
        config.json         model (type and sizes), features (names, order, units), facts of the training
        model.safetensors   weights; float32, or bfloat16 to ship
        stats.json          what the chain subtracts and divides by
        README.md           model card with measured numbers

No pickle anywhere. The number of torch's threads is the caller's business.

Shapes: B batch, T history, C camera, R referents, K chunk, A action, S state.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sayso.data.normalize import Stats, two_way
from sayso.models import vla
from sayso.models.overrides import overrides
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
    SaysoError,
    UnknownNameError,
    image_key,
    known,
)
from sayso.spec import check_fits as check_fits

CONFIG, WEIGHTS, STATS, CARD = "config.json", "model.safetensors", "stats.json", "README.md"
TYPES = ("vla", "textbook", "act", "diffusion")
PRESETS: Mapping[str, Callable[..., vla.VLAConfig]] = {"small": vla.small, "tiny": vla.tiny}
TINY: Mapping[str, Mapping[str, Any]] = {
    "textbook": {"pretrained": False, "image_px": 64},
    "act": {
        "width": 32, "heads": 4, "feedforward": 64, "encoder_layers": 1, "latent": 4, "dropout": 0.0,
        "stages": (16, 16, 32, 32), "weights_from": "random", "bf16": False,
    },
    "diffusion": {
        "widths": (16, 32), "keypoints": 8, "time_width": 16, "text_width": 16, "stages": (16, 16, 32, 32),
        "bf16": False,
    },
}  # fmt: skip
"""What the preset ``tiny`` changes in the others' sizes; ``small`` leaves them as they were published."""
IN_TRAINING = ("discount", "state_dropout", "point_weight", "where_weight", "augmentation")
"""Fields of a ``vla``'s config that say how it learns, not what it is."""
IS_PAD = "action_is_pad"


class CheckpointError(SaysoError):
    """Report a folder that is not a checkpoint, or not a whole one."""


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

    def save(
        self,
        folder: Path | str,
        card: str = "",
        *,
        dtype: torch.dtype = torch.float32,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint; see `sayso.models.policy.save`."""
        save(self, folder, card, dtype=dtype, training=training)

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
    images = []
    for camera, size in features.cameras.items():
        image = np.asarray(look_up(windows, image_key(camera)))
        if image.shape[2:] != (*size, 3) or image.dtype != np.uint8:
            raise FeatureMismatchError(
                f"{image_key(camera)!r} is {image.dtype} {image.shape[2:]}, but the policy was trained "
                f"on uint8 {(*size, 3)}; resize it before"
            )
        images.append(np.ascontiguousarray(image))
    return images


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


def learns_to_point(policy: TrainablePolicy) -> bool:
    """Tell whether a policy's training makes use of ``label.points``."""
    return isinstance(policy, VLAPolicy) and policy.model.config.points


def build(
    type: str,
    *,
    preset: str,
    features: Features,
    stats: Mapping[str, Stats],
    history: int = 1,
    chunk: int = 16,
    decoder: Literal["regression", "flow"] = "regression",
    changes: Sequence[str] = (),
) -> TrainablePolicy:
    """Return a policy with fresh weights, drawn from torch's own generator.

    Args:
        type: ``vla``, or a model to measure it against: ``textbook``, ``act`` or ``diffusion``.
        preset: ``small`` or ``tiny``.
        features: what the robot shows and accepts.
        stats: of ``observation.state`` and ``action``, in robot units.
        history: T, frames a ``vla`` sees; the others see the newest one.
        chunk: K, actions it predicts; the textbook model predicts one.
        decoder: how a ``vla`` reads actions off; the others have only their own way.
        changes: to further fields of a ``vla``'s config, each ``name=value``; see `changed_fields`.
    """
    known("policy type", type, TYPES)
    known("preset", preset, PRESETS)
    sizes: dict[str, Any] = {}
    if type == "vla":
        config = PRESETS[preset](features, history=history, chunk=chunk)
        config = dataclasses.replace(config, decoder=decoder, **changed_fields(type, changes))
        sizes = dataclasses.asdict(config)
    elif preset == "tiny":
        sizes |= TINY[type]
    if type in ("act", "diffusion"):
        sizes["chunk"] = chunk
    return rebuild({"type": type, **sizes}, features, stats)


def changed_fields(type: str, changes: Sequence[str], *, built: bool = False) -> dict[str, Any]:
    """Return the fields of a ``vla``'s config that words such as ``point_weight=0`` set, and their values.

    Raises:
        UnknownNameError: if there is no such field, or one that data or an argument of `build` decides.
        ValueError: if a value is of another type, the policy is of another type than ``vla``, or it is built
            and the field says what it is, not how it learns.
    """
    if changes and type != "vla":
        raise ValueError(f"only a vla's config can be changed, but the policy is of the type {type!r}")
    fields = overrides(vla.VLAConfig, changes, without=("history", "chunk", "decoder"))
    if built and (fixed := [name for name in fields if name not in IN_TRAINING]):
        raise ValueError(f"a trained model keeps its {fixed[0]}; change {', '.join(IN_TRAINING)}")
    return fields


def learn_otherwise(policy: TrainablePolicy, changes: Sequence[str]) -> None:
    """Change how a policy learns from now on, by words such as ``discount=0.85``; see `changed_fields`."""
    if changes:
        fields = changed_fields(policy.config()["type"], changes, built=True)
        model = cast(vla.VisionLanguageAction, policy.model)
        model.config = dataclasses.replace(model.config, **fields)


def rebuild(config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> TrainablePolicy:
    """Return a policy with fresh weights of the type and sizes that some policy's ``config()`` named."""
    # Only here: whoever acts with our model needs none of the others' parts.
    match known("policy type", config["type"], TYPES):
        case "textbook":
            from sayso.models.textbook import TextbookPolicy

            return TextbookPolicy.build(config, features, stats)
        case "act":
            from sayso.models.act import ActPolicy

            return ActPolicy.build(config, features, stats)
        case "diffusion":
            from sayso.models.diffusion import DiffusionPolicy

            return DiffusionPolicy.build(config, features, stats)
    return VLAPolicy.build(config, features, stats)


def save(
    policy: TrainablePolicy, folder: Path | str, card: str = "", *, dtype: torch.dtype = torch.float32,
    training: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write a checkpoint into a folder, which is made if need be.

    Args:
        policy: any of ours.
        folder: where to.
        card: text of the model card; a heading alone if empty.
        dtype: what weights are stored as; ``torch.bfloat16`` halves the file.
        training: facts worth keeping (commit, dataset, steps, seed), plain JSON.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: (t.to(dtype) if t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in policy.model.state_dict().items()
    }
    config = {
        "model": policy.config(),
        "features": policy.features.to_json(),
        "training": dict(training or {}),
    }
    save_file(weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    stats = {key: s.to_json() for key, s in policy.stats.items()}
    (folder / STATS).write_text(json.dumps(stats, indent=2) + "\n")
    (folder / CARD).write_text(
        card or f"# {config['model']['type']} for {policy.features.robot_type}\n\nNot measured yet.\n"
    )


def load(folder: Path | str, device: str = "cpu") -> TrainablePolicy:
    """Read a checkpoint and return its policy, ready to act, weights in float32 on `device`.

    Raises:
        CheckpointError: if the folder or one of its files is missing, or the weights are of another model.
        UnknownNameError: if its type is not one of ours.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder {str(folder)!r}")
    missing = [name for name in (CONFIG, WEIGHTS, STATS) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{str(folder)!r} is not a whole checkpoint: {', '.join(missing)} missing. "
            f"One holds {CONFIG}, {WEIGHTS} and {STATS}."
        )
    config = json.loads((folder / CONFIG).read_text())
    stats = {key: Stats.from_json(raw) for key, raw in json.loads((folder / STATS).read_text()).items()}
    try:
        policy = rebuild(config["model"], Features.from_json(config["features"]), stats)
    except UnknownNameError:
        raise
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{CONFIG} in {str(folder)!r} is not one this version of sayso understands ({error!r}); "
            "load it with the version that wrote it, or train anew"
        ) from error
    weights = {
        name: t.float() if t.is_floating_point() else t for name, t in load_file(folder / WEIGHTS).items()
    }
    try:
        policy.model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{WEIGHTS} and {CONFIG} in {str(folder)!r} describe different models: {error}"
        ) from error
    policy.model.to(device).eval()
    return policy
