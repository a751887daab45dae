"""Laws of the grammar: what is said is understood, what is not understood is not acted upon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pytest

from sayso import spec
from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words.kinds import (
    COLOURS,
    HELD_OUT_KINDS,
    HELD_OUT_PAIRS,
    KINDS,
    LANDMARKS,
    MOVABLE,
    OBJECT_COLOURS,
    Place,
    Thing,
    as_drawn,
)
from sayso.tasks.household.words.language import (
    NotUnderstoodError,
    abilities,
    as_called,
    examples,
    parse,
    phrase,
    plain,
    things,
)
from sayso.tasks.household.words.synonyms import ALSO_HEARD, REFUSALS
from sayso.tasks.household.words.vocabulary import COURTESIES, SLOTS, Intent

T = TypeVar("T")
SPLITS = ("train", "heldout")
RED_BLOCK, GREEN_BLOCK, CAN = Thing("red", "block"), Thing("green", "block"), Thing("orange", "can")
CYLINDER, MUG, SMALL_BOWL = Thing("green", "cylinder"), Thing("blue", "mug"), Thing("white", "small bowl")
TRAY, BOWL, PLATE, MAT = (
    Place(colour, kind)
    for colour, kind in zip(("blue", "red", "pink", "yellow"), ("tray", "bowl", "plate", "mat"), strict=True)
)
SOFA_BIN, CABINET_BIN = Place("blue", "bin", "sofa"), Place("grey", "bin", "cabinet")
DRAWER, PERSON, SOFA, CABINET, TABLE = (
    Place("", kind) for kind in ("drawer", "person", "sofa", "cabinet", "table")
)
TABLETOP = [RED_BLOCK, GREEN_BLOCK, CAN, CYLINDER, MUG, SMALL_BOWL, TRAY, BOWL, PLATE, MAT]
HOME = [
    *(RED_BLOCK, GREEN_BLOCK, CAN, MUG, TRAY, BOWL, SOFA_BIN, CABINET_BIN),
    *(DRAWER, PERSON, SOFA, CABINET, TABLE),
]
WITHOUT_COLOUR = ("drawer", "person", "sofa", "cabinet", "table")


def draw(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def random_intent(rng: np.random.Generator) -> Intent:
    """Draw an intent that one sentence can express completely: a bin has a colour or a landmark."""
    key = draw(rng, list(SENTENCES))
    kind = draw(rng, SENTENCES[key].places)
    colour, landmark = "" if kind in WITHOUT_COLOUR else draw(rng, list(COLOURS)), ""
    if kind == "bin" and rng.random() < 0.5:
        colour, landmark = "", draw(rng, LANDMARKS)
    place = as_drawn(colour, kind) if kind in MOVABLE else Place(colour, kind, landmark)
    kinds = SENTENCES[key].objects
    thing = as_drawn(draw(rng, [c for c in COLOURS if c != colour]), draw(rng, kinds)) if kinds else None
    return Intent(*key, thing, place)


@pytest.mark.parametrize("split", SPLITS)
def test_parse_inverts_phrase(split: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(3000):
        intent = random_intent(rng)
        sentence = phrase(intent, rng, split)
        assert parse(sentence) == intent, sentence


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("key", SENTENCES, ids="-".join)
def test_every_family_and_variant_is_told_from_the_others(key: tuple[str, str], split: str) -> None:
    rng = np.random.default_rng(6)
    drawn = (random_intent(rng) for _ in range(3000))
    for intent in [i for i in drawn if (i.family, i.variant) == key][:100]:
        assert parse(phrase(intent, rng, split)) == intent


@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_completes_what_was_said(split: str) -> None:
    rng = np.random.default_rng(8)
    intents = [
        *(Intent("put", "in", thing, TRAY) for thing in (RED_BLOCK, CAN)),
        *(Intent("fetch", "to", MUG, place) for place in (SOFA_BIN, CABINET_BIN)),
        *(Intent("drawer", variant, None, DRAWER) for variant in ("open", "close")),
        *(Intent("goto", "to", None, place) for place in (DRAWER, PERSON, SOFA, CABINET, TABLE)),
        Intent("drawer", "in", GREEN_BLOCK, DRAWER),
        Intent("fetch", "bring", GREEN_BLOCK, PERSON),
    ]
    for intent in intents * 20:
        assert parse(phrase(intent, rng, split), HOME) == intent


PLAIN = [
    (Intent("put", "in", RED_BLOCK, TRAY), "put the red block in the blue tray"),
    (Intent("put", "in", SMALL_BOWL, PLATE), "put the small white bowl on the pink plate"),
    (Intent("stack", "on", RED_BLOCK, CYLINDER), "stack the red block on the green cylinder"),
    (Intent("push", "onto", RED_BLOCK, MAT), "push the red block onto the yellow mat"),
    (Intent("push", "beside", CAN, GREEN_BLOCK), "push the orange can next to the green block"),
    (Intent("drawer", "open", None, DRAWER), "open the drawer"),
    (Intent("drawer", "close", None, DRAWER), "close the drawer"),
    (Intent("drawer", "in", CAN, DRAWER), "put the orange can in the drawer"),
    (Intent("fetch", "to", GREEN_BLOCK, as_called(SOFA_BIN)), "take the green block to the bin by the sofa"),
    (Intent("fetch", "bring", CAN, PERSON), "bring me the orange can"),
    (Intent("goto", "to", None, SOFA), "drive to the sofa"),
    (Intent("goto", "to", None, PERSON), "come to me"),
]


@pytest.mark.parametrize(("intent", "sentence"), PLAIN, ids=[sentence for _, sentence in PLAIN])
def test_the_plain_sentence_is_natural_and_understood(intent: Intent, sentence: str) -> None:
    assert plain(intent) == sentence
    assert parse(sentence) == intent


def test_every_plain_sentence_is_understood() -> None:
    rng = np.random.default_rng(9)
    for intent in (random_intent(rng) for _ in range(300)):
        assert parse(plain(intent)) == intent


def test_training_never_hears_a_heldout_sentence() -> None:
    rng = np.random.default_rng(10)
    intents = [random_intent(rng) for _ in range(10)]
    train = {phrase(i, rng) for i in intents for _ in range(300)}
    heldout = {phrase(i, rng, "heldout") for i in intents for _ in range(200)}
    assert not train & heldout
    assert len(train) > 500


def test_wordings_of_training_and_test_are_disjoint() -> None:
    for row in (*SENTENCES.values(), *SLOTS.values(), COURTESIES, *(kind.words for kind in KINDS.values())):
        assert row.train
        assert row.heldout
        assert not set(row.train) & set(row.heldout)
    for row in SENTENCES.values():
        assert len(row.train) >= 10
        assert len(row.heldout) >= 5


def test_words_that_are_only_heard_are_never_said() -> None:
    said = [*SLOTS.values(), *(kind.words for kind in KINDS.values())]
    assert not {word for row in said for word in row.train + row.heldout} & set(ALSO_HEARD)
    assert not set(REFUSALS) & {word for row in said for word in row.train + row.heldout}


def test_no_word_names_two_things() -> None:
    nouns = [w for row in KINDS.values() for w in row.words.train + row.words.heldout] + list(COLOURS)
    assert len(nouns) == len(set(nouns))


def test_everything_has_one_role() -> None:
    for key, row in SENTENCES.items():
        assert set(row.objects) <= set(MOVABLE), key
    assert not [name for name, kind in KINDS.items() if kind.movable and kind.holds]
    asked = {kind for row in SENTENCES.values() for kind in row.places + row.objects}
    assert asked == set(KINDS)


def test_what_is_held_out_leaves_every_colour_and_kind_for_training() -> None:
    assert set(HELD_OUT_KINDS) < set(MOVABLE)
    assert len(set(HELD_OUT_PAIRS)) == 8
    seen = set(MOVABLE) - set(HELD_OUT_KINDS)
    for colour, kind in HELD_OUT_PAIRS:
        assert kind in seen
        assert sum(c == colour for c, _ in HELD_OUT_PAIRS) < len(seen) / 2
        assert sum(k == kind for _, k in HELD_OUT_PAIRS) < len(OBJECT_COLOURS) / 2


def test_colours_are_far_apart() -> None:
    assert len(OBJECT_COLOURS) >= 10
    assert set(OBJECT_COLOURS) <= set(COLOURS)
    values = np.array(list(COLOURS.values()))
    distances = np.linalg.norm(values[:, None] - values[None], axis=-1)
    assert distances[~np.eye(len(values), dtype=bool)].min() > 0.3


PUT, STACK, BESIDE, ONTO = ("put", "in"), ("stack", "on"), ("push", "beside"), ("push", "onto")
OPEN, CLOSE, IN_DRAWER = ("drawer", "open"), ("drawer", "close"), ("drawer", "in")
TO_BIN, BRING, GOTO = ("fetch", "to"), ("fetch", "bring"), ("goto", "to")


@pytest.mark.parametrize(
    ("sentence", "key", "thing", "place"),
    [
        ("PUT the Red Block, in the blue tray!!", PUT, RED_BLOCK, TRAY),
        ("in the blue tray put the red block", PUT, RED_BLOCK, TRAY),
        ("put can in bowl", PUT, CAN, BOWL),
        ("Can you put the can in the bowl?", PUT, CAN, BOWL),
        ("hey robot, please drop that orange tin onto the tray, thanks", PUT, CAN, TRAY),
        ("put the red block in the blue tray for me", PUT, RED_BLOCK, TRAY),
        ("put the cylinder on a pink plate", PUT, CYLINDER, PLATE),
        ("pick up the white small bowl and put it on the tray", PUT, SMALL_BOWL, TRAY),
        ("put the little basin in the red basin", PUT, SMALL_BOWL, BOWL),
        ("on the green block, stack the red block", STACK, RED_BLOCK, GREEN_BLOCK),
        ("stack the block on the green block", STACK, RED_BLOCK, GREEN_BLOCK),
        ("go to the can and stack it on the red cube", STACK, CAN, RED_BLOCK),
        ("move the can on the top of the cylinder", STACK, CAN, CYLINDER),
        ("slide the red block over to the yellow mat", ONTO, RED_BLOCK, MAT),
        ("push the can up to the mug", BESIDE, CAN, MUG),
        ("move the mug near the can", BESIDE, MUG, CAN),
        ("I'd like you to carefully put the red block down in the blue tray", PUT, RED_BLOCK, TRAY),
        ("Let's put 'the red block' in the middle of the blue tray again", PUT, RED_BLOCK, TRAY),
        ("go ahead and toss the can in the bowl right now", PUT, CAN, BOWL),
        ("Would you mind placing the soda can on the plate?", PUT, CAN, PLATE),
        ("you should put the red block in the blue tray too, thank you", PUT, RED_BLOCK, TRAY),
        ("make sure the red block is in the blue tray", PUT, RED_BLOCK, TRAY),
        ("the can should be in the bowl", PUT, CAN, BOWL),
        ("take the can from the table and put it in the same tray", PUT, CAN, TRAY),
        ("stack the red block on the green one", STACK, RED_BLOCK, GREEN_BLOCK),
        ("on the green block, stack the red one", STACK, RED_BLOCK, GREEN_BLOCK),
        ("we need you to stack the can on the cylinder", STACK, CAN, CYLINDER),
        ("nudge the can towards the mug", BESIDE, CAN, MUG),
        ("push the can up against the mug", BESIDE, CAN, MUG),
        ("gently shift the can onto the mat", ONTO, CAN, MAT),
    ],
)
def test_form_does_not_matter_on_the_table(
    sentence: str, key: tuple[str, str], thing: Thing, place: Thing
) -> None:
    assert parse(sentence, TABLETOP) == Intent(*key, thing, place)


@pytest.mark.parametrize(
    ("sentence", "key", "thing", "place"),
    [
        ("take the green cube to the sofa bin", TO_BIN, GREEN_BLOCK, SOFA_BIN),
        ("take the green cube to the gray bin", TO_BIN, GREEN_BLOCK, CABINET_BIN),
        ("pick up the can and put the can in the bin at the cupboard", TO_BIN, CAN, CABINET_BIN),
        ("open drawer", OPEN, None, DRAWER),
        ("pull the drawer open", OPEN, None, DRAWER),
        ("open the cabinet drawer for me", OPEN, None, DRAWER),
        ("push the drawer shut", CLOSE, None, DRAWER),
        ("shut the drawer of the cabinet", CLOSE, None, DRAWER),
        ("put the can in the drawer", IN_DRAWER, CAN, DRAWER),
        ("put the can into the open drawer", IN_DRAWER, CAN, DRAWER),
        ("fetch the blue mug for me", BRING, MUG, PERSON),
        ("hand me the can", BRING, CAN, PERSON),
        ("bring the mug over here", BRING, MUG, PERSON),
        ("go back to the table", GOTO, None, TABLE),
        ("come here!", GOTO, None, PERSON),
        ("approach the couch", GOTO, None, SOFA),
        ("wait at the cabinet", GOTO, None, CABINET),
        ("go to the drawer", GOTO, None, DRAWER),
        ("take the can across the room to the trash can by the sofa", TO_BIN, CAN, SOFA_BIN),
        ("fetch the can", BRING, CAN, PERSON),
        ("Go and get the blue mug.", BRING, MUG, PERSON),
        ("I'd like the blue mug, please", BRING, MUG, PERSON),
        ("can I have the can?", BRING, CAN, PERSON),
        ("pull out the drawer", OPEN, None, DRAWER),
        ("push the drawer in", CLOSE, None, DRAWER),
        ("make sure the drawer is open", OPEN, None, DRAWER),
        ("you should close the drawer", CLOSE, None, DRAWER),
        ("put the can away in the drawer", IN_DRAWER, CAN, DRAWER),
        ("navigate to the cabinet", GOTO, None, CABINET),
        ("go and stand by the sofa", GOTO, None, SOFA),
        ("slowly drive towards the table", GOTO, None, TABLE),
    ],
)
def test_form_does_not_matter_at_home(
    sentence: str, key: tuple[str, str], thing: Thing | None, place: Thing
) -> None:
    assert parse(sentence, HOME) == Intent(*key, thing, place)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("make me a sandwich", "I did not understand 'sandwich'"),
        ("don't put the red block in the blue tray", "don't"),
        ("", "Nothing was said"),
        ("red block in the blue tray", "no verb"),
        ("put the purple block in the blue tray", "There is no purple block here, only the red block"),
        ("put the can in the yellow bowl", "There is no yellow bowl here"),
        ("put the block in the blue tray", "Which block? There is the red block, the green block"),
        ("stack the red block on the red block", "brings the red block to itself"),
        ("pick up the red block", "where to put it"),
        ("stack the red block", "where to put it. There is the green block, the green cylinder."),
        ("put it in the blue tray", "what to move. There is the red block, the green block, the orange can"),
        ("stack on the red block", "what to move"),
        ("put the blue tray in the red block", "Nothing goes into a block"),
        ("stack the tray on the bowl", "I do not move a tray"),
        ("push the tray next to the can", "I do not move a tray"),
        ("put the tray the red block", "what goes into what"),
        ("put the red block and the can in the bowl", "one thing at a time"),
        ("stack the can and the mug on the red block", "one thing at a time"),
        ("put the red block next to the blue tray", "'next to' does not go with the blue tray"),
        (
            "put the red block on the mat",
            "'put' does not go with the mat: there I can push a thing onto a mat",
        ),
        ("stack the red block in the tray", "'stack' does not go with the tray"),
        ("stack the red block on the mug", "'on' does not go with the mug"),
        ("take the red block out of the blue tray", "'out'"),
        ("put the can by the sofa in the blue tray", "I tell bins apart by the sofa"),
        ("put the small can in the blue tray", "I do not tell a small can from others"),
        ("put the can in the red", "'red'"),
        ("hello", "what to do with what. There is the red block"),
        ("never put the red block in the blue tray", "Say what I should do, and nothing that I should not"),
        ("put the left block in the blue tray", "I go by the colours and kinds of things alone"),
        ("put all the blocks in the blue tray", "I do one thing at a time"),
        ("put the red one in the blue tray", "what 'one' stands for"),
        ("push the white small bowl onto the mat", "only a block or cylinder or can or mug"),
        ("is the red block on the mat?", "how things are"),
        ("have you put the can in the bowl?", "'did'"),
        ("fetch the can", "where to put it"),
        ("open the drawer", "There is no drawer here"),
        ("bring me the can", "There is no person here"),
        ("drive to the sofa", "There is no sofa here"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(sentence: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        parse(sentence, TABLETOP)
    assert reason in str(refusal.value)
    assert abilities(TABLETOP) in str(refusal.value)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("push the red block into the drawer", "'push' does not go with the drawer"),
        ("take the can to the bin", "Which bin?"),
        ("take the can to the yellow bin", "There is no yellow bin here"),
        ("take the can to the table", "I cannot bring the can to the table"),
        ("take me to the orange can", "I do not bring the person to the orange can"),
        ("go to the red block", "I cannot do that with the red block"),
        ("move the sofa", "I cannot do that with the sofa"),
        ("move it to the sofa", "'it'"),
        ("the drawer is closed", "how things are"),
        ("is the drawer open?", "how things are"),
        ("I need the drawer", "'need' does not go with the drawer"),
        ("open the tray", "I cannot do that with the tray"),
        ("open and close the drawer", "'close', 'open' do not go with the drawer"),
        ("slide the drawer", "open the drawer or close the drawer"),
        ("open the yellow drawer", "There is no yellow drawer here"),
        ("go to the sofa and the table", "one thing at a time"),
    ],
)
def test_what_makes_no_sense_at_home_is_refused_with_a_reason(sentence: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        parse(sentence, HOME)
    assert reason in str(refusal.value)


def test_only_the_given_families_are_understood() -> None:
    sentence = "stack the red block on the green block"
    assert parse(sentence, HOME, ["stack", "put"]).family == "stack"
    with pytest.raises(NotUnderstoodError) as refusal:
        parse(sentence, HOME, ["put", "goto"])
    assert "I can:" in str(refusal.value)
    assert '"stack' not in str(refusal.value)


def test_a_typo_gets_the_corrected_sentence() -> None:
    with pytest.raises(NotUnderstoodError, match='Did you mean "put the red block in the blue tray"'):
        parse("put teh red blok in the bleu tray", TABLETOP)


def test_a_correction_that_makes_no_sense_is_not_offered() -> None:
    for sentence in ("make me a sandwich", "leave the can in the bowl", "put the toy can in the bowl"):
        with pytest.raises(NotUnderstoodError) as refusal:
            parse(sentence, TABLETOP)
        assert "Did you mean" not in str(refusal.value)


def test_abilities_are_those_of_the_scene() -> None:
    assert "put the red block in the blue tray" in abilities()
    table_only = abilities([CAN, TRAY])
    assert "put the orange can in the blue tray" in table_only
    assert "bin" not in table_only
    assert abilities([TRAY]) == "There is nothing here that I could move."


def test_examples_show_every_variant_once_and_are_understood() -> None:
    assert [(i.family, i.variant) for i in map(parse, examples())] == list(SENTENCES)
    for scene in (TABLETOP, HOME, [CAN, TRAY], [GREEN_BLOCK, CABINET_BIN]):
        variants = [(i.family, i.variant) for i in (parse(example, scene) for example in examples(scene))]
        assert len(variants) == len(set(variants)) > 0
    assert {parse(example).family for example in examples(HOME, ["drawer", "goto"])} == {"drawer", "goto"}


def test_a_name_is_read_back_into_its_thing() -> None:
    for scene in (TABLETOP, HOME):
        assert list(things(thing.name for thing in scene)) == scene
    assert SMALL_BOWL.name == "small white bowl"
    for name in ("red", "put the red block", "in the blue tray", "a sandwich", ""):
        with pytest.raises(NotUnderstoodError, match="not the name of a thing"):
            things([name])


def test_unknown_names_are_refused_at_construction() -> None:
    with pytest.raises(spec.UnknownNameError, match="Did you mean 'red'"):
        Thing("redd", "block")
    with pytest.raises(spec.UnknownNameError, match="kind of place"):
        Place("red", "block")
    with pytest.raises(spec.UnknownNameError, match="landmark"):
        Place("red", "bin", "moon")
    with pytest.raises(spec.UnknownNameError, match="wording"):
        phrase(Intent("put", "in", CAN, TRAY), np.random.default_rng(0), "test")
