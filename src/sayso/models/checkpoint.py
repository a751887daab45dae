"""Keep a policy as a folder that describes itself, and read it back.

::

    checkpoint/
        config.json         model (type and sizes), features (names, order, units), facts of the training
        model.safetensors   weights; float32, or bfloat16 to ship
        stats.json          what the chain subtracts and divides by
        README.md           model card with measured numbers

No pickle anywhere, and nothing in it is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from sayso.data.normalize import Stats
from sayso.models.policy import TrainablePolicy
from sayso.models.table import rebuild
from sayso.spec import Features, SaysoError, UnknownNameError

CONFIG, WEIGHTS, STATS, CARD = "config.json", "model.safetensors", "stats.json", "README.md"


class CheckpointError(SaysoError):
    """Report a folder that is not a checkpoint, or not a whole one."""


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
