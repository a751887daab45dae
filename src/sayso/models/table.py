"""Model registry: policies built by the name of their model, ours, a published one or somebody else's.

One table, `MODELS`. A package that is installed beside sayso adds a row with an entry point, no line here::

    [project.entry-points."sayso.models"]
    mine = "my_package.my_model:MINE"       # a `sayso.models.contract.ModelType`

`build` starts from a preset, `rebuild` from what a checkpoint says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from sayso.data.statistics import Stats
from sayso.extensions import Table
from sayso.models.contract import ModelType
from sayso.models.policy import ModelPolicy
from sayso.models.typed import read
from sayso.spec import Dimension, FeatureMismatchError, Features, SaysoError, known

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
    robot_type="any", fps=1, state=(), action=(Dimension(name="any", unit=""),), cameras={"front": (8, 8)}
)
"""Whom a change to a config is tried with before the data is there."""


def build(
    type: str,
    *,
    preset: str,
    features: Features,
    stats: Mapping[str, Stats],
    chunk: int = 16,
    decoder: Literal["regression", "flow"] = "regression",
    changes: Mapping[str, Any] | None = None,
) -> ModelPolicy:
    """Return a policy with fresh weights, drawn from torch's own generator.

    Args:
        type: ``vla``, or a model to measure it against: ``textbook``, ``act`` or ``diffusion``; or one of
            another package.
        preset: ``small`` or ``tiny``.
        features: what the robot shows and accepts.
        stats: of ``observation.state`` and ``action``, in robot units.
        chunk: K, actions it predicts; the textbook model predicts one.
        decoder: how actions are read off, of a model that has more than its own way.
        changes: to further fields of its config; see `check_changes`.
    """
    try:
        check_changes(type, changes or {}, preset=preset)
        fields = _preset(type, preset, features, chunk)
        if "decoder" in fields:
            fields["decoder"] = decoder
        return rebuild({**fields, **(changes or {}), "type": type}, features, stats)
    except ValueError as error:
        raise SaysoError(f"no {type} can be built so: {error}") from error


def rebuild(config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> ModelPolicy:
    """Return a policy with fresh weights of the type and sizes that some policy's ``config()`` named."""
    name = read(str, config.get("type"), "model.type")
    row = MODELS[name]
    if features.robots and not row.mixes:
        robots = ", ".join(robot.robot_type for robot in features.robots)
        raise FeatureMismatchError(
            f"{name} learns from one kind of robot, but these are {len(features.robots)} ({robots}): take "
            "--model vla, or train on each by itself; if they are one, --rename and --resize make them so"
        )
    model = row.build({field: value for field, value in config.items() if field != "type"}, features)
    return ModelPolicy(name, model, features, stats, row.collator(model.config, features, stats))


def preset_of(config: Mapping[str, Any], features: Features) -> str | None:
    """Return which preset a policy's ``config()`` is closest to; None if nothing tells them apart."""
    row, chunk = MODELS[config["type"]], config.get("chunk", 1)
    made = {name: _fields(row, preset(features, chunk)) for name, preset in row.presets.items()}
    telling = [
        name
        for name in dict.fromkeys(name for fields in made.values() for name in fields)
        if name not in row.learning and len({str(fields.get(name)) for fields in made.values()}) > 1
    ]
    alike = {preset: sum(config.get(n) == its.get(n) for n in telling) for preset, its in made.items()}
    return max(alike, key=lambda preset: alike[preset]) if telling else None


def usual_config(type: str, preset: str = "small") -> Any:
    """Return the config, a dataclass, of a preset for some robot; None if nothing of it can be changed."""
    row = MODELS[type]
    return row.config(_preset(type, preset, SOME_ROBOT, 16)) if row.config else None


def check_changes(
    type: str, changes: Mapping[str, Any], *, preset: str = "small", built: bool = False
) -> None:
    """Refuse changes to the fields of a model's config that cannot be made.

    Raises:
        UnknownNameError: if there is no such field, or one that data or a flag of its own decides.
        ValueError: if a value is of another type or cannot work, or the policy is built and the field says
            what it is, not how it learns.
    """
    if not changes:
        return
    row, usual = MODELS[type], usual_config(type, preset)
    if row.config is None:
        raise ValueError(f"nothing of the model {type} can be changed")
    fields = dataclasses.asdict(usual)
    for name in changes:
        known(f"field of {usual.__class__.__name__} to set", name, fields.keys() - set(row.decided))
        if built and name not in row.learning:
            may = f"change {', '.join(row.learning)}" if row.learning else "nothing of it can be changed"
            raise ValueError(f"a trained model keeps its {name}; {may}")
    row.config({**fields, **changes})


def learn_otherwise(policy: ModelPolicy, changes: Mapping[str, Any]) -> None:
    """Change how a policy learns from now on, such as ``{"discount": 0.85}``; see `check_changes`."""
    if changes:
        check_changes(policy.type, changes, built=True)
        config = MODELS[policy.type].config
        assert config is not None
        policy.model.config = config({**dataclasses.asdict(policy.model.config), **changes})


def _preset(type: str, preset: str, features: Features, chunk: int) -> dict[str, Any]:
    presets = MODELS[type].presets
    return dict(presets[known("preset", preset, presets)](features, chunk))


def _fields(row: ModelType, preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields of a config of which a preset names some."""
    return dataclasses.asdict(row.config(preset)) if row.config else dict(preset)
