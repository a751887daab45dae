"""Vision-language-action model: the whole idea is `VisionLanguageAction` below.

::

    instruction --FrozenTextEncoder--> words --WordReader--> slots (object, place, manner)
                                                              |   |   |
                        .----- modulate every block ----------'   |   '----------------.
                        v                                         v                    |
    images --------> FiLMResNet --> patches --------------> Pointer                    |
                                                              | keypoints: what is there, where, if at all
    state  -------------------------------------------.       |                        |
                                                      v       v                        v
                          who attends to whom       [state | keypoints              | slots | queries 1..K]
                                                      every token attends to every token, in every layer
                                                                                               |
                                                                                        actions [B, K, A]

Training asks two things: the expert's actions, and, where the data has labels, that the first two queries
point at the object and the place that the instruction names. The second is what makes the words matter.

Shapes: B batch, T frames (always the present one alone), C camera, V views (one per camera), H x W pixels,
L words, N slots, R referents, D width, P patches, K chunk, A action, S state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sayso.data.normalize import RELATIVE, Stats, two_way
from sayso.models.action import Context, FlowDecoder, RegressionDecoder
from sayso.models.collate import Collator, all_inputs, check_statistics
from sayso.models.contract import Batch, Model, ModelType
from sayso.models.language import MAX_WORDS, WordReader
from sayso.models.lite0 import FrozenVision
from sayso.models.typed import read, within
from sayso.models.vision import Augmentation, FiLMResNet, Keypoints, Pointer, prepare, prepare_augmented
from sayso.models.words import OLD_MAX_WORDS, FrozenTextEncoder
from sayso.spec import FeatureMismatchError, Features

CHOICES = {
    "fusion": ("early", "late"),
    "vision": ("trained", "frozen"),
    "decoder": ("regression", "flow"),
}
DEPTH, WIDTH, SHARE = (1, 100), (1, 10_000), (0, 1)
LIMITS: Mapping[str, tuple[float, float]] = {
    "state_dim": (0, 10_000), "action_dim": WIDTH, "chunk": WIDTH, "max_words": (4, 512), "slots": DEPTH,
    "referents": DEPTH, "free": (0, 100), "stem": WIDTH, "stem_blocks": (0, 100), "features": WIDTH,
    "blocks": (0, 100), "width": WIDTH, "layers": DEPTH, "heads": DEPTH, "flow_steps": (1, 1000),
    "state_dropout": SHARE, "point_weight": (0, 1e6), "where_weight": (0, 1e6),
}  # fmt: skip
"""What no config goes beyond, however it was come by: a typing error must not ask for a terabyte."""
READER_HEADS = 4
"""Attention heads of the reader of words."""


@dataclass(frozen=True, kw_only=True)
class VLAConfig:
    """Every size of the model and every weight of its loss."""

    image_sizes: tuple[tuple[int, int], ...]
    """(height, width) of each of the C cameras in pixels."""
    state_dim: int
    """S; 0 for a policy that only looks."""
    action_dim: int
    """A."""
    chunk: int = 16
    """K."""
    max_words: int = MAX_WORDS
    """L, word pieces of the longest instruction that is read whole; `OLD_MAX_WORDS` if not said."""
    slots: int = 3
    """N, questions asked of the instruction."""
    referents: int = 2
    """R, how many of them name a thing to point at."""
    free: int = 6
    """Further places looked at in each view."""
    stem: int = 32
    """Channels at a quarter of the resolution."""
    stem_blocks: int = 1
    """Residual blocks there."""
    features: int = 64
    """Channels at an eighth of the resolution."""
    blocks: int = 3
    """Residual blocks there."""
    width: int = 192
    """D."""
    layers: int = 3
    """Transformer layers of the decoder."""
    heads: int = 6
    """Attention heads of the decoder; must divide the width."""
    fusion: Literal["early", "late"] = "early"
    """Where words come in: ``early`` they change what is seen and pointed at, ``late`` they are only told to
    the decoder. What looks without words cannot know what is named, so ``late`` leaves out both pointing
    losses."""
    vision: Literal["trained", "frozen"] = "trained"
    """What sees: ``trained`` from nothing with the rest, or ``frozen``, pretrained on photographs (`lite0`);
    the latter is not told the words and has no use for `stem`, `stem_blocks` and `blocks`."""
    decoder: Literal["regression", "flow"] = "regression"
    """How actions are read off."""
    flow_steps: int = 8
    """Euler steps of the flow decoder."""
    state_dropout: float = 0.1
    """Probability that a training sample hides its state."""
    discount: float = 1.0
    """How much each action of a chunk counts in training, of what the one before it does. The present picture
    says less of what is done later, and in demonstrations of the policy's own mistakes hardly anything."""
    point_weight: float = 0.1
    """Weight of the cross-entropy of the heat-maps."""
    where_weight: float = 0.5
    """Weight of the distance between expected and labelled points."""
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    """Variation of training images; None for none."""
    bf16: bool = True
    """Compute in bfloat16 where that is safe: about twice as fast in training on CPUs that can."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        for name, allowed in CHOICES.items():
            if (given := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} is {given!r}, but must be {' or '.join(map(repr, allowed))}")
        within(self, LIMITS)
        for size in self.image_sizes:
            if not all(1 <= pixels <= 10_000 for pixels in size):
                raise ValueError(f"an image size is {size}, but both must lie in 1..10000 pixels")
        if not self.image_sizes:
            raise ValueError("there is no camera, but a policy that looks nowhere knows of no place to go")
        if self.referents > self.slots:
            raise ValueError(f"{self.referents} referents need as many slots, but there are {self.slots}")
        if self.width % self.heads or self.width % READER_HEADS:
            raise ValueError(
                f"a width of {self.width} cannot be shared by {self.heads} heads, or not by the reader's "
                f"{READER_HEADS}; choose a multiple of both"
            )
        if not 0 < self.discount <= 1:
            raise ValueError(f"the discount lies above 0 and at most at 1, but is {self.discount:g}")

    @property
    def points(self) -> bool:
        """Tell whether training makes use of labelled points."""
        return self.fusion == "early" and bool(self.point_weight or self.where_weight)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> VLAConfig:
        """Read what ``dataclasses.asdict`` wrote, after a round through JSON.

        Raises:
            ValueError: if a field is missing, unknown, of another type, or cannot work.
        """
        fields = dict(raw)
        # A policy once could see several frames. None that was kept does.
        if (history := fields.pop("history", 1)) != 1:
            raise ValueError(
                f"model.history is {history!r}, but policies see the present frame only; train one anew"
            )
        return read(cls, {"max_words": OLD_MAX_WORDS, **fields}, "model")


def small(features: Features, *, chunk: int = 16) -> VLAConfig:
    """Return the preset for use: about 2.4 M parameters, 200 samples a second in training on two cores."""
    return VLAConfig(
        image_sizes=tuple(features.cameras.values()),
        state_dim=len(features.state),
        action_dim=len(features.action),
        chunk=chunk,
    )


def tiny(features: Features, *, chunk: int = 4) -> VLAConfig:
    """Return the preset for tests: the same parts, each as small as it goes."""
    return dataclasses.replace(
        small(features, chunk=chunk),
        stem=8, features=24, blocks=2, free=2, width=32, layers=1, heads=4, bf16=False, augmentation=None,
        state_dropout=0.0,
    )  # fmt: skip


class VisionLanguageAction(Model):
    """Vision-language-action model: see, understand, act."""

    config: VLAConfig

    def __init__(self, config: VLAConfig) -> None:
        """Build the model with fresh weights, drawn from torch's own generator."""
        super().__init__()
        c = self.config = config
        self.reader = WordReader(width=c.width, slots=c.slots, heads=READER_HEADS, max_words=c.max_words)
        self.vision = _vision(c)
        self.pointer = Pointer(
            grids=self.vision.grids, spans=self.vision.spans, slots=c.slots, slot_width=c.width,
            width=c.features, referents=c.referents, free=c.free,
        )  # fmt: skip
        self.context = Context(
            views=len(c.image_sizes), queries=c.referents + c.free, features=c.features,
            state_dim=c.state_dim, slots=c.slots, width=c.width,
        )  # fmt: skip
        names = ("width", "layers", "heads", "chunk", "action_dim")
        sizes: dict[str, int] = {name: getattr(c, name) for name in names}
        self.decoder: RegressionDecoder | FlowDecoder = (
            FlowDecoder(**sizes, steps=c.flow_steps) if c.decoder == "flow" else RegressionDecoder(**sizes)
        )
        if c.fusion == "late":
            self.unheard = nn.Parameter(torch.randn(c.slots, c.width))

    @property
    def learns_to_point(self) -> bool:
        """Tell whether labelled points change the losses."""
        return self.config.points

    @property
    def draws_noise(self) -> bool:
        """Tell whether the decoder begins with noise."""
        return self.config.decoder == "flow"

    def perceive(
        self,
        views: Sequence[Tensor],
        state: Tensor,
        words: Tensor,
        words_mask: Tensor,
        hide_state: Tensor | None = None,
    ) -> tuple[Tensor, Keypoints]:
        """Return all the decoder needs to know, ``[B, M, D]``, and where the model looked.

        Args:
            views: float ``[B, T, 3, H, W]`` in -1..1 of each camera, from `prepare`.
            state: ``[B, T, S]``, normalised.
            words: ``[B, L, 384]``.
            words_mask: bool ``[B, L]``, True where a word is.
            hide_state: bool ``[B]``, samples that must do without their state.
        """
        slots = self.reader(words, words_mask)
        heard = slots if self.config.fusion == "early" else self.unheard.expand_as(slots)
        patches = self.vision(views, heard)
        keypoints = self.pointer(patches, heard)
        return self.context(keypoints, state, slots, hide_state), keypoints

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and the terms it is the weighted sum of.

        Args:
            batch: with actions and padding; without points there are no terms ``point`` and ``where``, and
                neither with late fusion.
            generator: source of augmentation, hidden states and flow noise; None is torch's own.
        """
        actions, is_pad = batch.targets()
        c, points = self.config, batch.points
        if self.training and c.augmentation:
            views, points = _augmented(batch.images, points, c.augmentation, generator)
        else:
            views = [prepare(images) for images in batch.images]
        # What stands beyond the end of an episode may be anything, even NaN.
        actions = actions.masked_fill(is_pad[..., None], 0)
        ahead = torch.arange(c.chunk, device=actions.device)
        counts = c.discount**ahead * ~is_pad
        hidden = self._hidden(batch, generator)
        with self.autocast(batch):
            context, keypoints = self.perceive(views, batch.state, batch.words, batch.words_mask, hidden)
            action = self.decoder.loss(context, actions, counts, generator)
        if points is None or c.fusion == "late":
            return {"total": action, "action": action}
        point, where = self.pointer.loss(keypoints, points)
        total = action + c.point_weight * point + c.where_weight * where
        return {"total": total, "action": action, "point": point, "where": where}

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Return the next actions, float32 ``[B, K, A]``, normalised."""
        views = [prepare(images) for images in batch.images]
        with self.autocast(batch):
            context, _ = self.perceive(views, batch.state, batch.words, batch.words_mask)
            return self.decoder.sample(context, generator)

    def _hidden(self, batch: Batch, generator: torch.Generator | None) -> Tensor | None:
        """Draw which training samples must do without their state, bool ``[B]``."""
        if not self.training or not self.config.state_dropout:
            return None
        draw = torch.rand(len(batch.state), generator=generator)
        return (draw < self.config.state_dropout).to(batch.state.device)


def _vision(config: VLAConfig) -> FiLMResNet | FrozenVision:
    c = config
    if c.vision == "frozen":
        return FrozenVision(image_sizes=c.image_sizes, width=c.features)
    return FiLMResNet(
        image_sizes=c.image_sizes, condition=c.slots * c.width, stem=c.stem,
        width=c.features, stem_blocks=c.stem_blocks, blocks=c.blocks,
    )  # fmt: skip


def _augmented(
    images: Sequence[Tensor], points: Tensor | None, how: Augmentation, generator: torch.Generator | None
) -> tuple[list[Tensor], Tensor | None]:
    """Vary every camera's images, and the points ``[B, C, R, 3]`` with them."""
    of_camera = [None] * len(images) if points is None else points.unbind(1)
    pairs = [
        prepare_augmented(pixels, marked, how, generator)
        for pixels, marked in zip(images, of_camera, strict=True)
    ]
    moved = [marked for _, marked in pairs if marked is not None]
    return [views for views, _ in pairs], torch.stack(moved, 1) if moved else None


def _build(fields: Mapping[str, Any], features: Features) -> VisionLanguageAction:
    return VisionLanguageAction(VLAConfig.from_json(fields))


def _collator(config: VLAConfig, features: Features, stats: Mapping[str, Stats]) -> Collator:
    check_statistics(features, stats)
    _check_sizes(config, features, stats)
    encoder = FrozenTextEncoder(max_words=config.max_words)
    chain, inputs = two_way(stats, features), all_inputs(features)
    return Collator(features=features, chain=chain, inputs=inputs, encoder=encoder)


def _check_sizes(config: VLAConfig, features: Features, stats: Mapping[str, Stats]) -> None:
    c = config
    expected: dict[str, tuple[object, object]] = {
        "image sizes": (c.image_sizes, tuple((h, w) for h, w in features.cameras.values())),
        "dimensions of the state": (c.state_dim, len(features.state)),
        "dimensions of the action": (c.action_dim, len(features.action)),
    }
    if features.points:
        numbers = len(c.image_sizes) * c.referents * 3
        expected["numbers in label.points"] = (numbers, len(features.points))
    if RELATIVE in stats:
        numbers = len(stats[RELATIVE].mean)
        expected["numbers in a chunk's statistics"] = (c.chunk * c.action_dim, numbers)
    wrong = [f"{name}: {given}, model has {own}" for name, (own, given) in expected.items() if own != given]
    if wrong:
        raise FeatureMismatchError("the model does not belong to these features: " + "; ".join(wrong))


VLA = ModelType(
    build=_build,
    presets={
        "small": lambda features, chunk: dataclasses.asdict(small(features, chunk=chunk)),
        "tiny": lambda features, chunk: dataclasses.asdict(tiny(features, chunk=chunk)),
    },
    collator=_collator,
)
"""Its row in the table of models."""
