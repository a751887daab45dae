"""What is pushed to a hub is found there on another machine, and what goes wrong is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import small_hub
from sayso.data.reader import Dataset
from sayso.models import checkpoint
from small_datasets import build
from small_policies import policy as tiny_policy

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def hub():
    with small_hub.serving() as hub:
        yield hub


@pytest.fixture
def sayso(hub, tmp_path):
    """Call the command line as on a machine that never saw the hub before."""

    def call(*arguments, code=0, **variables):
        environment = os.environ | {
            "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "a-secret",
            "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        } | variables  # fmt: skip
        words = [sys.executable, "-m", "sayso", *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    return call


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return build(tmp_path_factory.mktemp("recording") / "d")


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "policy"
    checkpoint.save(tiny_policy(), folder)
    return folder


def test_a_dataset_goes_there_and_comes_back_as_it_was(sayso, hub, dataset):
    said = sayso("push", dataset, "ada/desk")
    assert "private" in said
    assert "datasets/ada/desk" in hub.private
    assert hub.tags["datasets/ada/desk"] == {"v3.0"}
    card = hub.files["datasets/ada/desk"]["README.md"].decode()
    assert card.startswith("---\n") and '"LeRobot"' in card and Dataset(dataset).tasks[0] in card
    assert Dataset(dataset).tasks[0] in sayso("show", "ada/desk", "--out", "shown")
    sayso("check", "ada/desk")


def test_pushing_again_moves_the_tag(sayso, hub, dataset):
    sayso("push", dataset, "ada/again", "--public")
    sayso("push", dataset, "ada/again", "--public")
    assert hub.tags["datasets/ada/again"] == {"v3.0"}
    assert "datasets/ada/again" not in hub.private


def test_a_policy_goes_there_and_acts_from_there(sayso, hub, policy):
    sayso("push", policy, "ada/policy")
    assert {*hub.files["models/ada/policy"]} == {
        "README.md", "SHA256SUMS", "config.json", "model.safetensors", "stats.json",
        "policy_preprocessor.json", "policy_postprocessor.json",
    }  # fmt: skip
    card = hub.files["models/ada/policy"]["README.md"].decode()
    assert card.startswith("---\nlibrary_name: ") and 'sayso.load("ada/policy")' in card
    assert "put it there" in sayso("run", "ada/policy", "put it there", "--robot", "dry", "--seconds", "1")
    asked = len(hub.asked)
    sayso("run", "ada/policy", "put it there", "--robot", "dry", "--seconds", "1", HF_HUB_OFFLINE="1")
    assert len(hub.asked) == asked


@pytest.mark.parametrize(
    ("name", "variables", "said"),
    [
        ("ada/nothing", {}, "hub has no such policy"),
        ("ada/nothing", {"HF_HUB_OFFLINE": "1"}, "hf download ada/nothing --local-dir"),
        ("ada/nothing", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_a_sentence(sayso, name, variables, said):
    told = sayso("run", name, "put it there", "--robot", "dry", code=2, **variables)
    assert said in told
    assert told.count("\n") == 1


def test_a_mistyped_folder_is_not_looked_for_elsewhere(sayso, hub, tmp_path):
    (tmp_path / "runs").mkdir()
    asked = len(hub.asked)
    assert "runs/mine" in sayso("run", "runs/mine", "put it there", code=2)
    assert len(hub.asked) == asked


def test_what_cannot_be_pushed_is_refused_before_anything_is_sent(sayso, hub, dataset, tmp_path):
    asked = len(hub.asked)
    assert "no policy, no run and no dataset" in sayso("push", tmp_path, "ada/x", code=2)
    assert "USER/NAME" in sayso("push", dataset, "x", code=2)
    assert "hf auth login" in sayso("push", dataset, "ada/x", code=2, HF_TOKEN="")
    assert len(hub.asked) == asked
