"""Make the textbook's model a policy: one camera's newest image and the instruction give the next action.

Shapes: B batch, T history, K chunk, A action; H, W height and width of a camera image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from sayso.calling import CalledLikeAModel
from sayso.data.normalize import Stats, standardise
from sayso.data.resize import as_learned
from sayso.models.textbook import IMAGE_PX, LanguageSource, VisionLanguageActionModel, prepare_images
from sayso.spec import ACTION, TASK, Chunk, Features, Image, Observation, image_key, known


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


class TextbookPolicy(CalledLikeAModel):
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
        started = settings.started_from or ("imagenet" if model.vision_encoder.pretrained else "random")
        resolved = replace(settings, language=model.language_encoder.source, started_from=started)
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
            seen = as_learned(observation[self._image_key], self.settings.camera, self.features)
            action = self._predict(seen[None], [observation[TASK]])
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


def _device(model: nn.Module) -> torch.device:
    """Return where a model's parameters are."""
    return next(model.parameters()).device
