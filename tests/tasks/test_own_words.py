"""A person's own words are what a policy hears that learned many; only what the scene has to say is added."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sayso.evaluation.planner import carry_out
from sayso.models import checkpoint as policies
from sayso.runtime.hearing import knows_words
from sayso.tasks.household.draw import called
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import NotUnderstoodError, parse, plain
from sayso.tasks.household.words.own import in_own_words, spoken
from sayso.tasks.household.words.plan import decompose
from small_policies import policy
from small_rooms import SpotRoom
from small_worlds import Still

SCENE = (
    Thing("red", "mug"),
    Thing("green", "can"),
    Thing("blue", "can"),
    Thing("yellow", "block"),
    Place("white", "tray"),
    Place("pink", "bin", "sofa"),
    Place("cyan", "bin", "cabinet"),
    Place("", "drawer"),
    Place("", "person"),
    Place("", "sofa"),
    Place("", "table"),
)


def heard(text):
    (intent,) = decompose(text, SCENE)
    return in_own_words(text, intent)


@pytest.mark.parametrize(
    "text",
    [
        "Shove the red mug NEXT TO the green can!",
        "would you kindly head to the settee",
        "in the white platter, deposit the blue canister",
        "get the drawer open",
        "pass me the yellow brick",
        "dump the blue tin in the bucket close to the settee",
        "pick up the red mug and put it in the white tray, please",
    ],
)
def test_who_names_all_is_heard_as_it_was_said(text):
    assert heard(text) == text != plain(called(parse(text, SCENE)))


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("shove the beaker next to the green can", "shove the red beaker next to the green can"),
        ("deposit the blue can in the platter", "deposit the blue can in the white platter"),
        ("Put the brick into my tray.", "Put the yellow brick into my white tray."),
        (
            "could you dump the beaker in the bucket by the sofa",
            "could you dump the red beaker in the bucket by the sofa",
        ),
        ("dump the red mug in the pink bucket", "dump the red mug in the bucket by the sofa"),
        ("can you pass me the brick", "can you pass me the yellow brick"),
        ("stack the blue can on a brick", "stack the blue can on a yellow brick"),
    ],
)
def test_only_what_is_left_to_the_scene_is_completed(text, completed):
    assert heard(text) == completed
    assert called(parse(completed)) == called(parse(text, SCENE)), "and then it says all"


def test_what_cannot_be_completed_is_said_plainly():
    text = "fetch the mug"  # to whom is not said, and yet meant
    assert heard(text) in ("fetch the red mug", plain(called(parse(text, SCENE))))
    intent = parse("put the red mug in the white tray")
    assert in_own_words("put it there", intent) == plain(intent)
    assert in_own_words("open the drawer", intent) == plain(intent), "never another task's words"


def test_several_steps_and_policies_of_few_words_hear_the_plainest_sentences():
    text = "shove the red mug next to the green can and then dump the mug in the pink bucket"
    asked = decompose(text, SCENE)
    assert spoken(text, asked, own_words=True) == tuple(plain(called(intent)) for intent in asked)
    one = decompose("shove the beaker next to the green can", SCENE)
    assert spoken("shove the beaker next to the green can", one, own_words=False) == (plain(one[0]),)


def test_whatever_is_heard_asks_for_what_was_meant():
    rng, colours = np.random.default_rng(0), ("red ", "green ", "blue ", "yellow ", "")
    for _ in range(60):
        thing, goal = rng.choice(["mug", "beaker", "can", "brick"], 2)
        text = f"shove the {rng.choice(colours)}{thing} close to the {rng.choice(colours)}{goal}"
        try:
            intents = decompose(text, SCENE)
        except NotUnderstoodError:  # there is none, or which is meant stays open
            continue
        assert called(parse(spoken(text, intents, own_words=True)[0])) == called(intents[0]), text


PLAIN, OWN = "put the {} block in the blue tray", "kindly deposit the {} brick in the blue platter"


@pytest.mark.parametrize(("own_words", "said"), [(False, PLAIN), (True, OWN)])
def test_the_planner_says_what_the_policy_can_hear(own_words, said):
    room = SpotRoom()
    room.reset(seed=2_000_000)
    colour = room.task.colour
    text = f"kindly deposit the {colour} brick in the platter"
    report = carry_out(room, Still(), text, 2_000_000, own_words=own_words, attempts=2)
    assert [step.instruction for step in report.steps] == [said.format(colour)] * 2


def test_a_checkpoint_says_whether_its_policy_learned_many_words(tmp_path):
    policies.save(policy(), tmp_path / "wide", training={"words": "household"})
    policies.save(policy(), tmp_path / "narrow", training={"sentences": []})
    wide, narrow = (policies.load(tmp_path / name) for name in ("wide", "narrow"))
    assert (wide.words, narrow.words) == ("household", "")
    assert knows_words(wide) and not knows_words(narrow) and not knows_words(Still())
    assert json.loads((tmp_path / "wide" / "config.json").read_text())["training"]["words"] == "household"
