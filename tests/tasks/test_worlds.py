"""The table of worlds: its rows agree with the worlds that they make, and errors say what there is."""

import pickle

import pytest

from sayso.spec import SaysoError, UnknownNameError
from sayso.tasks.worlds import (
    WORLDS,
    WorldEntry,
    Worlds,
    chosen_families,
    read_elsewhere,
    shipped_for,
    world_of,
)
from small_worlds import SMALL_WORLDS, SPOTS


def test_what_makes_a_world_can_be_handed_to_other_processes():
    for name in WORLDS:
        assert pickle.loads(pickle.dumps(WORLDS[name].make)).keywords == WORLDS[name].make.keywords


def test_every_robot_has_its_world():
    assert {WORLDS[name].features.robot_type: world_of(WORLDS[name].features.robot_type) for name in WORLDS}
    with pytest.raises(UnknownNameError, match=r"no simulated robot 'mop'.*lekiwi"):
        world_of("mop")


def test_a_world_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'metaworld'"):
        WORLDS["metaword"]


def test_a_world_whose_extra_is_not_installed_says_how_to_install_it():
    row = WorldEntry(**{**vars(SPOTS), "extra": "no_such_module"})
    with pytest.raises(SaysoError, match=r"pip install 'sayso\[no_such_module\]'"):
        Worlds({"spots": lambda: row}).ready("spots")
    assert SMALL_WORLDS.ready("spots").families == ("go", "visit")


def test_families_are_those_that_were_named_or_all_in_an_order_of_their_own():
    assert chosen_families(("visit", "go"), ()) == ("go", "visit")
    assert chosen_families(("go", "visit"), ("visit",)) == ("visit",)
    with pytest.raises(UnknownNameError, match="Did you mean 'visit'"):
        chosen_families(("go", "visit"), ("visits",))
    with pytest.raises(ValueError, match="once"):
        chosen_families(("go", "visit"), ("go", "go"))


@pytest.mark.parametrize(
    ("sentence", "here", "where"),
    [
        ("open the drawer", "tabletop", "home"),
        ("drive to the sofa", "tabletop", "home"),
        ("put the can in the bowl", "metaworld", "tabletop (checkpoints/tabletop) or home"),
        ("stack the red can on the blue can", "home", ""),
        ("put the pink mug in the bowl", "tabletop", ""),
        ("make me tea", "tabletop", ""),
    ],
)
def test_a_sentence_that_a_world_cannot_read_is_sent_to_one_that_can(sentence, here, where):
    assert read_elsewhere(sentence, here) == (
        f" It can be asked for in another world: {where} (checkpoints/home)." if where else ""
    )


def test_a_world_without_a_shipped_policy_asks_for_one_by_the_flag_that_names_it(monkeypatch):
    monkeypatch.setattr("sayso.tasks.worlds.WORLDS", SMALL_WORLDS)
    with pytest.raises(SaysoError, match="for the world 'spots'; name one with --policy"):
        shipped_for("spots", "--policy")
