from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sayso.data.windows import ACTION_IS_PAD
from sayso.evaluation.report import training_of
from sayso.evaluation.rollout import rollout
from sayso.evaluation.trials import SeenSeedsError, refuse_seen_seeds
from sayso.learn import checkpoint
from sayso.learn.imitate import TrainConfig, begin, open_windows, train
from sayso.learn.loop import steps, take_step
from sayso.learn.optimise import (
    OPTIMIZERS,
    Average,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
)
from sayso.learn.run import Run, trained_seconds
from sayso.learn.source import INDEX
from sayso.models import checkpoint as policies
from sayso.spec import STATE, NotFiniteError, Outcome, SaysoError
from sayso.work.ledger import Ledger
from small_trainings import begun, go_to, record
from small_worlds import SpotWorld

STEPS = 24
TIMES = {"seconds", "samples_per_s"}
"""What may differ between two runs that are the same."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(8))


@pytest.fixture
def config(dataset: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        datasets=(dataset,),
        out=tmp_path / "run",
        preset="tiny",
        steps=STEPS,
        batch_size=8,
        chunk=4,
        threads=1,
    )


@pytest.fixture(scope="module")
def straight(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that nothing ever happened to."""
    out = tmp_path_factory.mktemp("straight")
    train(
        TrainConfig(
            datasets=(dataset,), out=out, preset="tiny", steps=STEPS, batch_size=8, chunk=4, threads=1
        )
    )
    return out


def log(out: Path) -> list[dict[str, float]]:
    lines = Ledger(out / "log.jsonl").rows
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def weights(out: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.newest(out)
    assert newest is not None
    return dict(checkpoint.load(newest).tensors) | load_file(out / "policy" / "model.safetensors")


def assert_the_same(out: Path, straight: Path) -> None:
    assert log(out) == log(straight)
    mine, theirs = weights(out), weights(straight)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


CHILD = """
import sys
from pathlib import Path
from sayso.learn.imitate import TrainConfig, begin, open_windows, train
from sayso.work.ledger import Ledger
train(TrainConfig(datasets=(Path(sys.argv[1]),), out=Path(sys.argv[2]), preset="tiny", steps=int(sys.argv[3]),
                  batch_size=8, chunk=4, threads=1, save_minutes=0))
"""


def test_a_run_killed_at_any_moment_ends_as_if_nothing_had_happened(config, dataset, straight):
    arguments = [sys.executable, "-c", CHILD, str(dataset), str(config.out), str(STEPS)]
    child = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=os.environ)
    lines, wanted = 0, random.randint(2, STEPS - 6)
    while lines < wanted and child.poll() is None:
        path = config.out / "log.jsonl"
        lines = path.read_bytes().count(b"\n") if path.exists() else 0
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.05))
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert 0 < len(log(config.out)) < STEPS
    train(config)
    assert_the_same(config.out, straight)


class PulledThePlugError(Exception):
    pass


def stop_in_step(step: int) -> Callable[[Run], None]:
    """Let a run's loss raise in a step, after whatever it kept before."""

    def meddle(run: Run) -> None:
        def stop(model, batch):
            if run.step == step:
                raise PulledThePlugError

        run.policy.model.register_forward_pre_hook(stop)

    return meddle


def test_what_was_logged_after_the_checkpoint_is_replaced_and_not_repeated(config, straight):
    with pytest.raises(PulledThePlugError):
        go_to(config, STEPS, save_at=(3, 6, 9), meddle=stop_in_step(12))
    with (config.out / "log.jsonl").open("a") as file:
        file.write('{"step": 12, "tot')
    assert [line["step"] for line in log_so_far(config.out)] == list(range(1, 12))
    half_written = config.out / "checkpoints" / ".step_00000012.new"
    half_written.mkdir()
    (half_written / "state.safetensors").write_bytes(b"half")
    assert sorted(p.name for p in config.out.glob("checkpoints/step_*")) == ["step_00000006", "step_00000009"]
    train(config)
    assert_the_same(config.out, straight)
    assert not half_written.exists()


def log_so_far(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines() if line.endswith("}")]


def test_a_finished_run_is_not_trained_any_further(config, straight):
    finished = dataclasses.replace(config, out=straight)
    before = log(straight)
    assert train(finished) == straight / "policy"
    assert log(straight) == before


def test_training_lowers_the_loss(straight, config):
    with begun(config) as (run, source, _):
        windows = source.windows.batch(np.arange(64))
    with torch.no_grad():
        policy = policies.load(straight / "policy")
        trained = policy.model(policy.collate(windows))["total"]
        fresh = run.model(run.policy.collate(windows))["total"]
    assert trained < 0.9 * fresh


def test_a_run_with_another_config_is_refused_saying_what_differs(straight, config):
    other = dataclasses.replace(config, out=straight, lr=0.5, batch_size=4)
    with pytest.raises(SaysoError, match=r"--batch-size: 8 there, 4 now\n  --lr: 0.0007 there, 0.5 now"):
        train(other)


def test_a_run_on_other_data_is_refused(straight, config, tmp_path):
    other = record(tmp_path / "others", range(50, 52))
    with pytest.raises(SaysoError, match="--datasets: it learns from 1 with other contents than the 1 given"):
        train(dataclasses.replace(config, out=straight, datasets=(other,)))


def test_what_cannot_change_the_weights_may_change_when_a_run_goes_on(straight, config):
    train(dataclasses.replace(config, out=straight, save_minutes=1.0, eval_episodes=3))


def test_evaluation_in_closed_loop_is_logged_and_does_not_disturb_training(config, straight):
    train(dataclasses.replace(config, eval_every=12, eval_episodes=4), world=SpotWorld(horizon=6))
    lines = log(config.out)
    evaluations = [line for line in lines if "eval/go" in line]
    assert [line["step"] for line in evaluations] == [12, 24]
    assert all(line["eval/go/n"] == line["eval/visit/n"] == 2 for line in evaluations)
    assert [line for line in lines if "total" in line] == log(straight)


def test_no_rate_is_logged_of_episodes_of_which_more_than_one_per_cent_crashed(config):
    class Crashing(SpotWorld):
        def step(self, action, *, render=True):
            if self.seed_now == 1_000_001:
                raise RuntimeError("the arm fell off")
            return super().step(action, render=render)

        def reset(self, *, seed=None, options=None):
            self.seed_now = seed
            return super().reset(seed=seed, options=options)

    train(dataclasses.replace(config, eval_every=24, eval_episodes=4), world=Crashing(horizon=6))
    (line,) = [line for line in log(config.out) if "eval/go/n" in line]
    assert (line["eval/go/n"], line["eval/visit/n"], line["eval/visit/invalid"]) == (2, 1, 1)
    assert "eval/go" in line and "eval/visit" not in line


def test_a_policy_is_never_evaluated_on_seeds_it_was_shown(config, tmp_path):
    seen = record(tmp_path / "seen", range(1_000_000, 1_000_002))
    with pytest.raises(SeenSeedsError):
        train(dataclasses.replace(config, datasets=(seen,), eval_every=12), world=SpotWorld())


def test_the_policy_folder_holds_the_averaged_weights_and_acts(straight):
    tensors = checkpoint.load(checkpoint.newest(straight)).tensors
    policy = policies.load(straight / "policy")
    for name, parameter in policy.model.named_parameters():
        assert torch.equal(parameter, tensors[f"average/{name}"])
        assert parameter.ndim < 2 or not torch.equal(parameter, tensors[f"model/{name}"])
    assert rollout(SpotWorld(horizon=4), policy, 2_000_000).outcome is not Outcome.INVALID


def test_the_policy_knows_what_it_was_trained_on(straight, dataset):
    assert training_of(straight / "policy").seeds == ((0, 7),)
    facts = json.loads((straight / "policy" / "config.json").read_text())["training"]
    assert (facts["steps"], facts["samples"]) == (STEPS, STEPS * 8)
    assert list(facts["datasets"]) == ["0-spots"]
    assert str(dataset.parent) not in json.dumps(facts)
    assert len(facts["commit"]) >= 7
    assert facts["seconds"] > 0
    assert facts["demonstrations"] == 8
    assert facts["recording_seconds"] == 0, "these were not recorded by `record`"


def test_time_adds_up_over_the_times_a_run_is_taken_up(config):
    with begun(config) as (run, _, _):
        run._seconds_before = 1000.0
        run.save()
    with begun(config) as (run, _, _):
        assert run.seconds > 1000.0


def test_the_time_of_a_training_counts_the_one_it_began_with(config, straight):
    train(dataclasses.replace(config, init=straight / "policy", steps=2))
    facts = json.loads((config.out / "policy" / "config.json").read_text())["training"]
    assert facts["earlier_seconds"] == trained_seconds(straight / "policy") > 0
    assert trained_seconds(config.out / "policy") == facts["seconds"] + facts["earlier_seconds"]


@pytest.mark.parametrize(
    ("changes", "at_least", "at_most"),
    [
        ({}, 0.15, 0.35),
        ({"grounding_share": 0.0}, 0, 0),
        ({"model_config": {"point_weight": 0, "where_weight": 0}}, 0, 0),
        ({"model": "act"}, 0, 0),
    ],
)
def test_a_share_of_windows_asks_for_something_else_if_that_is_learned_from(
    config, changes, at_least, at_most
):
    with begun(dataclasses.replace(config, batch_size=16, **changes)) as (_, source, _):
        others = [source.batch(step)[ACTION_IS_PAD].all(1).mean() for step in range(1, STEPS + 1)]
    assert at_least <= np.mean(others) <= at_most


def test_a_loss_that_is_not_finite_stops_training_and_names_the_window(config):
    with begun(config) as (run, source, objective):
        run.save()
        before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
        windows = source.batch(1)
        windows[STATE][3] = np.nan
        wrong = rf"step 1: loss .*total.*observation.state of windows \[{windows[INDEX][3]}\]"
        with pytest.raises(NotFiniteError, match=wrong):
            take_step(run, objective, [windows], source.examples)
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())
    assert checkpoint.newest(config.out).name == "step_00000000"


def test_a_gradient_that_is_not_finite_stops_training_and_names_the_parameter(config):
    with begun(config) as (run, source, objective):
        name, parameter = list(run.average.live.items())[3]
        parameter.register_hook(lambda gradient: gradient * torch.inf)
        with pytest.raises(NotFiniteError, match=f"the gradient is not finite in {name}; windows"):
            next(steps(run, source, objective))
    assert torch.isfinite(parameter).all()


def test_the_learning_rate_warms_up_and_falls_to_one_per_cent():
    rates = [learning_rate(step, steps=1000, warmup=50, peak=2.0) for step in range(1, 1001)]
    assert rates[0] == pytest.approx(2.0 / 50)
    assert rates[49] == max(rates) == 2.0
    assert rates[-1] == pytest.approx(0.02)
    assert all(a < b for a, b in pairwise(rates[:50]))
    assert all(a > b for a, b in pairwise(rates[49:]))


@pytest.mark.parametrize("steps", [1, 2, 9, 11])
def test_the_shortest_runs_have_a_learning_rate(steps):
    assert all(0 < learning_rate(s, steps=steps, warmup=500, peak=1.0) <= 1 for s in range(1, steps + 1))


def test_the_average_forgets_the_first_weights_and_follows_slowly_later():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1000.0)
    average = Average(model, decay=0.99)
    nn.init.constant_(model.weight, 1.0)
    for step in range(1, 51):
        average.update(step)
    assert average.tensors["weight"].item() == pytest.approx(1.0, abs=0.01)
    nn.init.constant_(model.weight, 2.0)
    average.update(100_000)
    assert average.tensors["weight"].item() == pytest.approx(1.01, abs=0.01)


def test_a_model_has_its_own_weights_back_after_acting_with_the_average():
    model = nn.Linear(2, 2)
    own = model.weight.detach().clone()
    average = Average(model, decay=0.9)
    average.tensors["weight"].zero_()
    with average.applied():
        assert not model.weight.any()
    assert torch.equal(model.weight, own)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_an_optimiser_restored_from_flat_tensors_moves_channels_last_kernels_as_before(make):
    """A file keeps no strides; fused AdamW with moments of other strides mixes up a kernel's elements."""

    torch.manual_seed(0)
    images = torch.randn(2, 3, 8, 8)
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = make(dict(model.named_parameters()), weight_decay=0.1)

    def move(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()

    move(model, optimizer)
    other = copy.deepcopy(model)
    named = dict(other.named_parameters())
    as_in_a_file = {
        name: tensor.contiguous().clone()
        for name, tensor in optimizer_tensors(optimizer, dict(model.named_parameters())).items()
    }
    restored = make(named, weight_decay=0.1)
    restore_optimizer(restored, named, as_in_a_file)
    move(model, optimizer)
    move(other, restored)
    assert torch.equal(model.weight, other.weight) and torch.equal(model.bias, other.bias)


def test_config_that_cannot_work_is_refused(dataset, tmp_path):
    with pytest.raises(ValueError, match="steps is 0"):
        TrainConfig(datasets=(dataset,), out=tmp_path, steps=0)
    with pytest.raises(ValueError, match="no datasets"):
        TrainConfig(datasets=(), out=tmp_path)


def test_changes_to_the_model_are_built_recorded_and_refused_to_another_run(config, straight):
    changed = dataclasses.replace(config, model_config={"fusion": "late", "point_weight": 0})
    with begun(changed) as (run, _, _):
        assert (run.model.config.fusion, run.model.config.point_weight) == ("late", 0.0)
        assert run.model.config.width == policies.load(straight / "policy").model.config.width
        run.save()
    facts = json.loads((config.out / "policy" / "config.json").read_text())["training"]
    assert facts["config"]["model_config"] == {"fusion": "late", "point_weight": 0}
    assert policies.load(config.out / "policy").model.config == run.model.config
    with pytest.raises(SaysoError, match=r"--model\.\*: fusion=late point_weight=0 there, nothing now"):
        train(config)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_config": {"fusoin": "late"}}, "Did you mean 'fusion'"),
        ({"model_config": {"chunk": 8}}, "no field of VLAConfig to set 'chunk'"),
        ({"model_config": {"fusion": "late"}, "model": "act"}, "no field of ActConfig to set 'fusion'"),
        ({"model_config": {"fusion": "last"}}, "must be 'early' or 'late'"),
        ({"model_config": {"width": 63}}, "cannot be shared by"),
        (
            {"model_config": {"fusion": "late"}, "model": "vla", "init": Path("policy")},
            "keeps its fusion; change state_dropout",
        ),
    ],
)
def test_changes_that_cannot_be_made_are_refused_before_anything_is_written(config, changes, complaint):
    with pytest.raises((ValueError, SaysoError), match=complaint):
        dataclasses.replace(config, **changes)
    assert not config.out.exists()


def test_a_policy_that_is_trained_on_may_learn_otherwise_than_before(straight, config):
    other = dataclasses.replace(config, init=straight / "policy", model_config={"discount": 0.5})
    before = policies.load(straight / "policy").model.config
    with begun(other) as (run, _, _):
        assert run.model.config == dataclasses.replace(before, discount=0.5)
        run.save()
    assert policies.load(config.out / "policy").model.config == run.model.config


def test_what_is_not_typed_is_what_the_policy_to_begin_with_has(straight, config, dataset):
    begun = TrainConfig(datasets=(dataset,), out=config.out, init=straight / "policy", steps=1, batch_size=8)
    train(begun)
    run = json.loads((config.out / "run.json").read_text())
    own = {"model": "vla", "preset": "tiny", "chunk": 4, "decoder": "regression"}
    assert {name: run[name] for name in own} == own
    train(dataclasses.replace(begun, **own))  # the same run, typed out


def test_a_policy_that_learns_on_keeps_what_its_first_training_saw(straight, config, tmp_path):
    more = record(tmp_path / "more", range(20, 24))
    policy = train(dataclasses.replace(config, datasets=(more,), init=straight / "policy", steps=1))
    first, both = training_of(straight / "policy"), training_of(policy)
    assert both.seeds == ((20, 23), (0, 7)) and both.says_all
    assert list(both.datasets) == ["0-more", "before 0-spots"]
    assert both.datasets["before 0-spots"] == first.datasets["0-spots"]
    with pytest.raises(SeenSeedsError):
        refuse_seen_seeds([5], both)


def test_a_recording_that_does_not_say_its_seeds_makes_no_claim_possible(straight, config, dataset, tmp_path):
    silent = tmp_path / "silent"
    shutil.copytree(dataset, silent)
    (table,) = silent.glob("meta/episodes/*/*.parquet")
    pq.write_table(pq.read_table(table).drop_columns(["sayso/seed"]), table)
    (silent / "meta" / "sayso.json").unlink()
    policy = train(dataclasses.replace(config, datasets=(dataset, silent), steps=1))
    training = training_of(policy)
    assert training.seeds == ((0, 7),) and training.seedless == ("1-silent",) and not training.says_all
    later = train(dataclasses.replace(config, out=tmp_path / "later", init=policy, steps=1))
    assert training_of(later).seedless == ("before 1-silent",)
    facts = json.loads((straight / "policy" / "config.json").read_text())
    untold = tmp_path / "untold"
    shutil.copytree(straight / "policy", untold)
    (untold / "config.json").write_text(json.dumps(facts | {"training": {}}))
    (untold / "SHA256SUMS").unlink(missing_ok=True)
    last = train(dataclasses.replace(config, out=tmp_path / "last", init=untold, steps=1))
    assert training_of(last).seedless == (str(untold),)


def test_a_run_can_begin_with_the_weights_of_a_policy(straight, config, dataset):
    with begun(dataclasses.replace(config, init=straight / "policy")) as (run, _, _):
        mine = run.policy.model.state_dict()
    shipped = load_file(straight / "policy" / "model.safetensors")
    assert all(torch.equal(mine[name], weights) for name, weights in shipped.items())


def test_instructions_that_are_the_same_to_the_policy_are_refused_before_anything_is_claimed(config):
    windows = open_windows(config)
    windows.datasets[0].tasks = ("put the 🥕 there", "put the 🍌 there")
    with pytest.raises(SaysoError, match="the same to the policy, for it cannot read '🍌'"):
        begin(config, windows)
    assert not config.out.exists()


def test_a_policy_keeps_what_its_pictures_look_like_and_one_without_that_loads(straight, tmp_path):
    kept = json.loads((straight / "policy" / "stats.json").read_text())
    for camera in ("front", "wrist"):
        assert len(kept[f"observation.images.{camera}"]["mean"]) == 48
        assert 0 < np.mean(kept[f"observation.images.{camera}"]["mean"]) < 1
    older = tmp_path / "older"
    shutil.copytree(straight / "policy", older)
    (older / "stats.json").write_text(json.dumps({key: kept[key] for key in kept if "images" not in key}))
    (older / "SHA256SUMS").unlink(missing_ok=True)
    both = policies.load(older), policies.load(straight / "policy")
    world = SpotWorld()
    seen, _ = world.reset(seed=3)
    one, other = (policy.act(seen).actions for policy in both)
    assert np.array_equal(one, other)
