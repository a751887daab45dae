"""Hold the text encoder and the word reader to what the policy relies on."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from sayso.models import words as words_module
from sayso.models.vla.language import WordReader
from sayso.models.words import (
    ACTING,
    LEARNING,
    MAX_WORDS,
    SHORT_WORDS,
    WORD_WIDTH,
    FrozenTextEncoder,
    Reading,
    refuse_alike,
)
from sayso.spec import SaysoError

RED_IN_BLUE = "red block in the blue tray"
BLUE_IN_RED = "blue block in the red tray"
SHORT = "stop"


@pytest.fixture(scope="module")
def encoder() -> FrozenTextEncoder:
    return FrozenTextEncoder()


@pytest.fixture(scope="module")
def reader() -> WordReader:
    torch.manual_seed(0)
    return WordReader(width=32)


def read(encoder: FrozenTextEncoder, reader: WordReader, instructions: list[str]) -> torch.Tensor:
    words, mask = encoder.encode(instructions)
    return reader(torch.from_numpy(words), torch.from_numpy(mask))


def test_words_come_padded_to_one_length_with_a_mask(encoder: FrozenTextEncoder) -> None:
    words, mask = encoder.encode([RED_IN_BLUE, SHORT])
    assert words.shape == (2, SHORT_WORDS, WORD_WIDTH)
    assert words.dtype == np.float32
    assert mask.shape == (2, SHORT_WORDS)
    assert mask.dtype == np.bool_
    assert mask.sum(axis=1).tolist() == [8, 3]  # the words, [CLS] and [SEP]
    assert (words[~mask] == 0).all()
    assert (words[mask] != 0).any(axis=-1).all()


def test_token_states_tell_what_goes_where_although_their_mean_does_not(encoder: FrozenTextEncoder) -> None:
    words, mask = encoder.encode([RED_IN_BLUE, BLUE_IN_RED])
    a, b = words[0][mask[0]], words[1][mask[1]]
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    mean_a, mean_b = a.mean(0), b.mean(0)
    pooled = mean_a @ mean_b / np.linalg.norm(mean_a) / np.linalg.norm(mean_b)
    assert pooled > 0.95
    assert cosine[1] < 0.8
    assert cosine[5] < 0.8


def test_words_carry_the_meaning_the_network_was_trained_for(encoder: FrozenTextEncoder) -> None:
    """Weights and vocabulary belong together: with wrong ids nothing would be near anything."""
    words, mask = encoder.encode(["red block", "red cube", "stock market"])
    pooled = words.sum(1) / mask.sum(1, keepdims=True)
    block, cube, market = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    assert block @ cube > 0.45 > 0.25 > block @ market


def test_same_instruction_gives_same_numbers_in_any_batch_and_any_encoder(encoder: FrozenTextEncoder) -> None:
    alone, _ = FrozenTextEncoder().encode([RED_IN_BLUE])
    among, _ = encoder.encode([SHORT, RED_IN_BLUE, BLUE_IN_RED])
    assert np.array_equal(alone[0], among[1])


def test_a_long_instruction_loses_its_end(encoder: FrozenTextEncoder) -> None:
    _, mask = encoder.encode(["put the red block in the blue tray " * 10])
    assert mask.all()


def test_case_does_not_matter(encoder: FrozenTextEncoder) -> None:
    words, _ = encoder.encode([RED_IN_BLUE, RED_IN_BLUE.upper()])
    assert np.array_equal(words[0], words[1])


def test_memory_is_bounded_and_forgetting_changes_nothing() -> None:
    small = FrozenTextEncoder(remember=1)
    first, _ = small.encode([RED_IN_BLUE])
    again, _ = small.encode([BLUE_IN_RED, RED_IN_BLUE])
    assert np.array_equal(first[0], again[1])
    assert small._recall.cache_info().currsize == 1


def test_what_is_remembered_is_as_long_as_what_was_said(encoder: FrozenTextEncoder) -> None:
    assert encoder._recall(SHORT).states.nbytes == 3 * WORD_WIDTH * 4
    assert encoder._recall("go on and on " * 20).states.nbytes == MAX_WORDS * WORD_WIDTH * 4


def test_who_learns_remembers_thousands_and_who_acts_keeps_ten_megabytes() -> None:
    encoder = FrozenTextEncoder()
    assert _most_bytes(encoder) <= 10e6
    encoder.make_room(LEARNING)
    encoder.make_room(ACTING)
    assert encoder._recall.cache_parameters()["maxsize"] == LEARNING


def _most_bytes(encoder: FrozenTextEncoder) -> int:
    return encoder._recall.cache_parameters()["maxsize"] * MAX_WORDS * WORD_WIDTH * 4


def test_what_a_caller_does_to_the_words_is_not_remembered(encoder: FrozenTextEncoder) -> None:
    words, _ = encoder.encode([RED_IN_BLUE])
    words += 1.0
    again, _ = encoder.encode([RED_IN_BLUE])
    assert not np.array_equal(words, again)


def test_a_bare_string_is_refused_with_the_cure(encoder: FrozenTextEncoder) -> None:
    with pytest.raises(TypeError, match=r"encode\(\['stop'\]\)"):
        encoder.encode(SHORT)


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one_equals_a_batch_of_many(
    encoder: FrozenTextEncoder, reader: WordReader, training: bool
) -> None:
    reader.train(training)
    with torch.no_grad():
        many = read(encoder, reader, [RED_IN_BLUE, SHORT, BLUE_IN_RED])
        one = read(encoder, reader, [SHORT])
    assert many.shape == (3, 3, 32)
    torch.testing.assert_close(many[1:2], one, atol=1e-5, rtol=1e-5)


def test_padding_does_not_change_a_slot(encoder: FrozenTextEncoder, reader: WordReader) -> None:
    words, mask = (torch.from_numpy(x) for x in encoder.encode([SHORT]))
    garbage = torch.where(mask[..., None], words, torch.full_like(words, 9.0))
    with torch.no_grad():
        padded, cut, spoiled = (
            reader(words, mask),
            reader(words[:, :3], mask[:, :3]),
            reader(garbage, mask),
        )
    torch.testing.assert_close(padded, cut, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded, spoiled, atol=1e-5, rtol=1e-5)


def test_slots_depend_on_which_colour_belongs_to_what(encoder: FrozenTextEncoder, reader: WordReader) -> None:
    slots = read(encoder, reader, [RED_IN_BLUE, BLUE_IN_RED])
    assert (slots[0] - slots[1]).abs().max() > 0.05


def test_every_parameter_of_the_reader_learns(encoder: FrozenTextEncoder) -> None:
    fresh = WordReader(width=32).train()
    read(encoder, fresh, [RED_IN_BLUE, SHORT]).pow(3).sum().backward()
    still = [n for n, p in fresh.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


LIBERO = "put the white mug on the left plate and put the yellow and white mug on the right plate"
CUT = "go on and on " * 20


def test_what_libero_and_people_say_is_read_whole() -> None:
    spoken = (
        "could you please, when you have a moment, take the small red mug that stands beside the window and "
        "put it very gently onto the second shelf, but not too close to the edge, thank you"
    )
    for sentence in (LIBERO, RED_IN_BLUE, spoken):
        assert Reading.of(sentence).faults == ()
    assert len(Reading.of(LIBERO).ids) == 21


def test_a_longer_sentence_changes_nothing_for_a_short_one_read_alone(encoder: FrozenTextEncoder) -> None:
    alone, _ = encoder.encode([RED_IN_BLUE])
    together, mask = encoder.encode([RED_IN_BLUE, CUT])
    assert (alone.shape[1], together.shape[1]) == (SHORT_WORDS, MAX_WORDS)
    np.testing.assert_array_equal(alone[0], together[0, :SHORT_WORDS])
    assert mask.sum(1).tolist() == [8, MAX_WORDS]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (CUT + "left", "does not hear"),
        ("положи красный кубик", "most words"),
        ("लाल ब्लॉक उठाओ", "most words"),
        ("put the 🥕 in the blue tray", "some words"),
        ("🥕🍌", "most words"),
        ("", "empty"),
        (" ... !", "empty"),
    ],
)
def test_what_a_policy_does_not_understand_of_a_sentence_is_said(sentence, told, encoder, caplog) -> None:
    (fault,) = Reading.of(sentence).faults
    assert told in fault and len(fault.splitlines()) == 1
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            encoder.encode([sentence])
    assert [record.message for record in caplog.records] == [fault], "once"


def test_names_with_accents_and_capital_letters_are_understood() -> None:
    assert Reading.of("Put the CAFÉ au lait on the table, s'il vous plaît.").faults == ()


def test_sentences_that_differ_only_where_no_policy_hears_are_refused() -> None:
    for one, other in ((CUT + "left tray", CUT + "right drawer"), ("take 🥕", "take 🍌")):
        with pytest.raises(SaysoError, match="the same to the policy"):
            refuse_alike([SHORT, one, RED_IN_BLUE, other])
    refuse_alike(["put it there", "Put it  there", "take the café", "take the cafe", "put it there"])
    refuse_alike([CUT + "left tray", RED_IN_BLUE])


def test_what_was_read_before_needs_no_network(encoder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    first = FrozenTextEncoder(on_disk=True).encode([RED_IN_BLUE, SHORT])
    usual = encoder.encode([RED_IN_BLUE, SHORT])
    monkeypatch.setattr(words_module, "_network", lambda threads: pytest.fail("it was opened again"))
    again = FrozenTextEncoder(on_disk=True).encode([RED_IN_BLUE, SHORT])
    for one, other, here in zip(first, again, usual, strict=True):
        assert one.tobytes() == other.tobytes() == here.tobytes()


def test_states_of_another_length_are_read_anew(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    once, _ = FrozenTextEncoder(on_disk=True).encode([SHORT])
    (name,) = (f"words/{path.name}" for path in (tmp_path / "words").iterdir())
    words_module.keep(name, b"1234", most=1)
    again, _ = FrozenTextEncoder(on_disk=True).encode([SHORT])
    assert (again == once).all()
