"""Where a number comes from."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sayso
from sayso.work.provenance import PACKAGE, code, commit, digest_of, machine, provenance


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *names, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_commit_is_the_head_and_says_when_files_differ_from_it(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit(tmp_path) == head
    (tmp_path / "untracked.txt").write_text("nobody's business")
    assert commit(tmp_path) == head
    (tmp_path / "a.txt").write_text("two")
    assert commit(tmp_path) == head + "+dirty"


def test_without_a_repository_the_commit_is_unknown(tmp_path):
    assert commit(tmp_path) == "unknown"


def test_the_machine_is_described_by_cores_memory_and_versions():
    described = machine()
    assert described["cores"] >= 1 and described["memory_gb"] > 0 and described["cpu"]
    assert described["versions"]["numpy"] == np.__version__


def test_provenance_is_json_with_the_fields_of_every_result():
    assert set(json.loads(json.dumps(provenance()))) == {"command", "commit", "code", "date", "machine"}


def test_code_is_told_apart_by_what_is_in_its_files_whether_committed_or_not(tmp_path):
    more = tmp_path / "benchmark.py"
    more.write_text("one")
    before = code([more])
    assert before == code([more]) != code()
    more.write_text("two")
    assert code([more]) != before


@pytest.mark.parametrize("file", ["sim/simulation.py", "spec/features.py", "work/pool.py"])
def test_every_file_of_the_package_counts(file, tmp_path, monkeypatch):
    assert Path(sayso.__file__).parent == PACKAGE
    copy = tmp_path / "sayso"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    monkeypatch.setattr("sayso.work.provenance.PACKAGE", copy)
    before = code()
    (copy / file).write_text("# another\n")
    assert code() != before


@pytest.mark.parametrize("file", ["model.safetensors", "stats.json", "config.json"])
def test_the_digest_of_a_policy_covers_all_that_decides_what_it_does(file, tmp_path):
    for name in ("model.safetensors", "stats.json", "config.json", "README.md"):
        (tmp_path / name).write_text("{}")
    before = digest_of(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert digest_of(tmp_path) == before
    (tmp_path / file).write_text('{"mean": 1}')
    assert digest_of(tmp_path) != before


def test_a_policy_that_does_not_say_where_it_was_made_does_the_same(tmp_path):
    """What an export writes about itself holds a digest, which cannot hold itself."""
    (tmp_path / "config.json").write_text('{"model": 1}')
    before = digest_of(tmp_path)
    (tmp_path / "config.json").write_text('{"type": "sayso", "engine": {"digest": "abc"}, "model": 1}')
    assert digest_of(tmp_path) == before
