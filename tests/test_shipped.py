"""Policies that ship are found by name from any folder, and a folder of that name comes first."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sayso import loading
from sayso import shipped as where
from sayso.shipped import shipped
from sayso.tasks.worlds import WORLDS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", [name for name in WORLDS if WORLDS[name].checkpoint])
def test_what_ships_for_a_world_is_found_from_another_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped(WORLDS[name].checkpoint) == ROOT / WORLDS[name].checkpoint
    assert loading.weights_of(WORLDS[name].checkpoint) == loading.weights_of(
        str(ROOT / WORLDS[name].checkpoint)
    )


def test_a_folder_here_comes_first_and_what_ships_nowhere_stays_as_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("checkpoints/none", "runs/home", "home", "checkpoints/home/config.json"):
        assert shipped(name) == Path(name)
    Path("checkpoints/home").mkdir(parents=True)
    assert shipped("checkpoints/home") == Path("checkpoints/home")


def test_the_wheel_carries_them_where_they_are_looked_for():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"] == {"checkpoints": "sayso/checkpoints"}
    assert where._NEAR[0] == Path(where.__file__).parent
