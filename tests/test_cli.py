"""The command line: its vocabulary, its help, its refusals and its promises of speed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sayso import cli, loading
from sayso.evaluation import measure
from sayso.learn.record import RecordConfig, record
from sayso.tasks.worlds import WORLDS
from sayso.work import pool
from small_worlds import SMALL_WORLDS, breaks_on

SRC = Path(__file__).parents[1] / "src"

FLAGS = {
    "record": ["--by", "--world", "--out", "--families", "--episodes", "--split", "--start", "--workers"]
    + ["--axis", "--domain", "--policy", "--keep", "--execute", "--handover", "--cluster"]
    + [f"--noise.{name}" for name in ("deg", "percent", "m-per-s", "deg-per-s", "share")]
    + [f"--noise.{name}" for name in ("correlation-steps", "burst-s", "pause-s", "stream")],
    "show": ["--out", "--episodes", "--crop", "--rerun"],
    "edit": [
        *("--out", "--episodes", "--drop-episodes", "--tasks", "--drop-tasks", "--relabel"),
        *("--cameras", "--drop-cameras", "--rename-cameras"),
        *("--dimensions", "--drop-dimensions", "--rename-dimensions"),
        *("--crop", "--resize", "--fps", "--robot", "--points", "--split", "--seed"),
    ],
    "eval": ["--world", "--goal", "--datasets", "--families", "--episodes", "--split", "--start", "--execute"]
    + ["--swap", "--axis", "--recover", "--domain", "--workers", "--threads", "--out", "--films"]
    + ["--max-films", "--rename", "--cluster"],
    "improve": ["--world", "--from", "--out", "--hours", "--rounds", "--datasets", "--families", "--episodes"]
    + ["--steps", "--pairs", "--alpha", "--start", "--execute", "--workers", "--batch-size", "--cluster"],
    "practice": ["--world", "--out", "--until", "--trials", "--least", "--episodes", "--workers", "--init"]
    + ["--known", "--known-weight", "--steps", "--lr", "--threads", "--llm-url", "--llm-model"]
    + ["--cluster"]
    + [f"--noise.{name}" for name in ("deg", "percent", "m-per-s", "deg-per-s", "share")]
    + [f"--noise.{name}" for name in ("correlation-steps", "burst-s", "pause-s", "stream")],
    "watch": ["--cameras", "--out", "--actions", "--fps", "--height", "--threads"],
    "calibrate": ["--out", "--square-m", "--board-x-m"],
    "compare": ["--world", "--families", "--pairs", "--alpha", "--margin", "--split", "--start", "--execute"]
    + ["--axis", "--domain", "--workers", "--out", "--json", "--cluster"],
    "report": ["--out", "--max-films"],
    "diagnose": [
        "--world",
        "--datasets",
        "--families",
        "--episodes",
        "--looks",
        "--split",
        "--start",
        "--out",
    ],
    "run": ["--hz", "--strategy", "--execute", "--watchdog-ms", "--frozen-s", "--patience-s", "--seconds"]
    + [
        "--start",
        "--strict",
        "--rest-s",
        "--robot",
        "--dry-run",
        "--seed",
        "--port",
        "--ip",
        "--id",
        "--cameras",
        "--robot-config",
        "--limp",
        "--rename",
    ]
    + [
        "--max-speed-deg-s",
        "--workspace-low-m",
        "--workspace-high-m",
        "--recover",
        "--threads",
        "--units",
        "--out",
        "--rerun",
    ],
    "label": ["--clicks", "--port", "--browser"],
    "push": ["--public", "--message"],
    "studio": ["--hz", "--strategy", "--execute", "--watchdog-ms", "--frozen-s", "--patience-s", "--seconds"]
    + ["--start", "--strict", "--rest-s", "--world", "--domain", "--seed", "--robot", "--id"]
    + ["--max-speed-deg-s", "--corrections", "--policy", "--host", "--port", "--threads", "--browser"],
    "serve": ["--host", "--port", "--connections", "--max-mb", "--idle-s", "--hung-s"]
    + ["--workers", "--batch", "--busy-ms"],
}
"""The flags of the verbs that belong to this side; a new one is a change that should be seen in a review."""


@pytest.fixture
def small(monkeypatch):
    """Let the command line find the small worlds under their names."""
    for name, row in SMALL_WORLDS.own.items():
        monkeypatch.setitem(WORLDS.own, name, row)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    return subprocess.run(
        [sys.executable, "-m", "sayso", *arguments], capture_output=True, text=True, env=environment
    )


def cpu_seconds_of_children() -> float:
    """Return a time that does not depend on what else the machine is doing."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_names_every_verb_and_comes_at_once_without_torch():
    code = (
        "import sys; from sayso.cli import main; main(['--help']); "
        "print(sorted({'torch', 'mujoco'} & {*sys.modules}))"
    )
    before = cpu_seconds_of_children()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    assert cpu_seconds_of_children() - before < 1
    assert done.stdout.startswith("usage: sayso VERB")
    for verb in ("record", "show", "train", "eval", "demo"):
        assert f"  {verb} " in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("verb", FLAGS)
def test_each_verb_has_these_flags_and_no_others(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main([verb, "--help"]) == 0
    shown = re.findall(r"^[│ ]*(--[a-z][a-z.-]*)", capsys.readouterr().out, flags=re.MULTILINE)
    assert shown == FLAGS[verb]


def test_python_dash_m_sayso_is_the_command():
    assert run("--version").stdout.startswith("sayso ")
    assert run().stdout == run("-h").stdout


def test_an_unknown_verb_is_refused_in_one_line_with_the_nearest_one():
    done = run("recrod")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"sayso: there is no verb 'recrod'. Did you mean 'record'? Known: {', '.join(sorted(cli.VERBS))}."
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nowhere"], "there is no folder nowhere"),
        (["eval", "nowhere", "--world", "home"], "there is no checkpoint in 'nowhere'"),
        (["eval", "expert", "--world", "home", "--episodes", "0"], "--episodes is 0, but must be at least 1"),
    ],
)
def test_a_refusal_is_one_line_on_stderr_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("sayso: ") and words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_impossible_noise_is_refused_before_anything_is_recorded(capsys, tmp_path):
    assert cli.main(["record", "--world", "home", "--out", str(tmp_path / "x"), "--noise.deg", "-1"]) == 2
    assert "--noise.deg is -1.0, but must be at least 0" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_expert_is_evaluated_and_the_report_written(small, tmp_path, capsys):
    out = tmp_path / "report.json"
    given = ["eval", "expert", "--world", "spots", "--families", "go", "--episodes", "4", "--out", str(out)]
    assert cli.main(given) == 0
    assert f"report: {out}" in capsys.readouterr().out
    raw = json.loads(out.read_text())
    assert raw["n"] == 4 and raw["seeds"] == [2_000_000, 2_000_001, 2_000_002, 2_000_003]
    assert raw["config"]["policy"] == "expert" and raw["config"]["world"] == "spots"
    assert raw["training"] is None


def test_an_interrupted_evaluation_leaves_the_whole_report_of_before(small, tmp_path, capsys, monkeypatch):
    out = tmp_path / "report.json"
    given = ["eval", "expert", "--world", "spots", "--families", "go", "--out", str(out), "--episodes"]
    cli.main([*given, "2"])
    before, whole = out.read_text(), measure.evaluate

    def interrupted(*arguments, **named):
        report = whole(*arguments, **named)
        return dataclasses.replace(report, episodes=report.episodes[:1])

    monkeypatch.setattr(measure, "evaluate", interrupted)
    assert cli.main([*given, "3"]) == 130
    assert out.read_text() == before and out.with_suffix(".episodes.jsonl").exists()
    assert f"{out} keeps the whole report of before" in capsys.readouterr().err
    out.unlink()
    assert cli.main([*given, "3"]) == 130
    assert json.loads(out.read_text())["partial"]
    monkeypatch.setattr(measure, "evaluate", whole)
    assert cli.main([*given, "3"]) == 0
    assert json.loads(out.read_text())["n"] == 3


def test_an_evaluation_without_a_number_ends_with_1(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loading, "maker_of", lambda *_: breaks_on(raises=(2_000_000, 2_000_001)))
    out = tmp_path / "report.json"
    given = ["eval", "expert", "--world", "spots", "--families", "go", "--episodes", "2", "--out", str(out)]
    assert cli.main(given) == 1
    raw = json.loads(out.read_text())
    assert raw["void"] is True and raw["invalid"] == 2 and raw["metrics"]["success"] is None
    assert "RuntimeError: the camera was unplugged" in capsys.readouterr().out


def test_an_evaluation_that_was_interrupted_says_so_and_ends_with_130(small, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pool, "run", interrupted)
    assert cli.main(["eval", "expert", "--world", "spots", "--families", "go", "--episodes", "2"]) == 130
    assert "(interrupted)" in capsys.readouterr().out


def test_an_unknown_family_is_refused(small, capsys):
    assert cli.main(["eval", "expert", "--world", "spots", "--families", "gogo"]) == 2
    assert "Did you mean 'go'?" in capsys.readouterr().err


def test_a_dataset_is_shown_as_text_sheet_and_film(tmp_path, capsys):
    root = tmp_path / "spots"
    record(RecordConfig(world="spots", out=root, episodes=4, workers=1), SMALL_WORLDS)
    assert cli.main(["show", str(root), "--episodes", "2"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("robot point", "10 frames/s", "go", "visit", "x.vel", "m/s"))
    shown = tmp_path / "spots-shown"
    assert sorted(p.name for p in shown.iterdir()) == ["contact_sheet.png", "film.mp4"]
    assert sorted(p.name for p in root.iterdir()) == [
        "data",
        "failed.jsonl",
        "meta",
        "recording.json",
        "videos",
    ]


def test_ctrl_c_while_it_is_being_imported_is_one_line(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{SRC}"}
    command = [sys.executable, "-m", "sayso", "eval", "expert"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (130, "sayso: interrupted\n")


@pytest.mark.parametrize("order", ["sayso, gymnasium", "gymnasium, sayso"])
def test_gymnasium_knows_the_worlds_whichever_is_imported_first_and_is_not_imported_for_them(order):
    code = (
        "import sys, sayso; alone = 'gymnasium' not in sys.modules\n"
        "import importlib.util; assert importlib.util.find_spec('gymnasium')\n"
        if order.startswith("sayso")
        else "alone = True\n"
    )
    code += f"import {order}; print(alone, *sorted(n for n in gymnasium.registry if n.startswith('sayso/')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    assert done.stdout == "True sayso/Home-v0 sayso/Libero-v0 sayso/MetaWorld-v0 sayso/Tabletop-v0\n", (
        done.stderr
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("record --world tabletop", "record needs --out. `sayso record --help`"),
        ("eval expert", "eval needs --world, where to measure success, or --datasets"),
        (
            "record --world tabletop --out d --episodes 99999999",
            "--episodes is 99999999, but the split 'train' has only 1000000 seeds from --start 0 on",
        ),
        ("record --world tabletop --out d --policy nowhere", "there is no checkpoint in 'nowhere'"),
        ("studio --world homee", "Did you mean 'home'?"),
    ],
)
def test_what_cannot_be_is_refused_at_once_and_nothing_is_written(
    typed, words, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert [*tmp_path.iterdir()] == []
