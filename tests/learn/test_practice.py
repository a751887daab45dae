"""Practice is resumable, measures its recipe on fresh seeds, and refuses what cannot be before it draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sayso import cli
from sayso.learn import practice as room
from sayso.learn.practice import RECIPE, UNDERSTOOD, PracticeConfig, practice
from sayso.spec import SaysoError
from sayso.tasks.household.goals.recipe import Call, Recipe, Routine
from sayso.tasks.household.goals.world import described

LEFT = "put the can to the left of the mug"
OFFSETS = tuple((x, y) for x in (-0.08, -0.09, -0.10, -0.07) for y in (0.0, 0.02, -0.02))
FOUND = Recipe(((Routine(0, (Call("carry", "table", OFFSETS),)),),))


@pytest.fixture
def understood(tmp_path: Path) -> Path:
    """Return a folder in which a description was understood and a recipe found, with nothing drawn."""
    words = {"description": LEFT, "world": "tabletop", "canonical": ""}
    (tmp_path / UNDERSTOOD).write_text(json.dumps(words), encoding="utf-8")
    found = {"recipe": FOUND.to_json(), "trials": 3, "seconds": 6.0}
    (tmp_path / RECIPE).write_text(json.dumps(found), encoding="utf-8")
    return tmp_path


def test_a_recipe_that_is_there_is_measured_on_fresh_seeds_and_not_sought_again(
    understood, capsys, monkeypatch
):
    config = PracticeConfig(world="tabletop", out=understood, until="practised", trials=2)
    assert practice(LEFT, config) == 0
    said = capsys.readouterr().out
    assert "understood: the can is to the left of the mug" in said
    assert "a person does who sits at the table" in said
    assert "works on 2 of 2 fresh seeds" in said
    monkeypatch.setattr(room, "Trial", None)  # what was measured is not measured again
    assert practice(LEFT, config) == 0


def test_what_does_not_work_is_not_recorded(understood):
    kept = json.loads((understood / RECIPE).read_text(encoding="utf-8"))
    (understood / RECIPE).write_text(json.dumps(kept | {"measured": [True, False]}), encoding="utf-8")
    with pytest.raises(SaysoError, match="works on 1 of 2 fresh seeds only"):
        practice(LEFT, PracticeConfig(world="tabletop", out=understood, trials=2))


def test_a_folder_holds_one_practice(understood):
    with pytest.raises(SaysoError, match="give another --out"):
        practice("lift the can", PracticeConfig(world="tabletop", out=understood))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["put the can on the mug", "--world", "tabletop"], "nothing stays on the mug"),
        (["put the can on the mug", "--world", "metaworld"], "takes no descriptions"),
        (["juggle the can", "--world", "tabletop"], "I do not know the word 'juggle'"),
        (["lift the can", "--world", "tabletop", "--least", "2"], "--least is 2"),
    ],
)
def test_the_impossible_is_refused_in_one_sentence_before_anything_is_drawn(arguments, why, tmp_path, capsys):
    assert cli.main(["practice", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert why in capsys.readouterr().err


def test_a_described_world_has_no_expert_without_a_recipe_and_refuses_other_sentences():
    entry = described("tabletop", LEFT)
    assert entry.families == ("described",)
    assert "objects" not in {axis.name for axis in entry.axes}
