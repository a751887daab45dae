"""Model registry: policies built by the name of their model, ours, a published one or somebody else's.

One table, `MODELS`. A package that is installed beside sayso adds a row with an entry point, no line here::

    [project.entry-points."sayso.models"]
    mine = "my_package.my_model:MINE"       # a `sayso.models.contract.ModelType`

`build` starts from a preset, `rebuild` from what a checkpoint says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sayso.data.normalize import Stats
from sayso.extensions import Table
from sayso.models.contract import ModelType
from sayso.models.overrides import overrides
from sayso.models.policy import ModelPolicy
from sayso.models.typed import read
from sayso.models.vla.config import VLAConfig, small, tiny
from sayso.spec import Dimension, Features, SaysoError, known

GROUP = "sayso.models"
"""Group of entry points that add rows."""
MODELS = Table(
    "policy type",
    GROUP,
    ModelType,
    {
        "vla": "sayso.models.vla.model:VLA",
        "textbook": "sayso.models.baselines.taught:TEXTBOOK",
        "act": "sayso.models.baselines.act:ACT",
        "diffusion": "sayso.models.baselines.diffusion:DIFFUSION",
    },
)
"""Where each row is: it is imported when asked for, so that nobody pays for what others need."""
SOME_ROBOT = Features(
    robot_type="any", fps=1, state=(), action=(Dimension(name="any", unit=""),), cameras={"any": (8, 8)}
)
"""Whom a change to a config is tried with before the data is there."""
PRESETS = {"small": small, "tiny": tiny}
DECIDED = ("chunk", "decoder", "image_sizes", "state_dim", "action_dim")
"""Fields that data or an argument of `build` decides."""
IN_TRAINING = ("discount", "state_dropout", "point_weight", "where_weight", "augmentation")
"""Fields of a ``vla``'s config that say how it learns, not what it is."""


def build(
    type: str,
    *,
    preset: str,
    features: Features,
    stats: Mapping[str, Stats],
    chunk: int = 16,
    decoder: Literal["regression", "flow"] = "regression",
    changes: Sequence[str] = (),
) -> ModelPolicy:
    """Return a policy with fresh weights, drawn from torch's own generator.

    Args:
        type: ``vla``, or a model to measure it against: ``textbook``, ``act`` or ``diffusion``; or one of
            another package.
        preset: ``small`` or ``tiny``.
        features: what the robot shows and accepts.
        stats: of ``observation.state`` and ``action``, in robot units.
        chunk: K, actions it predicts; the textbook model predicts one.
        decoder: how a ``vla`` reads actions off; the others have only their own way.
        changes: to further fields of a ``vla``'s config, each ``name=value``; see `changed_fields`.
    """
    presets = MODELS[type].presets
    try:
        fields = dict(presets[known("preset", preset, presets)](features, chunk))
        if type == "vla":
            fields |= {"decoder": decoder, **changed_fields(type, changes, preset=preset)}
        return rebuild({**fields, "type": type}, features, stats)
    except ValueError as error:
        raise SaysoError(f"no {type} can be built so: {error}") from error


def rebuild(config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> ModelPolicy:
    """Return a policy with fresh weights of the type and sizes that some policy's ``config()`` named."""
    name = read(str, config.get("type"), "model.type")
    row = MODELS[name]
    model = row.build({field: value for field, value in config.items() if field != "type"}, features)
    return ModelPolicy(name, model, features, stats, row.collator(model.config, features, stats))


def preset_of(config: Mapping[str, Any], features: Features) -> str | None:
    """Return which preset a policy's ``config()`` is of; None if each of them differs somewhere."""
    presets = MODELS[config["type"]].presets
    made = {name: preset(features, config.get("chunk", 1)) for name, preset in presets.items()}
    if config["type"] != "vla":
        smallest = {name: value for name, value in made["tiny"].items() if name not in made["small"]}
        return "tiny" if all(config[name] == value for name, value in smallest.items()) else "small"
    telling = [
        name
        for name in made["small"]
        if name not in IN_TRAINING and len({str(fields[name]) for fields in made.values()}) > 1
    ]
    alike = [preset for preset, its in made.items() if all(config[name] == its[name] for name in telling)]
    return alike[0] if alike else None


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
    fields = overrides(VLAConfig, changes, without=DECIDED)
    if built and (fixed := [name for name in fields if name not in IN_TRAINING]):
        raise ValueError(f"a trained model keeps its {fixed[0]}; change {', '.join(IN_TRAINING)}")
    dataclasses.replace(PRESETS[known("preset", preset, PRESETS)](SOME_ROBOT), **fields)  # refuses nonsense
    return fields


def learn_otherwise(policy: ModelPolicy, changes: Sequence[str]) -> None:
    """Change how a policy learns from now on, by words such as ``discount=0.85``; see `changed_fields`."""
    if changes:
        fields = changed_fields(policy.type, changes, built=True)
        policy.model.config = dataclasses.replace(policy.model.config, **fields)
