"""Taking a run up again: lengthened, asked for differently, damaged, in use, interrupted, on a full disk."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from sayso.learn import checkpoint
from sayso.learn.imitate import TrainConfig, train
from sayso.learn.optimise import Average, learning_rate
from sayso.models import checkpoint as policies
from sayso.models.contract import renamed
from sayso.models.table import MODELS
from sayso.spec import SaysoError
from sayso.work.lock import InUseError, locked
from small_trainings import begun, go_to, record, tiny


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(8))


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of six steps, of which the fifth and the last are kept."""
    out = tmp_path_factory.mktemp("finished")
    go_to(tiny(dataset, out, steps=6), 6, save_at=(5, 6))
    return out


@pytest.fixture
def config(dataset: Path, finished: Path, tmp_path: Path) -> TrainConfig:
    """Return the config of a copy of that run."""
    shutil.copytree(finished, tmp_path / "run")
    return tiny(dataset, tmp_path / "run", steps=6)


def lines(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def column(out: Path, name: str) -> list[float]:
    return [line[name] for line in lines(out)]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    # Cloned, since a file that is mapped must not be damaged under it.
    return {name: t.clone() for name, t in checkpoint.load(checkpoint.newest(out)).tensors.items()}


def assert_equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert some.keys() == others.keys()
    assert [name for name in some if not torch.equal(some[name], others[name])] == []


def longer(config: TrainConfig, steps: int) -> TrainConfig:
    return dataclasses.replace(config, steps=steps)


def test_a_finished_run_is_lengthened_and_follows_the_schedule_of_the_longer_run(config, capsys):
    before = lines(config.out)
    train(longer(config, 10))
    assert "lengthened to 10 steps: from step 7 on" in " ".join(capsys.readouterr().err.split())
    assert lines(config.out)[:6] == before
    assert column(config.out, "lr")[6:] == [
        learning_rate(step, steps=10, warmup=config.warmup, peak=config.lr) for step in range(7, 11)
    ]
    assert json.loads((config.out / "run.json").read_text())["schedule"] == [[0, 6], [6, 10]]
    with pytest.raises(SaysoError, match=r"--steps: 10 there, 6 now; steps can become more, not fewer"):
        train(config)
    train(longer(config, 12))
    assert column(config.out, "step") == list(range(1, 13))


def test_a_lengthened_run_that_is_killed_ends_as_if_nothing_had_happened(config, dataset, tmp_path):
    straight = dataclasses.replace(config, out=tmp_path / "straight")
    shutil.copytree(config.out, straight.out)
    train(longer(straight, 10))
    go_to(longer(config, 10), 9, save_at=(8,))
    train(longer(config, 10))
    assert_equal(tensors(config.out), tensors(straight.out))
    assert column(config.out, "total") == column(straight.out, "total")


def test_a_run_with_weights_by_older_names_goes_on_bit_for_bit(config, dataset, tmp_path):
    straight = dataclasses.replace(config, out=tmp_path / "straight")
    shutil.copytree(config.out, straight.out)
    found = checkpoint.newest(config.out)
    back = [(now, before) for before, now in reversed(MODELS["vla"].renames)]
    older = {
        "/".join(renamed(part, back) for part in name.split("/")): t
        for name, t in tensors(config.out).items()
    }
    assert "average/reader.questions" in older
    checkpoint.save(config.out, 6, older, json.loads((found / "state.json").read_text()))
    for run in (config, straight):
        train(longer(run, 8))
    assert_equal(tensors(config.out), tensors(straight.out))


def test_steps_before_the_lengthening_keep_their_learning_rate_when_an_older_checkpoint_is_taken(config):
    rates = column(config.out, "lr")
    go_to(longer(config, 10), 7, save_at=())
    flip(config.out / "checkpoints" / "step_00000006" / "state.safetensors")
    train(longer(config, 10))
    assert column(config.out, "lr")[:6] == rates


def test_a_finished_run_says_how_to_lengthen_it(config, capsys):
    train(config)
    assert "all 6 steps are done; more --steps lengthen it" in " ".join(capsys.readouterr().err.split())


def test_other_threads_are_allowed_and_said(config, capsys):
    train(dataclasses.replace(config, threads=2))
    assert "begun with --threads 1 and goes on with 2" in " ".join(capsys.readouterr().err.split())


def test_the_refusal_of_another_run_names_both_values_and_two_ways_on(config):
    with pytest.raises(SaysoError) as refused:
        train(dataclasses.replace(config, lr=0.5, decoder="flow", seed=2))
    text = str(refused.value)
    assert "--lr: 0.0007 there, 0.5 now" in text
    assert "--decoder: regression there, flow now" in text
    assert "--seed: 0 there, 2 now" in text
    assert "another --out" in text
    assert f"--init {config.out / 'policy'}" in text


def test_a_run_begun_before_a_flag_there_was_or_with_one_that_is_gone_goes_on(config):
    path = config.out / "run.json"
    facts = json.loads(path.read_text())
    del facts["model_config"], facts["optimizer"]
    older = {"other_share" if name == "grounding_share" else name: value for name, value in facts.items()}
    path.write_text(json.dumps(older | {"history": 1}))
    train(config)
    path.write_text(json.dumps(facts | {"model_config": []}))  # as it once was written
    train(config)
    with pytest.raises(SaysoError, match="--optimizer: muon there, adamw now"):
        train(dataclasses.replace(config, optimizer="adamw"))
    path.write_text(json.dumps(facts | {"history": 2}))
    with pytest.raises(SaysoError, match="--history: 2 there, which can no longer be trained"):
        train(config)


def flip(path: Path, at: int = -100) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "state.safetensors"),
        lambda folder: flip(folder / "state.json", at=10),
        lambda folder: (folder / "state.safetensors").write_bytes(b""),
        lambda folder: (folder / "state.json").unlink(),
        lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff"),
        shutil.rmtree,
    ],
    ids=["flipped bit", "flipped fact", "empty", "no facts", "no digests", "gone"],
)
def test_a_damaged_checkpoint_is_put_aside_and_the_older_one_gives_the_same_weights(config, damage, capsys):
    before = tensors(config.out)
    newest = checkpoint.newest(config.out)
    damage(newest)
    train(config)
    assert_equal(tensors(config.out), before)
    assert column(config.out, "step") == list(range(1, 7))
    if damage is not shutil.rmtree:
        assert "goes on from the one before it" in " ".join(capsys.readouterr().err.split())
        assert (newest.parent / f"damaged_{newest.name}").is_dir()


def test_where_every_checkpoint_is_damaged_it_says_what_is_left(config):
    for state in config.out.glob("checkpoints/*/state.safetensors"):
        flip(state)
    with pytest.raises(SaysoError, match=r"no checkpoint of .* is whole.*--init .*policy to keep"):
        train(config)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"steps": "many"}', '{"steps": 6, "schedule": [[1]]}']
)
def test_a_damaged_account_of_the_run_is_refused_with_its_path(config, content):
    (config.out / "run.json").write_text(content)
    with pytest.raises(SaysoError, match=r"run\.json, which says what this run was .* cannot be read"):
        train(config)


def test_checkpoints_without_an_account_of_the_run_are_not_taken_for_another(config):
    (config.out / "run.json").unlink()
    with pytest.raises(SaysoError, match="is missing, though there are checkpoints"):
        train(dataclasses.replace(config, lr=0.5))


def test_a_policy_that_is_no_run_is_not_replaced(config, finished, tmp_path):
    shutil.copytree(finished / "policy", tmp_path / "kept" / "policy")
    with pytest.raises(SaysoError, match="holds a policy, but not the run that made it"):
        train(dataclasses.replace(config, out=tmp_path / "kept"))


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda policy: flip(policy / "model.safetensors")])
def test_the_policy_of_a_finished_run_is_written_again_if_it_is_gone_or_damaged(config, finished, damage):
    damage(config.out / "policy")
    train(config)
    own, theirs = (policies.load(out / "policy").model.state_dict() for out in (config.out, finished))
    assert_equal(own, theirs)


def test_two_trainings_in_one_folder_are_refused_saying_who_is_there(config):
    with (
        locked(config.out, "training"),
        pytest.raises(InUseError, match=f"training, by process {os.getpid()}"),
    ):
        train(config)


CHILD = """
import sys
from sayso.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command(config: TrainConfig) -> list[str]:
    words = ["train", "--datasets", str(config.datasets[0]), "--out", str(config.out), "--preset", "tiny"]
    words += ["--batch-size", "8", "--chunk", "4", "--threads", "1", "--steps", str(config.steps)]
    return [sys.executable, "-c", CHILD, *words]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_kill_keep_the_step_and_say_how_to_go_on(dataset, tmp_path, number):
    config = tiny(dataset, tmp_path / "run", steps=5000)
    child = subprocess.Popen(command(config), stderr=subprocess.PIPE, text=True)
    while not (config.out / "log.jsonl").exists() or len(lines_so_far(config.out)) < 3:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    kept = checkpoint.load(checkpoint.newest(config.out)).step
    assert kept == len(lines_so_far(config.out)) >= 3
    assert f"all up to step {kept} is kept; the same command goes on from there" in " ".join(said.split())
    assert "Traceback" not in said


def test_a_run_from_before_a_flag_could_be_left_out_goes_on(config):
    path = config.out / "run.json"
    facts = json.loads(path.read_text())
    assert (facts["model"], facts["preset"], facts["decoder"]) == ("vla", "tiny", "regression")
    del facts["decoder"]
    path.write_text(json.dumps(facts))
    train(longer(config, 7))
    assert column(config.out, "step") == list(range(1, 8))


def lines_so_far(out: Path) -> list[str]:
    return (out / "log.jsonl").read_text().splitlines()


def test_a_full_disk_ends_training_with_one_sentence_and_what_was_kept_stays_whole(config):
    before = tensors(config.out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # as if no file could become longer
    try:
        with pytest.raises(SaysoError, match=r"cannot be written to \(.*\); all up to step 6 is kept"):
            train(longer(config, 8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_equal(tensors(config.out), before)
    assert policies.load(config.out / "policy")
    assert not list(config.out.rglob(".*.new"))
    train(longer(config, 8))
    assert column(config.out, "step") == list(range(1, 9))


def test_the_average_covers_the_statistics_of_batch_norms():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = Average(model, decay=0.5)
    seen = []
    for step in range(100, 110):
        model(torch.randn(16, 2) + step)
        seen.append(model[1].running_mean.clone())
        average.update(step)
    expected = torch.zeros(3)
    for mean in seen:
        expected = expected.lerp(mean, 0.5)
    live = model[1].running_mean.clone()
    with average.applied():
        assert torch.allclose(model[1].running_mean, expected)
        assert not torch.allclose(model[1].running_mean, live)
    assert torch.equal(model[1].running_mean, live)


def test_an_average_from_before_it_covered_statistics_begins_with_the_models():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = Average(model, decay=0.5)
    model[1].running_mean.fill_(7.0)
    average.restore({name: torch.zeros_like(p) for name, p in model.named_parameters()})
    assert (average.tensors["1.running_mean"] == 7).all()
    assert not average.tensors["0.weight"].any()


def test_the_learning_rate_leaps_once_when_a_run_is_lengthened(config):
    train(longer(config, 16))
    rates = column(config.out, "lr")
    assert [after > before for before, after in pairwise(rates[1:])].count(True) == 1
    assert rates[6] > rates[5]


def test_what_lies_in_the_folder_of_the_policy_is_refused_at_the_beginning_not_at_the_end(config):
    (config.out / "policy" / "notes.txt").write_text("mine")
    with pytest.raises(SaysoError, match=r"other things than a checkpoint \(notes\.txt\)"):
        train(longer(config, 8))
    assert (config.out / "policy" / "notes.txt").read_text() == "mine"
    assert column(config.out, "step") == list(range(1, 7))


def test_lines_of_the_log_that_are_lost_are_said_to_be(tmp_path):
    config = tiny(record(tmp_path / "spots", range(2)), tmp_path / "run")
    train(config)
    (config.out / "log.jsonl").unlink()
    with begun(dataclasses.replace(config, steps=6)) as (run, *_):
        assert any("holds nothing of steps 1 to 4" in note for note in run.notes)


@pytest.mark.parametrize(
    ("name", "value"), [("dataset_hashes", None), ("chunk", 29.97), ("ema", []), ("model_config", "../../x")]
)
def test_a_run_that_says_other_things_than_it_did_is_refused_naming_the_file(config, name, value):
    path = config.out / "run.json"
    said = json.loads(path.read_text()) | {name: value}
    path.write_text(json.dumps({key: one for key, one in said.items() if one is not None}))
    with pytest.raises(SaysoError, match=r"run\.json"):
        train(config)


def test_what_is_in_the_way_of_a_log_is_named(config):
    log = config.out / "log.jsonl"
    log.unlink()
    log.mkdir()
    with pytest.raises(SaysoError, match=r"log\.jsonl cannot be written to \(Is a directory\).*Mend that"):
        train(longer(config, 7))
