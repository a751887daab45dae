"""What README and docs say is so: files, commands, links, and every number in a table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import file_list
import results_file
import tables

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    block
    for page in tables.pages()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    if not language
]
COMMANDS = sorted(
    {line for block in BLOCKS for line in block.splitlines() if line.startswith(("sayso ", "make "))}
)
VERBS = sorted({line.split()[1] for line in COMMANDS if line.startswith("sayso ")})
RESULTS = sorted(results_file.RESULTS.glob("*.json"))
METRICS = {
    "put": 0.8,
    "put/low": 0.71,
    "put/high": 0.87,
    "textbook_put": 0.1,
    "call_ms": 12.34,
    "steps_per_s": 1234.5,
}


@pytest.fixture(scope="module")
def help_of_verbs():
    """Start every verb's --help at once and return what each said."""
    words = [[sys.executable, "-m", "sayso", verb, "--help"] for verb in VERBS]
    started = [
        subprocess.Popen(w, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for w in words
    ]
    said = {verb: process.communicate(timeout=120)[0] for verb, process in zip(VERBS, started, strict=True)}
    assert all(process.returncode == 0 for process in started), said
    return said


def test_the_file_list_is_the_tree_and_each_line_is_what_the_module_says_of_itself():
    package = ROOT / "src" / "sayso"
    listed = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    assert file_list.rendered(listed, package) == listed, "run `make docs`"
    for module in package.rglob("*.py"):
        assert module.stem == "__init__" or module.name in listed
        assert file_list.first_sentence(module), f"{module} does not say what it is"


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 170


def test_the_readme_shows_commands():
    assert {"make demo", "make test"} <= set(COMMANDS)
    assert {"record", "train", "eval"} <= set(VERBS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_shown_exists_with_its_flags(command, help_of_verbs):
    program, word, *rest = command.split()
    if program == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.M), f"no target {word}"
        return
    for flag in (part for part in rest if part.startswith("--")):
        assert re.search(rf"{flag}(?![\w-])", help_of_verbs[word]), f"sayso {word} has no {flag}"


def test_every_script_that_is_shown_exists():
    shown = {path for block in BLOCKS for path in re.findall(r"^python (?!-)(\S+)", block, re.M)}
    assert shown
    assert [path for path in shown if not (ROOT / path).exists()] == []


def test_the_python_in_the_readme_runs():
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", README, re.M | re.S))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    assert "success" in run.stdout


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.name)
def test_every_link_inside_the_repository_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.name)
def test_every_table_is_what_its_result_file_says(page):
    assert tables.rendered(page) == page.read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_every_result_file_describes_itself(file):
    result = json.loads(file.read_text(encoding="utf-8"))
    assert [key for key in results_file.KEYS if key not in result] == []
    assert result["benchmark"] == file.stem
    results_file.check_metrics(result["metrics"])


def test_a_result_becomes_a_table_with_its_interval_its_baseline_and_its_source(tmp_path):
    results_file.write_result(
        "toy", METRICS, seeds=[2_000_000], n=100, config={"execute": 8}, folder=tmp_path
    )
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: toy.json -->\n| stale |\n<!-- end table -->\nafter\n")
    lines = tables.rendered(page, tmp_path).splitlines()
    assert lines[2:7] == [
        "|  | sayso | textbook |",
        "| --- | ---: | ---: |",
        "| put | 80% (71% to 87%) | 0.1 |",
        "| call ms | 12.3 |  |",
        "| steps per s | 1,234 |  |",
    ]
    assert lines[8].startswith("*n = 100; ")
    assert lines[8].endswith("[all of it](toy.json).*")
    assert (lines[0], lines[-1]) == ("before", "after")


def test_a_table_shows_the_metrics_it_names_and_refuses_others(tmp_path):
    results_file.write_result("toy", METRICS, seeds=[], n=1, config={}, folder=tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- table: toy.json call_ms -->\n<!-- end table -->\n")
    assert "| call ms | 12.3 |" in tables.rendered(page, tmp_path)
    assert "put" not in tables.rendered(page, tmp_path)
    page.write_text("<!-- table: toy.json grasp -->\n<!-- end table -->\n")
    with pytest.raises(ValueError, match="no metric grasp; it has put"):
        tables.rendered(page, tmp_path)


def test_rows_for_people_have_labels_units_and_a_link_to_where_each_number_stands(tmp_path):
    results = tmp_path / "benchmarks" / "results"
    results_file.write_result("toy", METRICS, seeds=[], n=1, config={}, folder=results)
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- rows\ntoy.json put | Put it down\ntoy.json call_ms | One call | ms\n-->\n<!-- end rows -->\n"
    )
    rows = tables.rendered(page, tmp_path).splitlines()[-3:-1]
    assert rows[0].startswith("| Put it down | 80% (71% to 87%) | [")
    assert rows[1].startswith("| One call | 12.3 ms | [")
    assert rows[1].endswith("](benchmarks/results/toy.json) |")
    page.write_text("<!-- rows\ntoy.json grasp | Grasp\n-->\n<!-- end rows -->\n")
    with pytest.raises(ValueError, match="no metric grasp; it has put"):
        tables.rendered(page, tmp_path)


def test_a_table_without_its_file_says_that_nothing_was_measured(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table: absent.json -->\n<!-- end table -->\n")
    assert "Not measured yet" in tables.rendered(page, tmp_path)


def test_a_result_names_no_folder_of_the_machine_it_was_made_on(tmp_path, monkeypatch):
    inside = str(ROOT / "checkpoints" / "home")
    monkeypatch.setattr(
        sys, "argv", [str(ROOT / "benchmarks" / "toy.py"), inside, str(tmp_path / "away"), "--n=1"]
    )
    assert results_file.command() == "python benchmarks/toy.py checkpoints/home away --n=1"


@pytest.mark.parametrize(
    ("metrics", "complaint"),
    [
        ({"a": float("nan")}, "'a' is nan"),
        ({"a/low": 0.1}, "not there"),
        ({"a": 80.0, "a/low": 71.0}, "fraction from 0 to 1"),
        ({"a": 0.5, "a/low": 0.6}, "wrong side"),
        ({"a": 0.5, "a/high": 0.4}, "wrong side"),
    ],
)
def test_a_number_that_cannot_be_is_refused(metrics, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        results_file.write_result("toy", metrics, seeds=[], n=1, config={}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
