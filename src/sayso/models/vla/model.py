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
L words, N slots, R referents, D width, P patches, K chunk, A action, S state (proprioception).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sayso.models.contract import Batch, Model, ModelType
from sayso.models.initialisation import normal
from sayso.models.pooling import pooled
from sayso.models.vla.action import Context, FlowDecoder, RegressionDecoder
from sayso.models.vla.augmentation import Augmentation, prepare, prepare_augmented
from sayso.models.vla.config import READER_HEADS, VLAConfig, collator, small, tiny
from sayso.models.vla.keypoints import Keypoints, Pointer
from sayso.models.vla.language import WordReader
from sayso.models.vla.vision import FiLMResNet
from sayso.spec import Features


class VisionLanguageAction(Model):
    """Vision-language-action model: see, understand, act."""

    config: VLAConfig

    def __init__(self, config: VLAConfig) -> None:
        """Build the model with fresh weights, drawn from torch's own generator."""
        super().__init__()
        c = self.config = config
        self.reader = WordReader(width=c.width, slots=c.slots, heads=READER_HEADS, max_words=c.max_words)
        self.vision = FiLMResNet(
            image_sizes=c.image_sizes, condition=c.slots * c.width, stem=c.stem,
            width=c.features, stem_blocks=c.stem_blocks, blocks=c.blocks,
        )  # fmt: skip
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
            self.default_slots = nn.Parameter(normal(c.slots, c.width))

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
        cameras: Sequence[int] | None = None,
    ) -> tuple[Tensor, Keypoints]:
        """Return all the decoder needs to know, ``[B, M, D]``, and where the model looked.

        Args:
            views: float ``[B, T, 3, H, W]`` in -1..1 of each camera, from `prepare`.
            state: ``[B, T, S]``, normalised.
            words: ``[B, L, 384]``.
            words_mask: bool ``[B, L]``, True where a word is.
            hide_state: bool ``[B]``, samples that must do without their state.
            cameras: whose views they are; None is all of the C in turn.
        """
        slots = self.reader(words, words_mask)
        heard = slots if self.config.fusion == "early" else self.default_slots.expand_as(slots)
        patches = self.vision(views, heard, cameras)
        keypoints = self.pointer(patches, heard, cameras)
        return self.context(keypoints, state, slots, hide_state, cameras), keypoints

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and the terms it is the weighted sum of.

        Args:
            batch: with actions and padding; without points there are no terms ``point`` and ``where``, and
                neither with late fusion.
            generator: source of augmentation, hidden states and flow noise; None is torch's own.
        """
        parts = [self._terms(part, cameras, generator) for part, cameras, _ in batch.alike()]
        action = pooled([part[0] for part in parts])
        if batch.points is None or self.config.fusion == "late":
            return {"total": action, "action": action}
        point, where = pooled([part[1] for part in parts]), pooled([part[2] for part in parts])
        c = self.config
        total = action + c.point_weight * point + c.where_weight * where
        return {"total": total, "action": action, "point": point, "where": where}

    def _terms(
        self, batch: Batch, cameras: Sequence[int] | None, generator: torch.Generator | None
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the terms of samples with the same cameras, each with how much it weighs among others."""
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
            context, keypoints = self.perceive(
                views, batch.state, batch.words, batch.words_mask, hidden, cameras
            )
            action = self.decoder.loss(context, actions, counts, generator, batch.action_mask)
        terms = [(action, counts.sum())]
        if points is None or c.fusion == "late":
            return terms
        point, where = self.pointer.loss(keypoints, points, cameras)
        seen = points[..., 2]
        return [*terms, (point, (seen > -0.5).sum()), (where, (seen > 0.5).sum())]

    @torch.no_grad()
    def sample(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Return the next actions, float32 ``[B, K, A]``, normalised."""
        answers = [(rows, self._answer(part, cameras, generator)) for part, cameras, rows in batch.alike()]
        found = answers[0][1]
        if len(answers) > 1:
            found = found.new_empty(len(batch.state), *found.shape[1:])
            for rows, answer in answers:
                found[rows] = answer
        return found

    def _answer(
        self, batch: Batch, cameras: Sequence[int] | None, generator: torch.Generator | None
    ) -> Tensor:
        """Return the actions of samples with the same cameras."""
        views = [prepare(images) for images in batch.images]
        with self.autocast(batch):
            context, _ = self.perceive(views, batch.state, batch.words, batch.words_mask, None, cameras)
            return self.decoder.sample(context, generator, batch.action_mask)

    def _hidden(self, batch: Batch, generator: torch.Generator | None) -> Tensor | None:
        """Draw which training samples must do without their state, bool ``[B]``."""
        if not self.training or not self.config.state_dropout:
            return None
        draw = torch.rand(len(batch.state), generator=generator)
        return (draw < self.config.state_dropout).to(batch.state.device)


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


RENAMES = (
    ("embed_glance", "embed_keypoint"),
    ("glance_is", "keypoint_position"),
    ("state_is", "state_position"),
    ("slot_is", "slot_position"),
    ("unheard", "default_slots"),
    ("first", "conv1"),
    ("second", "conv2"),
    ("ask_referent", "referent_query"),
    ("ask_free", "free_query"),
    ("ask_in_view", "view_query"),
    ("among_words", "transformer"),
    ("questions", "queries"),
    ("ask.in_proj_weight", "cross_attention.in_proj_weight"),
    ("ask.in_proj_bias", "cross_attention.in_proj_bias"),
    ("ask.out_proj", "cross_attention.out_proj"),
    ("attend_norm", "norm1"),
    ("ask", "qkv"),
    ("bring", "out"),
    ("think_norm", "norm2"),
    ("think", "mlp"),
)
"""What parts are called in older weights, and what they are called now."""
INDEXED = {
    "vision.positions.*": ("grid", 0),
    "vision.film_of_view": ("camera", 0),
    "pointer.view_query": ("camera", 0),
    "context.keypoint_position": ("camera", 0),
    "context.embed_state.0.weight": ("state", 1),
    "decoder.transformer.head.weight": ("action", 0),
    "decoder.transformer.head.bias": ("action", 0),
    "decoder.embed_noisy.weight": ("action", 1),
    "decoder.queries": ("step", 0),
}
"""Which weights belong to a camera, a number or a step; all others know nothing of a robot."""

VLA = ModelType(
    build=_build,
    presets={
        "small": lambda features, chunk: dataclasses.asdict(small(features, chunk=chunk)),
        "tiny": lambda features, chunk: dataclasses.asdict(tiny(features, chunk=chunk)),
    },
    collator=collator,
    renames=RENAMES,
    exact=("pointer", "context", "decoder"),
    config=VLAConfig.from_json,
    decided=("image_sizes", "state_dim", "action_dim", "chunk", "decoder"),
    learning=("state_dropout", "discount", "point_weight", "where_weight", "augmentation"),
    indexed=INDEXED,
    mixes=True,
)
"""Its row in the table of models."""
