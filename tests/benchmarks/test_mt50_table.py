"""The table of Meta-World: what its means and intervals are, that nothing is measured twice, and its name."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import mt50_table
import results_file
from mt50_table import ROWS, STANDARD, Table, summary, tier_mean
from sayso.evaluation import measure
from sayso.evaluation.measure import asked_of
from sayso.evaluation.report import Report
from sayso.evaluation.statistics import wilson
from sayso.spec import Episode, Outcome, SaysoError, UnknownNameError
from sayso.tasks.metaworld import WORDINGS, MetaWorld
from sayso.tasks.mt50 import TASKS, TIERS
from sayso.tasks.worlds import WORLDS

BENCHMARKS = Path(mt50_table.__file__).parent


def episodes(rates: dict[str, float], seeds: int = 20) -> list[dict]:
    """Return as many episodes of each task, of which the share of its tier succeeded."""
    return [
        {
            "family": task,
            "seed": seed,
            "outcome": "success" if seed < rates[asked.tier] * seeds else "failure",
            "steps": 60,
            "instruction": asked.instruction,
        }
        for task, asked in TASKS.items()
        for seed in range(seeds)
    ]


RATES = dict(zip(TIERS, (1.0, 0.5, 0.25, 0.0), strict=True))


def test_each_tier_counts_as_much_as_another_and_each_episode_in_the_other_mean():
    rows = {name: episodes(RATES, 4) for name in ROWS} | {STANDARD: episodes(RATES)}
    found = summary(rows)
    assert found["tier_mean"] == pytest.approx((1 + 0.5 + 0.25 + 0) / 4)
    assert found["episode_mean"] == pytest.approx((28 + 11 * 0.5 + 6 * 0.25) / 50)
    assert [found[tier] for tier in TIERS] == list(RATES.values())
    assert found["push-back"] == 0.25 and found["hammer"] == 0.5
    assert found["hammer/low"] == wilson(10, 20).low
    assert found["light"] == found["camera"] == found["tier_mean"]
    assert found["undisturbed"] == 0.75, "on the first four seeds all but the hardest succeeded"
    assert found["camera/high"] == pytest.approx(found["camera_5cm/high"]), "three times the same scenes"
    assert "improved_tier_mean" not in found
    results_file.check_metrics(found)


def test_a_policy_that_improved_has_a_row_and_what_is_undisturbed_is_counted_on_the_rows_own_seeds():
    first_four = [e | {"outcome": "success" if e["seed"] < 4 else "failure"} for e in episodes(RATES)]
    rows = {name: episodes(RATES, 4) for name in ROWS} | {STANDARD: first_four}
    found = summary(rows | {"improved": episodes(dict.fromkeys(TIERS, 0.8))})
    assert found["improved_tier_mean"] == pytest.approx(0.8)
    assert found["tier_mean"] == pytest.approx(0.2) and found["undisturbed"] == 1.0


def test_the_headline_stands_alone_and_disturbances_are_known():
    found = summary({STANDARD: episodes(RATES)})
    assert found["tier_mean"] == pytest.approx(1.75 / 4)
    assert not found.keys() & {"undisturbed", "camera", "light"}
    with pytest.raises(UnknownNameError, match="fog"):
        Table(checkpoint=Path(), disturbances=("fog",))


def test_what_succeeds_after_400_steps_is_a_failure_in_the_mean_of_shorter_episodes_alone():
    late = [e | {"steps": 400 + e["seed"] % 2} for e in episodes(dict.fromkeys(TIERS, 1.0))]
    found = summary(dict.fromkeys(ROWS, late))
    assert found["tier_mean"] == 1.0 and found["tier_mean_in_400_steps"] == 0.5


def test_invalid_episodes_count_neither_way_and_are_reported():
    some = episodes(RATES)
    broken = [e | {"outcome": "invalid"} for e in some if e["family"] == "hammer"]
    assert tier_mean(some + broken) == tier_mean(some)
    rows = dict.fromkeys(ROWS, some)
    assert summary(rows)["invalid"] == 0
    assert summary(rows | {"light": some + broken, STANDARD: some + broken[:3]})["invalid"] == 20 + 3


def test_the_interval_of_the_tier_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = dict(zip(TIERS, (0.9, 0.7, 0.5, 0.4), strict=True))
    tiers = [asked.tier for asked in TASKS.values()]
    held = []
    for _ in range(400):
        shares = []
        for tier in TIERS:
            n = 20 * tiers.count(tier)
            shares.append(wilson(int(rng.binomial(n, truth[tier])), n))
        low, high = mt50_table.mean_of(shares).low, mt50_table.mean_of(shares).high
        held.append(low <= np.mean(list(truth.values())) <= high)
    assert 0.92 < np.mean(held) < 0.98


def test_every_row_changes_one_thing_that_the_world_knows():
    first, *others = ROWS.values()
    assert first == mt50_table.Row()
    for row in others:
        assert WORLDS[row.world].extra == "metaworld" and set(row.options) <= set(MetaWorld.options)
        assert len(row.options) + (row.world != first.world) == 1
        assert row.options.get("wording", "train") in WORDINGS


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def asked(monkeypatch):
    """Keep what is asked of `evaluate_policy`, which answers at once with a report without episodes."""
    found: list[tuple] = []

    def answer(subject, config, *, options=None, place=None):
        found.append((config.world, config.episodes, config.execute, dict(options or {})))
        report = {"episodes": [], "partial": False, "config": asked_of(subject, config, options, ())}
        config.out.parent.mkdir(parents=True, exist_ok=True)
        config.out.write_text(json.dumps(report))

    monkeypatch.setattr(results_file, "evaluate_policy", answer)
    return found


def test_a_row_that_is_there_is_not_measured_again_but_other_weights_are(checkpoint, asked):
    table = Table(checkpoint=checkpoint, reports=checkpoint.parent, row_episodes=3)
    first = mt50_table.measured(table, checkpoint, "light")
    assert mt50_table.measured(table, checkpoint, "light") == first
    assert asked == [("metaworld", 3, 4, {"light": 0.6})]
    for changed in (dataclasses.replace(table, row_episodes=4), dataclasses.replace(table, execute=1)):
        mt50_table.measured(changed, checkpoint, "light")
    (checkpoint / "model.safetensors").write_bytes(b"others")
    mt50_table.measured(table, checkpoint, "light")
    assert [about[1:3] for about in asked] == [(3, 4), (4, 4), (3, 1), (3, 4)]


def test_a_row_that_was_measured_under_other_circumstances_is_measured_anew(checkpoint, asked, monkeypatch):
    table = Table(checkpoint=checkpoint, reports=checkpoint.parent)
    mt50_table.measured(table, checkpoint, "light")
    monkeypatch.setitem(ROWS, "light", mt50_table.Row(options={"light": 0.3}))
    mt50_table.measured(table, checkpoint, "light")
    assert [about[3] for about in asked] == [{"light": 0.6}, {"light": 0.3}]
    assert list(checkpoint.parent.glob("*_light_4_4.old.json"))


def test_a_row_that_was_stopped_goes_on_where_it_was(checkpoint, monkeypatch):
    found = []

    def stopped(*_, journal, seeds, options, **__):
        found.append((set(journal.done), options))
        about = {"world": "metaworld", "family": "reach", "instruction": "", "horizon": 500}
        journal.enter(Episode(**about, seed=seeds[0], outcome=Outcome.FAILURE))
        return Report(
            world="metaworld",
            families=("reach",),
            seeds=tuple(seeds),
            episodes=(),
            config={},
            training=None,
            provenance={},
        )

    monkeypatch.setattr(measure, "evaluate", stopped)
    monkeypatch.setattr(type(WORLDS), "ready", lambda table, name: table[name])
    table = Table(checkpoint=checkpoint, reports=checkpoint.parent)
    for _ in range(2):
        with pytest.raises(SaysoError, match="interrupted"):
            mt50_table.measured(table, checkpoint, "light")
    assert found == [(set(), {"light": 0.6}), ({("reach", 2_000_000)}, {"light": 0.6})]


def test_lerobots_own_class_is_a_world_of_fifty_tasks_and_is_measured_like_ours(
    checkpoint, asked, monkeypatch, tmp_path
):
    import lerobots_metaworld

    monkeypatch.setitem(sys.modules, "lerobot", types.SimpleNamespace(__version__="0"))
    monkeypatch.setattr(mt50_table, "write_result", lambda name, metrics, **_: name)
    monkeypatch.setattr(mt50_table, "headline", lambda _: {})
    table = Table(checkpoint=checkpoint, reports=tmp_path, in_lerobot=True)
    assert mt50_table.in_lerobot(table) == "metaworld_in_lerobot"
    assert asked == [("lerobot.envs.metaworld", 4, 4, {})]
    assert lerobots_metaworld.PLACE.families == tuple(TASKS)


@pytest.mark.parametrize(
    "wrong", [{"row_episodes": 21}, {"row_episodes": 0}, {"execute": 0}, {"workers": -1}]
)
def test_numbers_that_cannot_work_are_refused(wrong, tmp_path):
    with pytest.raises(ValueError, match="row_episodes"):
        Table(checkpoint=tmp_path, **wrong)


def test_no_script_is_called_like_the_package_that_it_measures_with():
    assert not {path.stem for path in BENCHMARKS.glob("*.py")} & set(sys.stdlib_module_names | {"metaworld"})
