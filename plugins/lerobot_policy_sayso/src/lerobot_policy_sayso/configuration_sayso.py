"""Configuration of a sayso policy in LeRobot: ``--policy.NAME=VALUE`` of its commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature, PreTrainedConfig

from lerobot_policy_sayso.optimisation import SaysoOptimizerConfig, SaysoSchedulerConfig
from sayso.models.lerobot_folder import SAYSO
from sayso.spec import ACTION, EXECUTE, STATE, Features, image_key

NOTHING = {"STATE": NormalizationMode.IDENTITY, "ACTION": NormalizationMode.IDENTITY,
           "VISUAL": NormalizationMode.IDENTITY}  # fmt: skip
SINGLE = "observation.image"
"""LeRobot's key of a single camera that has no name; sayso calls it "image"."""
SAWYER = "metaworld_sawyer"
"""The robot whose two views are cut out of the one picture that LeRobot shows."""


@PreTrainedConfig.register_subclass(SAYSO)
@dataclass
class SaysoConfig(PreTrainedConfig):
    """Settings of a policy that acts or is trained.

    The first group counts always; the second for a new policy only, as a trained one says what it is.
    """

    # How many actions of a chunk are carried out before looking again.
    n_action_steps: int = EXECUTE

    # A new policy: its size ("small" or "tiny"), how many actions it predicts, and how they are read off
    # ("regression" or "flow").
    preset: str = "small"
    chunk_size: int = 16
    decoder: str = "regression"
    # Which part of each camera's picture is seen, as in `sayso train --crop`: "desk=0,80,480,480 wrist=75%".
    crop: str = ""
    # What pictures are scaled to, as in `sayso train --resize`: 128, or 96x128. By default 128 as the shorter
    # side where they are larger.
    resize: str | None = None
    # The unit of joints, if the recordings do not say it and it cannot be told: "deg", "rad" or "normalized".
    units: str = ""

    # Learning, as `sayso train` does it.
    optimizer: str = "muon"
    optimizer_lr: float = 1e-3
    optimizer_weight_decay: float = 0.01
    optimizer_grad_clip_norm: float = 1.0
    scheduler_warmup_steps: int = 300
    # Decay of the exponential moving average of the weights, which is what acts and is saved.
    ema: float = 0.998

    # What a trained policy says of itself, as in the config.json of any checkpoint of sayso. Not to be set.
    model: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    # LeRobot's; a policy of sayso normalises by itself.
    normalization_mapping: dict[str, NormalizationMode] = field(default_factory=lambda: dict(NOTHING))

    def __post_init__(self) -> None:
        """Take over what a trained policy says of itself."""
        super().__post_init__()
        if self.model:
            self.chunk_size = int(self.model.get("chunk", 1))
            if self.n_action_steps == EXECUTE:  # the usual number, which nobody asked for
                self.n_action_steps = min(EXECUTE, self.chunk_size)
        if self.features and not self.input_features:
            self.input_features, self.output_features = seen_and_done(Features.from_json(self.features))

    @property
    def observation_delta_indices(self) -> None:
        """Ask for the present observation alone."""
        return None

    @property
    def action_delta_indices(self) -> list[int]:
        """Ask for the actions of a whole chunk, the present one first."""
        return list(range(self.chunk_size))

    @property
    def reward_delta_indices(self) -> None:
        """Ask for no rewards."""
        return None

    def get_optimizer_preset(self) -> SaysoOptimizerConfig:
        """Return the optimiser of `sayso train`."""
        return SaysoOptimizerConfig(
            kind=self.optimizer,
            lr=self.optimizer_lr,
            weight_decay=self.optimizer_weight_decay,
            grad_clip_norm=self.optimizer_grad_clip_norm,
        )

    def get_scheduler_preset(self) -> SaysoSchedulerConfig:
        """Return the learning-rate schedule of `sayso train`."""
        return SaysoSchedulerConfig(num_warmup_steps=self.scheduler_warmup_steps)

    def validate_features(self) -> None:
        """Refuse what no policy could act on."""
        if self.action_feature is None:
            raise ValueError(
                f"a policy moves something, but there is no {ACTION!r} among the output features"
            )
        if not 1 <= self.n_action_steps <= self.chunk_size:
            raise ValueError(
                f"--policy.n_action_steps is {self.n_action_steps}, but a chunk has {self.chunk_size} "
                f"actions: give 1 to {self.chunk_size}"
            )


def seen_and_done(features: Features) -> tuple[dict[str, PolicyFeature], dict[str, PolicyFeature]]:
    """Return what a policy is shown and what it answers, in LeRobot's terms.

    A camera stands under each name that the policy knows it by, as what is shown has to be among them.
    """
    sizes = {**features.cameras, **features.scaled_from}
    names = {**{camera: camera for camera in sizes}, **features.renamed}
    pictures = {image_key(name): (3, *sizes[camera]) for name, camera in names.items() if camera in sizes}
    if features.robot_type == SAWYER:  # its own environment shows the one picture, our recordings both views
        pictures[SINGLE] = (3, 480, 480)
    elif "image" in names and names["image"] in sizes:
        pictures[SINGLE] = (3, *sizes[names["image"]])
    seen = {key: PolicyFeature(type=FeatureType.VISUAL, shape=shape) for key, shape in pictures.items()}
    if features.state:
        seen[STATE] = PolicyFeature(type=FeatureType.STATE, shape=(len(features.state),))
    done = {ACTION: PolicyFeature(type=FeatureType.ACTION, shape=(len(features.action),))}
    return seen, done
