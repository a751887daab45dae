"""Recordings of unlike robots train one policy, bit for bit the same after a kill, and each is measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso import cli
from sayso.learn.heldout import FILE
from sayso.learn.imitate import train
from sayso.models.checkpoint import load
from sayso.spec import STATE, TASK, FeatureMismatchError, Features, image_key
from small_mixtures import ALL, TWO_ARMS, record
from small_trainings import go_to, tiny

STEPS = 6
NAMES = ("simulated", "desk", "blind", "two_arms")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("mixture")
    return [record(root / name, ALL[k], seed=k) for k, name in enumerate(NAMES)]


def config(recorded, out: Path, **changes):
    return replace(tiny(recorded[0], out, steps=STEPS), datasets=tuple(recorded), **changes)


def look(features: Features) -> dict:
    seen = {image_key(c): np.full((*size, 3), 90, np.uint8) for c, size in features.cameras.items()}
    return seen | {STATE: np.ones(len(features.state), np.float32), TASK: "do number 1"}


def test_a_mixture_trains_is_measured_on_each_recording_and_acts_on_each_robot(recorded, tmp_path, capfd):
    out = train(config(recorded, tmp_path / "run", heldout="0.25", weights=(1, 2, 1, 0.5)))
    shown = capfd.readouterr()
    assert "4 kinds of robots are learned together" in " ".join(shown.err.split())
    found = json.loads((tmp_path / "run" / FILE).read_text())
    names = [row["name"] for row in found["dimensions"]]
    assert names[0] == "simulated/shoulder_pan.pos" and len(names) == 6 + 6 + 7 + 14
    assert {name.split("/")[0] for name in names} == {"simulated", "desk", "blind", "two_arms"}
    assert all(row["error"] > 0 and row["mean"] > 0 for row in found["dimensions"])
    assert [row["still"] is None for row in found["dimensions"]] == [n.startswith("blind/") for n in names]
    assert "two_arms/left_shoulder_pan.pos" in shown.out
    policy = load(out)
    for features, name in zip(ALL, NAMES, strict=True):
        actions = policy.act(look(features)).actions
        assert actions.shape == (7 if name == "desk" else 4, len(features.action))
        own = load(tmp_path / "run" / "robots" / name)
        assert not own.features.robots and own.features.action_names == features.action_names
        np.testing.assert_allclose(own.act(look(features)).actions, actions, rtol=1e-4, atol=1e-3)


def test_the_command_line_runs_and_measures_it_as_each_robot(recorded, tmp_path, capsys):
    out = str(train(config(recorded, tmp_path / "run")))
    capsys.readouterr()
    for k, cameras in enumerate((["front=0", "wrist=1"], ["desk=0", "hand=1"], ["front=0"], ["top=0"])):
        dry = ["run", out, "do number 1", "--robot", "dry", "--seconds", "0.2", "--cameras", *cameras]
        assert cli.main(dry) == 0
        said = capsys.readouterr().out
        assert "knows 4 kinds of robots" in said and f"cameras {', '.join(ALL[k].cameras)}" in said
    report = tmp_path / "report.json"
    assert cli.main(["eval", out, "--datasets", *map(str, recorded[1:]), "--out", str(report)]) == 0
    names = [row["name"] for row in json.loads(report.read_text())["dimensions"]]
    assert len(names) == 6 + 7 + 14 and {n.split("/")[0] for n in names} == {"desk", "blind", "two_arms"}
    assert cli.main(["export", out]) == 2
    assert "training wrote the policy of each" in capsys.readouterr().err


def test_a_mixture_that_was_killed_goes_on_bit_for_bit(recorded, tmp_path):
    train(config(recorded, tmp_path / "whole"))
    go_to(config(recorded, tmp_path / "killed"), 3, save_at=(2,))
    train(config(recorded, tmp_path / "killed"))
    whole, killed = (load(tmp_path / name / "policy").model.state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_a_policy_of_several_robots_learns_on_as_it_is_or_as_one_of_them(recorded, tmp_path, capfd):
    first = train(config(recorded, tmp_path / "first"))
    again = train(config(recorded, tmp_path / "again", init=first))
    assert "was trained for something else" not in capfd.readouterr().err
    assert load(again).stats == load(first).stats
    one = train(tiny(recorded[3], tmp_path / "one", init=first))
    assert "was trained for something else" not in capfd.readouterr().err
    assert load(one).features == replace(TWO_ARMS, fps=20.0)
    wider = train(config(recorded[:2], tmp_path / "wider", init=one))
    said = " ".join(capfd.readouterr().err.split())
    assert "was trained for something else" in said and len(load(wider).features.robots) == 2


def test_the_published_baselines_refuse_a_mixture_in_a_sentence(recorded, tmp_path, capsys):
    datasets = [str(root) for root in recorded[:2]]
    command = ["train", "--datasets", *datasets, "--model", "act", "--preset", "tiny"]
    assert cli.main([*command, "--out", str(tmp_path / "run"), "--batch-size", "4"]) != 0
    assert "act learns from one kind of robot, but these are 2" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.raises(FeatureMismatchError, match="take --model vla"):
        train(config(recorded, tmp_path / "run", model="act"))
