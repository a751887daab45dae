"""Cards of what is shared: what it is, how it is used, what was measured; in the hub's own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sayso.data.reader import Dataset
from sayso.evaluation.action_error import ActionError
from sayso.models.checkpoint import blank_card
from sayso.models.policy import ModelPolicy
from sayso.spec import Dimension, Features
from sayso.spec.files import CARD, CONFIG, parsed

_HEAD = "---\n"


def card_of_policy(policy: ModelPolicy, folder: Path, name: str) -> str:
    """Return the card of a policy: the one in its folder, or one made of what it knows of itself.

    Args:
        policy: it.
        folder: where it is; a run's measurement on held-out episodes may lie beside.
        name: what it is called on the hub.
    """
    tags = ["robotics", "vision-language-action", "sayso", policy.features.robot_type]
    head = _front({"library_name": "sayso", "pipeline_tag": "robotics", "license": "other", "tags": tags})
    written = folder / CARD
    text = written.read_text(encoding="utf-8") if written.is_file() else ""
    if text not in ("", blank_card(policy)):
        return text if text.startswith(_HEAD) else head + _without_comments(text)
    training = parsed((folder / CONFIG).read_bytes()).get("training", {})
    parts = [
        f"# {name.partition('/')[2]}",
        f"A policy for {policy.features.robot_type} that follows instructions in plain words, trained with "
        f"sayso (model `{policy.type}`).",
        _use(name),
        _what_it_knows(policy.features),
        _trained(training),
        _heldout(folder.parent / "heldout.json"),
    ]
    return head + "\n\n".join(part for part in parts if part) + "\n"


def card_of_dataset(dataset: Dataset, name: str) -> str:
    """Return the card of a dataset: the one in its folder, or one as LeRobot's recorder writes it."""
    head = _front({"task_categories": ["robotics"], "tags": ["LeRobot", "sayso"], "license": "other",
                   "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}]})  # fmt: skip
    written = dataset.root / "README.md"
    if written.is_file():
        text = written.read_text(encoding="utf-8")
        return text if text.startswith(_HEAD) else head + text
    told = "\n".join(f"- {task}" for task in dataset.tasks[:20])
    parts = [
        f"# {name.partition('/')[2]}",
        f"A LeRobotDataset v3.0 of {dataset.features.robot_type}: {len(dataset.episodes)} episodes, "
        f"{len(dataset):,} frames at {dataset.fps:g} a second.",
        f"```\nsayso show {name}\nsayso train --datasets {name} --out runs/mine\n```",
        _what_it_knows(dataset.features),
        f"## Instructions\n\n{told}",
    ]
    return head + "\n\n".join(parts) + "\n"


def _front(fields: dict[str, Any]) -> str:
    """Return the card's head. JSON is YAML, too."""
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    return _HEAD + "\n".join(lines) + "\n" + _HEAD + "\n"


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("<!--")) + "\n"


def _use(name: str) -> str:
    return (
        f'```\nsayso run {name} "what to do" --robot dry\n```\n\nIn Python: `sayso.load("{name}")`. It is '
        "for a robot of just these cameras and joints."
    )


def _what_it_knows(features: Features) -> str:
    def listed(dimensions: tuple[Dimension, ...]) -> str:
        return ", ".join(f"`{d.name}`{f' ({d.unit})' if d.unit else ''}" for d in dimensions) or "none"

    cameras = ", ".join(f"`{camera}` {h}x{w}" for camera, (h, w) in features.cameras.items())
    return (
        f"| | |\n| --- | --- |\n| cameras | {cameras} |\n| state | {listed(features.state)} |\n"
        f"| action | {listed(features.action)} |\n| rate | {features.fps:g} a second |"
    )


def _trained(training: dict[str, Any]) -> str:
    if not training:
        return ""
    hours = training.get("seconds", 0) / 3600
    names = ", ".join(name.partition("-")[2] for name in training.get("datasets", {}))
    return (
        f"## Training\n\n{training.get('demonstrations', 0):,} demonstrations ({names}), "
        f"{training.get('steps', 0):,} steps, {hours:.1f} h. `config.json` has hashes and every setting."
    )


def _heldout(path: Path) -> str:
    """Return a table of the error on held-out episodes, of a run that measured it."""
    if not path.is_file():
        return ""
    error = ActionError.from_json(parsed(path.read_bytes()))
    return f"## On held-out episodes\n\n```\n{error}\n```"
