"""Contract of every model: a batch in, losses or a chunk of actions out; and its row of the table.

::

    Batch --- forward ---> {"total": ..., its terms}      what training minimises
          '-- sample ----> actions [B, K, A]              in model units

`collate` makes what batches are of, `policy` acts with a model, and `table` lists them all.

Shapes: B batch, T frames (always the present one alone), C camera, H x W pixels, L words, R referents,
K chunk, A action, S state.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from sayso.data.statistics import Stats
from sayso.models.collate import Collator
from sayso.spec import Features

Renames = tuple[tuple[str, str], ...]
"""Names before and now."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step of training or acting reads; labels are absent when acting."""

    images: tuple[Tensor, ...]
    """uint8 ``[B, T, H, W, 3]`` of each camera that the model looks through."""
    state: Tensor
    """``[B, T, S]``, normalised; S is 0 for a model that is told none."""
    words: Tensor
    """``[B, L, 384]``, padded with zeros, in one batch more than in another; L is 0 for a model that reads
    the sentences by itself."""
    words_mask: Tensor
    """bool ``[B, L]``, True where a word is."""
    sentences: tuple[str, ...] = ()
    """The B instructions as they were said."""
    actions: Tensor | None = None
    """``[B, K, A]``, normalised."""
    is_pad: Tensor | None = None
    """bool ``[B, K]``, True past the end of the episode."""
    points: Tensor | None = None
    """``[B, C, R, 3]`` u, v in 0..1 and whether visible, of the present frame."""
    camera_mask: Tensor | None = None
    """bool ``[B, C]``, of a mixture of unlike robots: which cameras each has; other pictures are black."""
    action_mask: Tensor | None = None
    """bool ``[B, A]``, as above: which numbers of the action each has; others are zero and teach nothing."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Self:
        """Return the batch of arrays that a `Collator` made, without copying them."""
        given = dict(arrays)
        images = tuple(torch.from_numpy(image) for image in given.pop("images"))
        sentences = given.pop("sentences")
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in given.items()}
        return cls(images=images, sentences=sentences, **tensors)

    def to(self, device: torch.device | str) -> Self:
        """Return the same batch on a device."""
        ahead = torch.device(device).type == "cuda"  # which then fetches pinned memory while it computes
        tensors = {name: part for name, part in vars(self).items() if isinstance(part, Tensor)}
        moved = {name: part.to(device, non_blocking=ahead) for name, part in tensors.items()}
        images = tuple(images.to(device, non_blocking=ahead) for images in self.images)
        return type(self)(**{**vars(self), **moved, "images": images})

    def alike(self) -> list[tuple[Self, Sequence[int] | None, Tensor]]:
        """Return parts whose samples have the same cameras, without the others: a model need not look there.

        Returns:
            Each part, its cameras by number (None if it has all), and which samples of the batch it is of.
        """
        if self.camera_mask is None:
            return [(self, None, torch.arange(len(self.state)))]
        found: list[tuple[Self, Sequence[int] | None, Tensor]] = []
        for has in torch.unique(self.camera_mask, dim=0):
            rows = (self.camera_mask == has).all(1).nonzero().flatten()
            cameras = has.nonzero().flatten()
            part: dict[str, Any] = {name: t[rows] for name, t in vars(self).items() if isinstance(t, Tensor)}
            if self.points is not None:
                part["points"] = part["points"][:, cameras]
            part["images"] = tuple(self.images[c][rows] for c in cameras.tolist())
            part["sentences"] = tuple(self.sentences[k] for k in rows.tolist()) if self.sentences else ()
            found.append((dataclasses.replace(self, **part), cameras.tolist(), rows))
        return found

    def targets(self) -> tuple[Tensor, Tensor]:
        """Return the actions ``[B, K, A]`` to learn and which of them are padding ``[B, K]``.

        Raises:
            ValueError: if the batch is one to act on.
        """
        if self.actions is None or self.is_pad is None:
            raise ValueError("losses need actions and is_pad in the batch")
        return self.actions, self.is_pad


class Model(nn.Module, ABC):
    """A network that learns from batches and acts on them.

    What it computes is asked for by calling it, so that whatever wraps a module to train it on many devices
    needs to know nothing of it.
    """

    config: Any
    """Its sizes, a frozen dataclass; with the name of its type, all that building it again needs."""

    @property
    def learns_to_point(self) -> bool:
        """Tell whether labelled points change the losses."""
        return False

    @property
    def acts_on_words(self) -> bool:
        """Tell whether the frozen text encoder's words are enough for `sample`, without the sentences."""
        return True

    @property
    def draws_noise(self) -> bool:
        """Tell whether `sample` draws random numbers."""
        return False

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss to minimise, ``total``, and its terms; torch's own generator draws."""

    @abstractmethod
    def sample(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the next actions, float32 ``[B, K, A]``, in model units; the generator draws."""

    def autocast(self, batch: Batch) -> torch.autocast:
        """Compute in bfloat16 inside a `with`, if the config says ``bf16`` and the device is made for it."""
        device = batch.state.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.config.bf16 and computes_in_bf16(device))

    def in_precision(self, *, bf16: bool) -> Self:
        """Return a copy that acts, its precision fixed; a config without ``bf16`` knows one only."""
        twin = copy.deepcopy(self).eval()
        if hasattr(twin.config, "bf16"):
            twin.config = dataclasses.replace(twin.config, bf16=bf16)
        return twin


@cache
def computes_in_bf16(device: str) -> bool:
    """Tell whether a kind of device, in torch's words, computes in bfloat16, instead of imitating it.

    Most laptops do not: where a CPU has AVX2 alone, a step of training takes ten times as long in bfloat16.
    """
    if device == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """One row of the table of models: how one is made and what it is shown."""

    build: Callable[[Mapping[str, Any], Features], Model]
    """Makes a model with fresh weights, drawn from torch's own generator, from (some of) the fields of its
    config, as they come out of JSON. ValueError if they cannot be."""
    presets: Mapping[str, Callable[[Features, int], Mapping[str, Any]]]
    """Name, ``small`` and ``tiny`` at least, -> fields of the config for features and a length of chunks."""
    collator: Callable[[Any, Features, Mapping[str, Stats]], Collator]
    """Makes what turns windows into batches for a model of that config. FeatureMismatchError if config,
    features and statistics disagree."""
    renames: Renames = ()
    """What parts of the model are called in older weights, and what they are called now; see `renamed`."""
    exact: tuple[str, ...] = ()
    """Parts of the model that an export to int8 leaves as they are."""
    mixes: bool = False
    """Whether it can learn from a mixture of unlike robots: it keeps to the masks of a batch."""
    config: Callable[[Mapping[str, Any]], Any] | None = None
    """Reads the config, a dataclass, from (some of) its fields as they come out of JSON; ValueError if they
    cannot be. None if nobody may change one of them."""
    decided: tuple[str, ...] = ("chunk",)
    """Fields of the config that data or a flag of its own decides, and nobody else changes."""
    learning: tuple[str, ...] = ()
    """Fields that say how it learns, not what it is: they may change when a trained model learns on."""
    indexed: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    """Weights that belong to cameras, numbers or steps, so that a policy can learn on with others: name -> of
    what, ``camera``, ``state``, ``action`` or ``step``, and along which axis; ``grid`` is a list of maps over
    patches, one a camera, under ``name.*``. Empty if the model learns on with the same only."""

    def belonging(self, name: str) -> tuple[str, int]:
        """Return what a weight belongs to and along which axis, as `indexed` has it; "" of all others."""
        return self.indexed.get(name) or self.indexed.get(f"{name.rpartition('.')[0]}.*") or ("", 0)


def renamed(name: str, renames: Renames) -> str:
    """Return what a weight is called now: parts of its dotted name, one or several in a row, are renamed."""
    dotted = f".{name}."
    for before, now in renames:
        dotted = dotted.replace(f".{before}.", f".{now}.")
    return dotted[1:-1]
