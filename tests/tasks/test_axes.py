"""Axes: what is called unseen is unseen, a level is as much as it says, and a report names it."""

from __future__ import annotations

import dataclasses
import json
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest

from sayso.evaluation.measure import BESIDES, EvalConfig, Subject, asked_of, evaluate_policy
from sayso.evaluation.report import Training, widest
from sayso.sim.variation import LIGHT_RANGE, PAINT_SPREAD, Appearance, repainted, sample_appearance
from sayso.spec import ConfigError, SaysoError
from sayso.tasks.axes import (
    BACKGROUND,
    CAMERA,
    LIGHT,
    OBJECTS,
    PAIRS,
    WORDS,
    Axis,
    Departure,
    departures,
    drawn,
    families_of,
    options_of,
)
from sayso.tasks.worlds import WORLDS
from small_worlds import SMALL_WORLDS, SPOTS, still

ROOT = Path(__file__).resolve().parents[2]
AXES = [pytest.param(axis, id=f"{name}-{axis.name}") for name in WORLDS for axis in WORLDS[name].axes]
FAR = Axis(
    name="far",
    levels=(0.0, 1.0, 2.0, 3.0, 4.0),
    trained=(0.0, 0.5),
    change=lambda amount: {"instruction": f"go to the {'blue' if amount > 1 else 'red'} spot"},
    says="asked for as at {:g}",
)


@pytest.mark.parametrize("axis", AXES)
def test_level_0_is_as_in_training_and_every_other_level_lies_outside_of_it(axis):
    assert len(axis.levels) in (2, 5, 6)
    assert [axis.unseen(level) for level in range(len(axis.levels))] == [False] + [True] * (
        len(axis.levels) - 1
    )
    distances = np.abs(np.array(axis.levels) - axis.levels[0])
    assert np.all(np.diff(distances) > 0), "each level is farther than the one before"
    meanings = [axis.meant(level) for level in range(len(axis.levels))]
    assert len(set(meanings)) == len(meanings) and "{" not in "".join(meanings)


def test_the_page_is_written_from_the_table():
    script = runpy.run_path(str(ROOT / "scripts" / "axes_table.py"))
    page = (ROOT / "docs" / "generalisation.md").read_text(encoding="utf-8")
    assert script["rendered"](page) == page, "make docs writes it anew"


def test_the_least_dimming_is_darker_than_training_at_its_darkest_and_its_lamp_hangs_farther_out():
    least = LIGHT.change(1)
    assert least["light"] * LIGHT_RANGE[1] < LIGHT_RANGE[0]
    hung = [sample_appearance(np.random.default_rng(seed)).light_from for seed in range(300)]
    assert least["light_aside_m"] > max(np.hypot(*place) for place in hung)


def test_the_least_repainting_leaves_every_colour_outside_of_what_training_shows():
    rng = np.random.default_rng(0)
    nominal = Appearance()
    by = BACKGROUND.change(1)["background"]
    for _ in range(200):
        seen = sample_appearance(rng)
        other = repainted(seen, by, rng)
        assert not seen.textures
        for paint in ("surface", "floor", "wall"):
            strayed = np.abs(np.array(getattr(other, paint)) - getattr(nominal, paint))
            assert strayed.min() > PAINT_SPREAD
            assert np.abs(np.array(getattr(seen, paint)) - getattr(nominal, paint)).max() <= PAINT_SPREAD
            assert min(getattr(other, paint)) >= 0 and max(getattr(other, paint)) <= 1


def test_a_level_within_what_a_training_shows_is_called_so_and_another_is_called_unseen():
    third, fourth = (Departure(axis=CAMERA, level=level) for level in (3, 4))
    within = Training.from_json({"within": {"camera": [0.0, 3.0]}}).within
    assert "within what training shows" in third.told(within)
    assert "unseen in training" in fourth.told(within)
    assert "unseen in training" in third.told({}), "a record that names no axis shows none"
    assert third.told(None) == str(third), "the expert was never trained"
    assert widest([within, {"camera": (0.0, 2.0), "light": (0.0, 1.0)}]) == {
        "camera": (0.0, 3.0),
        "light": (0.0, 1.0),
    }


def test_demonstrations_vary_evenly_up_to_a_level_and_never_along_what_is_kept_for_measuring():
    to_3 = [Departure(axis=CAMERA, level=3)]
    shifts = [drawn(to_3, seed)["camera_shift_m"] for seed in range(400)]
    assert max(shifts) <= CAMERA.change(3)["camera_shift_m"] < CAMERA.change(4)["camera_shift_m"]
    assert np.mean(shifts) == pytest.approx(0.045, abs=0.004)
    assert drawn(to_3, 7) == drawn(to_3, 7) and drawn([], 7) == {}
    backgrounds = [drawn([Departure(axis=BACKGROUND, level=3)], seed) for seed in range(400)]
    assert np.mean(["patterns" in each for each in backgrounds]) == pytest.approx(1 / 3, abs=0.06)
    assert not any("photographs" in each for each in backgrounds)
    for kept in (WORDS, OBJECTS):
        with pytest.raises(ConfigError, match="kept for measuring"):
            drawn([Departure(axis=kept, level=1)], 0)


def test_families_that_have_no_such_things_are_left_out():
    kinds = departures(WORLDS["home"].axes, ["objects=2"])
    assert families_of(departures(WORLDS["tabletop"].axes, ["objects=2"]), ("put", "push", "stack")) == (
        "put",
    )
    assert families_of(departures(WORLDS["tabletop"].axes, ["objects=1"]), ("put", "push")) == ("put", "push")
    with pytest.raises(ConfigError, match="choose among put, drawer, fetch"):
        families_of(kinds, ("goto",))
    assert families_of([Departure(axis=CAMERA, level=2)], ("push", "goto")) == ("push", "goto")


@pytest.mark.parametrize("world", WORLDS)
def test_axes_of_a_pair_change_different_things(world):
    axes = {axis.name: axis for axis in WORLDS[world].axes}
    for one, other in PAIRS:
        if one in axes and other in axes:
            first, second = (axes[name].change(axes[name].levels[1]) for name in (one, other))
            assert first.keys().isdisjoint(second)


def test_levels_are_read_from_words_and_what_is_not_there_is_answered_with_what_is():
    axes = WORLDS["home"].axes
    found = options_of(departures(axes, ("camera=3", "words=1")))
    assert found == {
        "camera_shift_m": 0.09,
        "camera_tumble_deg": 9.0,
        "wrist_shift_m": 0.006,
        "wrist_tumble_deg": 3.0,
        "wording": "heldout",
    }
    assert options_of(departures(axes, ("camera=0",))) == {}
    for words, wrong in {
        ("camra=3",): "Did you mean 'camera'",
        ("camera=6",): "levels 0 to 5, but got 'camera=6'",
        ("objects=5",): "levels 0 to 4",
        ("camera",): "levels 0 to 5",
        ("camera=",): "levels 0 to 5",
        ("camera=-1",): "levels 0 to 5",
        ("camera=1", "camera=2"): "once, not 1 and 2",
        ("renderer=1",): "no axis of this world 'renderer'",
    }.items():
        with pytest.raises(SaysoError, match=wrong):
            departures(axes, words)
    assert issubclass(ConfigError, ValueError)


def test_what_the_renderer_does_belongs_to_making_the_world():
    found = departures(WORLDS["metaworld"].axes, ("renderer=1",))
    assert options_of(found) == {} and options_of(found, in_making=True) == {"lerobot": True}


def test_an_evaluation_departs_as_it_is_told_and_its_report_names_how(tmp_path, monkeypatch, capsys):
    spots = dataclasses.replace(SPOTS, axes=(FAR,))
    monkeypatch.setattr("sayso.evaluation.measure.WORLDS", type(SMALL_WORLDS)({"spots": lambda: spots}))
    subject = Subject(name="still", make=still, weights="", training=None)
    out = tmp_path / "report.json"
    config = EvalConfig(world="spots", families=("go",), episodes=2, workers=1, out=out, axis=("far=2",))
    assert evaluate_policy(subject, config) == 0
    assert "far=2 (asked for as at 2)" in capsys.readouterr().out
    trained = dataclasses.replace(subject, training=Training(within={"far": (0.0, 2.0)}))
    assert evaluate_policy(trained, dataclasses.replace(config, out=None)) == 0
    assert "far=2 (asked for as at 2; within what training shows)" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert report["config"]["axis"] == ["far=2"] and report["config"]["departs"] == [
        "far=2 (asked for as at 2)"
    ]
    assert {e["instruction"] for e in report["episodes"]} == {"go to the blue spot"}
    with pytest.raises(SaysoError, match="Did you mean 'far'"):
        evaluate_policy(subject, dataclasses.replace(config, axis=("fat=2",), out=None))


def test_an_axis_decides_an_episode_and_a_journal_of_another_level_is_not_gone_on_with():
    assert "axis" not in BESIDES
    subject = Subject(name="still", make=still, weights="", training=None)
    asked = [asked_of(subject, EvalConfig(world="spots", axis=axis)) for axis in ((), ("far=1",))]
    assert asked[0] != asked[1]


def test_what_a_demonstration_departs_by_can_be_sent_to_another_process():
    departs = departures(WORLDS["tabletop"].axes, ["camera=3", "light=2", "dynamics=1"])
    sent = pickle.loads(pickle.dumps(tuple(each.wordless for each in departs)))
    assert drawn(sent, 7) == drawn(departs, 7)
