"""Flags of a config that goes with another: its fields under a name, and only what was changed comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from sayso import cli, flags
from sayso.learn import imitate
from sayso.models import table


@dataclass(frozen=True, kw_only=True)
class Milk:
    spoons: int = 1


@dataclass(frozen=True, kw_only=True)
class Tea:
    cups: int
    """How many."""
    minutes: float = 3.0
    """How long it draws."""
    kind: Literal["green", "black"] = "green"
    milk: Milk | None = field(default_factory=Milk)
    leaves: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.minutes < 0:
            raise ValueError(f"minutes is {self.minutes}, but must be at least 0")


@dataclass(frozen=True, kw_only=True)
class Table:
    guests: int = 2


def laid(*given: str, part: flags.Part | None = None) -> tuple[Table, dict]:
    return flags.read(Table, "lay", "", given, part=part or flags.Part("tea", Tea(cups=4), ("cups",)))


def test_only_what_is_typed_otherwise_than_it_usually_is_comes_back_as_plain_values():
    assert laid() == (Table(), {})
    typed = ["--guests", "3", "--tea.kind", "black", "--tea.minutes", "3", "--tea.no-milk"]
    typed += ["--tea.leaves", "5"]
    assert laid(*typed) == (Table(guests=3), {"kind": "black", "milk": None, "leaves": (5,)})
    without = flags.Part("tea", Tea(cups=4, milk=None), ("cups",))
    assert laid("--tea.milk", part=without) == (Table(), {"milk": {"spoons": 1}})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("--tea.knid black", r"no flag of lay '--tea.knid'. Did you mean '--tea.kind'\? Known: --tea.kind"),
        ("--tea.kind blakc", "no --tea.kind 'blakc'. Did you mean 'black'"),
        ("--tea.minutes long", "--tea.minutes: 'long' is not a number"),
        ("--tea.minutes -1", "--tea.minutes is -1.0, but must be at least 0"),
        ("--tea.cups 3", "no flag of lay '--tea.cups'"),
        ("--tea.leaves a", "--tea.leaves: 'a' cannot be read"),
    ],
)
def test_what_cannot_be_typed_is_refused_with_its_flag_and_the_nearest_one(given, complaint):
    with pytest.raises(flags.UsageError, match=complaint):
        laid(*given.split())


def test_a_flag_is_known_before_all_are_read():
    given = ["--model.width", "3", "--model=act", "--init", "a"]
    found = [flags.typed(given, flag) for flag in ("--model", "--init", "--preset")]
    assert found == ["act", "a", ""]


@pytest.fixture
def configs(monkeypatch) -> list[imitate.TrainConfig]:
    """Let `sayso train` only say what it was asked for."""
    asked: list[imitate.TrainConfig] = []
    monkeypatch.setattr(imitate, "train", asked.append)
    return asked


def test_the_model_that_is_named_can_be_changed_by_flags_of_its_own(configs):
    given = ["train", "--datasets", "d", "--out", "o"]
    assert cli.main([*given, "--model.fusion", "late", "--model.no-augmentation", "--model.free", "2"]) == 0
    assert cli.main([*given, "--model", "act", "--model.stages", "16", "16", "16", "32"]) == 0
    assert cli.main([*given, "--preset", "tiny", "--model.width", "192", "--model.augmentation"]) == 0
    assert configs[0].model_config == {"fusion": "late", "augmentation": None, "free": 2}
    assert configs[1].model_config == {"stages": (16, 16, 16, 32)}
    assert (configs[2].model_config["width"], bool(configs[2].model_config["augmentation"])) == (192, True)


@pytest.mark.parametrize("model", table.MODELS)
def test_help_names_the_fields_of_the_model_that_is_named_and_what_they_are(model, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["train", "--model", model, "--help"]) == 0
    shown, row = capsys.readouterr().out, table.MODELS[model]
    for name in vars(table.usual_config(model)):
        flag = f"--model.{name.replace('_', '-')}"
        assert (f" {flag} " in shown or f" {flag}," in shown) == (name not in row.decided), flag
    assert "--model-config" not in shown
    said = {"vla": "free queries", "act": "Hidden width of every layer"}
    assert said.get(model, "") in shown


def test_a_trained_model_offers_only_how_it_learns_with_its_own_values(configs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    policy = str(Path(__file__).parents[1] / "checkpoints" / "tabletop")
    given = ["train", "--datasets", "d", "--out", "o", "--init", policy]
    assert cli.main([*given, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--model.discount" in shown and "--model.fusion" not in shown
    assert cli.main([*given, "--model.fusion", "late"]) == 2
    assert "there is no flag of train '--model.fusion'" in capsys.readouterr().err
    assert cli.main([*given, "--model.discount", "0.5"]) == 0
    assert [config.model_config for config in configs] == [{"discount": 0.5}]
