"""The table of generalisation: which rows a world has, and what is counted from them."""

from __future__ import annotations

import pytest

import axes
import generalisation
import results_file
from generalisation import Generalisation, Row
from mt50_table import tier_mean
from sayso.evaluation.measure import EvalConfig
from sayso.loading import EXPERT
from sayso.sim.mesh_kinds import MissingMeshesError
from sayso.spec import UnknownNameError
from sayso.tasks.household.world import HouseholdWorld
from sayso.tasks.metaworld import MetaWorld
from sayso.tasks.mt50 import TASKS
from sayso.tasks.worlds import WORLDS


def tried(**successes):
    """Return ten episodes of each family, of which so many succeed."""
    return [
        {"family": family, "seed": k, "outcome": "success" if k < count else "failure"}
        for family, count in successes.items()
        for k in range(10)
    ]


def test_a_world_is_measured_undisturbed_at_every_level_that_it_has_and_along_two_axes_at_once():
    rows = {row.name: row for row in generalisation.rows(Generalisation(), "home")}
    assert next(iter(rows)) == "undisturbed"
    assert {f"camera_{level}" for level in range(1, 6)} <= rows.keys()
    assert "objects_2" in rows and "objects_5" not in rows
    assert rows["camera_light_3"].axis == ("camera=3", "light=3")
    assert not any(name.startswith("camera_5cm") for name in rows)
    there = {row.name: row for row in generalisation.rows(Generalisation(), "metaworld")}
    assert there["camera_5deg"].options == axes.CAMERA["camera_5deg"]
    assert "layout_1" not in there and "renderer_1" not in there
    few = Generalisation(axes=("words",), levels=(2,), pairs=False)
    assert [row.name for row in generalisation.rows(few, "metaworld")] == ["undisturbed", "words_2"]


@pytest.mark.parametrize("world", generalisation.MEASURED)
def test_every_row_is_understood_by_its_world(world, monkeypatch):
    monkeypatch.setattr("sayso.sim.mesh_kinds.find_spec", lambda name: name)  # as where all is installed
    knows = MetaWorld if world == "metaworld" else HouseholdWorld
    for row in generalisation.rows(Generalisation(), world):
        asked = dict(row.options or {})
        for each in generalisation.departures(WORLDS[world].axes, row.axis):
            asked |= each.options(in_making=False)
        assert set(asked) <= set(knows.options), row
        assert asked or row.name == "undisturbed"


def test_means_retention_and_the_family_that_loses_most_are_counted_from_episodes():
    found = generalisation.summary(
        {
            ("home", "undisturbed"): tried(put=10, goto=8),
            ("home", "camera_3"): tried(put=5, goto=4),
            ("home", "objects_2"): tried(put=8),
            ("home", "words_1"): tried(put=9, goto=3),
            ("home", "objects_3"): tried(put=6, fetch=2),
            ("tabletop", "undisturbed"): tried(put=10),
            ("tabletop", "objects_3"): tried(put=8),
        }
    )
    assert found["undisturbed_home"] == pytest.approx(0.9)
    assert found["camera_3_home"] == pytest.approx(0.45) and found["camera_3_put_home"] == 0.5
    assert found["camera_3_home/low"] < 0.45 < found["camera_3_home/high"]
    assert found["retention_camera_home"] == pytest.approx(0.5)
    assert found["unseen_meshes"] == pytest.approx(0.6) and found["retention_objects_tabletop"] == 0.8
    assert found["words_drop_max"] == pytest.approx(0.5), "goto loses five of its eight"


def test_meta_world_counts_as_tier_mean():
    episodes = tried(**{task: 10 if TASKS[task].tier == "easy" else 0 for task in TASKS})
    found = generalisation.summary({("metaworld", "undisturbed"): episodes})
    assert found["undisturbed_metaworld"] == tier_mean(episodes).share == 0.25
    assert not any("reach" in name for name in found)


def test_a_row_is_asked_of_the_families_that_have_it_on_fresh_seeds_and_keeps_its_report(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(generalisation, "fingerprint", lambda _: "f00d")
    monkeypatch.setattr(
        generalisation, "evaluated", lambda policy, wanted, options: asked.append((policy, wanted, options))
    )
    config = Generalisation(reports=tmp_path, episodes=3)
    generalisation.measured(config, "tabletop", Row(name="objects_2", axis=("objects=2",)))
    ((policy, wanted, options),) = asked
    assert policy.name == "tabletop" and options is None
    assert (wanted.families, wanted.start, wanted.episodes) == (("put",), 1000, 3)
    assert wanted.out == tmp_path / "tabletop_f00d_objects_2_test_1000_3.json"


def test_what_is_not_installed_is_said_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr("sayso.sim.mesh_kinds.find_spec", lambda name: None)
    monkeypatch.setattr(generalisation, "measured", lambda *_: pytest.fail("it measured"))
    with pytest.raises(MissingMeshesError, match=r"pip install 'sayso\[meshes\]'"):
        generalisation.main(Generalisation(worlds=("tabletop",), axes=("light", "objects"), levels=(1, 3)))


def test_what_is_not_there_is_refused():
    with pytest.raises(UnknownNameError, match="camera"):
        Generalisation(axes=("camra",))
    with pytest.raises(UnknownNameError, match="tabletop"):
        Generalisation(worlds=("tabeltop",))


def test_what_was_measured_at_a_level_is_not_measured_again(tmp_path, monkeypatch):
    wanted = EvalConfig(
        world="tabletop",
        families=("push",),
        episodes=1,
        axis=("camera=1",),
        workers=1,
        out=tmp_path / "r.json",
    )
    first = results_file.evaluated(EXPERT, wanted)
    monkeypatch.setattr(results_file, "evaluate_policy", None)
    assert results_file.evaluated(EXPERT, wanted) == first
