"""Comparisons are fair and go on after an interruption: one budget, one set of seeds, nothing done twice."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ablations
import against
import baselines
import comparison
import household
import long_instructions
import results_file
import tables
from sayso.data.reader import Dataset
from sayso.evaluation.report import chosen_objects
from sayso.evaluation.statistics import wilson
from sayso.evaluation.trials import SeenSeedsError
from sayso.learn.imitate import TrainConfig
from sayso.models.checkpoint import load
from sayso.spec import ACTION, SPLITS, Chunk, SaysoError, UnknownNameError
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.worlds import make_world
from small_trainings import record

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("comparison")
    data = record(folder / "spots", range(4))
    return TrainConfig(
        datasets=(data,), out=folder / "row", preset="tiny", batch_size=2, chunk=4, threads=1, steps=1
    )


def test_every_row_sees_as_many_samples_whatever_its_batches(tmp_path):
    terms = baselines.Baselines(samples=1000, runs=tmp_path)
    for name, row in baselines.BASELINES.items():
        config = comparison._train_config(terms, "tabletop", name, baselines.BASELINES)
        assert config.batch_size == row.train["batch_size"]
        assert 1000 <= config.steps * config.batch_size < 1000 + config.batch_size


def test_a_training_is_done_once_and_not_with_other_steps(config, monkeypatch):
    policy = comparison.trained(config)
    assert comparison.training_facts(policy)["steps"] == config.steps
    monkeypatch.setattr(comparison, "train", lambda _: pytest.fail("trained again"))
    assert comparison.trained(config) == policy
    with pytest.raises(SaysoError, match="holds a run of 1 steps, not 5"):
        comparison.trained(dataclasses.replace(config, steps=5))
    assert comparison.cost(policy)["parameters_m"] == pytest.approx(
        sum(p.numel() for p in load(policy).model.parameters()) / 1e6
    )


def test_a_row_reports_its_samples_and_the_minutes_they_took(config):
    policy = comparison.trained(config)
    rates = {f"{name}{end}": 0.5 for name in ("success", "follows_words") for end in ("", "/low", "/high")}
    found = comparison._metrics({"metrics": rates, "families": {}}, policy, "tabletop")
    assert found["samples_tabletop"] == config.steps * config.batch_size
    assert found["minutes_tabletop"] == comparison.training_facts(policy)["seconds"] / 60 > 0


def test_the_action_error_is_the_mean_distance_from_actions_in_new_scenes(config, tmp_path, monkeypatch):
    class Beside:
        looks, resets = 0, 0

        def reset(self) -> None:
            self.resets += 1

        def act(self, frame):
            self.looks += 1
            wrong = frame[ACTION] + np.array([3.0, -1.0] + [0.0] * (len(frame[ACTION]) - 2))
            return Chunk(np.tile(wrong, (4, 1)).astype(np.float32))

    policy, beside = comparison.trained(config), Beside()
    first = SPLITS["validation"].start
    data = record(tmp_path / "spots", range(first, first + 3))
    monkeypatch.setattr(comparison, "load", lambda _: beside)
    episodes = Dataset(data).episodes
    width = len(Dataset(data).features.action)
    assert comparison.action_error(policy, data, 2) == pytest.approx(4 / width, rel=1e-4)
    assert beside.resets == len(episodes)
    assert beside.looks == sum(math.ceil(len(episode) / 2) for episode in episodes)
    with pytest.raises(SeenSeedsError, match="4 of 4 seeds"):
        comparison.action_error(policy, *config.datasets, 2)


@pytest.mark.parametrize("rows", [ablations.ROWS, baselines.BASELINES], ids=["ablations", "baselines"])
def test_every_row_can_be_trained_and_differs_from_the_first(rows, tmp_path):
    first, *others = (dataclasses.asdict(row) for row in rows.values())
    assert first not in others
    for name, row in rows.items():
        TrainConfig(datasets=(tmp_path,), out=tmp_path, **row.train)
        assert not row.weights_of or row.weights_of in rows, name


def test_a_row_that_is_not_there_is_refused(tmp_path):
    terms = ablations.Ablations(runs=tmp_path)
    with pytest.raises(UnknownNameError, match="late_fusion"):
        comparison.compare("ablations", terms, ablations.ROWS, ["late_fusoin"])


def test_a_row_without_its_dataset_is_left_out_and_named(tmp_path, monkeypatch):
    begun: list[str] = []
    (tmp_path / "tabletop").mkdir()

    def begin(config: TrainConfig) -> None:
        begun.append(config.out.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "trained", begin)
    terms = ablations.Ablations(runs=tmp_path / "runs", datasets=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare("ablations", terms, ablations.ROWS, ["adamw", "no_recovery_noise"])
    assert begun == ["adamw"]


def test_the_page_explains_every_row_and_no_other():
    page = (ROOT / "docs" / "ablations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(ablations.ROWS)


def test_a_grid_has_a_row_for_each_and_the_columns_it_names(tmp_path):
    metrics = {"base.put": 0.8, "base.put/low": 0.7, "base.put/high": 0.9, "base.ms": 12.34, "late.put": 0.5}
    results_file.write_result("toy", metrics, seeds=[], n=10, config={}, folder=tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- grid: toy.json -->\nstale\n<!-- end grid -->\n")
    assert tables.rendered(page, tmp_path).splitlines()[1:5] == [
        "|  | put | ms |",
        "| --- | ---: | ---: |",
        "| base | 80% (70% to 90%) | 12.3 |",
        "| late | 0.5 |  |",
    ]
    page.write_text("<!-- grid: toy.json ms -->\n<!-- end grid -->\n")
    assert "put" not in tables.rendered(page, tmp_path)
    page.write_text("<!-- grid: toy.json grasp -->\n<!-- end grid -->\n")
    with pytest.raises(ValueError, match="no column grasp; it has put, ms"):
        tables.rendered(page, tmp_path)


def test_the_household_is_all_worlds_with_all_their_families():
    assert {world: tuple(setting.families) for world, setting in TASKS.items()} == household.FAMILIES


def test_the_summary_counts_over_both_worlds_and_leaves_out_what_is_invalid():
    metrics = {f"{f}_{w}": 1.0 for w, families in household.FAMILIES.items() for f in families}
    metrics |= {"goto_home": 0.3, "trained_parameters_m_tabletop": 2.0, "trained_parameters_m_home": 3.0}
    swap = {"families": {"put": {"n": 10, "chosen_object": {"named": 9, "original": 1}}}}
    ends = [("success", 2), ("failure", 1), ("invalid", 0)]
    long = {"episodes": [{"outcome": outcome, "done": done, "asked": 2} for outcome, done in ends]}
    reports = {
        f"{world}_{kind}": found for world in TASKS for kind, found in (("swap", swap), ("long", long))
    }
    found = household.summary(metrics, reports)
    assert found["mean"] == pytest.approx(0.9)
    assert found["wrong_instruction_follows_words"] == 0.9
    assert found["long_instructions/low"] == wilson(2, 4).low
    assert found["long_instructions_steps"] == 0.75
    assert found["trained_parameters_m"] == 3.0


def test_a_report_that_calls_the_chosen_object_by_its_old_name_is_read():
    assert chosen_objects({"went_for": {"named": 9}}) == chosen_objects({"chosen_object": {"named": 9}})


def test_long_instructions_have_seeds_of_their_own():
    asked = [long_instructions.Errand(number=k, of=25, film=False) for k in range(25)]
    assert {errand.steps for errand in asked} == {2, 3}
    used = [seed for errand in asked for seed in errand.seeds]
    assert len(set(used)) == len(used) == 25 * long_instructions.SCENES
    assert all(seed in SPLITS["test"] for seed in used)


def test_the_expert_carries_out_a_long_instruction_and_the_report_is_plain():
    world = make_world("tabletop")
    errand = long_instructions.Errand(number=0, of=25, film=False)
    found = long_instructions.attempt(world, world.expert(), errand)
    world.close()
    assert json.loads(json.dumps(found)) == found
    assert found["seed"] in errand.seeds
    assert (found["asked"], found["done"], found["outcome"]) == (2, 2, "success")
    assert all(step["instruction"] for step in found["steps"])


def test_a_report_is_made_once_and_again_only_if_it_was_interrupted(tmp_path):
    path, made = tmp_path / "report.json", []

    def make(*, partial):
        made.append(partial)
        path.write_text(json.dumps({"partial": partial, "number": len(made)}))

    with pytest.raises(SaysoError, match="interrupted"):
        results_file.once(path, lambda: make(partial=True))
    assert results_file.once(path, lambda: make(partial=False))["number"] == 2
    assert results_file.once(path, lambda: pytest.fail("made again"))["number"] == 2


def test_a_report_of_other_code_is_set_aside_and_measured_anew(tmp_path, monkeypatch, capsys):
    path, made = tmp_path / "report.json", []

    def make():
        made.append(1)
        path.write_text(json.dumps({"number": len(made), "commit": f"commit {len(made)}"}))

    assert results_file.once(path, make)["number"] == 1
    monkeypatch.setattr(results_file, "benchmark_code", lambda: "other code")
    assert results_file.once(path, make)["number"] == 2
    assert "was measured by other code (commit commit 1)" in capsys.readouterr().out
    assert json.loads(path.with_suffix(".old.json").read_text())["number"] == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\x00", b'{"partial": true}'])
def test_a_report_that_was_damaged_is_measured_anew(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert results_file.once(path, lambda: path.write_text('{"number": 1}'))["number"] == 1


def test_a_folder_where_a_report_should_be_is_refused_by_name(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(SaysoError, match=r"report\.json: is a directory"):
        results_file.once(tmp_path / "report.json", lambda: None)


def test_a_report_of_other_weights_is_measured_anew(tmp_path):
    path = tmp_path / "report.json"

    def make(weights):
        return lambda: path.write_text(json.dumps({"config": {"weights": weights}}))

    results_file.once(path, make("one"), {"weights": "one"})
    found = results_file.once(path, make("two"), {"weights": "two"})
    assert found["config"] == {"weights": "two"}


def test_a_report_of_which_too_much_crashed_is_refused(tmp_path):
    path = tmp_path / "report.json"
    crashed = {"episodes": [{"outcome": "success"}] * 97 + [{"outcome": "invalid"}] * 2}
    with pytest.raises(SaysoError, match=r"2 of the 99 episodes in .* are invalid"):
        results_file.once(path, lambda: path.write_text(json.dumps(crashed)))


def test_a_result_names_the_commit_of_its_reports_which_must_be_of_one_code(tmp_path):
    reports = [
        {"commit": "c0ffee", "measured_by": "a", "date": "then"},
        {"commit": "later", "measured_by": "a"},
    ]
    written = results_file.write_result(
        "toy", {}, seeds=[], n=1, config={}, folder=tmp_path, reports=reports,
        episodes=[{"outcome": "invalid"}, {"outcome": "success"}],
    )  # fmt: skip
    found = json.loads(written.read_text())
    assert (found["commit"], found["date"], found["invalid"]) == ("c0ffee", "then", 1)
    with pytest.raises(SaysoError, match="different code"):
        results_file.measured_by([*reports, {"measured_by": "b"}])


def test_two_checkouts_take_turns_and_each_turn_has_its_own_ratio(monkeypatch):
    answers = "import sys, json\nfor line in sys.stdin:\n"
    answers += "    slow = 1 + int(line)\n    print(json.dumps([30, {} * slow, 2.0 * slow]), flush=True)\n"
    sides = {
        name: [sys.executable, "-c", answers.format(seconds)]
        for name, seconds in (("old", 3.0), ("new", 2.0))
    }
    monkeypatch.setattr(against.time, "sleep", lambda _: None)
    found = against.compared("step_home", sides, turns=7)
    assert (found["step_home.old"], found["step_home.new"]) == (2.0, 3.0), "medians over turns 1 to 7"
    assert found["step_home.ratio"] == found["step_home.ratio_least"] == found["step_home.ratio_most"] == 1.5
    assert found["step_home.processor"] == found["step_home.alike"] == 1.0
    with pytest.raises(subprocess.CalledProcessError):
        against.compared("step_home", sides | {"new": [sys.executable, "-c", "input()"]}, turns=7)


def test_what_is_timed_is_as_many_pieces_as_asked_for_and_one_before_them_is_not():
    turns = against.timed(iter(range(9)), 2)
    assert [next(turns)[0] for _ in range(3)] == [1 + 2, 4 + 5, 7 + 8]
