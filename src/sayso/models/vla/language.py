"""Language encoder: a frozen pretrained encoder for words, a small trained reader on top.

The encoder is MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; sentence-transformers/all-MiniLM-L6-v2).
It hands over the state of *every word*, never one vector per sentence: pooled, "A on B" and "B on A" are the
same point (cosine 0.995), and which of the two goes on the other is what a robot has to know.

::

    "put the red block in the blue tray"
        | FrozenTextEncoder     once per instruction, cached, never trained (`sayso.models.words`)
        v
    words [B, L, 384], mask [B, L]
        | WordReader            trained with the policy
        v
    slots [B, N, D]             what to take, where to put it, how

Shapes: B batch, L words (word pieces, with [CLS] and [SEP]), N slots, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from sayso.models.initialisation import normal
from sayso.models.words import MAX_WORDS, WORD_WIDTH


class WordReader(nn.Module):
    """Language encoder: the words of an instruction, condensed into a few learned slots by cross-attention.

    Each slot is a learned query (what to take, where to put it, how) that attends to the words. Words attend
    to each other first, so that "red" can tell whether it belongs to what is taken or to where it goes.
    Padding is never attended to: an instruction gives the same slots alone or in a batch.
    """

    def __init__(
        self, *, width: int, slots: int = 3, layers: int = 1, heads: int = 4, max_words: int = MAX_WORDS
    ) -> None:
        """Build the reader.

        Args:
            width: D, numbers per slot; a multiple of `heads`.
            slots: N, how many queries there are.
            layers: transformer layers among the words.
            heads: attention heads.
            max_words: L, the longest instruction.
        """
        super().__init__()
        self.project = nn.Sequential(nn.Linear(WORD_WIDTH, width), nn.LayerNorm(width))
        self.positions = nn.Parameter(normal(max_words, width, std=0.02))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.queries = nn.Parameter(normal(slots, width))
        self.cross_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """Return slots ``[B, N, D]`` for words ``[B, L, 384]`` and mask ``[B, L]``, True where a word is."""
        padding = ~mask
        tokens = self.project(words) + self.positions[: words.shape[1]]
        tokens = self.transformer(tokens, src_key_padding_mask=padding)
        queries = self.queries.expand(words.shape[0], -1, -1)
        answers, _ = self.cross_attention(
            queries, tokens, tokens, key_padding_mask=padding, need_weights=False
        )
        slots: Tensor = self.norm(answers)
        return slots
