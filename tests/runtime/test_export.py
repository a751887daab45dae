"""An exported policy is the same policy: same actions, same frames, without torch; or it is refused."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

import sayso
import small_datasets
from contracts.policy_contract import PolicyContract
from sayso import cli, loading
from sayso.data.reader import Dataset
from sayso.data.statistics import Stats
from sayso.data.transforms import Chain, standardise
from sayso.data.windows import Windows
from sayso.evaluation.report import training_of
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import wilson
from sayso.models import checkpoint as checkpoints
from sayso.models.contract import computes_in_bf16
from sayso.models.policy import ModelPolicy
from sayso.models.table import build
from sayso.runtime import engines, exported
from sayso.runtime.engines import EngineName, ExportError, OpenVINOEngine, Precision
from sayso.runtime.export import ExportConfig, export, stats_of
from sayso.runtime.graphs import Graph, graph_of, write_graph
from sayso.runtime.parity import (
    Agreement,
    ClosedLoop,
    answer,
    closed_loop,
    dataset_samples,
    interleaved,
    world_samples,
)
from sayso.spec import ACTION, STATE, TASK, Chunk, ConfigError, FeatureMismatchError, SaysoError, image_key
from sayso.tasks.worlds import world_of
from sayso.work.digests import SUMS
from small_worlds import FEATURES as SPOTS
from small_worlds import SMALL_WORLDS, SpotWorld, breaks_on, expert_of, spot_world, still

SRC = Path(__file__).parents[2] / "src"
FEATURES = small_datasets.without_points()
TRAINING = {"datasets": {"small": "abc"}, "seeds": [[2, 11]]}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return small_datasets.build(tmp_path_factory.mktemp("dataset"), FEATURES)


@pytest.fixture(scope="module")
def checkpoint(dataset, tmp_path_factory):
    """Return what saves a policy with fresh weights, each kind once."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def made(name, kind="vla", features=FEATURES, **sizes):
        if not (folder / name).exists():
            torch.manual_seed(0)
            stats = dict(Windows(Dataset(dataset), chunk=4).stats)
            fresh = build(kind, preset="tiny", features=features, stats=stats, chunk=4, **sizes)
            checkpoints.save(fresh, folder / name, training=TRAINING)
        return folder / name

    return made


@pytest.fixture(scope="module")
def settings(dataset):
    return ExportConfig(calibrate=dataset, frames=6, calls=2, threads=1)


def quiet(line):
    pass


@pytest.fixture(scope="module")
def made(checkpoint, settings, tmp_path_factory):
    """Return what exports the small policy, each way once."""
    folder = tmp_path_factory.mktemp("exports")

    def way(engine, precision):
        out = folder / f"{engine}-{precision}"
        if not out.exists():
            config = dataclasses.replace(settings, engine=engine, precision=precision, out=out)
            export(checkpoint("vla"), config, quiet)
        return out

    return way


IN_BF16 = pytest.mark.skipif(not computes_in_bf16("cpu"), reason="this CPU does not compute in bfloat16")


@pytest.mark.parametrize(
    ("engine", "precision"),
    [("openvino", "fp32"), ("onnx", "fp32"), pytest.param("torchscript", "bf16", marks=IN_BF16)],
)
def test_every_engine_acts_as_the_source_does(engine, precision, made, checkpoint, dataset):
    source, result = checkpoints.load(checkpoint("vla")), exported.load(made(engine, precision))
    samples = dataset_samples(dataset, FEATURES, 5)
    found = Agreement.of(source, result, samples, FEATURES, result.stats)
    assert found.relative_largest < (1e-4 if precision == "fp32" else 0.1)
    assert found.within(0.03)


def test_openvino_in_bfloat16_is_near_the_source(made, checkpoint, dataset):
    policy = exported.load(made("openvino", "fp32"))
    policy.model = OpenVINOEngine(made("openvino", "fp32") / "model.xml", "bf16", threads=1)
    samples = dataset_samples(dataset, FEATURES, 5)
    source = checkpoints.load(checkpoint("vla"))
    assert Agreement.of(source, policy, samples, FEATURES, policy.stats).within(0.03)


def test_a_graph_is_compiled_once_and_answers_the_same_from_the_cache(made, dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    sample = dataset_samples(dataset, FEATURES, 5)[0]
    compiled = exported.load(made("openvino", "fp32")).act(sample)
    assert len(list((tmp_path / "graphs").iterdir())) == 1
    core = engines.openvino_core()
    monkeypatch.setattr(engines, "openvino_core", lambda: ImportsOnly(core))
    from_cache = exported.load(made("openvino", "fp32")).act(sample)
    assert from_cache.actions.tobytes() == compiled.actions.tobytes()


class ImportsOnly:
    """OpenVINO that compiles nothing."""

    def __init__(self, core):
        self.get_property, self.import_model = core.get_property, core.import_model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "engine", "precision"),
    [
        ("vla", "openvino", "int8"),
        ("vla", "torchscript", "fp32"),
        ("act", "onnx", "fp32"),
        ("act", "openvino", "fp32"),
        ("textbook", "onnx", "fp32"),
        ("textbook", "openvino", "fp32"),
        ("textbook", "openvino", "int8"),
        ("textbook", "torchscript", "fp32"),
    ],
)
def test_every_model_is_exported_in_every_way(kind, engine, precision, checkpoint, settings, tmp_path):
    # Fresh weights that look at even grey are the worst case for int8.
    tolerance = 0.03 if precision == "fp32" else 0.3
    config = dataclasses.replace(
        settings, engine=engine, precision=precision, out=tmp_path / "x", tolerance=tolerance
    )
    folder = export(checkpoint(kind, kind), config, quiet)
    if precision == "int8":
        graph = (folder / "model.xml").read_text()
        assert "FakeQuantize" in graph
        assert kind != "vla" or not re.search(r'model\.(pointer|context|decoder)[^"]*/fq_', graph)


class Recited:
    """Act without looking: the n-th answer is the n-th number, everywhere."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def act(self, observation):
        return Chunk(np.full((4, 2), next(self.numbers), np.float32))

    def reset(self):
        pass


@pytest.mark.parametrize(
    ("errors", "same"),
    [
        ([0.02] * 40, True),
        ([0.01] * 38 + [0.31] * 2, True),
        ([0.0] * 37 + [0.31] * 3, False),
        ([0.0] * 9 + [0.31], False),
        ([0.04] * 40, False),
    ],
    ids=["alike", "two frames part ways", "too many part ways", "one of few", "all a little"],
)
def test_single_frames_may_part_ways_but_not_many(errors, same):
    one = {ACTION: Stats.of([[-1.0, -1.0], [1.0, 1.0]])}
    look = (SpotWorld().reset(seed=3)[0],)
    found = Agreement.of(Recited([0.0] * 40), Recited(errors), [look] * len(errors), SPOTS, one)
    assert found.relative_largest == pytest.approx(max(errors))
    assert found.within(0.03) == same


class TestExported(PolicyContract):
    """It keeps the contract of every policy."""

    @pytest.fixture(scope="class")
    def made(self, made):
        return exported.load(made("onnx", "fp32")), FEATURES


def in_torch(policy):
    """Return the exported policy before an engine comes into it: its graph runs as the module it is."""
    graph = graph_of(policy)

    def engine(feeds):
        with torch.no_grad():
            return graph.module(*(torch.from_numpy(feeds[name]) for name in graph.inputs)).numpy()

    longest = graph.inputs["words"].shape[1]
    return exported.ExportedPolicy(engine, graph.inputs, FEATURES, stats_of(policy), longest)


@pytest.mark.parametrize("kind", ["act", "textbook"])
def test_the_graphs_of_the_models_it_is_measured_against_say_what_they_say(kind, checkpoint, dataset):
    source = checkpoints.load(checkpoint(kind, kind))
    result = in_torch(source)
    sample = dataset_samples(dataset, FEATURES, 1)[0]
    np.testing.assert_allclose(answer(result, sample), answer(source, sample), atol=0.3)
    assert (STATE in result.inputs) == (kind == "act")


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
import numpy as np
from sayso.runtime.exported import load
from sayso.spec import STATE, TASK
policy = load(sys.argv[1])
rng = np.random.default_rng(0)
look = {key: rng.integers(0, 256, (16, 24, 3), dtype=np.uint8) for key in policy.inputs if "images" in key}
print(json.dumps(policy.act({**look, STATE: np.ones(2, np.float32), TASK: "put it there"}).actions.tolist()))
"""


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_it_runs_where_there_is_no_torch(engine, made, checkpoint):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(made(engine, "fp32"))],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    assert done.returncode == 0, done.stderr
    rng = np.random.default_rng(0)
    look = {image_key(c): rng.integers(0, 256, (16, 24, 3), dtype=np.uint8) for c in FEATURES.cameras}
    expected = checkpoints.load(checkpoint("vla")).act(
        {**look, STATE: np.ones(2, np.float32), TASK: "put it there"}
    )
    np.testing.assert_allclose(json.loads(done.stdout), expected.actions, atol=1e-3)


def test_an_export_says_what_it_was_trained_on_and_what_was_found(made, checkpoint):
    folder = made("onnx", "fp32")
    assert training_of(folder) == training_of(checkpoint("vla"))
    engine = json.loads((folder / "config.json").read_text())["engine"]
    assert engine["checks"]["agreement"]["samples"] == 6
    assert engine["checks"]["before"]["calls"] == engine["checks"]["after"]["calls"] == 2
    assert engine["checks"]["faults"] == []
    assert "action error on 6 frames: mean" in (folder / "README.md").read_text()


def test_what_differs_too_much_is_refused_and_leaves_nothing(checkpoint, settings, tmp_path):
    strict = dataclasses.replace(
        settings, engine="onnx", precision="fp32", tolerance=1e-9, out=tmp_path / "x"
    )
    said = []
    with pytest.raises(ExportError, match="not the same policy"):
        export(checkpoint("vla"), strict, said.append)
    assert "a mean of 1e-09 standard deviations and, in 95% of the frames, at most 1e-08" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_an_export_cannot_turn_into_model_units_are_refused(checkpoint):
    class Doubled:
        key = ACTION

        def forward(self, values):
            return {**values, ACTION: 2 * values[ACTION]} if ACTION in values else values

        def inverse(self, values):
            return {**values, ACTION: values[ACTION] / 2}

    source = checkpoints.load(checkpoint("vla"))
    chain = Chain((*source.collator.chain.transforms, Doubled()))
    source.collator = dataclasses.replace(source.collator, chain=chain)
    with pytest.raises(ExportError, match="a vla turns numbers into its own units in a way"):
        stats_of(source)


def test_what_a_model_scales_by_itself_is_scaled_so_in_its_export(checkpoint):
    source = checkpoints.load(checkpoint("act", "act"))
    other = standardise({STATE: source.stats[STATE], ACTION: source.stats[STATE]})
    source.collator = dataclasses.replace(source.collator, chain=other)
    assert stats_of(source)[ACTION].std == source.stats[STATE].std


def test_a_policy_that_draws_noise_is_refused(checkpoint):
    for name, kind, sizes in (("flow", "vla", {"decoder": "flow"}), ("diffusion", "diffusion", {})):
        with pytest.raises(ExportError, match="draws noise"):
            graph_of(checkpoints.load(checkpoint(name, kind, **sizes)))


def test_nothing_is_overwritten(checkpoint, settings, tmp_path):
    with pytest.raises(ExportError, match="exists already"):
        export(checkpoint("vla"), dataclasses.replace(settings, out=tmp_path), quiet)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"engine": "onnx", "precision": "bf16"},
            "onnx cannot compute in bf16, but in fp32; bf16 needs openvino or torchscript",
        ),
        ({"engine": "torchscript", "precision": "int8"}, "int8 needs openvino"),
        ({"frames": 0}, "frames is 0"),
        ({"tolerance": 0.0}, "tolerance is 0"),
    ],
)
def test_what_cannot_be_is_refused_beforehand(wrong, words):
    with pytest.raises(ValueError, match=words):
        ExportConfig(**wrong)


def test_an_engine_that_is_not_installed_is_named_with_how_to_get_it(made, monkeypatch):
    folder = made("openvino", "fp32")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(engines, "openvino_core", engines.openvino_core.__wrapped__)
    with pytest.raises(ExportError, match=r"needs openvino, .* pip install 'sayso\[export\]'"):
        exported.load(folder)


def test_a_folder_that_is_no_whole_export_is_refused(made, checkpoint, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere", checkpoint("vla")):
        with pytest.raises(ExportError, match="holds no exported policy"):
            exported.load(folder)
    for nonsense in ("", "{", "3"):
        (tmp_path / "config.json").write_text(nonsense)
        assert not exported.is_exported(tmp_path)
    (tmp_path / "config.json").write_text((made("onnx", "fp32") / "config.json").read_text())
    with pytest.raises(ExportError, match=r"model.onnx, stats.json missing"):
        exported.load(tmp_path)


def test_a_graph_other_than_the_one_that_was_checked_is_refused(made, tmp_path):
    folder = Path(shutil.copytree(made("onnx", "fp32"), tmp_path / "x"))
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    with pytest.raises(ExportError, match="is not the one that was checked"):
        exported.load(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["engine"]["inputs"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ExportError, match=r"not one this version of sayso understands \(KeyError\('inputs'\)\)"
    ):
        exported.load(folder)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "flipped inside": lambda path: path.write_bytes(flipped(path.read_bytes(), len(path.read_bytes()) // 3)),
    "a list": lambda path: path.write_text("[]"),
    "deleted": lambda path: path.unlink(),
}


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_damaged_export_is_refused_in_one_sentence_with_its_path(engine, damage, made, tmp_path, capsys):
    for name in exported.files_of(engine) + ((SUMS,) if damage in ("cut", "emptied", "zeroed") else ()):
        folder = Path(shutil.copytree(made(engine, "fp32"), tmp_path / name))
        DAMAGES[damage](folder / name)
        assert cli.main(["run", str(folder), "go", "--robot", "dry", "--seconds", "0.1"]) == 2, name
        told = capsys.readouterr().err
        assert told.startswith("sayso: ") and len(told.splitlines()) == 1, told
        assert str(folder) in told and "xport" in told, told


def test_an_export_without_digests_is_taken_on_trust_as_far_as_it_makes_sense(made, tmp_path, capsys):
    nonsense = (
        {"features": 3},
        {"features": {"fps": "x"}},
        {"engine": []},
        {"model": 0},
        {"engine": {"a": 1}},
    )
    for n, change in enumerate(nonsense):
        folder = Path(shutil.copytree(made("onnx", "fp32"), tmp_path / str(n)))
        (folder / SUMS).unlink()
        assert cli.main(["run", str(folder), "go", "--robot", "dry", "--seconds", "0.1"]) in (0, 1)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        capsys.readouterr()
        assert cli.main(["run", str(folder), "go", "--robot", "dry", "--seconds", "0.1"]) == 2
        assert str(folder) in capsys.readouterr().err
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "stats.json").write_text(json.dumps({"action": {"mean": "x"}}))
    assert cli.main(["run", str(folder), "go", "--robot", "dry", "--seconds", "0.1"]) == 2
    assert "stats.json in" in capsys.readouterr().err


SMALL_DISK = """
import resource, sys
from sayso import cli
cli.main(["--version"])
import torch
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
sys.exit(cli.main(["export", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("engine", ["openvino", "onnx", "torchscript"])
def test_an_export_for_which_there_is_no_room_is_refused_and_leaves_nothing(
    engine, checkpoint, dataset, tmp_path
):
    out = tmp_path / "full" / "x"
    words = ["--engine", engine, "--calibrate", str(dataset), "--frames", "2", "--calls", "1"]
    command = [sys.executable, "-c", SMALL_DISK, "20000", str(checkpoint("vla")), "--out", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(SRC)})
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert str(out.parent) in done.stderr.splitlines()[-1]
    assert list(out.parent.iterdir()) == []


def test_a_look_of_another_kind_is_refused_by_name(made, dataset):
    policy = exported.load(made("onnx", "fp32"))
    look = dict(next(Dataset(dataset).frames(Dataset(dataset).episodes[0])))
    with pytest.raises(FeatureMismatchError, match=r"'observation.images.wrist' is uint8 \(8, 24, 3\)"):
        policy.act({**look, image_key("wrist"): look[image_key("wrist")][:8]})
    with pytest.raises(FeatureMismatchError, match=r"'observation.state' is \[3\], but .* on 2 numbers"):
        policy.act({**look, STATE: np.zeros(3, np.float32)})
    del look[STATE]
    with pytest.raises(FeatureMismatchError, match=r"needs .observation\.state"):
        policy.act(look)


def test_frames_come_from_all_over_a_dataset(dataset):
    samples = dataset_samples(dataset, FEATURES, 8)
    assert len(samples) == 8
    assert len({float(sample[STATE][0]) for sample in samples}) >= 6
    assert all(ACTION not in look for look in samples)


def test_frames_of_another_robot_are_refused(dataset):
    with pytest.raises(FeatureMismatchError, match="robot_type"):
        dataset_samples(dataset, SPOTS, 4)
    with pytest.raises(FeatureMismatchError, match="robot_type"):
        world_samples(spot_world, FEATURES, 4)


def test_without_a_dataset_the_expert_of_the_world_shows_frames():
    samples = world_samples(spot_world, SPOTS, 6)
    assert len(samples) == 6
    assert {sample[TASK].split()[0] for sample in samples} == {"go", "visit"}


class Counting(SpotWorld):
    """Count how often it is drawn."""

    drawn = 0

    def step(self, action, *, render=True):
        Counting.drawn += render
        return super().step(action, render=render)

    def expert(self):
        expert = super().expert()
        expert.sees_pictures = False
        return expert


def test_the_expert_is_drawn_at_the_steps_that_are_shown_only_and_they_are_those_of_its_episode():
    samples = world_samples(Counting, SPOTS, 6)
    assert Counting.drawn <= len(samples)
    world = SpotWorld()
    for i, family in enumerate(world.families):
        whole = rollout(world, world.expert(), 0, family=family, execute=1, keep_frames=True).frames
        for k, step in zip(range(3), (0, (len(whole) - 1) // 2, len(whole) - 1), strict=True):
            shown = samples[3 * i + k]
            assert all(np.array_equal(shown[key], whole[step][key]) for key in shown)


def test_success_may_be_compared_on_some_families_only():
    found = closed_loop(SMALL_WORLDS["spots"], (expert_of, expert_of), 2, 1, ("visit",))
    assert found.episodes == 2
    with pytest.raises(SaysoError, match="Did you mean 'visit'"):
        closed_loop(SMALL_WORLDS["spots"], (expert_of, expert_of), 2, 1, ("visits",))
    with pytest.raises(ConfigError, match="--verify"):
        ExportConfig(families=("go",))


def test_each_robot_has_its_world():
    assert (world_of("so101"), world_of("lekiwi")) == ("tabletop", "home")
    with pytest.raises(SaysoError, match="no simulated robot 'sawyer'"):
        world_of("sawyer")


def test_a_policy_that_loses_success_is_found_out_in_closed_loop():
    worse = closed_loop(SMALL_WORLDS["spots"], (expert_of, still), 5, workers=1)
    assert worse.lost >= 5 and worse.costs_success
    assert worse.after.share < worse.before.share
    same = closed_loop(SMALL_WORLDS["spots"], (expert_of, expert_of), 2, workers=1)
    assert (same.lost, same.gained) == (0, 0) and not same.costs_success


@pytest.mark.parametrize(
    ("lost", "gained", "broken", "worse"),
    [
        (0, 0, 0, False),
        (4, 0, 0, False),
        (5, 0, 0, True),
        (10, 9, 0, False),
        (30, 10, 0, True),
        (0, 3, 1, True),
    ],
)
def test_losses_count_when_they_are_more_than_luck(lost, gained, broken, worse):
    share = wilson(50, 100)
    found = ClosedLoop(before=share, after=share, episodes=100, lost=lost, gained=gained, broken=broken)
    assert found.costs_success == worse


def test_nothing_is_compared_with_a_policy_of_which_more_than_one_per_cent_crashed():
    crashing = breaks_on(raises=(1_000_001,))
    with pytest.raises(SaysoError, match="2 of 6 episodes could not be run with what was there before"):
        closed_loop(SMALL_WORLDS["spots"], (crashing, expert_of), 3, workers=1)
    broken = closed_loop(SMALL_WORLDS["spots"], (expert_of, crashing), 3, workers=1)
    assert broken.costs_success and "no rate, since more than 1 % broke" in str(broken)


def test_calls_are_timed_in_turn():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = interleaved(calls, 3, warm_up=1, pause_s=0)
    assert order == ["a", "b"] * 4
    assert found["a"].calls == 3 and 0 <= found["a"].p50_ms <= found["a"].p99_ms


def test_the_command_exports_and_the_result_is_taken_like_a_checkpoint(checkpoint, dataset, tmp_path, capsys):
    out = tmp_path / "x"
    given = ["export", str(checkpoint("vla")), "--engine", "onnx", "--calibrate", str(dataset)]
    few = ["--frames", "2", "--calls", "2", "--out", str(out), "--tolerance", "1e-12"]
    assert cli.main([*given, *few, "--force"]) == 0
    said = capsys.readouterr().out
    assert "action error on 2 frames: mean" in said and "2 threads: before" in said
    assert said.endswith(f"policy: {out}\n")
    assert isinstance(sayso.load(out), exported.ExportedPolicy)
    assert isinstance(sayso.load(checkpoint("vla")), ModelPolicy)
    with pytest.raises(FeatureMismatchError, match="robot_type"):
        loading.maker_of(str(out))(SpotWorld())
    assert json.loads((out / "config.json").read_text())["engine"]["checks"]["faults"]
    assert "differ too much" in (out / "README.md").read_text()


def test_the_command_refuses_what_an_engine_cannot_do(checkpoint, capsys):
    assert cli.main(["export", str(checkpoint("vla")), "--engine", "onnx", "--precision", "bf16"]) == 2
    assert "onnx cannot compute in bf16" in capsys.readouterr().err


def test_what_has_no_form_in_onnx_is_refused(tmp_path):
    class Shrinking(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.interpolate(x, size=(8, 8), mode="bilinear", antialias=True)

    graph = Graph(module=Shrinking(), inputs={"x": torch.zeros(1, 3, 16, 16)})
    with pytest.raises(ExportError, match=r"no form in ONNX \(.*bilinear"):
        write_graph(graph, tmp_path / "x.onnx", "onnx", "fp32", [])


INTERRUPTED = """
import gc, os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell has told its children
import openvino, torch
from sayso.runtime.engines import openvino_core
graph = openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
first, second = (openvino_core().compile_model(graph, "CPU") for _ in range(2))
del first
gc.collect()
del second
gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted", end="")
"""


def test_a_signal_arrives_after_exported_policies_were_opened_and_thrown_away():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "interrupted")


def test_git_ignores_what_is_exported_from_a_shipped_checkpoint():
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().split()
    for engine, precision in itertools.product(get_args(EngineName), get_args(Precision)):
        assert any(fnmatch(f"/checkpoints/home-{engine}-{precision}/", pattern) for pattern in ignored)


SILENT = """
from sayso.runtime.engines import package
package("openvino"), package("nncf")
from nncf.telemetry.wrapper import NNCFTelemetryStub, telemetry
from openvino.tools.ovc.telemetry_utils import tm
print(tm.__name__, isinstance(telemetry, NNCFTelemetryStub))
"""


def test_what_is_exported_is_reported_to_nobody():
    said = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=120)
    assert said.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "True"], said.stderr
