"""What holds of `plugins/lerobot_policy_sayso` without LeRobot; `make lerobot-policy` runs its own tests."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

import sayso
from sayso.models.checkpoint import load
from sayso.models.lerobot_folder import PROCESSORS, SAYSO
from sayso.work.provenance import digest_of

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugins" / "lerobot_policy_sayso"
PACKAGE = PLUGIN / "src" / "lerobot_policy_sayso"
FILES = sorted(PACKAGE.glob("*.py"))
TREES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
MAY_IMPORT = {
    "lerobot",
    "lerobot_policy_sayso",
    "sayso",
    "torch",
    "numpy",
    "safetensors",
    "draccus",
    "huggingface_hub",
}
LEROBOTS = {"path", "type", "device", "push_to_hub", "repo_id", "pretrained_path", "use_amp"}
"""Flags of any policy in LeRobot."""


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def defined(module, kind):
    return {node.name: node for node in TREES[module].body if isinstance(node, kind)}


def test_the_package_is_called_as_lerobot_looks_for_it_and_belongs_to_this_sayso():
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == PACKAGE.name == "lerobot_policy_" + SAYSO
    assert project["version"] == own["version"] and f"sayso=={own['version']}" in project["dependencies"]


def test_files_classes_and_functions_have_the_names_that_lerobot_makes_of_the_type():
    config = defined("configuration_sayso", ast.ClassDef)["SaysoConfig"]
    assert "PreTrainedConfig.register_subclass(SAYSO)" in map(ast.unparse, config.decorator_list)
    policy = defined("modeling_sayso", ast.ClassDef)["SaysoPolicy"]
    assert f"name = '{SAYSO}'" in map(ast.unparse, policy.body)
    assert f"make_{SAYSO}_pre_post_processors" in defined("processor_sayso", ast.FunctionDef)
    assert ("lerobot_policy_sayso.configuration_sayso", "SaysoConfig") in set(imported(TREES["__init__"]))


@pytest.mark.parametrize("name", TREES)
def test_it_imports_what_it_declares_and_only_what_sayso_has(name):
    for module, what in imported(TREES[name]):
        top = module.partition(".")[0]
        assert top in MAY_IMPORT or top in sys.stdlib_module_names, module
        if top == "sayso":
            assert what is None or hasattr(importlib.import_module(module), what), f"{module} has no {what}"


def test_the_readme_types_flags_that_there_are_on_checkpoints_that_there_are():
    text = (PLUGIN / "README.md").read_text(encoding="utf-8")
    fields = {
        node.target.id
        for node in defined("configuration_sayso", ast.ClassDef)["SaysoConfig"].body
        if isinstance(node, ast.AnnAssign)
    }
    typed = set(re.findall(r"--policy\.(\w+)", text))
    assert typed and not typed - fields - LEROBOTS
    for checkpoint in re.findall(r"--policy\.path=(checkpoints/\w+)", text):
        assert (ROOT / checkpoint / "config.json").exists()
    assert all(command in text for command in ("lerobot-eval ", "lerobot-train ", "lerobot-rollout "))


@pytest.mark.parametrize("folder", sorted((ROOT / "checkpoints").iterdir()), ids=lambda path: path.name)
def test_a_checkpoint_that_ships_is_a_folder_of_lerobots_and_the_same_policy_as_before(folder, tmp_path):
    described = json.loads((folder / "config.json").read_text())
    assert described.pop("type") == SAYSO
    for file, steps in PROCESSORS.items():
        assert json.loads((folder / file).read_text()) == steps
    before = tmp_path / "before"
    before.mkdir()
    for file in ("model.safetensors", "stats.json"):
        (before / file).write_bytes((folder / file).read_bytes())
    (before / "config.json").write_text(json.dumps(described))
    assert digest_of(folder) == digest_of(before)
    load(folder)


def test_every_policy_that_is_kept_is_a_folder_of_lerobots(tmp_path):
    from sayso.models import checkpoint

    policy = sayso.load(ROOT / "checkpoints" / "tabletop")
    checkpoint.save(policy, tmp_path / "kept")
    checkpoint.save(policy, tmp_path / "kept")  # over itself: these files are its own
    assert json.loads((tmp_path / "kept" / "config.json").read_text())["type"] == SAYSO
    assert {path.name for path in (tmp_path / "kept").iterdir()} >= set(PROCESSORS)


def test_what_lerobot_adds_to_a_folder_is_no_hindrance_to_sayso(tmp_path):
    """LeRobot's own fields stand in the same config.json, and further files beside it."""
    from sayso.models import checkpoint
    from sayso.work.digests import write_digests

    folder = tmp_path / "pretrained_model"
    checkpoint.save(sayso.load(ROOT / "checkpoints" / "tabletop"), folder)
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"n_obs_steps": 1, "device": "cpu", **described}))
    (folder / "train_config.json").write_text("{}")
    write_digests(folder, checkpoint.digested(folder))
    assert load(folder).features == load(ROOT / "checkpoints" / "tabletop").features
