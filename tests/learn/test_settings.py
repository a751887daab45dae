"""A former run's settings are taken back, and what it logged is drawn or shown in TensorBoard."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sayso import cli
from sayso.learn.imitate import train
from sayso.learn.plot import MISSING, plot
from sayso.learn.settings import expanded
from sayso.spec import SaysoError
from sayso.work.ledger import Ledger, rows_of
from small_trainings import go_to, record, tiny


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(6))


@pytest.fixture(scope="module")
def first(dataset, tmp_path_factory) -> Path:
    """Return a run with settings of many kinds."""
    out = tmp_path_factory.mktemp("first")
    given = ["train", "--datasets", str(dataset), "--out", str(out), "--preset", "tiny", "--steps", "3"]
    given += ["--batch-size=8", "--chunk", "4", "--threads", "1", "--lr", "0.0005", "--heldout", "0.2"]
    given += ["--tasks", *task_of(dataset), "--model.fusion", "late", "--model.no-augmentation"]
    assert cli.main(given) == 0
    return out


def task_of(dataset: Path) -> tuple[str, ...]:
    from sayso.data.reader import Dataset

    return Dataset(dataset).tasks


def identity(out: Path) -> dict:
    return {k: v for k, v in json.loads((out / "run.json").read_text()).items() if k != "steps"}


@pytest.mark.parametrize("file", ["", "run.json"])
def test_a_former_runs_settings_are_taken_back_and_flags_beside_them_count_more(first, tmp_path, file):
    out = tmp_path / "again"
    assert cli.main(["train", "--config", str(first / file), "--out", str(out), "--steps", "2"]) == 0
    assert identity(out) == identity(first) and json.loads((out / "run.json").read_text())["steps"] == 2


def test_the_same_run_is_lengthened_by_its_own_settings(first, capsys):
    assert cli.main(["train", "--config", str(first), "--out", str(first), "--steps", "4"]) == 0
    assert "is lengthened to 4 steps" in capsys.readouterr().err
    assert int(rows_of(first / "log.jsonl")[-1]["step"]) == 4


def test_where_the_new_run_goes_must_be_said(first, capsys):
    assert cli.main(["train", "--config", str(first)]) == 2
    assert "train needs --out" in capsys.readouterr().err


def test_what_is_typed_takes_the_place_of_what_was(first):
    words = expanded(
        ["--config", str(first), "--model.fusion=early", "--model.augmentation", "--lr", "1"], str(first)
    )
    assert "--model.no-augmentation" not in words and "--model.fusion=late" not in words
    assert [word for word in words if word.startswith("--lr")] == ["--lr"] and "--config" not in words
    assert "--batch-size=8" in words and "--heldout=0.2" in words


@pytest.mark.parametrize(
    ("content", "refusal"),
    [(None, "cannot be read"), ("no json", "is no run.json"), ("[]", "is no run.json")],
)
def test_settings_that_are_none_are_refused(tmp_path, capsys, content, refusal):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    assert cli.main(["train", "--config", str(path), "--out", str(tmp_path / "o")]) == 2
    assert refusal in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_training_is_drawn_from_its_log(first, capsys):
    pytest.importorskip("matplotlib")
    (first / "training.png").unlink(missing_ok=True)
    assert cli.main(["show", str(first)]) == 0
    shown = capsys.readouterr().out
    assert str(first / "training.png") in shown and "still" in shown
    assert (first / "training.png").read_bytes().startswith(b"\x89PNG")
    assert plot(first, first / "training.svg").read_text().startswith("<?xml")


def test_without_what_draws_a_training_says_what_to_install(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sayso.learn.plot.can_plot", lambda: False)
    monkeypatch.setattr("sayso.learn.imitate.can_plot", lambda: False)
    train(tiny(dataset, tmp_path / "run", steps=1))
    assert MISSING in capsys.readouterr().out
    with pytest.raises(SaysoError, match="sayso\\[plots\\]"):
        plot(tmp_path / "run")


def test_rows_that_are_being_written_are_read_without_a_change(tmp_path):
    ledger = Ledger(tmp_path / "log.jsonl")
    for step in (1, 2):
        ledger.append({"step": step})
    with ledger.path.open("ab") as file:
        file.write(b'{"check": "00", "st')
    before = ledger.path.read_bytes()
    assert rows_of(ledger.path) == [{"step": 1}, {"step": 2}] and ledger.path.read_bytes() == before
    assert rows_of(tmp_path / "none") == []


def test_tensorboard_has_the_rows_of_the_log_once_though_the_run_was_killed(dataset, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = tiny(dataset, tmp_path / "run", steps=4, tensorboard=True, heldout="0.2")
    go_to(config, 3, save_at=(2,))  # step 3 is written and lost again
    train(config)
    events = EventAccumulator(str(config.out / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/total")] == [1, 2, 3, 4]
    logged = [row["total"] for row in rows_of(config.out / "log.jsonl") if "total" in row]
    assert [event.value for event in events.Scalars("train/total")] == pytest.approx(logged)
    assert [event.step for event in events.Scalars("heldout/loss")] == [4]
    assert train(replace(config, tensorboard=False)) == config.out / "policy"


def test_without_tensorboard_it_is_said_before_anything_is_written(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SaysoError, match="pip install 'sayso\\[tensorboard\\]'"):
        train(tiny(dataset, tmp_path / "run", tensorboard=True))
    assert not (tmp_path / "run" / "run.json").exists()
