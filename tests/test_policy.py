"""A checkpoint describes itself: what was saved acts the same, and what does not fit is named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from sayso.data.normalize import Stats
from sayso.models.checkpoint import CheckpointError, load, save
from sayso.models.policy import VLAPolicy
from sayso.models.table import build
from sayso.models.words import ACTING, LEARNING
from sayso.spec import (
    ACTION,
    POINTS,
    STATE,
    TASK,
    FeatureMismatchError,
    Policy,
    UnknownNameError,
    check_fits,
    image_key,
)
from small_worlds import FEATURES, SIZE, SpotWorld

STATS = {
    STATE: Stats.of(np.random.default_rng(0).normal([0.5, 0.4], [0.2, 0.3], (100, 2))),
    ACTION: Stats.of(np.random.default_rng(1).normal([10.0, -20.0], [2.0, 4.0], (100, 2))),
}


def policy(*, history: int = 1) -> VLAPolicy:
    torch.manual_seed(0)
    made = build("vla", preset="tiny", features=FEATURES, stats=STATS, history=history, chunk=4)
    assert isinstance(made, VLAPolicy)
    return made


def look(seed: int = 3) -> dict:
    return SpotWorld().reset(seed=seed)[0]


def windows(n: int = 2) -> dict:
    drawn = np.random.default_rng(0)
    images = {
        image_key(c): drawn.integers(0, 256, (n, 1, SIZE, SIZE, 3)).astype(np.uint8) for c in FEATURES.cameras
    }
    return images | {
        STATE: drawn.normal(size=(n, 1, 2)).astype(np.float32),
        ACTION: drawn.normal(size=(n, 4, 2)).astype(np.float32),
        "action_is_pad": np.zeros((n, 4), np.bool_),
        TASK: ["go to the red spot", "visit the blue spot"],
        POINTS: drawn.random((n, 12)).astype(np.float32),
    }


def test_it_is_a_policy_and_answers_in_robot_units():
    acting = policy()
    assert isinstance(acting, Policy)
    actions = acting.act(look()).actions
    assert actions.shape == (4, 2)
    assert actions.dtype == np.float32
    # An untrained model answers about zero, which is the mean of the actions in robot units.
    assert actions.mean(0) == pytest.approx([10, -20], abs=8)


def test_the_instruction_reaches_the_actions():
    acting, seen = policy(), look()
    one = acting.act({**seen, TASK: "go to the red spot"}).actions
    other = acting.act({**seen, TASK: "go to the blue spot"}).actions
    assert np.abs(one - other).max() > 1e-3


def test_windows_become_finite_losses_with_gradients():
    training = policy()
    losses = training.losses(windows())
    assert set(losses) == {"total", "action", "point", "where"}
    losses["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in training.model.parameters() if p.grad is not None)


def test_only_a_policy_that_learns_remembers_thousands_of_instructions():
    served, training = policy(), policy()
    served.act(look())
    training.losses(windows())
    room = [p._encoder._recall.cache_parameters()["maxsize"] for p in (served, training)]
    assert room == [ACTING, LEARNING]


def test_labels_keep_their_order_of_cameras_referents_numbers():
    flat = windows()
    flat[POINTS] = np.arange(24, dtype=np.float32).reshape(2, 12)
    points = policy()._batch(flat).points
    assert points is not None
    assert points[0, 1, 0].tolist() == [6, 7, 8], "wrist.object.u, .v, .visible"


def test_acting_and_training_normalise_alike():
    acting, seen = policy(), look()
    acting.model.eval()
    as_window = {k: v[None, None] for k, v in seen.items() if k != TASK} | {TASK: [seen[TASK]]}
    chunk = acting._chain.inverse({ACTION: acting.model.sample(acting._batch(as_window))[0].numpy()})[ACTION]
    assert np.array_equal(acting.act(seen).actions, chunk)


def test_history_is_remembered_until_reset():
    acting = policy(history=2)
    first, second = look(3), look(4)
    alone = acting.act(second).actions
    acting.reset()
    acting.act(first)
    after_another = acting.act(second).actions
    acting.reset()
    assert not np.allclose(alone, after_another)
    assert np.array_equal(alone, acting.act(second).actions)


def test_a_saved_policy_acts_the_same(tmp_path):
    acting = policy()
    save(acting, tmp_path / "p", "# Card\n", training={"steps": 3})
    again = load(tmp_path / "p")
    assert np.array_equal(acting.act(look()).actions, again.act(look()).actions)
    assert again.features == FEATURES
    assert again.stats == STATS
    assert (tmp_path / "p" / "README.md").read_text() == "# Card\n"
    assert json.loads((tmp_path / "p" / "config.json").read_text())["training"] == {"steps": 3}


def test_bfloat16_halves_the_file_and_hardly_changes_the_actions(tmp_path):
    acting = policy()
    save(acting, tmp_path / "full")
    save(acting, tmp_path / "half", dtype=torch.bfloat16)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    again = load(tmp_path / "half")
    assert {p.dtype for p in again.model.parameters()} == {torch.float32}
    assert np.abs(acting.act(look()).actions - again.act(look()).actions).max() < 0.2


def test_what_is_missing_from_a_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        load(tmp_path / "nowhere")
    save(policy(), tmp_path)
    (tmp_path / "stats.json").unlink()
    with pytest.raises(CheckpointError, match=r"stats\.json missing"):
        load(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path):
    save(policy(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["width"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="different models"):
        load(tmp_path)


def test_a_checkpoint_of_another_version_is_refused_saying_so(tmp_path):
    save(policy(), tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    renamed = {"image_size" if key == "image_sizes" else key: v for key, v in written["model"].items()}
    (tmp_path / "config.json").write_text(json.dumps({**written, "model": renamed}))
    with pytest.raises(CheckpointError, match=r"not one this version of sayso understands .*image_sizes"):
        load(tmp_path)


def test_an_unknown_type_or_preset_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="textbook"):
        build("textbok", preset="tiny", features=FEATURES, stats=STATS)
    with pytest.raises(UnknownNameError, match="small"):
        build("vla", preset="smal", features=FEATURES, stats=STATS)


def test_a_world_of_other_features_is_refused_with_all_that_differs():
    check_fits(FEATURES, dataclasses.replace(FEATURES, points=()))
    other = dataclasses.replace(FEATURES, fps=20, robot_type="arm")
    with pytest.raises(FeatureMismatchError, match=r"(?s)robot_type.*arm.*fps.*20"):
        check_fits(FEATURES, other)


def test_observations_that_do_not_fit_are_named():
    acting, seen = policy(), look()
    with pytest.raises(FeatureMismatchError, match=r"observation\.images\.wrist"):
        acting.act({k: v for k, v in seen.items() if "wrist" not in k})
    acting.reset()
    with pytest.raises(FeatureMismatchError, match="resize"):
        acting.act({**seen, image_key("front"): np.zeros((64, 64, 3), np.uint8)})


def test_statistics_of_another_robot_are_refused():
    with pytest.raises(FeatureMismatchError, match="statistics"):
        build("vla", preset="tiny", features=FEATURES, stats={**STATS, ACTION: Stats.of(np.eye(3))})


def test_a_policy_can_be_built_with_the_flow_decoder() -> None:
    plain = policy()
    flow = build("vla", preset="tiny", features=plain.features, stats=plain.stats, decoder="flow")
    assert flow.config()["decoder"] == "flow"
    assert plain.config()["decoder"] == "regression"
