"""Checkpoints: a policy kept as a folder that describes itself, and read back.

::

    checkpoint/
        config.json         model (type and sizes), features (names, order, units), facts of the training
        model.safetensors   weights; float32, or bfloat16 to ship
        stats.json          what the chain subtracts and divides by
        README.md           model card with measured numbers
        views.json, .jpg    reference pictures of its cameras, where there are any (`sayso.data.views`)
        SHA256SUMS          digests of all these but the card
        policy_*.json       what LeRobot asks of a policy's folder, too (`lerobot_folder`)

No pickle anywhere, and nothing in it is executed. Nor is anything in it believed: each file is held against
its digest, what JSON says is checked before it is used, and the weights' shapes before memory is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.data.views import Views
from sayso.data.views_files import FILES as VIEW_FILES
from sayso.data.views_files import ViewsError, kept_in, read_views, write_views
from sayso.models.contract import Renames, renamed
from sayso.models.lerobot_folder import PROCESSORS, SAYSO, TYPE, write_processors
from sayso.models.policy import ModelPolicy
from sayso.models.table import MODELS, rebuild
from sayso.models.typed import read
from sayso.refusals import elsewhere, mistaken
from sayso.spec import FeatureMismatchError, Features, SaysoError, UnknownNameError
from sayso.spec.files import CARD, CONFIG, STATS, VIEWS, WEIGHTS, parsed
from sayso.work.digests import SUMS, damaged, write_digests
from sayso.work.replace import replace_folder

NEEDED = (CONFIG, WEIGHTS, STATS)
FLOATS = {"F16", "BF16", "F32", "F64"}
"""Types of numbers that weights may be stored in, as safetensors names them."""
FEATURES: Mapping[str, Any] = {
    "robot_type": str,
    "fps": float,
    "state": tuple[tuple[str, str], ...],
    "action": tuple[tuple[str, str], ...],
    "cameras": Mapping[str, tuple[int, int]],
    "points": tuple[str, ...],
    "scaled_from": Mapping[str, tuple[int, int]],
    "cropped": Mapping[str, tuple[int, int, int, int]],
    "renamed": Mapping[str, str],
    "spacing": int,
}
"""What `Features.to_json` writes."""
OPTIONAL = ("points", "scaled_from", "cropped", "renamed", "spacing")
"""What it did not always write."""


class CheckpointError(SaysoError):
    """Folder that is not a checkpoint, or not a whole one."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What stands beside the weights."""

    model: Mapping[str, Any]
    """Its ``type`` and sizes, not looked into yet."""
    features: Features
    stats: Mapping[str, Stats]
    views: Views
    sentences: tuple[str, ...] = ()
    """Instructions of the demonstrations; none where they were many, or by an older version."""
    words: str = ""
    """Name of the wide wordings that it learned; none where it heard what was recorded alone."""


def blank_card(policy: ModelPolicy) -> str:
    """Return the card of a policy that nobody has written one for."""
    return f"# {policy.type} for {policy.features.robot_type}\n\nNot measured yet.\n"


def save(
    policy: ModelPolicy, folder: Path | str, card: str = "", *, dtype: torch.dtype = torch.float32,
    training: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write a checkpoint into a folder, which is made if need be: all of it, or nothing.

    Args:
        policy: any of ours.
        folder: where to; a checkpoint that is there is replaced.
        card: text of the model card; a heading alone if empty.
        dtype: what weights are stored as; ``torch.bfloat16`` halves the file.
        training: facts worth keeping (commit, dataset, steps, seed), plain JSON.

    Raises:
        CheckpointError: if there are other files in the folder, which would be lost.
    """
    folder = Path(folder)
    refuse_other_files(folder)
    weights = {
        name: (t.to(dtype) if t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in policy.model.state_dict().items()
    }
    config: dict[str, Any] = {
        TYPE: SAYSO,
        "model": policy.config(),
        "features": policy.features.to_json(),
        "training": dict(training or {}),
    }
    stats = {key: s.to_json() for key, s in policy.stats.items()}
    heading = blank_card(policy)

    def write(new: Path) -> None:
        save_file(weights, new / WEIGHTS)
        (new / STATS).write_text(json.dumps(stats, indent=2) + "\n", encoding="utf-8")
        (new / CARD).write_text(card or heading, encoding="utf-8")
        (new / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_digests(new, (*NEEDED, *write_views(policy.views, new), *write_processors(new)))

    replace_folder(folder, write)


def load(folder: Path | str, device: str = "cpu") -> ModelPolicy:
    """Read a checkpoint and return its policy, ready to act, weights in float32 on `device`.

    Raises:
        CheckpointError: if the folder or one of its files is missing, damaged, or of another model.
    """
    folder = Path(folder)
    saved = read_folder(folder)
    try:
        renames = MODELS[read(str, saved.model.get("type"), "model.type")].renames
        header = _header(folder, renames)
        # A model without memory first: what the file does not hold is never asked for.
        with torch.device("meta"):
            empty = rebuild(saved.model, saved.features, saved.stats).model
        _refuse_other_weights(folder, header, empty)
        policy = rebuild(saved.model, saved.features, saved.stats)
    except (KeyError, TypeError, ValueError, UnknownNameError, FeatureMismatchError) as error:
        raise _not_understood(folder, CONFIG, error) from error
    _refuse_other_weights(folder, header, policy.model)
    policy.model.load_state_dict(_weights(folder, renames))
    policy.model.to(device).eval()
    policy.sentences, policy.words, policy.views = saved.sentences, saved.words, saved.views
    return policy


def read_folder(folder: Path) -> Saved:
    """Return what stands beside the weights of a checkpoint, after holding its files against their digests.

    Raises:
        CheckpointError: if one is missing, damaged, or says what cannot be.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder {str(folder)!r}.{elsewhere(folder, CONFIG)}")
    if other := mistaken(folder, "policy"):
        raise CheckpointError(other)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if CONFIG in missing and (others := elsewhere(folder, CONFIG)):
        raise CheckpointError(f"{str(folder)!r} holds no checkpoint itself: {CONFIG} is missing.{others}")
    if missing:
        raise CheckpointError(
            f"{str(folder)!r} is not a whole checkpoint: {', '.join(missing)} missing. "
            f"One holds {CONFIG}, {WEIGHTS} and {STATS}."
        )
    try:
        wrong = damaged(folder, digested(folder))
    except OSError as error:
        raise CheckpointError(f"{str(folder)!r} cannot be read: {error.strerror}") from error
    if wrong:
        raise CheckpointError(
            f"the checkpoint {str(folder)!r} is not as it was written: {'; '.join(wrong)}. Take it from "
            f"where you have it whole; if a change is meant, delete {SUMS} there"
        )
    config, stats = _json(folder, CONFIG), _json(folder, STATS)
    try:
        parts = {name: read(dict[str, Any], config.get(name), name) for name in ("model", "features")}
        training = read(dict[str, Any], config.get("training", {}), "training")
        sentences = read(tuple[str, ...], training.get("sentences", []), "training.sentences")
        words = read(str, training.get("words", ""), "training.words")
        features = _features(parts["features"])
    except ValueError as error:
        raise _not_understood(folder, CONFIG, error) from error
    try:
        read_stats = _stats(stats)
    except ValueError as error:
        raise _not_understood(folder, STATS, error) from error
    try:
        views = read_views(folder)
    except ViewsError as error:
        raise _not_understood(folder, VIEWS, error) from error
    return Saved(
        model=parts["model"],
        features=features,
        stats=read_stats,
        views=views,
        sentences=sentences,
        words=words,
    )


def digested(folder: Path) -> tuple[str, ...]:
    """Return the files of a checkpoint whose digests are kept."""
    return (*NEEDED, *kept_in(folder))


def refuse_other_files(folder: Path) -> None:
    """Raise `CheckpointError` if there is anything in a folder that `save` would not write."""
    ours = {*NEEDED, CARD, SUMS, *PROCESSORS, *VIEW_FILES}
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{str(folder)!r} is a file; name a folder for the checkpoint")
    others = sorted({path.name for path in folder.iterdir()} - ours) if folder.is_dir() else []
    if others:
        raise CheckpointError(
            f"{str(folder)!r} holds other things than a checkpoint ({', '.join(others[:3])}), which would be "
            "lost; name a folder of its own for the checkpoint"
        )


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        return read(dict[str, Any], parsed((folder / name).read_text(encoding="utf-8")), name)
    except OSError as error:
        raise CheckpointError(f"{str(folder / name)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(folder, name, f"it holds no JSON object ({error})") from error


def _damaged(folder: Path, name: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{str(folder / name)!r} is damaged: {reason}. Take the checkpoint from where you have it whole, or "
        "train anew"
    )


def _not_understood(folder: Path, name: str, error: Exception) -> CheckpointError:
    lacks = isinstance(error, KeyError) and not isinstance(error, UnknownNameError)
    reason = f"it lacks {error}" if lacks else str(error).rstrip(".")
    return CheckpointError(
        f"{name} in {str(folder)!r} is not one this version of sayso understands: {reason}. Load it with the "
        "version that wrote it, take it from where you have it whole, or train anew"
    )


def _features(raw: Mapping[str, Any]) -> Features:
    for name, kind in FEATURES.items():
        if name in raw:
            read(kind, raw[name], f"features.{name}")
        elif name not in OPTIONAL:
            raise ValueError(f"features lack {name}")
    for robot in read(tuple[Mapping[str, Any], ...], raw.get("robots", ()), "features.robots"):
        _features({**robot, "robots": ()})
    return Features.from_json(raw)


def _stats(raw: Mapping[str, Any]) -> dict[str, Stats]:
    stats = {}
    for key, numbers in raw.items():
        fields = read(dict[str, tuple[float, ...]], numbers, key)
        if missing := [name for name in ("mean", "std", "min", "max") if name not in fields]:
            raise ValueError(f"{key} lacks {', '.join(missing)}")
        if len({len(values) for values in fields.values()}) > 1:
            raise ValueError(f"the lists in {key} are not all of one length")
        stats[key] = Stats.from_json(fields)
        low, high, std = (np.array(values) for values in (stats[key].min, stats[key].max, stats[key].std))
        # What never moved has no spread; what moved has some.
        wrong = np.flatnonzero((std < 0) | ((std == 0) & (low != high)) | (low > high))
        if len(wrong):
            n = wrong[0]
            raise ValueError(f"{key}.std[{n}] is {std[n]:g}, but its range is {low[n]:g}..{high[n]:g}")
    return stats


def _header(folder: Path, renames: Renames) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape by today's name of each tensor in the weights' file, said before any of them."""
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {
                renamed(name, renames): (part.get_dtype(), tuple(part.get_shape()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, WEIGHTS, f"it is not in the format safetensors ({error})") from error


def _refuse_other_weights(
    folder: Path, header: Mapping[str, tuple[str, tuple[int, ...]]], model: nn.Module
) -> None:
    """Hold the header of the weights' file against a model, which needs no memory yet."""
    needed = {name: (tuple(t.shape), t.is_floating_point()) for name, t in model.state_dict().items()}
    differs = [f"{name} is missing" for name in needed if name not in header]
    differs += [f"{name} belongs to none" for name in header if name not in needed]
    for name in (name for name in header if name in needed):
        (dtype, shape), (size, floats) = header[name], needed[name]
        if shape != size:
            differs.append(f"{name} is {list(shape)}, but must be {list(size)}")
        elif (dtype in FLOATS) != floats:
            differs.append(f"{name} is stored as {dtype}, but must be one of {', '.join(sorted(FLOATS))}")
    if differs:
        more = f", and {len(differs) - 3} more" if len(differs) > 3 else ""
        raise CheckpointError(
            f"{WEIGHTS} and {CONFIG} in {str(folder)!r} describe different models: "
            f"{'; '.join(differs[:3])}{more}. Take both from one checkpoint"
        )


def _weights(folder: Path, renames: Renames) -> dict[str, Tensor]:
    weights = {}
    for stored, tensor in load_file(folder / WEIGHTS).items():
        name = renamed(stored, renames)
        weights[name] = tensor.float() if tensor.is_floating_point() else tensor
        if not torch.isfinite(weights[name]).all():
            raise _damaged(folder, WEIGHTS, f"{name} holds numbers that are not finite")
    return weights
