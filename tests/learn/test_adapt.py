"""Adaptation: what is new is learned, what was known is guarded, and only the weights that may move do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso import cli
from sayso.data.reader import Dataset
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.report import training_of
from sayso.evaluation.rollout import rollout
from sayso.learn.adapt import AdaptConfig, Adapted, Step, adapt
from sayso.learn.imitate import begin, open_windows, train
from sayso.learn.portion import last_part, let_learn
from sayso.models import checkpoint
from sayso.spec import ACTION, STATE, ConfigError
from sayso.work.provenance import training_facts
from small_trainings import record, tiny
from small_worlds import FEATURES, SpotWorld

STEPS = {"steps": 12, "lr": 1e-3, "batch_size": 8, "threads": 1}


def elsewhere(root: Path, seeds: range, act) -> Path:
    """Record demonstrations whose frames `act` has changed."""
    world = SpotWorld()
    for seed in seeds:
        frames = rollout(world, world.expert(), seed, keep_frames=True).frames
        for k, frame in enumerate(frames):
            act(frame, np.random.default_rng([seed, k]))
        stage_episode(root, FEATURES, frames, seed=seed, family="go")
    return assemble(root, FEATURES)


def turned(frame, rng):
    """Show the other domain: the state is off by a little, as a calibration is."""
    frame[STATE] = frame[STATE] + np.float32(0.05)
    frame[ACTION] = frame[ACTION] * np.float32(0.8)


def nonsense(frame, rng):
    """Show nothing that anybody could want."""
    frame[ACTION] = rng.uniform(-1, 1, 2).astype(np.float32) - 4 * frame[ACTION]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("adapt")


@pytest.fixture(scope="module")
def old(folder) -> Path:
    return record(folder / "old", range(6))


@pytest.fixture(scope="module")
def policy(folder, old) -> Path:
    return train(tiny(old, folder / "begun", steps=60, lr=3e-3))


@pytest.fixture(scope="module")
def new(folder) -> Path:
    return elsewhere(folder / "new", range(20, 24), turned)


@pytest.fixture(scope="module")
def noise(folder) -> Path:
    return elsewhere(folder / "noise", range(30, 34), nonsense)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder).model.state_dict()


def moved(before: Path, after: Path) -> set[str]:
    """Return which weights are not what they were."""
    one, other = weights(before), weights(after)
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_a_new_domain_is_learned_and_the_old_one_kept(policy, new, old, folder, capsys):
    asked = AdaptConfig(datasets=(new,), keep=(old,), out=folder / "good", bound=0.5, **STEPS)
    out, found = adapt(policy, asked)
    assert out == folder / "good" / "policy" and found.taken.share > 0
    assert found.taken.new < found.before.new
    assert found.taken.old <= 1.5 * found.before.old
    said = capsys.readouterr().out
    assert "held-out error of the new domain" in said and "at most +50% is allowed" in said
    written = json.loads((folder / "good" / "adapted.json").read_text(encoding="utf-8"))
    assert written["taken"]["share"] == found.taken.share and written["bound"] == 0.5
    learned = training_of(out)
    assert {Dataset(old).whole.hash, Dataset(new).whole.hash} <= set(learned.datasets.values())
    assert training_facts(out)["adapted"]["taken"] == written["taken"]


def test_the_same_command_again_gives_the_same(policy, new, old, folder):
    asked = AdaptConfig(datasets=(new,), keep=(old,), out=folder / "good", bound=0.5, **STEPS)
    before = weights(folder / "good" / "policy")
    adapt(policy, asked)
    after = weights(folder / "good" / "policy")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_nonsense_costs_the_old_domain_no_more_than_the_bound(policy, noise, old, folder, capsys):
    given = ["--keep", str(old), "--keep-share", "0.1", "--lr", "0.003", "--bound", "0.02"]
    given += ["--steps", "24", "--batch-size", "8", "--threads", "1", "--out", str(folder / "bad")]
    code = cli.main(["adapt", str(policy), "--datasets", str(noise), *given])
    found = json.loads((folder / "bad" / "adapted.json").read_text(encoding="utf-8"))
    assert found["tried"][0]["old"] > 1.02 * found["before"]["old"], "unguarded it would have forgotten"
    assert found["taken"]["old"] <= 1.02 * found["before"]["old"]
    assert code == (found["taken"]["share"] == 0)
    said = capsys.readouterr().out
    assert ("refused: " in said) if code else ("of the way is taken" in said)
    if code:
        assert not moved(policy, folder / "bad" / "policy")


@pytest.mark.parametrize("what", ["last", "offsets"])
def test_only_the_weights_that_may_move_do(what, policy, new, old, folder):
    few = STEPS | {"steps": 2}
    asked = AdaptConfig(datasets=(new,), keep=(old,), out=folder / what, what=what, bound=10, **few)
    adapt(policy, asked)
    there, now = policy, folder / what / "run" / "policy"
    names, shapes = moved(there, now), {name: w.ndim for name, w in weights(policy).items()}
    assert names
    if what == "last":
        assert {name.partition(".")[0] for name in names} == {"decoder"}
    else:
        assert all(shapes[name] < 2 for name in names) and len({n.partition(".")[0] for n in names}) > 2


def test_so_many_windows_of_a_batch_are_old_ones(policy, new, old, folder):
    asked = AdaptConfig(datasets=(new,), keep=(old,), out=folder / "share", keep_share=0.75, **STEPS)
    windows = open_windows(asked.training(policy))
    drawn = np.concatenate([windows.draw(0, step, 8) for step in range(200)])
    first_old = windows._counts[0]
    assert np.mean(drawn >= first_old) == pytest.approx(0.75, abs=0.06)


def test_without_anything_to_keep_that_is_said(policy, new, folder, capsys):
    adapt(policy, AdaptConfig(datasets=(new,), out=folder / "alone", **STEPS | {"steps": 2}))
    assert "nothing is kept (--keep), so nobody knows what it forgot" in capsys.readouterr().out


def test_the_guard_takes_the_largest_share_that_keeps_and_helps():
    before = Step(share=0.0, new=1.0, old=0.5)
    far, half, quarter = (
        Step(share=1.0, new=0.2, old=0.9),
        Step(share=0.5, new=0.6, old=0.52),
        Step(share=0.25, new=0.8, old=0.5),
    )
    assert Adapted(before=before, tried=(far, half, quarter), bound=0.05).taken is half
    assert "50% of the way is taken" in str(Adapted(before=before, tried=(far, half), bound=0.05))
    forgets = Adapted(before=before, tried=(far,), bound=0.05)
    assert forgets.taken is before and "not even a quarter" in str(forgets)
    useless = Adapted(before=before, tried=(Step(share=1.0, new=1.1, old=0.5),), bound=0.05)
    assert useless.taken is before and "made the new one no better" in str(useless)


def test_what_cannot_work_is_refused_before_anything_begins(new, old, tmp_path):
    with pytest.raises(ConfigError, match="no datasets are given"):
        AdaptConfig(datasets=(), out=tmp_path)
    with pytest.raises(ConfigError, match="as new and as what to keep"):
        AdaptConfig(datasets=(new,), keep=(new,), out=tmp_path)
    with pytest.raises(ConfigError, match="keep_share is 0, but --keep is given"):
        AdaptConfig(datasets=(new,), keep=(old,), keep_share=0.0, out=tmp_path)
    with pytest.raises(ConfigError, match="update is last, but fresh weights must all learn"):
        tiny(new, tmp_path, update="last")


def test_a_training_can_be_told_which_weights_learn_and_says_so(policy, new, tmp_path):
    asked = tiny(new, tmp_path / "run", init=policy, preset="", chunk=None, update="offsets", steps=1)
    run, _, _ = begin(asked, open_windows(asked))
    assert run.average.live and all(weight.ndim < 2 for weight in run.average.live.values())
    train(asked)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["update"] == "offsets"


def test_the_last_part_of_a_model_is_what_answers(policy):
    model = checkpoint.load(policy).model
    assert last_part(model) == "decoder"
    let_learn(model, "last")
    assert {name.partition(".")[0] for name, w in model.named_parameters() if w.requires_grad} == {"decoder"}
    let_learn(model, "all")
    assert all(weight.requires_grad for weight in model.parameters())
