"""Paraphrases that may be taught: some for each of the forty sentences, and none that is measured with."""

from __future__ import annotations

import pytest

from sayso.learn.wordings import others_of
from sayso.tasks.libero.heldout import HELDOUT
from sayso.tasks.libero.paraphrases import PATTERNS, expanded, other_wordings
from sayso.tasks.libero.suites import FAMILIES, PRO_FAMILIES, said

SENTENCES = tuple(map(said, FAMILIES))
ALL = 10_000


def test_a_pattern_yields_each_choice_once():
    assert list(expanded("[put|set] it[| down]")) == ["put it", "put it down", "set it", "set it down"]


def test_every_sentence_has_many_always_the_same_and_no_two_share_one():
    assert set(PATTERNS) == set(SENTENCES)
    found = others_of("libero", SENTENCES, 200)
    assert found == others_of("libero", SENTENCES, 200)
    assert all(50 <= len(set(ways)) == len(ways) <= 200 for ways in found.values())
    everything = [way for sentence in SENTENCES for way in other_wordings(sentence, ALL)]
    assert len(set(everything)) == len(everything)
    assert not any(mark in way for way in everything for mark in "[]|{}") and "  " not in " ".join(everything)


def test_what_is_held_out_is_not_among_them():
    taught = {way for sentence in SENTENCES for way in other_wordings(sentence, ALL)}
    assert not taught & set(SENTENCES) and not taught & {way for ways in HELDOUT.values() for way in ways}


def test_no_sentence_of_libero_pro_is_among_them():
    pytest.importorskip("robosuite", reason="pip install 'sayso[libero]'")
    from sayso.tasks.libero.simulators import sentence_of

    taught = {way for sentence in SENTENCES for way in other_wordings(sentence, ALL)}
    others = {sentence_of(family, in_file=True).lower() for family in (*PRO_FAMILIES, *FAMILIES)}
    assert len(others) > 60 and not taught & others


def test_another_sentence_has_none():
    assert other_wordings("make a slam dunk", 5) == ()
