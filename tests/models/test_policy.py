"""A checkpoint describes itself: what was saved acts the same, and what does not fit is named."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sayso.data.fit import check_fits
from sayso.data.statistics import Stats
from sayso.evaluation.rollout import rollout
from sayso.models.checkpoint import CheckpointError, load, save
from sayso.models.contract import renamed
from sayso.models.table import MODELS, build
from sayso.models.words import ACTING, LEARNING
from sayso.spec import (
    ACTION,
    POINTS,
    STATE,
    TASK,
    FeatureMismatchError,
    NotFiniteError,
    Policy,
    SaysoError,
    UnknownNameError,
    image_key,
)
from small_policies import STATS, policy
from small_worlds import FEATURES, SIZE, SpotWorld


@contextlib.contextmanager
def changed(folder: Path, file: str = "config.json") -> Iterator[dict]:
    """Save a policy and let what one of its files says be changed, as if it had been written so."""
    save(policy(), folder)
    (folder / "SHA256SUMS").unlink()
    said = json.loads((folder / file).read_text())
    yield said
    (folder / file).write_text(json.dumps(said))


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
    losses = training.model(training.collate(windows()))
    assert set(losses) == {"total", "action", "point", "where"}
    losses["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in training.model.parameters() if p.grad is not None)


def test_only_a_policy_that_learns_remembers_thousands_of_instructions():
    served, training = policy(), policy()
    served.act(look())
    training.model(training.collate(windows()))
    room = [p.collator.encoder._recall.cache_parameters()["maxsize"] for p in (served, training)]
    assert room == [ACTING, LEARNING]


def test_labels_keep_their_order_of_cameras_referents_numbers():
    flat = windows()
    flat[POINTS] = np.arange(24, dtype=np.float32).reshape(2, 12)
    points = policy().collate(flat).points
    assert points is not None
    assert points[0, 1, 0].tolist() == [6, 7, 8], "wrist.object.u, .v, .visible"


def test_acting_and_training_normalise_alike():
    acting, seen = policy(), look()
    acting.model.eval()
    as_window = {k: v[None, None] for k, v in seen.items() if k != TASK} | {TASK: [seen[TASK]]}
    sampled = acting.model.sample(acting.collate(as_window))
    chunk = acting.collator.chain.inverse({ACTION: sampled[0].numpy()})[ACTION]
    assert np.array_equal(acting.act(seen).actions, chunk)


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
    with changed(tmp_path) as config:
        config["model"]["width"] = 64
    with pytest.raises(CheckpointError, match=r"different models: .* is \[.*\], but must be \["):
        load(tmp_path)


def test_a_checkpoint_of_another_version_is_refused_saying_so(tmp_path):
    with changed(tmp_path) as config:
        config["model"]["image_size"] = config["model"].pop("image_sizes")
    with pytest.raises(CheckpointError, match=r"not one this version of sayso understands: .*image_sizes"):
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


def test_a_policy_that_once_saw_several_frames_is_refused_and_one_that_saw_one_loads(tmp_path):
    with changed(tmp_path / "one") as config:
        config["model"] |= {"history": 1}
    load(tmp_path / "one")
    with changed(tmp_path / "two") as config:
        config["model"] |= {"history": 2}
    with pytest.raises(CheckpointError, match="history is 2, but policies see the present frame only"):
        load(tmp_path / "two")


def test_a_model_of_a_million_layers_is_refused_before_it_is_built(tmp_path):
    large = {"layers": 1_000_000, "width": 10**30, "chunk": 9999, "image_sizes": [[9000, 9000]] * 2}
    for name, value in large.items():
        with changed(tmp_path / name) as config:
            config["model"][name] = value
        began = time.process_time()
        with pytest.raises(CheckpointError):
            load(tmp_path / name)
        assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("model",), [], "model is .*, but must be an object"),
        (("model", "type"), 3, "model.type is 3, but must be a text"),
        (("model", "layers"), "three", "model.layers is 'three', but must be a whole number"),
        (("model", "layers"), 2.0, "must be a whole number"),
        (("model", "layers"), True, "must be a whole number"),
        (("model", "state_dropout"), float("nan"), "must be a finite number"),
        (("model", "decoder"), "magic", "must be 'regression' or 'flow'"),
        (("model", "layrs"), 3, "did you mean 'layers'"),
        (("model", "heads"), 3, "cannot be shared"),
        (("features", "fps"), 0, "fps is 0, but must be above 0"),
        (("features", "fps"), "30", "fps is '30', but must be a finite number"),
        (("features", "cameras", "front"), [0, 32], "both must be whole numbers from 1 to"),
        (("features", "state"), [["a", "m"], ["a", "m"]], "has 'a', but names are texts, each of them once"),
        (("features", "scaled_from"), {"nowhere": [8, 8]}, "the camera one of front"),
        (("features", "state"), [["a"]], r"features.state\[0\] is .* a list of 2"),
        (("features", "action"), [], "action is empty"),
        (("training",), 7, "training is 7"),
    ],
)
def test_a_config_that_cannot_be_is_refused_by_name(tmp_path, path, value, told):
    with changed(tmp_path) as config:
        at = config
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value
    with pytest.raises(SaysoError, match=told) as refused:
        load(tmp_path)
    assert str(tmp_path) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("std", [-1.0, 1.0], r"std\[0\] is -1"),
        ("std", [1.0, 0.0], r"std\[1\] is 0, but its range is"),
        ("mean", [float("nan"), 0.0], r"mean\[0\] is nan, but must be a finite number"),
        ("mean", [0.0], "not all of one length"),
        ("mean", "zero", "must be a list"),
        ("max", [-1e9, 1.0], "range"),
    ],
)
def test_statistics_that_cannot_be_are_refused_by_name(tmp_path, field, value, told):
    with changed(tmp_path, "stats.json") as stats:
        stats[STATE][field] = value
    with pytest.raises(CheckpointError, match=told):
        load(tmp_path)


def test_a_number_that_never_moved_may_have_no_spread(tmp_path):
    still = {**STATS, STATE: Stats.of(np.ones((5, 2)))}
    save(policy(stats=still), tmp_path)
    assert load(tmp_path).stats == still


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.to(torch.int32), "stored as I32, but must be one of"),
        (lambda t: t.flatten()[:-1].clone(), "but must be"),
        (lambda t: torch.full_like(t, torch.nan), "not finite"),
    ],
)
def test_weights_that_cannot_be_are_refused_by_name(tmp_path, change, told):
    save(policy(), tmp_path)
    (tmp_path / "SHA256SUMS").unlink()
    weights = load_file(tmp_path / "model.safetensors")
    weights["reader.queries"] = change(weights["reader.queries"])
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"reader.queries .*{told}"):
        load(tmp_path)


OLDER = {
    "vla": {
        "context.glance_is": "context.keypoint_position",
        "decoder.transformer.layers.0.ask.weight": "decoder.transformer.layers.0.qkv.weight",
        "decoder.transformer.layers.0.think.2.bias": "decoder.transformer.layers.0.mlp.2.bias",
        "reader.ask.out_proj.weight": "reader.cross_attention.out_proj.weight",
        "ask.in_proj_weight": "cross_attention.in_proj_weight",
    },
    "act": {"decoder.0.norms.2.bias": "decoder.0.norm3.bias", "latents.answer": "latents.cls"},
    "diffusion": {
        "unet.answer.1.bias": "unet.out.1.bias",
        "keypoints.think.0.bias": "keypoints.linear.0.bias",
    },
    "textbook": {
        "vision.network.encoder.stages.2.layers.0.shortcut.convolution.weight": (
            "vision_encoder.backbone.layer3.0.downsample.0.weight"
        ),
        "decoder.layers.4.bias": "action_decoder.layers.4.bias",
    },
}
"""What weights of earlier versions are called, and what they are called now."""


@pytest.mark.parametrize("kind", OLDER)
def test_weights_by_older_names_are_those_of_today(tmp_path, kind):
    renames = MODELS[kind].renames
    assert {before: renamed(before, renames) for before in OLDER[kind]} == OLDER[kind]
    torch.manual_seed(0)
    made = build(kind, preset="tiny", features=FEATURES, stats=STATS, chunk=4)
    save(made, tmp_path)
    now = load_file(tmp_path / "model.safetensors")
    back = [(today, before) for before, today in reversed(renames)]
    before = {renamed(name, back): tensor for name, tensor in now.items()}
    assert before.keys() != now.keys()
    save_file(before, tmp_path / "model.safetensors")
    (tmp_path / "SHA256SUMS").unlink()
    weights = load(tmp_path).model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in now.items())
    assert {renamed(name, renames) for name in now} == now.keys()


@pytest.mark.parametrize("name", ["model.safetensors", "stats.json", "config.json"])
def test_a_bit_that_flipped_is_told_by_the_name_of_its_file(tmp_path, name):
    save(policy(), tmp_path)
    held = bytearray((tmp_path / name).read_bytes())
    held[-9] ^= 1
    (tmp_path / name).write_bytes(held)
    with pytest.raises(CheckpointError, match=f"{name} was damaged"):
        load(tmp_path)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    save(policy(), tmp_path / "p", "first")
    with pytest.raises(TypeError):
        save(policy(), tmp_path / "p", "second", training={"what JSON cannot say": object()})
    assert (tmp_path / "p" / "README.md").read_text() == "first"
    load(tmp_path / "p")
    save(policy(), tmp_path / "p", "second")
    assert (tmp_path / "p" / "README.md").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_saving_never_throws_away_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(CheckpointError, match=r"thesis\.tex"):
        save(policy(), tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("size", [(270, 480), (65, 97), (7, 9)])
def test_pictures_of_any_size_are_learned_from_and_acted_on(size):
    features = dataclasses.replace(FEATURES, cameras=dict.fromkeys(FEATURES.cameras, size))
    made = policy(features=features)
    seen = {image_key(c): np.zeros((2, 1, *size, 3), np.uint8) for c in features.cameras}
    losses = made.model(made.collate({**windows(), **seen}))
    losses["total"].backward()
    assert torch.isfinite(losses["total"])
    assert made.act({**look(), **{key: images[0, 0] for key, images in seen.items()}}).actions.shape == (4, 2)


@pytest.mark.parametrize("kind", ["vla", "act", "diffusion"])
def test_a_policy_may_have_nothing_but_cameras(tmp_path, kind):
    features = dataclasses.replace(FEATURES, state=(), points=())
    torch.manual_seed(0)
    made = build(kind, preset="tiny", features=features, stats={ACTION: STATS[ACTION]}, chunk=4)
    learned = {key: value for key, value in windows().items() if key not in (STATE, POINTS)}
    assert torch.isfinite(made.model(made.collate(learned))["total"])
    save(made, tmp_path / "p")
    again = load(tmp_path / "p")
    seen = {key: value for key, value in look().items() if key != STATE}
    again.reset()
    assert again.act(seen).actions.shape == (4, 2)


@pytest.mark.parametrize("kind", ["vla", "act"])
@pytest.mark.parametrize("wild", [1e30, -1e12, np.nan, np.inf])
def test_a_number_no_sensor_can_mean_is_told_by_its_name(kind, wild):
    made = build(kind, preset="tiny", features=FEATURES, stats=STATS, chunk=4)
    state = np.array([0.5, wild], np.float32)
    with pytest.raises(NotFiniteError, match=f"cannot be acted on: {FEATURES.state_names[1]} is"):
        made.act({**look(), STATE: state})


@pytest.mark.parametrize(
    ("name", "value"),
    [("layers", -3), ("heads", 5), ("width", 0), ("point_weight", np.nan), ("discount", 2), ("blocks", "x")],
)
def test_a_change_that_cannot_work_is_one_sentence(name, value):
    with pytest.raises(SaysoError, match=name) as refused:
        policy(changes={name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["layrs", "image_sizes", "state_dim", "history", "decoder"])
def test_a_field_that_cannot_be_changed_gets_the_nearest_name(name):
    with pytest.raises(UnknownNameError):
        policy(changes={name: 3})


def test_the_noise_of_an_episode_depends_on_its_seed_alone():
    flow = policy(decoder="flow")
    seen = look()

    def episode(seed: int) -> np.ndarray:
        flow.reset()
        flow.seed(seed)
        return np.stack([flow.act(seen).actions for _ in range(2)])

    first, _, again = episode(1), episode(2), episode(1)
    np.testing.assert_array_equal(first, again)
    assert (first != episode(2)).any() and (first[0] != first[1]).any()


def test_an_episode_is_the_same_whichever_worker_runs_it_and_after_whatever_else():
    def actions(seeds: list[int]) -> dict[int, np.ndarray]:
        flow, world = policy(decoder="flow"), SpotWorld()
        played = {seed: rollout(world, flow, seed, keep_frames=True) for seed in seeds}
        return {seed: np.stack([frame[ACTION] for frame in e.frames]) for seed, e in played.items()}

    one, other = actions([3, 4, 5]), actions([5])
    np.testing.assert_array_equal(one[5], other[5])
    assert len(one[4]) != len(one[5]) or (one[4] != one[5]).any()


LOADED = """
import sys
from sayso.models.checkpoint import load

load(sys.argv[1])
assert "torch._dynamo" not in sys.modules, "that is PyTorch's compiler, and takes longer than all the rest"
"""


def test_to_load_one_pytorchs_compiler_is_not_loaded(tmp_path):
    save(policy(), tmp_path / "policy")
    run = subprocess.run([sys.executable, "-c", LOADED, tmp_path / "policy"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
