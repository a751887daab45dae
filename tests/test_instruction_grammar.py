"""Laws of the grammar: what is said is understood, what is not understood is not acted upon."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest

from sayso import spec
from sayso.tasks.language import NotUnderstoodError, abilities, parse, phrase, plain, things
from sayso.tasks.vocabulary import (
    COLOURS,
    COURTESIES,
    KINDS,
    LANDMARKS,
    OBJECT_COLOURS,
    SLOTS,
    TEMPLATES,
    Intent,
    Place,
    Thing,
)

T = TypeVar("T")
SPLITS = ("train", "heldout")
RED_BLOCK, GREEN_BLOCK, CAN = Thing("red", "block"), Thing("green", "block"), Thing("orange", "can")
TRAY, BOWL = Place("blue", "tray"), Place("red", "bowl")
SOFA_BIN, CABINET_BIN = Place("blue", "bin", "sofa"), Place("grey", "bin", "cabinet")
SCENE = [RED_BLOCK, GREEN_BLOCK, CAN, TRAY, BOWL, SOFA_BIN, CABINET_BIN]


def draw(rng: np.random.Generator, options: list[T]) -> T:
    return options[rng.integers(len(options))]


def random_intent(rng: np.random.Generator) -> Intent:
    """Draw an intent that one sentence can express completely: a bin has a colour or a landmark."""
    family = draw(rng, list(TEMPLATES))
    kind = draw(rng, list(TEMPLATES[family].places))
    colour, landmark = draw(rng, list(COLOURS)), ""
    if kind == "bin" and rng.random() < 0.5:
        colour, landmark = "", draw(rng, list(LANDMARKS))
    thing = Thing(draw(rng, list(COLOURS)), draw(rng, [k for k in KINDS if not KINDS[k].holds]))
    return Intent(family, thing, Place(colour, kind, landmark))


@pytest.mark.parametrize("split", SPLITS)
def test_parse_inverts_phrase(split: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(3000):
        intent = random_intent(rng)
        sentence = phrase(intent, rng, split)
        assert parse(sentence) == intent, sentence


@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_completes_what_was_said(split: str) -> None:
    rng = np.random.default_rng(8)
    for _ in range(500):
        place = draw(rng, [TRAY, BOWL, SOFA_BIN, CABINET_BIN])
        family = "fetch" if place.kind == "bin" else "put"
        intent = Intent(family, draw(rng, [RED_BLOCK, GREEN_BLOCK, CAN]), place)
        assert parse(phrase(intent, rng, split), SCENE) == intent


def test_the_plain_sentence_is_understood() -> None:
    rng = np.random.default_rng(9)
    for intent in (random_intent(rng) for _ in range(200)):
        assert parse(plain(intent)) == intent
    assert plain(Intent("put", RED_BLOCK, TRAY)) == "put the red block in the blue tray"


def test_training_never_hears_a_heldout_sentence() -> None:
    rng = np.random.default_rng(10)
    intents = [random_intent(rng) for _ in range(5)]
    train = {phrase(i, rng) for i in intents for _ in range(500)}
    heldout = {phrase(i, rng, "heldout") for i in intents for _ in range(200)}
    assert not train & heldout
    assert len(train) > 500


def test_wordings_of_training_and_test_are_disjoint() -> None:
    tables = [*TEMPLATES.values(), *SLOTS.values(), *LANDMARKS.values(), COURTESIES]
    for row in tables + [kind.words for kind in KINDS.values()]:
        assert row.train
        assert row.heldout
        assert not set(row.train) & set(row.heldout)
    assert all(len(row.train) >= 12 for row in TEMPLATES.values())


def test_no_word_names_two_things() -> None:
    nouns = [w for row in KINDS.values() for w in row.words.train + row.words.heldout]
    nouns += [w for row in LANDMARKS.values() for w in row.train + row.heldout] + list(COLOURS)
    assert len(nouns) == len(set(nouns))


def test_every_container_belongs_to_one_family() -> None:
    places = [kind for row in TEMPLATES.values() for kind in row.places]
    assert sorted(places) == sorted(kind for kind in KINDS if KINDS[kind].holds)


def test_colours_are_far_apart() -> None:
    assert len(OBJECT_COLOURS) >= 8
    assert set(OBJECT_COLOURS) <= set(COLOURS)
    values = np.array(list(COLOURS.values()))
    distances = np.linalg.norm(values[:, None] - values[None], axis=-1)
    assert distances[~np.eye(len(values), dtype=bool)].min() > 0.3


@pytest.mark.parametrize(
    ("sentence", "thing", "place"),
    [
        ("PUT the Red Block, in the blue tray!!", RED_BLOCK, TRAY),
        ("in the blue tray put the red block", RED_BLOCK, TRAY),
        ("put can in bowl", CAN, BOWL),
        ("Can you put the can in the bowl?", CAN, BOWL),
        ("hey robot, please drop that orange tin onto the tray, thanks", CAN, TRAY),
        ("take the green cube to the sofa bin", GREEN_BLOCK, SOFA_BIN),
        ("take the green cube to the gray basket", GREEN_BLOCK, CABINET_BIN),
        ("pick up the red block and put the red block in the bin at the cupboard", RED_BLOCK, CABINET_BIN),
    ],
)
def test_form_does_not_matter(sentence: str, thing: Thing, place: Place) -> None:
    intent = parse(sentence, SCENE)
    assert (intent.object, intent.place) == (thing, place)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("make me a sandwich", "I did not understand 'make', 'me', 'sandwich'"),
        ("don't put the red block in the blue tray", "don't"),
        ("", "Nothing was said"),
        ("red block in the blue tray", "no verb"),
        ("put the purple block in the blue tray", "There is no purple block here, only the red block"),
        ("take the can to the yellow bin", "There is no yellow bin here"),
        ("put the block in the blue tray", "Which block? There is the red block, the green block"),
        ("take the can to the bin", "Which bin?"),
        ("pick up the red block", "where to put it. There is the blue tray"),
        ("put it in the blue tray", "what to move. There is the red block, the green block, the orange can."),
        ("put the blue tray in the red block", "Nothing goes into a block"),
        ("put the tray the red block", "what goes into what"),
        ("put the red block and the can in the bowl", "one thing at a time"),
        ("put the red block next to the blue tray", "'next to'"),
        ("take the red block out of the blue tray", "'out'"),
        ("put the can by the sofa in the blue tray", "I tell bins apart by the sofa"),
        ("put the can in the red", "'red'"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(sentence: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        parse(sentence, SCENE)
    assert reason in str(refusal.value)
    assert abilities(SCENE) in str(refusal.value)


def test_a_typo_gets_the_corrected_sentence() -> None:
    with pytest.raises(NotUnderstoodError, match='Did you mean "put the red block in the blue tray"'):
        parse("put teh red blok in the bleu tray", SCENE)


def test_a_correction_that_makes_no_sense_is_not_offered() -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        parse("make me a sandwich", SCENE)
    assert "Did you mean" not in str(refusal.value)


def test_abilities_are_those_of_the_scene() -> None:
    assert "put the red block in the blue tray" in abilities()
    assert "take the green block to the bin by the sofa" in abilities()
    table_only = abilities([CAN, TRAY])
    assert "put the orange can in the blue tray" in table_only
    assert "bin" not in table_only
    assert abilities([TRAY]) == "There is nothing here that I could move."


def test_every_example_is_understood() -> None:
    for scene in (SCENE, [CAN, TRAY], [GREEN_BLOCK, CABINET_BIN]):
        for example in abilities(scene).split('"')[1::2]:
            parse(example, scene)


def test_a_name_is_read_back_into_its_thing() -> None:
    assert list(things(thing.name for thing in SCENE)) == SCENE
    for name in ("red", "put the red block", "in the blue tray", "a sandwich", ""):
        with pytest.raises(NotUnderstoodError, match="not the name of a thing"):
            things([name])


def test_unknown_names_are_refused_at_construction() -> None:
    with pytest.raises(spec.UnknownNameError, match="Did you mean 'red'"):
        Thing("redd", "block")
    with pytest.raises(spec.UnknownNameError, match="kind of container"):
        Place("red", "block")
    with pytest.raises(spec.UnknownNameError, match="landmark"):
        Place("red", "bin", "moon")
    with pytest.raises(spec.UnknownNameError, match="wording"):
        phrase(Intent("put", CAN, TRAY), np.random.default_rng(0), "test")
