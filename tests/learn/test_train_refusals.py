"""What cannot be trained is refused in one sentence, before anything is decoded or written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sayso.cli import main
from sayso.data.windows import Windows
from sayso.learn.beginning import first_policy, resolved
from sayso.learn.imitate import TrainConfig, open_windows, train
from sayso.learn.paraphrase import ParaphraseConfig
from sayso.models import checkpoint
from sayso.spec import ConfigError, FeatureMismatchError, SaysoError
from small_trainings import record, tiny
from small_worlds import SpotWorld


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(8))


@pytest.fixture(scope="module")
def policy(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny(dataset, tmp_path_factory.mktemp("begun"), steps=1))


@pytest.fixture
def config(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """Return the config of a training that must not come to decoding."""
    monkeypatch.setattr(Windows, "decode", lambda _: pytest.fail("frames were decoded"))
    return tiny(dataset, tmp_path / "run")


NUMBERS = [
    ("lr", -1.0, "above 0 and at most 1"),
    ("lr", 0.0, "above 0"),
    ("lr", float("nan"), "above 0"),
    ("ema", 2.0, "at least 0 and below 1"),
    ("ema", 1.0, "below 1"),
    ("weight_decay", -1.0, "at least 0"),
    ("clip", 0.0, "above 0"),
    ("clip", float("inf"), "at most"),
    ("warmup", -5, "at least 0"),
    ("save_minutes", -1.0, "at least 0"),
    ("save_minutes", float("inf"), "at most"),
    ("threads", 0, "at least 1"),
    ("seed", -1, "at least 0"),
    ("steps", 0, "at least 1"),
    ("steps", 10**9, "at most 100,000,000"),
    ("batch_size", 0, "at least 1"),
    ("chunk", 10**9, "at most 1,000"),
    ("stride", 0, "at least 1"),
    ("grounding_share", 1.0, "below 1"),
    ("eval_every", -1, "at least 0"),
    ("eval_episodes", 0, "at least 1"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), NUMBERS, ids=[f"{n}={v}" for n, v, _ in NUMBERS])
def test_a_number_outside_its_range_is_refused_naming_the_flag_and_the_range(
    config, name, value, allowed, capsys
):
    with pytest.raises(ConfigError, match=f"^{name} is {value}, but must be .*{allowed}"):
        dataclasses.replace(config, **{name: value})
    flag = f"--{name.replace('_', '-')}"
    assert main(["train", "--datasets", "nowhere", "--out", str(config.out), f"{flag}={value}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sayso: {flag} is {value}, but must be")
    assert said.count("\n") == 1
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1.0),
        ("noise", -0.1),
        ("drop", 1.0),
        ("probe_share", float("nan")),
        ("seed", -1),
        ("threads", 0),
    ],
)
def test_teaching_refuses_numbers_outside_their_range(name, value, tmp_path):
    with pytest.raises(ConfigError, match=f"^{name} is {value}, but must be"):
        ParaphraseConfig(wordings=tmp_path, out=tmp_path, **{name: value})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "act", "decoder": "flow"}, "decoder is flow, but act has only its own"),
        ({"world": "tabletop"}, "world is tabletop, but without --eval-every"),
        ({"eval_every": 5, "world": "home"}, "eval_every is 5, but there are only 4 steps"),
    ],
)
def test_what_would_do_nothing_is_refused(config, changes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        dataclasses.replace(config, **changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"batch_size": 1000}, r"--batch-size is 1000, but there are only \d+ windows with --stride 1"),
        ({"device": "nonsense"}, "--device is nonsense, but torch cannot compute there"),
        ({"device": "meta"}, "--device is meta, but torch cannot compute there"),
        ({"eval_every": 2}, "--eval-every needs a world"),
        ({"model": "diffusion", "chunk": 5}, "no diffusion can be built so: .*multiple of 2"),
        ({"init": Path("nowhere")}, "no checkpoint folder 'nowhere'"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_claimed(config, changes, complaint):
    with pytest.raises(SaysoError, match=complaint):
        train(dataclasses.replace(config, **changes))
    assert not config.out.exists()


def test_a_world_the_policy_cannot_act_in_is_refused_before_training(config):
    other = SpotWorld()
    other.features = dataclasses.replace(other.features, fps=99)
    with pytest.raises(FeatureMismatchError, match="fps is 10 in the policy and 99 in the world"):
        train(dataclasses.replace(config, eval_every=2), world=other)
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"decoder": "flow"}, "--decoder is flow, the policy's is regression. Give --decoder regression"),
        ({"preset": "small"}, "--preset is small, the policy's is tiny"),
        ({"model": "act"}, "--model is act, the policy's is vla"),
    ],
)
def test_a_policy_to_begin_with_that_is_of_another_kind_is_refused_with_its_own_flags(
    config, policy, changes, complaint
):
    with pytest.raises(SaysoError, match=complaint):
        train(dataclasses.replace(config, init=policy, **changes))
    assert not config.out.exists()


def test_a_policy_of_another_robot_is_refused_where_its_model_cannot_move_saying_what_differs(
    config, tmp_path
):
    config = dataclasses.replace(config, model="act")
    other = tmp_path / "other"
    checkpoint.save(first_policy(resolved(config), open_windows(config)), other)
    facts = json.loads((other / "config.json").read_text())
    facts["features"]["robot_type"] = "so101"
    facts["features"]["cameras"]["top"] = facts["features"]["cameras"].pop("front")
    (other / "config.json").write_text(json.dumps(facts))
    (other / "SHA256SUMS").unlink(missing_ok=True)
    with pytest.raises(FeatureMismatchError) as refused:
        train(dataclasses.replace(config, init=other))
    text = str(refused.value)
    assert "robot_type is 'so101' in the policy and 'point' in the demonstrations" in text
    assert "camera only in the policy: top" in text
    assert "camera only in the demonstrations: front" in text
    assert "Leave out --init" in text
    assert "world" not in text
    assert not config.out.exists()


@pytest.mark.parametrize("where", ["file/run", "file"])
def test_a_folder_below_a_file_is_refused_before_decoding(config, tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaysoError, match="is to be a folder, but"):
        train(dataclasses.replace(config, out=tmp_path / where))


def test_an_objective_that_nobody_offers_is_refused_with_the_nearest_one(config, capsys):
    told = ["train", "--datasets", "nowhere", "--out", str(config.out), "--objective", "imitat"]
    assert main(told) == 2
    said = capsys.readouterr().err
    assert "there is no objective 'imitat'. Did you mean 'imitate'?" in said
    assert said.count("\n") == 1
