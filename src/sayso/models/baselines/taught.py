"""Textbook's model as one of ours: one camera's newest image and the instruction give the next action.

Shapes: B batch, T frames, A action; H, W height and width of a camera image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.data.transforms import standardise
from sayso.models.baselines.textbook import (
    IMAGE_PX,
    RENAMES,
    LanguageSource,
    VisionLanguageActionModel,
    prepare_images,
)
from sayso.models.collate import Collator
from sayso.models.contract import Batch, Model, ModelType
from sayso.models.typed import read
from sayso.spec import ACTION, Features, image_key, known


@dataclass(frozen=True, kw_only=True)
class TextbookConfig:
    """Which camera the textbook model looks through and where its weights come from."""

    camera: str = "front"
    """The one camera it sees."""
    image_px: int = IMAGE_PX
    """Side of the image the vision encoder gets."""
    pretrained: bool = True
    """Ask for pretrained encoders."""
    language: LanguageSource = "auto"
    """Text encoder, if `pretrained`; a saved policy names the one it was trained with."""
    started_from: Literal["", "imagenet", "random"] = ""
    """What the vision encoder's training started from; set in saved policies, which bring their weights."""
    bf16: bool = True
    """Compute in bfloat16 where that is safe, when acting."""


class TextbookModel(Model):
    """The textbook's three boxes as a model of the table: they learn one action, the present one."""

    config: TextbookConfig

    def __init__(self, config: TextbookConfig, network: VisionLanguageActionModel) -> None:
        """Take the boxes out of a textbook's model, which shares them."""
        super().__init__()
        self.config = config
        self.vision_encoder = network.vision_encoder
        self.language_encoder = network.language_encoder
        self.action_decoder = network.action_decoder

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of the first action, in model units, as ``total``."""
        actions, _ = batch.targets()
        return {"total": nn.functional.mse_loss(self.predict(batch), actions[:, 0])}

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the next action ``[B, 1, A]``."""
        with self.autocast(batch):
            return self.predict(batch)[:, None]

    @property
    def acts_on_words(self) -> bool:
        """Tell whether its sentences are read by the encoder that reads the words of everybody else."""
        return self.config.language == "minilm"

    def predict(self, batch: Batch) -> Tensor:
        """Return actions float32 ``[B, A]`` in model units, for the sentences, or else for their words."""
        (images,) = batch.images
        seen = self.vision_encoder(prepare_images(images[:, -1], self.config.image_px))
        if batch.sentences:
            said = self.language_encoder(list(batch.sentences))
        else:
            said = self.language_encoder.project(batch.words.sum(1) / batch.words_mask.sum(1, keepdim=True))
        action: Tensor = self.action_decoder(seen, said)
        return action.float()


def _config(fields: Mapping[str, Any]) -> TextbookConfig:
    return read(TextbookConfig, dict(fields), "model")


def _build(fields: Mapping[str, Any], features: Features) -> TextbookModel:
    """Return the model with the config that names the encoders which were really used."""
    config = _config(fields)
    saved = config.started_from != ""
    network = VisionLanguageActionModel(
        len(features.action),
        pretrained=config.pretrained and not saved,
        language=config.language if config.pretrained or saved else "minilm",
    )
    started = config.started_from or ("imagenet" if network.vision_encoder.pretrained else "random")
    return TextbookModel(
        replace(config, language=network.language_encoder.source, started_from=started), network
    )


def _collator(config: TextbookConfig, features: Features, stats: Mapping[str, Stats]) -> Collator:
    camera = image_key(known("camera", config.camera, features.cameras))
    chain = standardise({ACTION: stats[ACTION]})
    return Collator(features=features, chain=chain, inputs=(camera,), encoder=None)


TEXTBOOK = ModelType(
    build=_build,
    presets={
        "small": lambda features, chunk: {},
        "tiny": lambda features, chunk: {"pretrained": False, "image_px": 64},
    },
    collator=_collator,
    renames=RENAMES,
    config=_config,
    decided=("started_from",),
)
"""Its row in the table of models."""
