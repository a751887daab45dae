"""Configuration of our model: every size and every weight of its loss, its presets, and its collator.

Shapes: C camera, L words, N slots, R referents, G free queries, D width, K chunk, A action, S state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sayso.data.statistics import RELATIVE, Stats
from sayso.data.transforms import two_way
from sayso.models.collate import Collator, all_inputs, check_statistics
from sayso.models.mixed import mixture
from sayso.models.typed import read, within
from sayso.models.vla.augmentation import Augmentation
from sayso.models.words import MAX_WORDS, OLD_MAX_WORDS, FrozenTextEncoder
from sayso.spec import FeatureMismatchError, Features

CHOICES = {
    "fusion": ("early", "late"),
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
    """G, free queries: further places looked at in each view."""
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
    """Compute in bfloat16 where that is safe, and about twice as fast in training: on devices that can."""

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
        # And could see through a frozen network of another package, which did worse.
        if (vision := fields.pop("vision", "trained")) != "trained":
            raise ValueError(f"model.vision is {vision!r}, but every policy's is trained now; train one anew")
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


def collator(config: VLAConfig, features: Features, stats: Mapping[str, Stats]) -> Collator:
    """Return what turns windows into batches for a model of that config, and its answers into actions.

    Raises:
        FeatureMismatchError: if config, features and statistics disagree.
    """
    check_statistics(features, stats)
    _check_sizes(config, features, stats)
    encoder = FrozenTextEncoder(max_words=config.max_words)
    if features.robots:
        return mixture(features, stats, two_way, encoder)
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
