"""Say what to train: the flags of training, what each may be, and which of them decide the weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sayso.data.resize import read_size
from sayso.models import table


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Say what to train, on what, for how long, and where to keep it."""

    datasets: tuple[Path, ...]
    """Folders of LeRobotDataset v3.0 demonstrations of one robot; every window is drawn equally often."""
    out: Path
    """Folder of the run: checkpoints/, policy/, log.jsonl. A run found there is continued."""
    model: Literal["vla", "textbook", "act", "diffusion"] = "vla"
    """Which model: sayso's own, the textbook's three boxes, ACT, or Diffusion Policy."""
    preset: Literal["small", "tiny"] = "small"
    """Its size: small is for use, tiny for tests."""
    init: Path | None = None
    """Folder of a policy whose weights to begin with, such as one to improve with more demonstrations; its
    sizes, features and statistics are kept."""
    steps: int = 10_000
    """Optimiser steps of the whole run; the schedule of the learning rate ends there."""
    batch_size: int = 32
    """Windows per step."""
    history: int = 1
    """Frames the policy sees, the present one included."""
    chunk: int = 16
    """Actions the policy predicts at once."""
    decoder: Literal["regression", "flow"] = "regression"
    """How sayso's model reads actions off: in one pass with L1, or by flow matching in several."""
    model_config: tuple[str, ...] = ()
    """Changes to sayso's model, such as ``fusion=late point_weight=0 augmentation=none``: fields of
    `sayso.models.vla.VLAConfig` that have no flag of their own; with ``init`` only how it learns."""
    stride: int = 1
    """Frames between the present frames of neighbouring windows; a larger one needs less disk."""
    resize: str = ""
    """Size to scale pictures to before they are kept and learned from: 96x128 (height x width), or 128 for
    the shorter side; nothing leaves them as recorded. The policy remembers it, and scales what it sees."""
    cache: Path | None = None
    """Folder for decoded frames; the user's cache folder (~/.cache/sayso/frames) if none is named."""
    other_share: float = 0.25
    """Share of windows that ask for something else in the scene, only to be pointed at, where demonstrations
    are labelled so; a model that learns no pointing is asked nothing else."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """What moves the weights: Muon, or AdamW, with which the other models were published. Both understand the
    same learning rate and decay."""
    lr: float = 7e-4
    """Peak of the learning rate, reached after the warm-up; a cosine then takes it down to 1 % of this. The
    textbook's and Diffusion Policy's own is 1e-4, ACT's 1e-5."""
    warmup: int = 300
    """Steps over which the learning rate rises from zero; a tenth of all steps if that is less."""
    weight_decay: float = 0.01
    """Decoupled weight decay of matrices and kernels; biases, gains and other vectors have none."""
    clip: float = 1.0
    """Longest gradient, over all parameters together; a longer one is shortened to this."""
    ema: float = 0.998
    """Decay per step of the moving average of the weights, which is what gets evaluated and deployed."""
    seed: int = 0
    """Seed of the first weights, the order of windows and the variation of images."""
    device: str = "cpu"
    """Where the model computes, in torch's words: cpu, cuda, mps."""
    threads: int = 2
    """Threads torch uses; one where something else is running on these cores."""
    save_minutes: float = 5.0
    """Minutes between checkpoints, which is the most that a kill can cost; 0 saves after every step."""
    eval_every: int = 0
    """Steps between evaluations in closed loop; 0 is never."""
    eval_episodes: int = 20
    """Episodes of such an evaluation, on the first seeds of the validation split."""
    world: Literal["", "tabletop", "home", "metaworld"] = ""
    """World of these evaluations."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        for name in ("steps", "batch_size", "history", "chunk", "stride", "threads", "eval_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if not 0 <= self.other_share < 1:
            raise ValueError(f"other_share is {self.other_share}, but a share lies in 0..1, 1 excluded")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}, but a decay lies in 0..1, 1 excluded")
        if not self.datasets:
            raise ValueError("no datasets are given; name at least one folder of demonstrations")
        read_size(self.resize)
        table.changed_fields(self.model, self.model_config, built=self.init is not None)


FREE_TO_CHANGE = frozenset(
    {"out", "datasets", "cache", "save_minutes", "eval_every", "eval_episodes", "world"}
)
"""Fields that may differ when a run is taken up again, since they cannot change its weights. Datasets may
have moved: what counts is their hash."""


def plain(config: TrainConfig) -> dict[str, Any]:
    """Return the config as JSON would give it back."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def decides(config: TrainConfig, dataset_hashes: Sequence[str]) -> dict[str, Any]:
    """Return, as JSON, everything that decides what the weights become."""
    fields = {name: value for name, value in plain(config).items() if name not in FREE_TO_CHANGE}
    for later in ("model_config", "resize"):
        if not fields[later]:
            # Runs that were begun before there was this flag go on as well.
            del fields[later]
    return {**fields, "dataset_hashes": list(dataset_hashes)}
