"""Wordings that are measured are none that training has: free, careless, wrong and blank."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from sayso.sim.objects import MESHES
from sayso.tasks.episodic import LETTERS, MAX_INSTRUCTION
from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words.kinds import KINDS, Place, Thing
from sayso.tasks.household.words.paraphrases import NOUNS, TEMPLATES, paraphrase
from sayso.tasks.household.words.vocabulary import COURTESIES, Intent
from sayso.tasks.mt50 import TASKS, WORDINGS
from sayso.tasks.mt50_paraphrases import PARAPHRASES
from sayso.tasks.wordings import POLITE, mistyped, typed
from sayso.tasks.worlds import make_world

SEED = 1_000_001


def bare(sentence):
    return " ".join(re.findall(r"[a-z{}]+", sentence.lower()))


def test_every_row_is_paraphrased_in_sentences_that_the_grammar_neither_says_nor_holds_out():
    assert TEMPLATES.keys() == SENTENCES.keys()
    for row, sentences in SENTENCES.items():
        said = {bare(template) for template in sentences.train + sentences.heldout}
        free = {bare(template) for template in TEMPLATES[row]}
        assert len(free) == len(TEMPLATES[row]) >= 12 and free.isdisjoint(said), row
        holes = {hole for template in TEMPLATES[row] for hole in re.findall(r"{(\w+)}", template)}
        assert holes == ({"object", "place"} if sentences.objects else {"place"})


def test_nouns_are_other_than_those_that_training_hears_and_those_that_are_held_out():
    assert NOUNS.keys() == KINDS.keys() - MESHES.keys(), "those are called what their files say"
    for kind, nouns in NOUNS.items():
        own = KINDS[kind].words
        assert not set(nouns) - {"me"} & {*own.train, *own.heldout}, kind


def test_every_family_has_hundreds_of_free_paraphrases():
    many = dict.fromkeys((family for family, _ in TEMPLATES), 0)
    for (family, variant), row in SENTENCES.items():
        nouns = [sum(len(NOUNS.get(kind, ())) for kind in kinds) for kinds in (row.objects, row.places)]
        many[family] += len(TEMPLATES[family, variant]) * max(nouns[0], 1) * nouns[1]
    assert min(many.values()) >= 200 and many["push"] > 3000
    rng = np.random.default_rng(0)
    intent = Intent("put", "in", Thing("red", "ball"), Place("blue", "tray"))
    said = {paraphrase(intent, rng) for _ in range(60)}
    assert len(said) > 40 and all("red" in one and "blue" in one for one in said)
    assert all(set(one) <= LETTERS and len(one) < MAX_INSTRUCTION for one in said)
    by = Intent("fetch", "to", Thing("red", "ball"), Place("", "bin", "sofa"))
    assert "standing by the" in paraphrase(by, rng)


def test_a_mistyped_sentence_differs_in_one_word_by_one_slip():
    rng, sentence = np.random.default_rng(0), "put the yellow bottle on the pink plate"
    for _ in range(300):
        other = mistyped(sentence, rng)
        wrong = [(a, b) for a, b in zip(sentence.split(), other.split(), strict=True) if a != b]
        assert len(wrong) == 1 and abs(len(wrong[0][0]) - len(wrong[0][1])) <= 1
        assert wrong[0][0][0] == wrong[0][1][0], "few mistype the first letter"
    assert mistyped("go on", rng) == "go on"


def test_a_careless_sentence_always_has_an_error_and_takes_every_form():
    rng, sentence = np.random.default_rng(0), "put the yellow bottle on the pink plate"
    found = {typed(sentence, rng) for _ in range(300)}
    assert len(found) > 150
    assert all(bare(one) != bare(sentence) and set(one) <= LETTERS for one in found)
    assert any(one.isupper() for one in found) and any(one.startswith("on the") for one in found)
    assert any("cheers" in one for one in found)
    assert not {bare(polite) for polite in POLITE} & {bare(c) for c in COURTESIES.train + COURTESIES.heldout}


@pytest.mark.parametrize("name", ["tabletop", "home"])
def test_the_task_stays_whatever_is_said(name):
    world = make_world(name)
    world.reset(seed=SEED, options={"family": "put"})
    task, said = world.task, set()
    for wording in ("heldout", "free", "typed", "wrong", "blank"):
        world.reset(seed=SEED, options={"family": "put", "wording": wording})
        assert (world.task.intent, world.task.layout.items) == (task.intent, task.layout.items)
        said.add(world.task.instruction)
    assert len(said) == 5 and "" in said and task.instruction not in said
    world.close()


def test_meta_worlds_paraphrases_are_none_that_are_taught_or_held_out():
    assert PARAPHRASES.keys() == TASKS.keys()
    taught = {bare(one) for many in json.loads(WORDINGS.read_text("utf-8")).values() for one in many}
    known = taught | {bare(one) for asked in TASKS.values() for one in (asked.instruction, *asked.heldout)}
    free = [bare(one) for some in PARAPHRASES.values() for one in some]
    assert len(set(free)) == len(free) == 100 and known.isdisjoint(free)
    assert all(set(one) <= LETTERS for some in PARAPHRASES.values() for one in some)
