"""Build a policy by its type: ours, or a published one to measure it against.

One table, `TYPES`; `build` starts from a preset, `rebuild` from what a checkpoint says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from sayso.data.normalize import Stats
from sayso.models import vla
from sayso.models.overrides import overrides
from sayso.models.policy import TrainablePolicy, VLAPolicy
from sayso.models.typed import read
from sayso.models.words import MAX_WORDS
from sayso.spec import Dimension, Features, SaysoError, known

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
SOME_ROBOT = Features(
    robot_type="any", fps=1, state=(), action=(Dimension(name="any", unit=""),), cameras={"any": (8, 8)}
)
"""Whom a change to a config is tried with before the data is there."""
DECIDED = ("chunk", "decoder", "image_sizes", "state_dim", "action_dim")
"""Fields that data or an argument of `build` decides."""
IN_TRAINING = ("discount", "state_dropout", "point_weight", "where_weight", "augmentation")
"""Fields of a ``vla``'s config that say how it learns, not what it is."""


def learns_to_point(policy: TrainablePolicy) -> bool:
    """Tell whether a policy's training makes use of ``label.points``."""
    return isinstance(policy, VLAPolicy) and policy.model.config.points


def build(
    type: str,
    *,
    preset: str,
    features: Features,
    stats: Mapping[str, Stats],
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
        chunk: K, actions it predicts; the textbook model predicts one.
        decoder: how a ``vla`` reads actions off; the others have only their own way.
        changes: to further fields of a ``vla``'s config, each ``name=value``; see `changed_fields`.
    """
    known("policy type", type, TYPES)
    known("preset", preset, PRESETS)
    try:
        sizes: dict[str, Any] = {}
        if type == "vla":
            config = PRESETS[preset](features, chunk=chunk)
            changed = changed_fields(type, changes, preset=preset)
            sizes = dataclasses.asdict(dataclasses.replace(config, decoder=decoder, **changed))
        elif preset == "tiny":
            sizes |= TINY[type]
        if type in ("act", "diffusion"):
            sizes |= {"chunk": chunk, "max_words": MAX_WORDS}
        return rebuild({"type": type, **sizes}, features, stats)
    except ValueError as error:
        raise SaysoError(f"no {type} can be built so: {error}") from error


def changed_fields(
    type: str, changes: Sequence[str], *, preset: str = "small", built: bool = False
) -> dict[str, Any]:
    """Return the fields of a ``vla``'s config that words such as ``point_weight=0`` set, and their values.

    Raises:
        UnknownNameError: if there is no such field, or one that data or an argument of `build` decides.
        ValueError: if a value is of another type or cannot work, the policy is of another type than ``vla``,
            or it is built and the field says what it is, not how it learns.
    """
    if changes and type != "vla":
        raise ValueError(f"only a vla's config can be changed, but the policy is of the type {type!r}")
    fields = overrides(vla.VLAConfig, changes, without=DECIDED)
    if built and (fixed := [name for name in fields if name not in IN_TRAINING]):
        raise ValueError(f"a trained model keeps its {fixed[0]}; change {', '.join(IN_TRAINING)}")
    dataclasses.replace(PRESETS[known("preset", preset, PRESETS)](SOME_ROBOT), **fields)  # refuses nonsense
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
    match known("policy type", read(str, config.get("type"), "model.type"), TYPES):
        case "textbook":
            from sayso.models.taught import TextbookPolicy

            return TextbookPolicy.build(config, features, stats)
        case "act":
            from sayso.models.act import ActPolicy

            return ActPolicy.build(config, features, stats)
        case "diffusion":
            from sayso.models.diffusion import DiffusionPolicy

            return DiffusionPolicy.build(config, features, stats)
    return VLAPolicy.build(config, features, stats)
