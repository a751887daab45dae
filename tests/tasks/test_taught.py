"""Wide wordings name and ask for the same in other words, and never in those that are held out."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from sayso.models.words import MAX_WORDS, Reading
from sayso.sim.objects import MESHES
from sayso.tasks.episodic import LETTERS, MAX_INSTRUCTION
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import called, draw_task, say
from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words import taught
from sayso.tasks.household.words.kinds import COLOURS, HELD_OUT_KINDS, KINDS, Place, Thing
from sayso.tasks.household.words.language import NotUnderstoodError, parse, phrase
from sayso.tasks.household.words.paraphrases import NOUNS, TEMPLATES, authors, paraphrase
from sayso.tasks.household.words.participles import participle
from sayso.tasks.household.words.vocabulary import COURTESIES, SLOTS, Intent
from sayso.tasks.household.words.wide import other_wordings, wide
from sayso.tasks.wordings import POLITE

INFLECTED = frozenset({"brought", "handed", "moved", "pulled"})
"""Participles of verbs that the grammar says in training."""
SHOWN = [kind for kind in KINDS if kind not in HELD_OUT_KINDS and kind not in MESHES]


def bare(sentence):
    return " ".join(re.findall(r"[a-z{}_]+", sentence.lower()))


def words_of(sentences):
    return {word for one in sentences for word in re.findall(r"[a-z'-]+", re.sub(r"{\w*}", " ", one))}


LITTLE = words_of(
    [
        "the that your has have be if all am any are as at do first from hello hey it its must needs no not",
        "out see what where will is was when with make one",
    ]
)
"""Words that name nothing and ask for nothing, which held-out sentences and taught ones may share."""


@cache
def intents():
    """Return some of what every row can ask for, as training asks for it."""
    rng = np.random.default_rng(0)
    rows = [(world, family) for world, setting in TASKS.items() for family in setting.families]
    return [called(draw_task(*row, rng).intent) for row in rows for _ in range(6)]


def grammar(part):
    kinds = (
        kind.words for name, kind in KINDS.items() if name not in MESHES
    )  # which training never asks for
    rows = (*SLOTS.values(), *kinds, *SENTENCES.values(), COURTESIES)
    return words_of(one for row in rows for one in row.of(part)) | (
        set(COLOURS) if part == "train" else set()
    )


TAUGHT = (taught.VERBS, taught.PREPOSITIONS, taught.NOUNS, taught.COLOURS, taught.IMPERATIVES, taught.WISHES)
SAID = {one for table in TAUGHT for many in table.values() for one in many}
SAID |= {*taught.REQUESTS, *taught.COURTESIES}
SAID |= {participle(verb) for slot, many in taught.VERBS.items() for verb in (*many, *SLOTS[slot].train)}


def test_no_word_that_is_held_out_is_taught_but_for_little_ones():
    free = words_of(one for many in TEMPLATES.values() for one in many) | words_of(POLITE)
    free |= words_of(one.split()[-1] for many in NOUNS.values() for one in many)  # the noun of "metal can"
    held = (grammar("heldout") | free) - grammar("train") - LITTLE - INFLECTED
    assert {"shove", "nudge", "settee", "desk", "scoot", "coaster", "upon", "beside"} <= held
    assert sorted(words_of(SAID) & held) == []
    assert LITTLE.isdisjoint(words_of(one for slot in SLOTS.values() for one in slot.heldout))


def test_no_name_that_is_held_out_is_taught():
    held = {one for kind in KINDS.values() for one in kind.words.heldout}
    held |= {one for many in NOUNS.values() for one in many}
    names = {one for many in taught.NOUNS.values() for one in many}
    # What things from meshes are called is heard in no training at all.
    held |= {one for kind in MESHES for one in KINDS[kind].words.train}
    assert names.isdisjoint(held)
    assert {
        one for many in (*taught.VERBS.values(), *taught.PREPOSITIONS.values()) for one in many
    }.isdisjoint(one for slot in SLOTS.values() for one in slot.heldout)


def test_no_sentence_that_is_held_out_is_taught():
    for row, sentences in SENTENCES.items():
        own = {bare(one) for one in (*taught.IMPERATIVES[row], *taught.WISHES[row])}
        held = {bare(one) for one in (*sentences.heldout, *TEMPLATES[row])}
        assert own.isdisjoint(held) and len(own) == len(taught.IMPERATIVES[row]) + len(taught.WISHES[row]), (
            row
        )
    courteous = {bare(one) for one in (*taught.COURTESIES, *taught.REQUESTS)}
    assert courteous.isdisjoint(map(bare, (*COURTESIES.heldout, *POLITE)))


def test_no_sentence_drawn_for_training_is_one_that_is_measured():
    rng = np.random.default_rng(1)
    for intent in intents():
        own = {wide(intent, rng) for _ in range(40)}
        measured = {phrase(intent, rng, "heldout") for _ in range(40)} | {
            paraphrase(intent, rng) for _ in range(40)
        }
        assert len(own) > 35 and own.isdisjoint(measured)


def test_what_is_taught_is_heard_too_and_never_taken_for_something_else():
    rng, heard, asked = np.random.default_rng(3), 0, 0
    for intent in intents():
        for _ in range(10):
            asked += 1
            try:
                understood = parse(said := wide(intent, rng))
            except NotUnderstoodError:
                continue
            assert understood == intent, said
            heard += 1
    assert heard > 0.75 * asked, "sentences with 'it', and those that say 'over' for 'on', are refused"
    assert parse("shunt the red mug next to the green can") == parse("push the red mug next to the green can")
    assert parse("pop the scarlet chunk in my salver that is blue").place == Place("blue", "tray")


def test_there_are_many_words_for_everything_that_training_shows():
    for slot, verbs in taught.VERBS.items():
        known = {*SLOTS[slot].train, *verbs}
        assert len(known) >= 12 and len(verbs) == len(set(verbs)), slot
    for kind in SHOWN:
        known = {*KINDS[kind].words.train, *taught.NOUNS[kind]}
        assert len(known) >= 6 and len(taught.NOUNS[kind]) == len(set(taught.NOUNS[kind])), kind
    assert taught.NOUNS.keys() == set(SHOWN)
    assert all(
        len({*SLOTS.get(slot, SLOTS["on"]).train, *more}) >= 6 for slot, more in taught.PREPOSITIONS.items()
    )
    assert taught.IMPERATIVES.keys() == taught.WISHES.keys() == SENTENCES.keys()
    assert all(len(taught.IMPERATIVES[row]) + len(taught.WISHES[row]) >= 18 for row in SENTENCES)


def test_no_name_stands_for_two_kinds_and_no_colour_for_two():
    names = {kind: {*KINDS[kind].words.train, *taught.NOUNS[kind]} for kind in SHOWN}
    assert not [pair for pair in combinations(SHOWN, 2) if names[pair[0]] & names[pair[1]]]
    other = [name for many in taught.COLOURS.values() for name in many]
    assert len(set(other)) == len(other) and set(other).isdisjoint(COLOURS)


def test_what_pushes_is_not_what_lifts_and_what_opens_does_not_close():
    def verbs(*slots):
        return {verb for slot in slots for verb in (*SLOTS[slot].train, *taught.VERBS.get(slot, ()))}

    assert verbs("push").isdisjoint(verbs("put", "pick", "take", "drop", "stack", "bring"))
    assert verbs("open").isdisjoint(verbs("close"))


@pytest.mark.parametrize("row", SENTENCES)
def test_every_sentence_names_all_that_there_is_to_know(row):
    rng = np.random.default_rng(2)
    sentences = SENTENCES[row]
    holes = {one: set(re.findall(r"{(\w+)}", one)) for one in (*taught.IMPERATIVES[row], *taught.WISHES[row])}
    moved = {"object"} if sentences.objects else set()
    place = set() if sentences.places == ("person",) else {"place"}  # "i need the can" is said by somebody
    assert all(moved | place <= names for names in holes.values())
    thing = Thing("purple", "can") if sentences.objects else None
    kind = sentences.places[0]
    goal = (
        Thing("red", kind)
        if kind in ("block", "cylinder")
        else Place("", kind, "sofa" if kind == "bin" else "")
    )
    for _ in range(200):
        said = wide(Intent(*row, thing, goal), rng)
        assert thing is None or re.search(r"purple|violet", said)
        assert not goal.colour or re.search(r"red|scarlet", said)
        assert not getattr(goal, "landmark", "") or any(
            name in said for name in (*KINDS["sofa"].words.train, *taught.NOUNS["sofa"])
        )
        assert "{" not in said and "  " not in said and not re.search(r"\b(\w+) \1\b", said), said
        assert set(said) <= LETTERS and len(said) < MAX_INSTRUCTION
        assert not Reading.of(said, MAX_WORDS).lost


def test_a_recorded_sentence_finds_its_other_wordings_again():
    rng = np.random.default_rng(3)
    for intent in intents():
        sentence = say(intent, rng)
        found = other_wordings(sentence, 5)
        assert len(found) == 5 and found == other_wordings(say(intent, rng), 5), sentence
    assert other_wordings("sing a song", 5) == ()
    one, other = (other_wordings(f"put the {colour} ball in the tray", 20) for colour in ("red", "blue"))
    assert not any("blue" in said for said in one) and not set(one) & set(other)


@pytest.mark.parametrize(
    ("verb", "done"),
    [("pick up", "picked up"), ("pry open", "pried open"), ("drop", "dropped"), ("put down", "put down"),
     ("convey", "conveyed"), ("slide", "slid"), ("ferry", "ferried"), ("shuttle", "shuttled")],
)  # fmt: skip
def test_verbs_have_participles(verb, done):
    assert participle(verb) == done


def test_the_second_author_of_free_paraphrases_wrote_many_and_nothing_that_is_taught_or_held_out():
    first, second = authors()
    assert first.templates.keys() == second.templates.keys() == SENTENCES.keys()
    rng, taught_or_held = np.random.default_rng(4), set()
    for intent in intents():
        for part in ("train", "heldout"):
            taught_or_held |= {bare(phrase(intent, rng, part)) for _ in range(60)}
        taught_or_held |= {bare(wide(intent, rng)) for _ in range(60)}
    for row, many in second.templates.items():
        own = {bare(one) for one in many}
        known = {bare(one) for one in (*SENTENCES[row].train, *SENTENCES[row].heldout, *first.templates[row])}
        assert len(many) >= 300 and own.isdisjoint(known), row
        assert all(one.count("{place}") == 1 for one in many)
        assert all(one.count("{object}") == (1 if SENTENCES[row].objects else 0) for one in many)
    for kind, names in second.nouns.items():
        words = KINDS[kind].words
        assert {*names}.isdisjoint(
            {*words.train, *words.heldout, *taught.NOUNS.get(kind, ())}
        ) or kind == "person"
    assert not taught_or_held & {bare(paraphrase(intent, rng)) for intent in intents() for _ in range(60)}
