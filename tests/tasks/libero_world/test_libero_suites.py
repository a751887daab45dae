"""LIBERO's table of tasks and their sentences, for which LIBERO itself is not needed."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest

from sayso.evaluation.noise import ActionNoise
from sayso.spec import SaysoError, UnknownNameError
from sayso.tasks.episodic import LETTERS, MAX_INSTRUCTION
from sayso.tasks.libero.heldout import HELDOUT
from sayso.tasks.libero.panda import AGENT, WRIST, axis_angle, features
from sayso.tasks.libero.suites import FAMILIES, PRO, PRO_FAMILIES, SUITES, place_of, said, task_of
from sayso.tasks.libero.wordings import worded
from sayso.tasks.worlds import WORLDS, make_world


def test_there_are_forty_tasks_in_four_suites_each_asked_for_in_words_of_its_own():
    assert [len(suite.sentences) for suite in SUITES.values()] == [10] * 4
    assert len({said(family) for family in FAMILIES}) == len(FAMILIES) == 40


def test_episodes_last_as_long_as_lerobots():
    assert [suite.steps for suite in SUITES.values()] == [280, 280, 300, 520]
    assert all(suite.steps == SUITES[name.split("_")[0]].steps for name, suite in PRO.items())


def test_sentences_are_liberos_to_the_letter():
    """Held against a digest of what its files are called, so that an improved word cannot go unnoticed."""
    digest = hashlib.sha256(json.dumps([said(family) for family in FAMILIES]).encode()).hexdigest()
    assert digest == "4a56cb78b520b097be021b989b9ef04968c05a76c5257116c19bddb283095713"


def test_a_family_of_libero_pro_is_a_task_of_the_same_number_with_one_thing_changed():
    assert len(PRO) == 25 and len(PRO_FAMILIES) == 250
    suite, number = place_of("long_swap-7")
    assert (suite.folder, suite.steps, number, suite.perturbed) == ("libero_10_swap", 520, 7, True)
    with pytest.raises(UnknownNameError, match="Did you mean 'spatial_swap-3'"):
        place_of("spatial-swap-3")


def test_the_rows_of_the_table_are_static_and_recording_never_meets_libero_pro():
    assert WORLDS["libero"].families == WORLDS["libero-lerobot"].families == FAMILIES
    assert set(WORLDS["libero-pro"].families).isdisjoint(FAMILIES)
    assert WORLDS["libero"].features == WORLDS["libero-lerobot"].features == WORLDS["libero-pro"].features


def test_without_libero_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "libero", None)
    with pytest.raises((SaysoError, ValueError), match=r"pip install 'sayso\[libero\]'|libero.__spec__"):
        make_world("libero")


def test_held_out_sentences_are_of_one_task_only_never_those_of_training_and_can_be_spelled():
    ways = [way for three in HELDOUT.values() for way in three]
    assert set(HELDOUT) == set(map(said, FAMILIES))
    assert len(set(ways)) == len(ways) == 120 and set(ways).isdisjoint(HELDOUT)
    assert all(set(way) <= LETTERS and len(way) <= MAX_INSTRUCTION for way in ways)


def test_any_three_seeds_hear_every_held_out_sentence():
    heard = {
        worded(family, seed, {"wording": "heldout"}, said(family))
        for family in FAMILIES
        for seed in (7, 8, 9)
    }
    assert len(heard) == 120


def test_a_wrong_sentence_is_that_of_another_task_and_differs_from_task_to_task():
    wrong = {family: worded(family, 1, {"wording": "wrong"}, said(family)) for family in FAMILIES}
    assert len(set(wrong.values())) > 20 and set(wrong.values()) <= set(map(said, FAMILIES))
    assert all(sentence != said(family) for family, sentence in wrong.items())
    assert worded("goal-7", 1, {"wording": "blank"}, said("goal-7")) == ""
    with pytest.raises(UnknownNameError, match="Did you mean 'heldout'"):
        worded("goal-7", 1, {"wording": "held-out"}, said("goal-7"))


def test_a_sentence_finds_its_task_and_an_unknown_one_is_answered_with_the_nearest():
    assert all(task_of(said(family).capitalize() + ".") == family for family in FAMILIES)
    with pytest.raises(UnknownNameError, match="Did you mean 'turn on the stove'"):
        task_of("turn the stove on")


def test_a_hand_that_points_down_is_turned_by_pi_and_does_not_jump_to_the_other_side():
    """As LeRobot has it: the longer way round is not made the shorter one."""
    for angle in (np.pi - 0.1, np.pi + 0.1):
        turn = axis_angle([np.cos(angle / 2), np.sin(angle / 2), 0, 0])
        np.testing.assert_allclose(turn, [angle, 0, 0], atol=1e-12)
    assert not axis_angle([1, 0, 0, 0]).any()


def test_a_robot_with_a_camera_too_few_is_refused():
    assert features().cameras == {AGENT: (128, 128), WRIST: (128, 128)}
    with pytest.raises(ValueError, match="at least one pixel"):
        features({AGENT: 128})


def test_noise_moves_the_hand_and_leaves_the_gripper_alone():
    disturb = ActionNoise(share=0.5, burst_s=(9, 9), pause_s=(0.01, 0.01)).begin(features(), seed=1)
    drawn = np.stack([disturb(np.zeros(7, np.float32)) for _ in range(500)])
    assert drawn[:, :6].std() == pytest.approx(0.5, rel=0.2)
    assert not drawn[:, 6].any()
