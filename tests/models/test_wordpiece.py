"""Hold what TorchScript reads against the tokenizer and the runtime that everything else reads with."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import torch

from sayso.models.baselines.sentences import Reader, minilm
from sayso.models.baselines.wordpiece import WordPiece
from sayso.models.words import MAX_WORDS, FrozenTextEncoder, bert_tokenizer

SENTENCES = [
    "put the red block in the blue tray",
    "Go to the PERSON, please!",
    "",
    " \t\n ",
    "Öffne die Schublade; lege das Glühwürmchen daneben…",
    "crème brûlée à côté de l'évier",
    "把红色的积木放进蓝色托盘",
    "赤いブロックを青い皿に置いて",
    "빨간 블록을 파란 쟁반에 놓아라",
    "поставь чашку на полку",
    "ضع الكوب على الرف",
    "put the 🟥 block in the 🟦 tray 👩‍🚀",
    "e\u0301 is \u00e9, \ufb01 is fi, \u0130stanbul, STRASSE/straße",
    "zero\u200bwidth, soft\u00adhyphen, nbsp\u00a0here, \ufeffbom, private\ue000use, tab\there",
    "[CLS] is not special [SEP], nor is [UNK] or ##ing",
    "a" * 100 + " " + "a" * 101,
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "0.5m x 3/4 @home #1 $5 50% (a+b)=c_d~e`f^g|h\\i{j}",
    "one two three four five six seven eight nine ten " * 20,
    "\x00\x1f\x7f\ufffd\U0010ffff\U000f0000",
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(MAX_WORDS)


@pytest.fixture(scope="module")
def compiled(tokenizer):
    return torch.jit.script(tokenizer)


@pytest.mark.parametrize("sentence", SENTENCES, ids=range(len(SENTENCES)))
def test_both_give_the_ids_of_bert_s_own_tokenizer(tokenizer, compiled, sentence):
    expected = bert_tokenizer(MAX_WORDS).encode(sentence).ids
    assert tokenizer(sentence) == expected
    assert compiled(sentence) == expected


def test_any_letters_in_any_order_give_the_same_ids(tokenizer, compiled):
    rng = random.Random(0)
    own = bert_tokenizer(MAX_WORDS)
    blocks = [
        (0x20, 0x7F),
        (0x80, 0x600),
        (0x1E00, 0x2200),
        (0x3000, 0xA000),
        (0xAC00, 0xD7A4),
        (0xE000, 0x30000),
    ]
    for _ in range(3000):
        first, end = rng.choice(blocks)
        letters = [
            chr(rng.randrange(*rng.choice([(first, end), (0x20, 0x7F)]))) for _ in range(rng.randrange(30))
        ]
        sentence = "".join(letters)
        expected = own.encode(sentence).ids
        assert tokenizer(sentence) == expected, ascii(sentence)
        assert compiled(sentence) == expected, ascii(sentence)


def test_every_letter_in_the_middle_of_a_word_gives_the_same_ids(tokenizer):
    own = bert_tokenizer(MAX_WORDS)
    letters = [n for n in range(0x30000) if not 0xD800 <= n <= 0xDFFF][::7]
    wrong = [hex(n) for n in letters if tokenizer(f"a{chr(n)}b") != own.encode(f"a{chr(n)}b").ids]
    assert wrong == []


def test_the_torch_encoder_says_what_the_onnx_runtime_says():
    words, mask = FrozenTextEncoder().encode(SENTENCES)
    expected = words.sum(1) / mask.sum(1, keepdims=True)
    vectors = Reader(minilm())(SENTENCES).numpy()
    assert np.abs(vectors - expected).max() < 1e-5, "the vectors' numbers go up to about 2"
    assert np.abs(expected).max() > 1


def test_a_compiled_reader_is_the_eager_one_and_its_file_holds_all_of_it():
    reader = Reader(minilm())
    kept = io.BytesIO()
    torch.jit.save(torch.jit.script(reader), kept)
    kept.seek(0)
    assert torch.equal(torch.jit.load(kept)(SENTENCES), reader(SENTENCES))
    assert reader.state_dict() == {}


def test_a_sentence_gives_the_same_vector_alone_and_among_others():
    reader = Reader(minilm())
    alone, together = reader(SENTENCES[0]), reader(SENTENCES[:4])
    assert torch.equal(alone[0], together[0])
