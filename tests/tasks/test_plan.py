"""Long instructions: divided where every part makes sense, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from sayso import spec
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import NotUnderstoodError, plain
from sayso.tasks.household.words.plan import (
    CLOSERS,
    CONNECTIVES,
    MAX_PIECES,
    OPENERS,
    decompose,
    join,
)
from sayso.tasks.household.words.vocabulary import Intent

RED, GREEN, CAN, MUG = (
    Thing("red", "block"),
    Thing("green", "block"),
    Thing("red", "can"),
    Thing("blue", "mug"),
)
TRAY, BASKET, MAT, BIN = (
    Place("blue", "tray"),
    Place("red", "basket"),
    Place("yellow", "mat"),
    Place("grey", "bin", "sofa"),
)
DRAWER, PERSON, SOFA, TABLE = (Place("", kind) for kind in ("drawer", "person", "sofa", "table"))
SCENE = [RED, GREEN, CAN, MUG, TRAY, BASKET, MAT, BIN, DRAWER, PERSON, SOFA, TABLE]

INTENTS = [
    *(Intent("put", "in", thing, place) for thing in (RED, CAN) for place in (TRAY, BASKET)),
    *(Intent("drawer", variant, None, DRAWER) for variant in ("open", "close")),
    *(Intent("goto", "to", None, place) for place in (DRAWER, PERSON, SOFA, TABLE)),
    Intent("stack", "on", RED, GREEN),
    Intent("push", "onto", CAN, MAT),
    Intent("push", "beside", CAN, MUG),
    Intent("drawer", "in", MUG, DRAWER),
    Intent("fetch", "bring", MUG, PERSON),
    Intent("fetch", "to", GREEN, BIN),
]


@pytest.mark.parametrize("wording", ["train", "heldout"])
def test_split_inverts_join(wording: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        several = [INTENTS[i] for i in rng.permutation(len(INTENTS))[: rng.integers(1, 4)]]
        text = join(several, rng, wording)
        assert list(decompose(text, SCENE)) == several, text


def test_joined_sentences_of_the_test_are_never_those_of_training() -> None:
    for row in (CONNECTIVES, CLOSERS):
        assert not set(row.train) & set(row.heldout)
    assert set(OPENERS.train) & set(OPENERS.heldout) == {""}
    with pytest.raises(spec.UnknownNameError, match="wording"):
        join(INTENTS[:2], np.random.default_rng(0), "test")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (
            "put the red block in the tray, then open the drawer and come to me",
            ["put the red block in the blue tray", "open the drawer", "come to me"],
        ),
        (
            "First put the can in the basket, after that open the drawer, finally come to me.",
            ["put the red can in the red basket", "open the drawer", "come to me"],
        ),
        ("Open the drawer. Close the drawer!", ["open the drawer", "close the drawer"]),
        ("1. open the drawer\n2. go to the sofa", ["open the drawer", "drive to the sofa"]),
        ("go to the table and bring me the can", ["drive to the table", "bring me the red can"]),
        (
            "push the mug next to the can, next, go to the sofa",
            ["push the blue mug next to the red can", "drive to the sofa"],
        ),
        (
            "robot, could you open the drawer and come here, please",
            ["open the drawer", "come to me"],
        ),
    ],
)
def test_a_long_instruction_becomes_its_steps(text: str, steps: list[str]) -> None:
    assert [plain(intent) for intent in decompose(text, SCENE)] == steps


@pytest.mark.parametrize(
    "text",
    [
        "pick up the red block and put it in the tray",
        "Pick up the red block. Put it in the tray.",
        "please, find the red block and put it in the tray, thanks",
    ],
)
def test_the_and_inside_one_instruction_does_not_cut_it(text: str) -> None:
    assert decompose(text, SCENE) == (Intent("put", "in", RED, TRAY),)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("open the drawer, then close it", ["open the drawer", "close the drawer"]),
        (
            "Open the drawer. Put the mug in it. Close it.",
            ["open the drawer", "put the blue mug in the drawer", "close the drawer"],
        ),
        (
            "open the drawer, put the mug inside and close it",
            ["open the drawer", "put the blue mug in the drawer", "close the drawer"],
        ),
        (
            "push the mug onto the mat, then bring it to me",
            ["push the blue mug onto the yellow mat", "bring me the blue mug"],
        ),
        (
            "put the can in the tray, drive to the sofa and bring it to me",
            ["put the red can in the blue tray", "drive to the sofa", "bring me the red can"],
        ),
        ("go to the sofa, then to the table", ["drive to the sofa", "drive to the table"]),
        ("bring me the can and then the mug", ["bring me the red can", "bring me the blue mug"]),
        ("Open the drawer and close it again.", ["open the drawer", "close the drawer"]),
        (
            "put the red block in the tray, then the green one",
            ["put the red block in the blue tray", "put the green block in the blue tray"],
        ),
        (
            "put the red block in the tray, and put the can there too",
            ["put the red block in the blue tray", "put the red can in the blue tray"],
        ),
    ],
)
def test_a_clause_may_lean_on_an_earlier_one(text: str, steps: list[str]) -> None:
    assert [plain(intent) for intent in decompose(text, SCENE)] == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("fetch the can, then open the drawer", ["bring me the red can", "open the drawer"]),
        ("fetch the can and put it in the drawer", ["put the red can in the drawer"]),
        (
            "open the drawer, fetch the can, put it in the drawer, then close it",
            ["open the drawer", "put the red can in the drawer", "close the drawer"],
        ),
    ],
)
def test_what_is_fetched_is_brought_to_the_speaker_unless_something_else_follows(
    text: str, steps: list[str]
) -> None:
    assert [plain(intent) for intent in decompose(text, SCENE)] == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (
            "put the red block and the can in the tray",
            ["put the red block in the blue tray", "put the red can in the blue tray"],
        ),
        (
            "pick up the can and the mug and put them in the basket, then come here",
            ["put the red can in the red basket", "put the blue mug in the red basket", "come to me"],
        ),
        (
            "take the can, the mug and the green block to the bin",
            [
                f"take the {name} to the grey bin by the sofa"
                for name in ("red can", "blue mug", "green block")
            ],
        ),
    ],
)
def test_what_is_asked_of_several_things_is_done_with_each(text: str, steps: list[str]) -> None:
    assert [plain(intent) for intent in decompose(text, SCENE)] == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("Step 1: open the drawer. Step 2: come here.", ["open the drawer", "come to me"]),
        ("open the drawer & come to me", ["open the drawer", "come to me"]),
        ("open the drawer, and once it\u2019s finished, come to me", ["open the drawer", "come to me"]),
    ],
)
def test_people_number_and_join_steps_in_many_ways(text: str, steps: list[str]) -> None:
    assert [plain(intent) for intent in decompose(text, SCENE)] == steps


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("put the red block in the tray and make tea", "In \"make tea\": I did not understand 'tea'"),
        ("sing, then open the drawer", 'In "sing": I did not understand'),
        ("open the drawer, then come to the fridge", 'In "come to the fridge"'),
        ("pick up the red block and put it in the bath", "'bath'"),
        ("before you open the drawer, come to me", "'before'"),
        ("open the drawer and don't close it", "don't"),
        (
            "stack the red block on the green block, then push it next to the mug",
            "the red block or the green",
        ),
        ("put the can in the tray, then move it to the sofa", 'In "move it to the sofa"'),
        ("stack the red block and the can on the green block", "one thing at a time"),
        ("push the can next to the red block and the green block", 'In "the green block"'),
        ("put the can and the mug in the tray, then bring them to me", 'In "bring them to me"'),
        ("before you come here, open the drawer", "in the order in which to do it"),
        ("close it", "It does not say"),
        ("", "Nothing was said"),
        ("and then", "Nothing was said"),
    ],
)
def test_the_clause_that_is_not_understood_is_named(text: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        decompose(text, SCENE)
    assert reason in str(refusal.value)
    assert "I can:" in str(refusal.value)


def test_endless_instructions_are_refused_at_once() -> None:
    with pytest.raises(NotUnderstoodError, match="too much at once"):
        decompose("open the drawer and " * (MAX_PIECES + 1), SCENE)
    with pytest.raises(NotUnderstoodError, match="tea"):
        decompose("open the drawer and " * (MAX_PIECES - 2) + "make tea", SCENE)
    with pytest.raises(NotUnderstoodError, match="one thing at a time"):
        decompose("put the can and the purple mug in the tray, " * (MAX_PIECES // 2 - 1), SCENE)


def test_only_the_given_families_are_planned() -> None:
    with pytest.raises(NotUnderstoodError, match="open the drawer"):
        decompose("open the drawer, then come to me", SCENE, families=["goto"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\U0001f916\U0001f916", "did not understand '\U0001f916'"),
        ("put the red block \U0001f6ab in the blue tray", "did not understand '\U0001f6ab'"),
        ("put the red block in the blue tray \u2192 \u2764\ufe0f", "did not understand '\u2192', '\u2764'"),
        ("\u043f\u043e\u043b\u043e\u0436\u0438 \u0431\u0430\u043d\u043a\u0443", "did not understand '\u043f"),
        ("\u628a\u7ea2\u8272\u65b9\u5757", "did not understand '\u628a"),
        (" ".join(f"w{number}" for number in range(300)), "none of 300 words"),
        ("a" * 100_000, "too long: 100000 letters"),
        ("\u200b", "Nothing was said"),
    ],
)
def test_what_is_in_no_words_it_knows_is_refused_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as refusal:
        decompose(text, SCENE)
    assert reason in str(refusal.value) and len(str(refusal.value)) < 2000
