"""Axes: what is called unseen is unseen, levels are read from words, and a report names them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sayso.evaluation.measure import BESIDES, EvalConfig, Subject, asked_of, evaluate_policy
from sayso.sim.variation import LIGHT_RANGE, PAINT_SPREAD, Appearance, repainted, sample_appearance
from sayso.spec import ConfigError, SaysoError
from sayso.tasks.axes import LIGHT, Axis, departures, options_of
from sayso.tasks.worlds import WORLDS
from small_worlds import SMALL_WORLDS, SPOTS, still

AXES = [pytest.param(axis, id=f"{name}-{axis.name}") for name in WORLDS for axis in WORLDS[name].axes]
PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
FAR = Axis(
    name="far",
    levels=(0.0, 1.0, 2.0, 3.0, 4.0),
    trained=(0.0, 0.5),
    change=lambda amount: {"instruction": f"go to the {'blue' if amount > 1 else 'red'} spot"},
    says="asked for as at {:g}",
)


@pytest.mark.parametrize("axis", AXES)
def test_level_0_is_as_in_training_and_every_other_level_lies_outside_of_it(axis):
    assert len(axis.levels) in (2, 5)
    assert [axis.unseen(level) for level in range(len(axis.levels))] == [False] + [True] * (
        len(axis.levels) - 1
    )
    distances = np.abs(np.array(axis.levels) - axis.levels[0])
    assert np.all(np.diff(distances) > 0), "each level is farther than the one before"
    assert "{" not in str(departures([axis], [f"{axis.name}={len(axis.levels) - 1}"])[0])


def test_the_least_dimming_is_darker_than_training_at_its_darkest():
    assert LIGHT.levels[1] * LIGHT_RANGE[1] < LIGHT_RANGE[0]


def test_the_least_repainting_leaves_every_colour_outside_of_what_training_shows():
    rng = np.random.default_rng(0)
    nominal = Appearance()
    by = next(axis for axis in WORLDS["home"].axes if axis.name == "background").levels[1]
    for _ in range(200):
        seen = sample_appearance(rng)
        other = repainted(seen, by, rng)
        for paint in ("surface", "floor", "wall"):
            strayed = np.abs(np.array(getattr(other, paint)) - getattr(nominal, paint))
            assert strayed.min() > PAINT_SPREAD
            assert np.abs(np.array(getattr(seen, paint)) - getattr(nominal, paint)).max() <= PAINT_SPREAD
            assert min(getattr(other, paint)) >= 0 and max(getattr(other, paint)) <= 1


@pytest.mark.parametrize("axis", AXES)
def test_the_page_lists_every_axis_with_its_levels(axis):
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{axis.name}` ")]
    assert ", ".join(f"{level:g}" for level in axis.levels) in line


def test_levels_are_read_from_words_and_what_is_not_there_is_answered_with_what_is():
    axes = WORLDS["home"].axes
    found = departures(axes, ("camera=3", "words=1"))
    assert options_of(found) == {"camera_shift_m": 0.07, "wording": "heldout"}
    assert options_of(departures(axes, ("camera=0",))) == {}
    for words, wrong in {
        ("camra=3",): "Did you mean 'camera'",
        ("camera=5",): "levels 0 to 4, but got 'camera=5'",
        ("words=2",): "levels 0 to 1",
        ("camera",): "levels 0 to 4",
        ("camera=",): "levels 0 to 4",
        ("camera=-1",): "levels 0 to 4",
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
