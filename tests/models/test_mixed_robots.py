"""One model for unlike robots: it learns of each what that has, and is on each as if there were no other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sayso.data.mixture import places, union
from sayso.data.reader import Dataset
from sayso.data.recognition import ROBOT
from sayso.data.windows import Windows
from sayso.models.alone import alone
from sayso.models.checkpoint import load, save
from sayso.models.policy import ModelPolicy
from sayso.models.repacked import in_world, on_robot
from sayso.models.table import build
from sayso.spec import ACTION, STATE, TASK, FeatureMismatchError, Features, image_key
from small_mixtures import ALL, BLIND, DESK, SIMULATED, TWO_ARMS, record

CHUNK = 3


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Windows:
    root = tmp_path_factory.mktemp("mixture")
    datasets = [Dataset(record(root / str(k), features, seed=k)) for k, features in enumerate(ALL)]
    return Windows(datasets, chunk=CHUNK, cache=root)


def policy(windows: Windows, **changes) -> ModelPolicy:
    torch.manual_seed(0)
    made = build("vla", preset="tiny", features=windows.features, stats=windows.stats, chunk=CHUNK, **changes)
    with torch.no_grad():  # what begins at zero would hide what it is multiplied by
        for parameter in made.model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return made


def look(features: Features, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    seen = {
        image_key(camera): rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        for camera, size in features.cameras.items()
    }
    return seen | {STATE: rng.normal(0, 9, len(features.state)).astype(np.float32), TASK: "do number 1"}


def length(features: Features) -> int:
    """Return how many frames a chunk lasts: the desk's rate is another, and two of its frames lie between."""
    return 2 * (CHUNK - 1) + 1 if features is DESK else CHUNK


def firsts(windows: Windows, *robots: int) -> np.ndarray:
    counts = np.cumsum([0, *(len(d) for d in windows.datasets)])
    return counts[list(robots)]


@pytest.mark.parametrize("decoder", ["regression", "flow"])
def test_what_a_robot_has_not_has_no_part_in_the_loss_and_gets_no_gradient(windows, decoder):
    made = policy(windows, decoder=decoder)
    batch = made.collate(windows.batch(firsts(windows, 3, 3)))
    torch.manual_seed(1)
    made.model(batch)["total"].backward()
    two = places(windows.features)[3]
    others = np.setdiff1d(np.arange(len(windows.features.action)), two.action)
    grads = {name: p.grad for name, p in made.model.named_parameters()}
    head = grads["decoder.transformer.head.weight"]
    assert not head[others].any() and head[two.action].any(1).all()
    assert not grads["decoder.transformer.head.bias"][others].any()
    states = np.setdiff1d(np.arange(len(windows.features.state)), two.state)
    assert not grads["context.embed_state.0.weight"][:, states].any()
    if decoder == "flow":
        assert not grads["decoder.embed_noisy.weight"][:, others].any()
    cameras = [k for k, camera in enumerate(windows.features.cameras) if camera != "top"]
    assert not grads["context.keypoint_position"][cameras].any()
    assert all(grads[f"vision.positions.{k}"] is None for k in cameras)
    spoiled = dataclasses.replace(batch, actions=batch.actions.clone())
    spoiled.actions[..., others] = 1e3
    torch.manual_seed(1)
    before = made.model(batch)["total"]
    torch.manual_seed(1)
    if decoder == "regression":
        assert torch.equal(before, made.model(spoiled)["total"])


def test_company_of_other_robots_changes_nothing_and_each_window_weighs_the_same(windows):
    made = policy(windows)
    made.model.eval()

    def loss(*robots: int) -> float:
        with torch.no_grad():
            return float(made.model(made.collate(windows.batch(firsts(windows, *robots))))["action"])

    alone = [loss(k) for k in range(4)]
    assert len({*alone}) == 4
    assert loss(0, 1, 2, 3) == pytest.approx(np.mean(alone), rel=1e-5)
    assert loss(3, 0, 3, 2) == pytest.approx((2 * alone[3] + alone[0] + alone[2]) / 4, rel=1e-5)


def test_labels_that_nobody_gave_do_not_thin_out_those_that_are_there(windows):
    made = policy(windows)
    made.model.eval()
    with torch.no_grad():
        mixed, alone, none = (
            made.model(made.collate(windows.batch(firsts(windows, *robots))))
            for robots in ((0, 1, 2, 3), (0,), (1, 2))
        )
    assert float(mixed["where"]) == pytest.approx(float(alone["where"]), rel=1e-5)
    assert float(alone["where"]) > 0 and float(none["where"]) == float(none["point"]) == 0


@pytest.mark.parametrize("decoder", ["regression", "flow"])
def test_it_acts_as_each_robot_like_a_policy_of_that_robot_alone(windows, decoder):
    """The robot's own weights, cut out of the mixture's, in a model that never heard of another."""
    made = policy(windows, decoder=decoder)
    for k, (features, place) in enumerate(zip(ALL, places(windows.features), strict=True)):
        single = alone(made, k)
        assert not single.features.robots and len(single.features.action) == len(features.action)
        seen = look(features)
        for one in (single, made):
            one.reset()
        if decoder == "regression":
            expected, found = single.act(seen).actions, made.act(seen).actions
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
        chosen, there = on_robot(made, made.features, dict.fromkeys(names(features), ""))
        assert there == place.robot and chosen.act(seen).actions.shape == (
            length(features),
            len(features.action),
        )
        made.reset()
        first = made.act(seen).actions
        made.reset()
        np.testing.assert_array_equal(made.act({**seen, ROBOT: k}).actions, first)
        stats = chosen.stats[ACTION]
        assert len(stats.mean) == len(features.action)


def names(features: Features) -> list[str]:
    return [*features.cameras, *features.state_names, *features.action_names]


def test_a_checkpoint_of_a_mixture_acts_as_before_on_each_of_its_robots(windows, tmp_path):
    made = policy(windows)
    save(made, tmp_path / "policy")
    again = load(tmp_path / "policy")
    assert again.features == made.features
    for features in ALL:
        np.testing.assert_array_equal(again.act(look(features)).actions, made.act(look(features)).actions)


def test_in_a_world_it_is_the_robot_that_fits(windows):
    made = policy(windows)
    for features in ALL:
        chosen = in_world(made, made.features, dataclasses.replace(features, points=()))
        assert chosen.act(look(features)).actions.shape == (length(features), len(features.action))
    with pytest.raises(FeatureMismatchError, match="fps is 30"):
        in_world(made, made.features, dataclasses.replace(DESK, fps=31, points=()))


def test_a_robot_that_calls_its_cameras_otherwise_is_known_by_what_it_is_told(windows):
    made = policy(windows)
    elsewhere = dataclasses.replace(DESK, cameras={"overhead": (24, 32), "hand": (24, 32)})
    chosen = in_world(made, made.features, elsewhere, {"overhead": "desk"})
    seen = look(DESK)
    moved = {key.replace("images.desk", "images.overhead"): value for key, value in seen.items()}
    np.testing.assert_array_equal(chosen.act(moved).actions, made.act(seen).actions)


@pytest.mark.parametrize("model", ["act", "diffusion", "textbook"])
def test_models_that_know_one_robot_say_so(windows, model):
    with pytest.raises(FeatureMismatchError, match=rf"{model} learns from one kind of robot, but .* 4"):
        build(model, preset="tiny", features=windows.features, stats=windows.stats, chunk=CHUNK)


def test_a_single_robot_is_no_mixture():
    assert union([BLIND]) is BLIND and not union([TWO_ARMS]).robots and union([SIMULATED, DESK]).robots
