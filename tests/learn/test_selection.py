"""A person chooses what is learned from, and measures what came of it on any recording."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sayso import cli
from sayso.learn.imitate import open_windows, train
from sayso.models import checkpoint
from sayso.spec import STATE, SaysoError
from small_datasets import build, without_points
from small_trainings import record, tiny


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("data") / "joints", without_points())


def windows(dataset: Path, **changes):
    return open_windows(tiny(dataset, dataset.parent / "nowhere", chunk=2, **changes))


def test_episodes_are_chosen_by_number_and_by_instruction(dataset):
    assert len(windows(dataset, episodes="0,3")) == 13
    assert len(windows(dataset, tasks=("put the block number 0",))) == 1
    assert len(windows(dataset, tasks=("put the block number 1", "fetch the block number 1"))) == 25
    both = windows(dataset, episodes="1-2", tasks=("put the block number 1",))
    assert len(both) == 12 and both.left_out == (frozenset({0, 1, 3}),)
    assert windows(dataset, episodes="0,3", heldout="3").stats[STATE].max[0] == 8


def test_cameras_are_chosen_by_the_name_they_have_or_get(dataset):
    assert list(windows(dataset, cameras=("wrist",)).features.cameras) == ["wrist"]
    for name in ("front", "top"):
        chosen = windows(dataset, cameras=(name,), rename=("front=top",))
        assert list(chosen.features.cameras) == ["top"]


@pytest.mark.parametrize(
    ("chosen", "refusal"),
    [
        ({"episodes": "0-9"}, r"--episodes names episode 4, but there is none; the dataset has 0-3"),
        ({"episodes": "few"}, "must be numbers and spans of episodes such as 0-9,12"),
        ({"tasks": ("put the block number 2",)}, "Did you mean 'put the block number"),
        ({"cameras": ("frnt",)}, "Did you mean 'front'"),
        ({"episodes": "0", "tasks": ("put the block number 1",)}, "no episode of .* is left"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(dataset, chosen, refusal):
    with pytest.raises(SaysoError, match=refusal):
        windows(dataset, **chosen)


def test_episodes_by_number_say_nothing_of_several_datasets(dataset):
    for chosen in ({"episodes": "0"}, {"heldout": "0"}):
        with pytest.raises(SaysoError, match="each of which numbers its own"):
            open_windows(
                replace(tiny(dataset, dataset.parent / "nowhere", **chosen), datasets=(dataset,) * 2)
            )


def test_a_run_goes_on_with_what_it_chose_only(dataset, tmp_path):
    config = tiny(dataset, tmp_path / "run", steps=2, batch_size=4, episodes="0,2", cameras=("front",))
    policy = train(config)
    assert list(checkpoint.load(policy).features.cameras) == ["front"]
    assert train(replace(config, steps=3)) == policy
    with pytest.raises(SaysoError, match="--episodes: 0,2 there, 0,1 now"):
        train(replace(config, episodes="0,1"))


# Measuring on recordings


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    return train(tiny(dataset, out, steps=2, batch_size=4, heldout="3", cameras=("front",)))


def test_a_policy_is_measured_on_what_it_has_not_learned_from(dataset, trained, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert cli.main(["eval", str(trained), "--datasets", str(dataset), "--out", str(report)]) == 0
    shown, found = capsys.readouterr(), json.loads(report.read_text())
    assert "on 4 windows of episodes 3 of" in shown.out and "pan.pos [deg]" in shown.out
    assert found["episodes"] == {str(dataset): "3"}
    at_the_end = json.loads((trained.parent / "heldout.json").read_text())
    for row, same in zip(found["dimensions"], at_the_end["dimensions"], strict=True):
        assert row["error"] == pytest.approx(same["error"]) and row["mean"] == pytest.approx(same["mean"])


def test_of_a_recording_that_was_learned_from_whole_that_is_said(dataset, tmp_path, capsys):
    policy = train(tiny(dataset, tmp_path / "run", steps=1, batch_size=4))
    assert cli.main(["eval", str(policy), "--datasets", str(dataset)]) == 0
    shown = capsys.readouterr()
    assert "has learned from all of" in shown.err and "on 26 windows of episodes 0-3" in shown.out


def test_instructions_of_a_recording_that_were_never_learned_are_named_with_the_nearest(
    dataset, tmp_path, capsys
):
    learned = "put the block number 1"
    policy = train(tiny(dataset, tmp_path / "run", steps=1, batch_size=4, tasks=(learned,)))
    capsys.readouterr()
    assert cli.main(["eval", str(policy), "--datasets", str(dataset), "--threads", "1"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "that the policy learned" in line]
    assert [line.split("'")[1] for line in told] == ["fetch the block number 1", "put the block number 0"]
    assert all(
        line.endswith(f"is not the one instruction that the policy learned; nearest is {learned!r}")
        for line in told
    )


def test_a_recording_of_another_robot_is_no_measure(trained, tmp_path, capsys):
    other = record(tmp_path / "spots", range(1))
    assert cli.main(["eval", str(trained), "--datasets", str(other)]) == 2
    assert "cannot be measured on these recordings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        ("eval expert --datasets d", "the expert sees a simulator, not recordings"),
        ("eval p --datasets d --world home", "measure on one of them at a time"),
    ],
)
def test_what_cannot_be_measured_is_refused(typed, refusal, capsys):
    assert cli.main(typed.split()) == 2
    assert refusal in capsys.readouterr().err
