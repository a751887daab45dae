"""Where a number comes from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from sayso.provenance import commit, machine, provenance


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
