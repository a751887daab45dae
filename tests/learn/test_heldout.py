"""Episodes that are held out are measured on, in units that a person knows, and never learned from."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.evaluation.action_error import ActionError, action_error, spread_evenly
from sayso.evaluation.report import training_of
from sayso.learn.heldout import FILE
from sayso.learn.imitate import open_windows, train
from sayso.learn.selection import _in_turn
from sayso.models import checkpoint
from sayso.spec import ACTION, STATE, Chunk, SaysoError
from sayso.work.ledger import Ledger
from small_datasets import build
from small_trainings import go_to, record, tiny

STEPS = 6


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "ours", range(12))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that says of no episode which seed it shows, as those of real robots."""
    root = record(tmp_path_factory.mktemp("data") / "elsewhere", range(12))
    (root / fmt.DIGESTS).unlink()
    info = json.loads((root / fmt.INFO).read_text())
    info.pop("sayso")
    (root / fmt.INFO).write_text(json.dumps(info))
    for path in (root / "meta" / "episodes").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns([fmt.SEED_COLUMN, fmt.FAMILY_COLUMN]), path)
    return root


def rows(out: Path) -> list[dict[str, float]]:
    return [row for row in Ledger(out / "log.jsonl").rows if "heldout/loss" in row]


def test_a_recording_of_a_real_robot_is_measured_on_a_tenth_of_it_without_a_word(elsewhere, tmp_path, capfd):
    train(tiny(elsewhere, tmp_path / "run", steps=STEPS, heldout_every=4))
    shown = capfd.readouterr()
    assert "1 of 12 episodes are held out" in shown.err and "--heldout none" in shown.err
    assert "step 4: held out: loss" in shown.err and re.search(r"\(held out \d\.", shown.err)
    assert [int(row["step"]) for row in rows(tmp_path / "run")] == [4, STEPS]
    found = json.loads((tmp_path / "run" / FILE).read_text())
    assert found["step"] == STEPS and list(found["episodes"]) == [str(elsewhere)]
    assert [row["name"] for row in found["dimensions"]] == list(Dataset(elsewhere).features.action_names)
    for row in (found, *found["dimensions"], *(row["chunk"] for row in found["dimensions"])):
        assert row["error"] > 0 and row["mean"] > 0
    table = shown.out
    assert "still" in table and found["dimensions"][0]["name"] in table


def test_nothing_of_what_sayso_recorded_in_simulation_is_held_out_unless_it_is_asked_for(ours, tmp_path):
    assert len(open_windows(tiny(ours, tmp_path / "a")).measured) == 0
    assert len(open_windows(tiny(ours, tmp_path / "a", heldout="0.25")).heldout[0]) == 3
    assert open_windows(tiny(ours, tmp_path / "a", heldout="3,7-8")).heldout[0] == {3, 7, 8}


def test_the_same_episodes_are_held_out_whatever_the_seed_and_a_larger_share_has_them_too(ours, tmp_path):
    some = open_windows(tiny(ours, tmp_path / "a", heldout="0.2")).heldout[0]
    assert open_windows(tiny(ours, tmp_path / "a", heldout="0.2", seed=5)).heldout[0] == some
    assert some < open_windows(tiny(ours, tmp_path / "a", heldout="0.5")).heldout[0]


def test_of_each_instruction_about_the_same_share_is_held_out(ours):
    first = Dataset(ours).episodes[0]
    asked = [("pick",)] * 40 + [("push",)] * 10 + [("wave",)]
    episodes = [replace(first, index=k, tasks=tasks) for k, tasks in enumerate(asked)]
    held = [asked[k][0] for k in _in_turn(episodes)[:10]]
    assert (held.count("pick"), held.count("push"), held.count("wave")) == (8, 2, 0)


def test_measuring_changes_no_weight(ours, tmp_path):
    def trained(every: int) -> Path:
        policy = train(tiny(ours, tmp_path / str(every), steps=STEPS, heldout="0.2", heldout_every=every))
        return policy / "model.safetensors"

    assert trained(1).read_bytes() == trained(0).read_bytes()


def test_a_run_that_was_killed_goes_on_and_measures_the_same(ours, tmp_path):
    train(straight := tiny(ours, tmp_path / "straight", steps=STEPS, heldout="0.2", heldout_every=2))
    broken = replace(straight, out=tmp_path / "broken")
    go_to(broken, 3, save_at=(3,))
    train(replace(broken, heldout=""))  # which episodes it began with is known
    assert json.loads((broken.out / FILE).read_text()) == json.loads((straight.out / FILE).read_text())
    assert rows(broken.out)[-1] == rows(straight.out)[-1]


def test_a_run_from_before_there_were_held_out_episodes_goes_on_without(elsewhere, tmp_path):
    config = tiny(elsewhere, tmp_path / "run", heldout="none")
    go_to(config, 2, save_at=(2,))
    path = config.out / "run.json"
    begun = {k: v for k, v in json.loads(path.read_text()).items() if "heldout" not in k}
    path.write_text(json.dumps(begun))
    train(replace(config, heldout=""))
    assert rows(config.out) == []
    with pytest.raises(SaysoError, match="--heldout: nothing there, "):
        train(replace(config, heldout="0.1"))


def test_a_policy_says_what_it_has_not_learned_from(elsewhere, tmp_path, capfd):
    policy = train(tiny(elsewhere, tmp_path / "run", heldout="2,5"))
    assert training_of(policy).left_out == {"0-elsewhere": "2,5"}
    assert training_of(policy).unseen(Dataset(elsewhere).hash, {2, 3}) == {2}
    said = {s for e in Dataset(elsewhere).episodes if e.index not in (2, 5) for s in e.tasks}
    assert {*training_of(policy).sentences} == {*checkpoint.load(policy).sentences} == said
    capfd.readouterr()
    open_windows(tiny(elsewhere, tmp_path / "more", init=policy, heldout="2,3"))
    said = " ".join(capfd.readouterr().err.split())
    assert "has learned from episodes 3 of these" in said


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ("12", "names episode 12, but there is none; the dataset has 0-11"),
        ("0-11", "would hold out all 12 episodes"),
        ("1.5", "a share is between 0 and 1"),
        ("some", "must be numbers and spans"),
    ],
)
def test_what_cannot_be_held_out_is_refused(ours, tmp_path, asked, refusal):
    with pytest.raises(SaysoError, match=refusal):
        open_windows(tiny(ours, tmp_path / "run", heldout=asked))


class Sure:
    """A policy that answers each look with what it is told."""

    def __init__(self, answer):
        self.answer = answer

    def act(self, observation):
        return Chunk(self.answer(observation))

    def reset(self):
        pass


def test_the_error_is_the_mean_distance_to_what_was_shown_in_the_units_of_the_robot(ours):
    windows = Windows(Dataset(ours), chunk=6)
    numbers = np.arange(len(windows))
    shown = dict(zip(numbers.tolist(), windows.batch(numbers)[ACTION], strict=True))
    seen = iter(numbers.tolist())
    found = action_error(Sure(lambda _: shown[next(seen)] + [0.5, -2.0]), windows, numbers)
    assert [d.error for d in found.dimensions] == pytest.approx([0.5, 2.0], abs=1e-5)
    assert [d.chunk.error for d in found.dimensions] == pytest.approx([0.5, 2.0], abs=1e-5)
    spread = windows.stats[ACTION].std
    assert found.error == pytest.approx((0.5 / spread[0] + 2 / spread[1]) / 2, rel=1e-5)


def test_whoever_never_moves_and_whoever_never_looks_are_measured_beside(ours, tmp_path):
    windows = Windows(Dataset(build(tmp_path / "joints")), chunk=6)
    numbers = np.arange(len(windows))
    mean = np.array(windows.stats[ACTION].mean, np.float32)
    still = action_error(Sure(lambda seen: np.tile(seen[STATE], (6, 1))), windows, numbers)
    blind = action_error(Sure(lambda _: np.tile(mean, (6, 1))), windows, numbers)
    for d, e in zip(still.dimensions, blind.dimensions, strict=True):
        assert d.still == e.still == pytest.approx(d.error) and d.chunk.still == pytest.approx(d.chunk.error)
        assert e.mean == d.mean == pytest.approx(e.error) and d.mean != d.still
    velocities = Windows(Dataset(ours), chunk=2)
    found = action_error(Sure(lambda _: np.zeros((2, 2), np.float32)), velocities, np.arange(5))
    assert found.still is None and found.dimensions[0].still is None  # the state does not say how fast it is


def test_an_account_of_errors_comes_back_from_json_and_measures_few_windows_of_many(ours):
    windows = Windows(Dataset(ours), chunk=2)
    found = action_error(Sure(lambda _: np.zeros((2, 2), np.float32)), windows, np.arange(5))
    assert ActionError.from_json(json.loads(json.dumps({"step": 1, **found.to_json()}))) == found
    assert spread_evenly(np.arange(10_000)).tolist()[::511] == [0, 9999]
    assert spread_evenly(np.arange(3)).tolist() == [0, 1, 2]
