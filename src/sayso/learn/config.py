"""Configuration of training: its flags, what each may be, and which of them decide the weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Fixed

from sayso.data.crop import read_crops
from sayso.data.edit.config import read_episodes, read_part
from sayso.data.fit import read_names
from sayso.data.resize import read_size
from sayso.data.units import JointUnit
from sayso.learn import objectives
from sayso.learn.portion import Portion
from sayso.models import table
from sayso.spec import ConfigError, known
from sayso.tasks.worlds import WORLDS


@dataclass(frozen=True, kw_only=True)
class DemonstrationsConfig:
    """Demonstrations to learn from, and how they are read."""

    datasets: tuple[Path, ...]
    """Folders of LeRobotDataset v3.0 demonstrations, of one robot or of unlike ones; every window is drawn
    equally often, unless --weights says otherwise."""
    weights: tuple[float, ...] = ()
    """How often each window of a dataset is drawn, one number a dataset in the order of --datasets: 1 0.2
    draws those of the second a fifth as often. Statistics know all of them alike."""
    episodes: str = ""
    """Episodes to learn from, such as 0-39,45, as the dataset numbers them; all if left out."""
    tasks: tuple[str, ...] = ()
    """Instructions whose episodes are learned from, each as it was recorded; all if left out."""
    cameras: tuple[str, ...] = ()
    """Cameras to learn from, as they are recorded or as --rename calls them; all if left out."""
    heldout: str = ""
    """Episodes to measure on and never to learn from: a share of each dataset (0.1), or which (3,7-9), or
    none. If nothing is said, a tenth of a recording that was made elsewhere and has ten episodes or more;
    none of what sayso records in simulation, for that is measured there."""
    stride: int = 1
    """Frames between the present frames of neighbouring windows; a larger one needs less disk."""
    crop: tuple[str, ...] = ()
    """Part of each camera's picture to learn from, taken before --resize: desk=0,80,480,480 is top, left,
    height and width in pixels of the recording, as LeRobot has them; 480x480 is the middle of every camera's
    picture; either may be in per cent. The policy remembers it, and sees no more of what it is shown.
    sayso show DATASET --crop draws it."""
    idle: Literal["", "skip", "keep"] = ""
    """Frames before the first motion of an episode: skip them, or keep them. Unless something is said, they
    are skipped in recordings that were made elsewhere: whoever learns from them learns to stand still."""
    resize: str = ""
    """Size to scale pictures to before they are kept and learned from: 96x128 (height x width), or 128 for
    the shorter side; nothing leaves them as recorded. The policy remembers it, and scales what it sees."""
    units: JointUnit = ""
    """Unit of the arm's joints, where the datasets name none: deg, normalized (-100 to 100, as LeRobot
    records without use_degrees) or rad. By default it is seen from how far they go, and said."""
    rename: tuple[str, ...] = ()
    """Cameras and numbers that some dataset calls otherwise, such as observation.images.image=front
    wrist_image=wrist: what is recorded, and what the policy calls it. The policy remembers both."""
    cache: Path | None = None
    """Folder for decoded frames; the user's cache folder (~/.cache/sayso/frames) if none is named."""
    grounding_share: float = 0.25
    """Share of windows that ask for something else in the scene, only to be pointed at, where demonstrations
    are labelled so; a model that learns no pointing is asked nothing else."""
    wordings: str = ""
    """Other words for what is asked, drawn anew each time a window is: household (both household worlds),
    metaworld, libero, or a JSON file from each recorded instruction to a list of other ways to say it. With
    none, a policy hears what was recorded."""
    wordings_share: float = 0.75
    """Share of windows that are asked for in other words, where --wordings names some."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Training length, learning-rate schedule and output folder: what every way of learning has."""

    out: Path
    """Folder of the run: checkpoints/, policy/, log.jsonl. A run found there is continued."""
    steps: int = 10_000
    """Optimiser steps of the whole run; the schedule of the learning rate ends there. A run can be lengthened
    by more steps than it was begun with: the rest then follows the schedule of the longer run."""
    batch_size: int = 32
    """Examples per step: windows of demonstrations, or sentences. Where several devices train together, those
    of each."""
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
    """Seed of all that is random: first weights, the order of examples, the variation of images."""
    device: str = "cpu"
    """Where the model computes, in torch's words: cpu, cuda, mps."""
    threads: int = 2
    """Threads torch uses; one where something else is running on these cores."""
    save_minutes: float = 5.0
    """Minutes between checkpoints, which is the most that a kill can cost; 0 saves after every step."""
    tensorboard: bool = False
    """Write the log as event files of TensorBoard as well (extra tensorboard): tensorboard --logdir OUT."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        refuse_outside(self, FIT_ALLOWED)

    def begin_with(self, policy: Path) -> str:
        """Return the words that begin another run with the weights of a policy."""
        return f"--init {policy}"


@dataclass(frozen=True, kw_only=True)
class TrainConfig(FitConfig, DemonstrationsConfig):
    """Training configuration: what to train, on what, for how long, and where to keep it."""

    config: Path | None = None
    """Folder of a former run, or its run.json, whose settings are taken over; flags typed beside it count
    more. With another --out it is a new run."""
    objective: str = "imitate"
    """Method: what the loss is. imitate is imitation learning; installed packages may offer others."""
    heldout_every: int = 500
    """Steps between measurements on the held-out episodes; 0 measures at the end alone."""
    model: str = ""
    """Which model: vla, sayso's own (unless another is named); textbook; act; diffusion, which is Diffusion
    Policy; or one of an installed package."""
    preset: Literal["", "small", "tiny"] = ""
    """Its size: small is for use and taken unless named, tiny for tests."""
    init: Path | None = None
    """Folder of a policy whose weights to begin with (fine-tuning): its model and sizes are kept. For the
    same robot and cameras its statistics are, too; for others, what fits is taken over, and a table says
    what."""
    update: Portion = "all"
    """With --init, which weights learn: all; last, the part that answers; offsets, gains and biases alone."""
    chunk: int | None = None
    """Actions the policy predicts at once; 16 unless another number is given."""
    spacing: int | None = None
    """Frames between two of these actions; straight lines join them. Unless another number is given, so many
    that a chunk of a recording that was made elsewhere lasts a second and a half, and 1 otherwise."""
    decoder: Literal["", "regression", "flow"] = ""
    """How sayso's model reads actions off: in one pass with L1 (regression, unless another is named), or by
    flow matching in several."""
    model_config: Annotated[Mapping[str, Any], Fixed] = dataclasses.field(default_factory=dict)
    """Changes to the model, such as ``{"fusion": "late", "augmentation": None}``: fields of its config, which
    are the flags ``--model.fusion late --model.no-augmentation``; with ``init`` only how it learns."""
    accumulate: int = 1
    """Passes of a step, each over --batch-size examples, whose gradients are added up: for a larger step than
    memory holds at once."""
    shard: bool = False
    """Divide weights, gradients and the optimiser's state among several devices (FSDP2), where they would not
    fit on one; otherwise each has all of them (DDP)."""
    compile: bool = False
    """Compile the model with torch.compile: the first steps take minutes, the others less time on a GPU."""
    eval_every: int = 0
    """Steps between evaluations in closed loop; 0 is never."""
    eval_episodes: int = 20
    """Episodes of such an evaluation, on the first seeds of the validation split."""
    world: str = ""
    """Name of the world of these evaluations."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, or would do nothing."""
        if not self.datasets:
            raise ConfigError("no datasets are given; name at least one folder of demonstrations")
        super().__post_init__()
        self._refuse_weights()
        if self.config:
            raise ConfigError("config is for the command line; in Python, read run.json and give its fields")
        refuse_outside(self, ALLOWED)
        known("objective", self.objective, objectives.OBJECTIVES)
        read_crops(self.crop)
        read_size(self.resize)
        read_names(self.rename)
        read_episodes("episodes", self.episodes)
        if self.heldout != NOTHING:
            read_part("heldout", self.heldout)
        model, preset = self.model or USUAL["model"], self.preset or USUAL["preset"]
        if self.decoder == "flow" and not hasattr(table.usual_config(model), "decoder"):
            raise ConfigError(f"decoder is {self.decoder}, but {model} has only its own; leave it out")
        if self.world:
            known("world", self.world, WORLDS)
        if self.world and not self.eval_every:
            raise ConfigError(f"world is {self.world}, but without --eval-every nothing is evaluated there")
        if self.update != "all" and not self.init:
            raise ConfigError(f"update is {self.update}, but fresh weights must all learn; name an --init")
        if self.eval_every > self.steps:
            raise ConfigError(f"eval_every is {self.eval_every}, but there are only {self.steps} steps")
        known("policy type", model, table.MODELS)
        if self.model or not self.init:  # else it is that policy's, which is not known yet
            table.check_changes(model, self.model_config, preset=preset, built=self.init is not None)

    def _refuse_weights(self) -> None:
        given = " ".join(f"{weight:g}" for weight in self.weights)
        if self.weights and len(self.weights) != len(self.datasets):
            raise ConfigError(
                f"weights is {given}, but there are {len(self.datasets)} datasets: give one number for each"
            )
        if any(weight not in WEIGHT for weight in self.weights):
            raise ConfigError(
                f"weights is {given}, but each must be {WEIGHT}; leave out what is not to count"
            )


NOTHING = "none"
"""What is typed for no held-out episodes at all."""
USUAL: Mapping[str, Any] = {"model": "vla", "preset": "small", "chunk": 16, "decoder": "regression"}
"""What flags that were not typed mean where there is no policy to begin with."""


def completed(config: TrainConfig, own: Mapping[str, Any]) -> TrainConfig:
    """Return a config in which what was not typed is what a policy has, or what is usual.

    Args:
        config: as it was typed.
        own: what the policy to begin with is, by the names in `USUAL`; None of what says nothing there.
    """
    typed = {name: getattr(config, name) or own.get(name) or usual for name, usual in USUAL.items()}
    return dataclasses.replace(config, **typed)


@dataclass(frozen=True)
class Range:
    """Range of allowed finite numbers."""

    low: float
    high: float
    excluded: tuple[float, ...] = ()
    """Ends that do not belong to it."""

    def __contains__(self, number: float) -> bool:
        """Tell whether a number lies inside; NaN never does."""
        return self.low <= number <= self.high and number not in self.excluded

    def __str__(self) -> str:
        """Return it in words."""
        low = "above" if self.low in self.excluded else "at least"
        high = "below" if self.high in self.excluded else "at most"
        return f"{low} {self.low:,} and {high} {self.high:,}"


MANY = 10**6
POSITIVE = Range(1, MANY)
SHARE = Range(0, 1, excluded=(1,))
RATE = Range(0, 1, excluded=(0,))
WEIGHT = Range(0, 1000, excluded=(0,))
DECAY = Range(0, 10)
SEED = Range(0, 2**63)
THREADS = Range(1, 1024)
STEPS = Range(1, 10**8)
FIT_ALLOWED: Mapping[str, Range] = {
    "steps": STEPS, "batch_size": POSITIVE, "lr": RATE, "warmup": Range(0, STEPS.high), "weight_decay": DECAY,
    "clip": Range(0, MANY, excluded=(0,)), "ema": SHARE, "seed": SEED, "threads": THREADS,
    "save_minutes": Range(0, MANY),
}  # fmt: skip
"""What each number of `FitConfig` may be."""
ALLOWED: Mapping[str, Range] = {
    "chunk": Range(1, 1000), "spacing": Range(1, 1000), "stride": POSITIVE, "grounding_share": SHARE,
    "wordings_share": Range(0, 1),
    "eval_every": Range(0, STEPS.high),
    "heldout_every": Range(0, STEPS.high), "eval_episodes": POSITIVE, "accumulate": Range(1, 1000),
}  # fmt: skip
"""What each other number of `TrainConfig` may be."""


def refuse_outside(config: object, allowed: Mapping[str, Range]) -> None:
    """Raise ConfigError if a number of a config is outside its range, naming it and what is allowed."""
    for name, inside in allowed.items():
        if (number := getattr(config, name)) is not None and number not in inside:
            raise ConfigError(f"{name} is {number}, but must be {inside}")


FREE_TO_CHANGE = frozenset(
    {
        "out",
        "datasets",
        "wordings",
        "cache",
        "save_minutes",
        "eval_every",
        "eval_episodes",
        "world",
        "heldout_every",
        "tensorboard",
        "config",
    }
)
"""Fields that may differ when a run is taken up again, since they cannot change its weights. Datasets and
wordings may have moved: what counts is their digest."""
DEVICES = "devices"
"""What a run says of how many devices train together, which no flag does."""
IN_THE_LAST_BITS = frozenset({"device", "threads", "accumulate", "shard", DEVICES})
"""Fields that may differ as well, and change no more than the rounding of numbers; that is said aloud."""


def plain(config: FitConfig) -> dict[str, Any]:
    """Return the config as JSON would give it back."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return fields


def decides(config: FitConfig, **contents: str | Sequence[str]) -> dict[str, Any]:
    """Return, as JSON, everything that decides what the weights become.

    Args:
        config: all but `FREE_TO_CHANGE` of it counts.
        contents: digests of what it only names.
    """
    fields = {name: value for name, value in plain(config).items() if name not in FREE_TO_CHANGE}
    return {**fields, **{name: d if isinstance(d, str) else list(d) for name, d in contents.items()}}
