"""Give the textbook's vision-language-action model: three boxes, one vector each, one action. The baseline.

::

    images [B, 3, 224, 224] --> VisionEncoder   ResNet-50 ------> [B, 2048] --+
                                                                              +--> ActionDecoder --> [B, A]
    instructions, B strings --> LanguageEncoder sentence vector -> [B, 768] --+     MLP

    model = VisionLanguageActionModel(action_dim=7)
    loss = model.train_step(images, instructions, target_actions)

It is kept exactly as plain as it is taught, because everything else here is measured against it: one camera,
no state of the robot, one vector per sentence, words that meet the image only at the very end, one action at
a time, and the mean of all demonstrated actions wherever demonstrations differ.

Sources: He et al. 2016, arXiv:1512.03385 (ResNet); Devlin et al. 2019, arXiv:1810.04805 (BERT).

Shapes: B batch, T history, K chunk, A action; H, W height and width of a camera image.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from sayso.data.normalize import Stats, standardise
from sayso.models.language import WORD_WIDTH, FrozenTextEncoder
from sayso.models.pretrained import fetch, fetch_bert
from sayso.spec import ACTION, TASK, Array, Chunk, Features, Image, Observation, SaysoError, image_key, known

RESNET_50 = "microsoft/resnet-50"
BERT_BASE = "bert-base-uncased"
VISION_WIDTH = 2048
SENTENCE_WIDTH = 768
IMAGE_PX = 224

LanguageSource = Literal["auto", "bert", "minilm"]
Demonstration = tuple[Image | Tensor, str, Array] | Mapping[str, Any]


class VisionEncoder(nn.Module):
    """See: turn images into one vector each with ResNet-50, trained together with the rest."""

    pretrained: bool
    """Whether training starts from ImageNet's weights: what was obtained, not what was asked for."""

    def __init__(self, pretrained: bool = True) -> None:
        """Build the network.

        Args:
            pretrained: start from ImageNet's weights, out of the local cache or from the Hugging Face hub.
                When neither has them, one line of warning says so and the weights are random. False asks
                for random weights and touches no network.
        """
        super().__init__()
        from transformers import ResNetConfig, ResNetModel

        fetched = fetch(ResNetModel, RESNET_50) if pretrained else None
        if pretrained and fetched is None:
            warnings.warn(
                f"{RESNET_50} is not cached and the hub is out of reach: random weights", stacklevel=2
            )
        self.pretrained = fetched is not None
        # ResNetConfig's defaults are ResNet-50.
        self.network = fetched or ResNetModel(ResNetConfig())

    def forward(self, images: Tensor) -> Tensor:
        """Return ``[B, 2048]`` for standardised images ``[B, 3, 224, 224]`` (see `prepare_images`)."""
        vector: Tensor = self.network(images).pooler_output.flatten(1)
        return vector


class LanguageEncoder(nn.Module):
    """Understand: turn each instruction into one vector of 768 numbers, with a frozen text encoder.

    With BERT-base this is the state of [CLS]. Where BERT cannot be had it is the mean of the words of the
    MiniLM that comes with sayso, brought from 384 to 768 numbers by a learned linear map.
    """

    source: Literal["bert", "minilm"]
    """Which of the two it is."""

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
        bert = None if source == "minilm" else fetch_bert(BERT_BASE)
        if bert is None and source == "bert":
            raise SaysoError(f"{BERT_BASE} is not cached and the hub is out of reach; 'minilm' is shipped")
        if bert is None and source == "auto":
            warnings.warn(
                f"{BERT_BASE} is not cached and the hub is out of reach: shipped MiniLM", stacklevel=2
            )
        self.source = "minilm" if bert is None else "bert"
        # Neither encoder is a submodule: it is frozen, and a checkpoint need not carry it.
        self._sentences = bert or _MiniLMSentences()
        self.project = nn.Linear(WORD_WIDTH, SENTENCE_WIDTH) if bert is None else nn.Identity()
        # Follows the module from device to device, which an Identity does not.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    def forward(self, instructions: Sequence[str]) -> Tensor:
        """Return ``[B, 768]`` for B instructions."""
        place = self.get_buffer("_place")
        vector: Tensor = self.project(torch.from_numpy(self._sentences.encode(instructions)).to(place.device))
        return vector


class ActionDecoder(nn.Module):
    """Act: turn the joined vector into one action with a multilayer perceptron."""

    def __init__(self, latent_dim: int = VISION_WIDTH + SENTENCE_WIDTH, action_dim: int = 7) -> None:
        """Build three linear layers, `latent_dim` -> 512 -> 256 -> `action_dim`."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, action_dim)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return actions ``[B, A]`` for ``[B, latent_dim]``."""
        action: Tensor = self.layers(latent)
        return action


class VisionLanguageActionModel(nn.Module):
    """See, understand, act: join the image's and the instruction's vector and decode one action."""

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
        self.vision = VisionEncoder(pretrained=pretrained)
        self.language = LanguageEncoder(language or ("auto" if pretrained else "minilm"))
        self.decoder = ActionDecoder(VISION_WIDTH + SENTENCE_WIDTH, action_dim)
        self._optimizer: torch.optim.Adam | None = None

    def forward(self, images: Tensor, instructions: Sequence[str]) -> Tensor:
        """Return actions ``[B, A]`` for standardised images ``[B, 3, 224, 224]`` and B instructions."""
        latent = torch.cat([self.vision(images), self.language(instructions)], dim=-1)
        action: Tensor = self.decoder(latent)
        return action

    def train_step(self, images: Tensor, instructions: Sequence[str], target_actions: Tensor) -> float:
        """Learn from one batch and return its mean squared error before the step.

        The optimiser is Adam with a learning rate of 1e-4, made at the first step and kept by the model.
        """
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(self.parameters(), lr=1e-4)
        self.train()
        loss = nn.functional.mse_loss(self(images, instructions), target_actions)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()


class MobileManipulator:
    """Carry out instructions with a model: look, ask the model, and pass the action on to a robot."""

    def __init__(
        self, model: VisionLanguageActionModel, send: Callable[[Array], object] | None = None
    ) -> None:
        """Take a model and, optionally, what takes actions: ``world.step``, or any function of one action."""
        self.model = model
        self.send = send

    @torch.no_grad()
    def execute_instruction(self, image: Image | Tensor, instruction: str) -> Array:
        """Return the action ``[A]`` for one look and one instruction, after sending it.

        Args:
            image: a camera image, uint8 ``[H, W, 3]`` of any size, or one that is prepared, float
                ``[3, 224, 224]``.
            instruction: what to do, in plain words.
        """
        self.model.eval()
        pixels = image[None] if isinstance(image, Tensor) else prepare_images(image[None])
        action: Array = self.model(pixels.to(_device(self.model)), [instruction])[0].cpu().numpy()
        if self.send is not None:
            self.send(action)
        return action


def evaluate_model(
    model: VisionLanguageActionModel, test_demonstrations: Sequence[Demonstration], *, tolerance: float = 0.1
) -> float:
    """Return the share of demonstrations whose action the model predicts, 0..1.

    This rate is *open loop*, as textbooks have it: each frame is judged alone, nothing moves, and errors
    cannot add up. A model that does well here may never finish a task, so sayso counts success in closed
    loop, by named conditions of the world at the end of an episode (`sayso.evaluate`).

    Args:
        model: the model.
        test_demonstrations: ``(image, instruction, action)`` each, or a mapping with these keys; images as
            `MobileManipulator.execute_instruction` takes them, actions ``[A]``.
        tolerance: how far any number of the action may be off, in the units of the actions.

    Raises:
        ValueError: if there are no demonstrations.
    """
    if not test_demonstrations:
        raise ValueError("there are no demonstrations to evaluate on; give at least one")
    robot = MobileManipulator(model)
    hits = 0
    for demonstration in test_demonstrations:
        image, instruction, target = _triple(demonstration)
        error = np.abs(robot.execute_instruction(image, instruction) - np.asarray(target))
        hits += bool(error.max() <= tolerance)
    return hits / len(test_demonstrations)


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


@dataclass(frozen=True, kw_only=True)
class TextbookConfig:
    """Say which camera the textbook model looks through and where its weights come from."""

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


class TextbookPolicy:
    """Act with the textbook model: one camera's newest image and the instruction give the next action."""

    def __init__(
        self,
        model: VisionLanguageActionModel,
        features: Features,
        stats: Mapping[str, Stats],
        config: TextbookConfig | None = None,
    ) -> None:
        """Join a model to the robot described by `features`, whose actions `stats` brings to model units.

        Raises:
            UnknownNameError: if the robot has no such camera.
        """
        # Convolutions are about twice as fast on CPUs when channels lie together.
        self.model: VisionLanguageActionModel = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.features = features
        self.stats = stats
        self.settings = config or TextbookConfig()
        self._image_key = image_key(known("camera", self.settings.camera, features.cameras))
        self._chain = standardise({ACTION: stats[ACTION]})

    @classmethod
    def build(cls, config: Mapping[str, Any], features: Features, stats: Mapping[str, Stats]) -> Self:
        """Return a policy with fresh weights; `config` holds what `config` returned, or some of it."""
        settings = TextbookConfig(**{name: value for name, value in config.items() if name != "type"})
        saved = settings.started_from != ""
        model = VisionLanguageActionModel(
            len(features.action),
            pretrained=settings.pretrained and not saved,
            language=settings.language if settings.pretrained or saved else "minilm",
        )
        started = settings.started_from or ("imagenet" if model.vision.pretrained else "random")
        resolved = replace(settings, language=model.language.source, started_from=started)
        return cls(model, features, stats, resolved)

    def config(self) -> dict[str, Any]:
        """Return ``type`` and the settings as plain JSON, naming the encoders that were really used."""
        return {"type": "textbook", **asdict(self.settings)}

    def reset(self) -> None:
        """Forget the episode that just ended; there is nothing to forget."""

    @torch.no_grad()
    def act(self, observation: Observation) -> Chunk:
        """Return the next action, ``[1, A]`` in robot units, computed in bfloat16 where that is safe."""
        self.model.eval()
        with torch.autocast(_device(self.model).type, torch.bfloat16):
            action = self._predict(observation[self._image_key][None], [observation[TASK]])
        return Chunk(self._chain.inverse({ACTION: action.cpu().numpy()})[ACTION])

    def losses(self, windows: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the mean squared error of the present action, in model units, as ``total``.

        Args:
            windows: images uint8 ``[B, T, H, W, 3]`` (the last frame is used), ``action`` float32
                ``[B, K, A]`` in robot units (the first is used) and ``task``, B instructions.
        """
        predicted = self._predict(windows[self._image_key][:, -1], windows[TASK])
        target = self._chain.forward({ACTION: windows[ACTION][:, 0]})[ACTION]
        return {"total": nn.functional.mse_loss(predicted, torch.from_numpy(target).to(predicted.device))}

    def _predict(self, images: Image, instructions: Sequence[str]) -> Tensor:
        """Return actions float32 ``[B, A]`` in model units for images uint8 ``[B, H, W, 3]``."""
        pixels = prepare_images(images, self.settings.image_px).to(_device(self.model))
        action: Tensor = self.model(pixels, instructions)
        return action.float()


class _MiniLMSentences:
    """Average the words of the shipped MiniLM, the way it was trained to be pooled: ``[B, 384]``."""

    def __init__(self) -> None:
        self.encoder = FrozenTextEncoder()

    def encode(self, instructions: Sequence[str]) -> Array:
        words, mask = self.encoder.encode(instructions)
        mean: Array = words.sum(axis=1) / mask.sum(axis=1, keepdims=True, dtype=np.float32)
        return mean


def _triple(demonstration: Demonstration) -> tuple[Image | Tensor, str, Array]:
    """Return image, instruction and action of a demonstration."""
    if isinstance(demonstration, Mapping):
        return demonstration["image"], demonstration["instruction"], demonstration["action"]
    return demonstration


def _device(model: nn.Module) -> torch.device:
    """Return where a model's parameters are."""
    return next(model.parameters()).device
