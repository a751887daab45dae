"""Training on several devices: the same losses as on one, one process that speaks, and one that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.learn import checkpoint
from sayso.learn.dealing import Share, dealt, seeded
from sayso.learn.devices import Devices, JoinedDevices, devices_of, leads, pinned
from sayso.learn.imitate import train
from sayso.learn.loop import steps
from sayso.learn.settings import expanded
from sayso.models.pooling import pooled, shared
from sayso.spec import SaysoError
from small_trainings import begun, record, tiny

FLAGS = ["--preset", "tiny", "--chunk", "4", "--threads", "1", "--steps", "6", "--save-minutes", "0"]
FLAGS += ["--decoder", "flow", "--model.augmentation", "--model.state-dropout", "0.3"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(8))


def begin(dataset: Path, out: Path, *more: str, count: int = 2) -> list[subprocess.Popen[str]]:
    """Begin a process for each device, as a launcher does."""
    pytest.importorskip("accelerate", reason="the extra `scale` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "sayso", "train", "--datasets", str(dataset), "--out", str(out)]
    return [
        subprocess.Popen(
            [*command, *FLAGS, "--batch-size", "8", *more],
            env=os.environ
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_WORLD_SIZE": str(count)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Return how each process ended, and what it printed."""
    try:
        said = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, out, err) for p, (out, err) in zip(processes, said, strict=True)]


def rows(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def column(out: Path, name: str) -> list[float]:
    return [row[name] for row in rows(out)]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(out)
    assert newest
    return dict(checkpoint.load(newest).tensors)


def assert_same_run(some: Path, other: Path) -> None:
    assert column(some, "total") == column(other, "total")
    ours, theirs = tensors(some), tensors(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.fixture(scope="module")
def two(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str, str]]]:
    """Return a run of two processes, and how they ended."""
    out = tmp_path_factory.mktemp("two") / "run"
    return out, ended(begin(dataset, out))


def test_two_processes_have_the_losses_of_one_with_twice_the_batch_and_one_of_them_speaks(
    dataset, two, tmp_path, capsys
):
    out, how = two
    assert [code for code, _, _ in how] == [0, 0], how
    assert "2 processes train together on cpu" in " ".join(how[0][2].split())
    assert "policy: " in how[0][1] and how[1][1:] == ("", "")
    changes = {"state_dropout": 0.3, "augmentation": {}}
    alone = tiny(dataset, tmp_path / "one", steps=6, batch_size=16, decoder="flow", model_config=changes)
    train(alone)
    for name in ("total", "action", "point", "where", "grad_norm"):
        np.testing.assert_allclose(column(out, name), column(alone.out, name), rtol=1e-4)
    assert tensors(out).keys() == tensors(alone.out).keys()
    capsys.readouterr()


def test_a_run_of_two_goes_on_alone_with_the_same_whole_batch_and_says_so(dataset, two, tmp_path, capsys):
    out = shutil.copytree(two[0], tmp_path / "run")
    found = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (found["batch_size"], found["devices"], found["typed"]["batch_size"]) == (16, 2, 8)
    assert "--batch-size=8" in expanded(["--config", str(out)], str(out))
    asked = {"steps": 8, "decoder": "flow", "model_config": found["model_config"]}
    with pytest.raises(
        SaysoError, match=r"--batch-size: 16 there, 8 now\n  \(examples of a step, over all dev"
    ):
        train(tiny(dataset, out, **asked))
    train(tiny(dataset, out, **asked, batch_size=4, accumulate=4))
    said = " ".join(capsys.readouterr().err.split())
    assert "was begun on 2 devices and goes on with 1: the last digits of its numbers" in said
    assert "was begun with --accumulate 1 and goes on with 4" in said
    assert column(out, "total")[:6] == column(two[0], "total") and column(out, "step")[-1] == 8


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
@pytest.mark.parametrize("step", [0, 3])
def test_where_one_of_two_is_killed_the_other_says_so_and_the_run_goes_on_bit_for_bit(
    dataset, two, tmp_path, killed, step
):
    out = tmp_path / "run"
    processes = begin(dataset, out)
    log = out / "log.jsonl"
    while not log.exists() or log.read_text(encoding="utf-8").count("\n") < step:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.002)
    processes[killed].send_signal(signal.SIGKILL)
    how = ended(processes)
    assert how[killed][0] == -signal.SIGKILL
    code, _, said = how[1 - killed]
    assert code == 2, said
    assert "cannot go on, since another of them has ended: the same command goes on" in " ".join(said.split())
    assert [code for code, _, _ in ended(begin(dataset, out))] == [0, 0]
    assert_same_run(out, two[0])


@pytest.mark.slow
def test_sharded_weights_give_the_same_losses_and_a_checkpoint_that_goes_on(dataset, two, tmp_path):
    out = tmp_path / "run"
    how = ended(begin(dataset, out, "--shard", "--steps", "4"))
    assert [code for code, _, _ in how] == [0, 0], how
    assert "each with a part of the weights (FSDP2)" in " ".join(how[0][2].split())
    np.testing.assert_allclose(column(out, "action")[0], column(two[0], "action")[0], rtol=1e-4)
    how = ended(begin(dataset, out, "--shard"))
    assert [code for code, _, _ in how] == [0, 0], how
    assert {n: t.shape for n, t in tensors(out).items()} == {n: t.shape for n, t in tensors(two[0]).items()}


@pytest.mark.parametrize("function", [torch.rand, torch.randn, lambda *size: torch.randint(-3, 4, size)])
def test_shares_draw_the_rows_that_one_device_would_have_drawn(function):
    with dealt(1, 2, Share(size=6)):
        whole = [function(6, 3), function(6)]
    for number in range(2):
        share = Share(number, 2, 6)
        with dealt(1, 2, share):
            mine = [function(len(share), 3), function(len(share))]
        assert all(torch.equal(part, w[number::2]) for part, w in zip(mine, whole, strict=True))


def test_what_has_no_rows_is_drawn_by_each_share_for_itself():
    drawn = []
    for share in (Share(size=4), Share(0, 2, 4), Share(1, 2, 4)):
        with dealt(0, 1, share):
            drawn.append(torch.nn.functional.dropout(torch.ones(64)))
    assert not any(torch.equal(drawn[a], drawn[b]) for a, b in [(0, 1), (0, 2), (1, 2)])


def test_one_device_draws_as_it_always_did():
    with seeded(3, 7):
        before = torch.rand(5)
    with dealt(3, 7, Share(size=5)):
        assert torch.equal(torch.rand(5), before)


def test_the_mean_of_shares_is_that_of_the_whole_however_their_weights_differ():
    values, weights = torch.rand(8), torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0.5])
    parts = [(values[k::2], weights[k::2]) for k in range(2)]
    found = []
    for value, weight in parts:
        with shared(lambda _: torch.stack([w.sum() for _, w in parts]).mean()):
            found.append(pooled([((value * weight).sum() / weight.sum(), weight.sum())]))
    torch.testing.assert_close(torch.stack(found).mean(), (values * weights).sum() / weights.sum())


def test_several_passes_see_the_examples_of_one_and_vary_them_alike(dataset, tmp_path):
    first: dict[int, float] = {}
    for passes in (1, 4):
        changes = {"model": "act", "batch_size": 8, "accumulate": passes}
        config = tiny(dataset, tmp_path / str(passes), **changes)
        with begun(config) as (run, source, objective):
            first[passes] = next(steps(run, source, objective))["kl"]  # a mean that no padding weighs
            shares = run.devices.mine(8)
            seen = [source.batch(1, share.number, share.of)["index"] for share in shares]
        assert sorted(np.concatenate(seen)) == sorted(source.batch(1)["index"])
    assert first[1] == pytest.approx(first[4], rel=1e-5)


def test_a_launcher_without_accelerate_is_answered_with_what_to_install(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(SaysoError, match=r"2 processes were begun .* pip install 'sayso\[scale\]'"):
        train(tiny(dataset, tmp_path / "run"))
    assert not leads()


@pytest.mark.parametrize(
    ("set_to", "complaint"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "fp16"}, "leave out --mixed_precision"),
        ({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, "--accumulate"),
    ],
)
def test_what_a_launcher_asks_for_in_vain_is_refused(dataset, tmp_path, monkeypatch, set_to, complaint):
    for name, value in ({"WORLD_SIZE": "2", "RANK": "0"} | set_to).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SaysoError, match=complaint):
        train(tiny(dataset, tmp_path / "run"))


def test_one_process_where_accelerate_was_asked_for_several_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(SaysoError, match="began one, as it does on CPUs: torchrun"):
        train(tiny(dataset, tmp_path / "run"))


def test_one_process_has_nothing_to_shard(dataset, tmp_path):
    with pytest.raises(SaysoError, match="there is one process"):
        devices_of(tiny(dataset, tmp_path / "run", shard=True))
    assert leads()


def test_one_device_is_what_there_is_without_a_launcher(dataset, tmp_path):
    devices = devices_of(tiny(dataset, tmp_path / "run", accumulate=3))
    assert type(devices) is Devices and not isinstance(devices, JoinedDevices)
    assert [(share.number, share.of) for share in devices.mine(12)] == [(0, 3), (1, 3), (2, 3)]
    batch = {"state": np.zeros(3), "task": ["push"]}
    assert pinned(batch, "cpu") == batch
