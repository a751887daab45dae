"""Textbook's vision-language-action model: three boxes, one vector each, one action. The baseline.

::

    images [B, 3, 224, 224] --> VisionEncoder   ResNet-50 ------> [B, 2048] --+
                                                                              +--> ActionDecoder --> [B, A]
    instructions, B strings --> LanguageEncoder sentence vector -> [B, 768] --+     MLP

    model = VisionLanguageActionModel(action_dim=7)
    loss = model.train_step(images, instructions, target_actions)
    scripted_model = torch.jit.script(model)

It is kept exactly as plain as it is taught, because everything else here is measured against it: one camera,
no state of the robot, one vector per sentence, words that meet the image only at the very end, one action at
a time, and the mean of all demonstrated actions wherever demonstrations differ.

Sources: He et al. 2016, arXiv:1512.03385 (ResNet); Devlin et al. 2019, arXiv:1810.04805 (BERT).

Shapes: B batch, A action; H, W height and width of a camera image.
"""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sayso.models.baselines.pretrained import fetch
from sayso.models.baselines.resnet import TORCHVISION, resnet50
from sayso.models.baselines.scripting import twin_of, when_taken_in
from sayso.models.baselines.sentences import Reader, bert, minilm
from sayso.models.contract import renamed
from sayso.models.words import WORD_WIDTH
from sayso.spec import Image, SaysoError, known

BERT_BASE = "bert-base-uncased"
BERT_WORDS = 64
"""Word pieces of an instruction that BERT reads."""
VISION_WIDTH = 2048
SENTENCE_WIDTH = 768
IMAGE_PX = 224
LEARNING_RATE = 1e-4
RENAMES = (
    ("vision.network", "vision_encoder.backbone"),
    ("language", "language_encoder"),
    ("decoder", "action_decoder"),
    *TORCHVISION,
)
"""What parts are called in older weights, and what they are called now."""

LanguageSource = Literal["auto", "bert", "minilm"]


class VisionEncoder(nn.Module):
    """Vision encoder: ResNet-50, one vector per image, trained together with the rest."""

    def __init__(self, pretrained: bool = True) -> None:
        """Build the network.

        Args:
            pretrained: start from ImageNet's weights; see `resnet.resnet50`. Where they cannot be had, one
                line of warning says so. False asks for random weights and touches no network.
        """
        super().__init__()
        whole = resnet50(pretrained=pretrained)
        self.pretrained = whole.pretrained
        self.backbone = nn.Sequential(OrderedDict(list(whole.named_children())[:-1]))

    def forward(self, images: Tensor) -> Tensor:
        """Return ``[B, 2048]`` for standardised images ``[B, 3, 224, 224]`` (see `prepare_images`)."""
        vector: Tensor = self.backbone(images).flatten(1)
        return vector


class LanguageEncoder(nn.Module):
    """Language encoder: one vector of 768 numbers per instruction, from a frozen text encoder.

    With BERT-base this is the state of [CLS]. Where BERT cannot be had it is the mean of the words of the
    MiniLM that comes with sayso, brought from 384 to 768 numbers by a learned linear map. Either is part of
    what TorchScript compiles, its tokenizer too, and of what `torch.jit.save` writes.
    """

    reads_sentences = True

    def __init__(self, source: LanguageSource = "auto") -> None:
        """Build the encoder.

        Args:
            source: ``bert`` from the local cache or the Hugging Face hub, ``minilm`` as shipped, or ``auto``:
                BERT if it can be had, else one line of warning and MiniLM.

        Raises:
            SaysoError: if BERT was insisted on and cannot be had.
        """
        super().__init__()
        known("text encoder", source, ("auto", "bert", "minilm"))
        fetched = None if source == "minilm" else _fetch_bert()
        if fetched is None and source == "bert":
            raise SaysoError(f"{BERT_BASE} is not cached and the hub is out of reach; 'minilm' is shipped")
        if fetched is None and source == "auto":
            warnings.warn(
                f"{BERT_BASE} is not cached and the hub is out of reach: shipped MiniLM", stacklevel=2
            )
        self.source: Literal["bert", "minilm"] = "minilm" if fetched is None else "bert"
        self.sentences = (
            Reader(minilm()) if fetched is None else Reader(bert(fetched), BERT_WORDS, first=True)
        )
        self.project = nn.Linear(WORD_WIDTH, SENTENCE_WIDTH) if fetched is None else nn.Identity()
        # Follows the module from device to device, which an Identity does not.
        self.register_buffer("place", torch.empty(0), persistent=False)
        when_taken_in(self)

    def forward(self, instructions: list[str]) -> Tensor:
        """Return ``[B, 768]`` for B instructions; in Python one string is a batch of one."""
        vector: Tensor = self.project(self.sentences(instructions).to(self.place.device))
        return vector

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what jit.script may change: here its sentences are to stay remembered."""
        return twin_of(self)


class ActionDecoder(nn.Module):
    """Action decoder: an MLP of three layers from the image's and the instruction's vector to one action."""

    def __init__(self, latent_dim: int = VISION_WIDTH + SENTENCE_WIDTH, action_dim: int = 7) -> None:
        """Build three linear layers, `latent_dim` -> 512 -> 256 -> `action_dim`."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, action_dim)
        )

    def forward(self, vision_features: Tensor, language_features: Tensor) -> Tensor:
        """Return actions ``[B, A]`` for ``[B, 2048]``, or ``[B, 2048, 1, 1]``, and ``[B, 768]``."""
        seen = vision_features.flatten(1)
        action: Tensor = self.layers(torch.cat([seen, language_features.to(seen.dtype)], dim=-1))
        return action


class VisionLanguageActionModel(nn.Module):
    """Vision-language-action model of the textbook: see, understand, act, three boxes in a row."""

    def __init__(
        self, action_dim: int = 7, *, pretrained: bool = True, language: LanguageSource | None = None
    ) -> None:
        """Build the three boxes.

        Args:
            action_dim: A, numbers per action.
            pretrained: ask for pretrained ResNet-50 and BERT; False touches no network.
            language: text encoder, if it is not to follow `pretrained` (``auto`` if True, else ``minilm``).
        """
        super().__init__()
        self.vision_encoder = VisionEncoder(pretrained=pretrained)
        self.language_encoder = LanguageEncoder(language or ("auto" if pretrained else "minilm"))
        self.action_decoder = ActionDecoder(VISION_WIDTH + SENTENCE_WIDTH, action_dim)
        self.register_load_state_dict_pre_hook(_rename)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor, instructions: list[str]) -> Tensor:
        """Return actions ``[B, A]`` for standardised images ``[B, 3, 224, 224]`` and B instructions."""
        vision_features = self.vision_encoder(images)
        language_features = self.language_encoder(instructions)
        actions: Tensor = self.action_decoder(vision_features, language_features)
        return actions

    @torch.jit.unused
    def train_step(self, images: Tensor, instructions: Sequence[str], target_actions: Tensor) -> float:
        """Learn from one batch; see `sayso.models.baselines.textbook.train_step`."""
        return train_step(images, instructions, target_actions, model=self)


def train_step(
    images: Tensor, instructions: Sequence[str], target_actions: Tensor, *, model: nn.Module
) -> float:
    """Let a model learn from one batch and return its mean squared error before the step.

    The optimiser is Adam with a learning rate of 1e-4, made at the model's first step and kept for it.

    Args:
        images: standardised, ``[B, 3, 224, 224]``.
        instructions: B sentences.
        target_actions: ``[B, A]``.
        model: any module that is called with images and instructions.
    """
    optimizer = optimizer_of(model)
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(images, instructions), target_actions)
    loss.backward()
    optimizer.step()
    return loss.item()


def optimizer_of(model: nn.Module) -> torch.optim.Adam:
    """Return the optimiser with which `train_step` teaches a model."""
    if model not in _OPTIMIZERS:
        _OPTIMIZERS[model] = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    return _OPTIMIZERS[model]


_OPTIMIZERS: weakref.WeakKeyDictionary[nn.Module, torch.optim.Adam] = weakref.WeakKeyDictionary()


def prepare_images(images: Image | Tensor, size_px: int = IMAGE_PX) -> Tensor:
    """Return camera images uint8 ``[B, H, W, 3]`` as float ``[B, 3, size, size]``, as ImageNet's were."""
    given = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    pixels = given.permute(0, 3, 1, 2).float() / 255
    if pixels.shape[-2:] != (size_px, size_px):
        # Without a need for it: enlarging gives the same with and without, and not every exporter knows it.
        shrinks = max(pixels.shape[-2:]) > size_px
        pixels = nn.functional.interpolate(
            pixels, size=(size_px, size_px), mode="bilinear", align_corners=False, antialias=shrinks
        )
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return (pixels - mean) / std


def _fetch_bert() -> Any:
    """Return the published BERT-base, or None if neither cache nor hub gives it."""
    from transformers import BertModel

    return fetch(BertModel, BERT_BASE)


def _rename(_: nn.Module, weights: dict[str, Any], *__: Any) -> None:
    """Give the weights of an older checkpoint the names of today."""
    for name in list(weights):
        weights[renamed(name, RENAMES)] = weights.pop(name)
