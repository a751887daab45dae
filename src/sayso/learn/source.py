"""Source of training batches: windows of demonstrations, or sentences; a pure function of seed and step.

A batch is a mapping. Under ``index`` stand the numbers of its examples, so that whatever goes wrong can be
traced to them. Nothing is remembered from step to step, so a run can be taken up at any of them, and each
device of several (`rank` of `ranks`) can make its own share of the same batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sayso.data.windows import RawBatch, Windows
from sayso.models.words import FrozenTextEncoder
from sayso.spec import TASK

INDEX = "index"
"""Key of the numbers of a batch's examples, int64 ``[B]``."""
WORDS, WORDS_MASK, MEANING = "words", "words_mask", "meaning"
Meant = Sequence[tuple[int, str]]
"""Sentences, each with the number of the one that the policy knows it as."""
Heard = Callable[[Sequence[str], NDArray[np.float64]], list[str]]
"""What is said for recorded sentences, as numbers ``[B, 2]`` in [0, 1) decide."""
_OTHERS_STREAM = 0x07E5  # keeps what is asked otherwise independent of what is drawn from the same seed
_WORDS_STREAM = 0x07E8  # and the words in which it is asked


class Source(Protocol):
    """Source of batches, as the loop needs it."""

    examples: str
    """What it gives, in words: windows, sentences."""

    def open(self) -> Sequence[str]:
        """Do what takes long, such as decoding, before the first batch; return what is worth saying."""
        ...

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> RawBatch:
        """Return what a step sees, counted from 1: of its examples, every `ranks`-th from `rank` on."""
        ...


class Demonstrations:
    """Windows of recorded demonstrations."""

    examples = "windows"

    def __init__(
        self,
        windows: Windows,
        *,
        batch_size: int,
        seed: int,
        grounding_share: float = 0.0,
        heard: Heard | None = None,
        opened: Callable[[Windows], None] = lambda _: None,
    ) -> None:
        """Draw from `windows`, a share of which are asked for something else (`Windows.batch`).

        `heard` words anew what is asked, each time that a window is drawn; None leaves it as recorded.
        `opened` hears when their pictures are there.
        """
        self._opened, self._heard = opened, heard
        self.windows, self.batch_size, self.seed, self.grounding_share = (
            windows,
            batch_size,
            seed,
            grounding_share,
        )

    def open(self) -> Sequence[str]:
        """Decode the frames of every window, unless they are in the cache."""
        self.windows.decode()
        self._opened(self.windows)
        return self.windows.taking_room

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> RawBatch:
        """Return the windows of a step, as `Windows.batch` does, and their numbers."""
        drawn = self.windows.draw(self.seed, step - 1, self.batch_size)
        draws = np.random.default_rng([_OTHERS_STREAM, self.seed, step - 1]).random(len(drawn))
        mine = slice(rank, None, ranks)
        batch = self.windows.batch(drawn[mine], draws[mine] < self.grounding_share) | {INDEX: drawn[mine]}
        if self._heard is not None:
            words = np.random.default_rng([_WORDS_STREAM, self.seed, step - 1]).random((len(drawn), 2))
            batch[TASK] = self._heard(batch[TASK], words[mine])
        return batch


class Sentences:
    """Sentences, as a frozen text encoder reads them, and what each of them means."""

    examples = "sentences"

    def __init__(self, sentences: Meant, encoder: FrozenTextEncoder, *, batch_size: int, seed: int) -> None:
        """Read all sentences; with `batch_size` and `seed` they are drawn, each equally often."""
        self.words, self.mask = encoder.encode([sentence for _, sentence in sentences])
        self.meaning = np.array([number for number, _ in sentences], np.int64)
        self.batch_size, self.seed = batch_size, seed

    @property
    def spread(self) -> Tensor:
        """Return the standard deviation of the numbers of all words."""
        return torch.from_numpy(self.words[self.mask]).std()

    def open(self) -> Sequence[str]:
        """Do nothing: all sentences are read."""
        return ()

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> RawBatch:
        """Return words ``[B, L, 384]``, which are real ``[B, L]``, and meanings ``[B]``."""
        rng = np.random.default_rng([self.seed, step])
        return self.chosen(rng.integers(len(self.words), size=self.batch_size)[rank::ranks])

    def chosen(self, index: Any = slice(None)) -> RawBatch:
        """Return some of the sentences, or all, as a batch."""
        return {
            INDEX: np.arange(len(self.words))[index],
            WORDS: self.words[index],
            WORDS_MASK: self.mask[index],
            MEANING: self.meaning[index],
        }
