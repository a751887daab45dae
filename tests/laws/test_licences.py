"""Whatever ships or is installed beside it has a row on the page of licences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    ".py",
    ".md",
    ".json",
    ".toml",
    ".typed",
    ".js",
    ".html",
    ".sh",
    ".txt",
    ".yml",
    ".yaml",
    ".ipynb",
    "",
}
"""Kinds of files that we wrote."""


def test_every_package_has_the_licence_that_the_page_says():
    command = [sys.executable, ROOT / "scripts" / "licences.py"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_file_that_somebody_else_may_have_made_is_on_the_page():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    shipped = [p for p in (ROOT / "src").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    others = [p for p in shipped if p.suffix not in OURS or p.name == "vocab.txt"]
    assert len(others) > 10
    for path in others:
        name, folder = (p.relative_to(ROOT).as_posix() for p in (path, path.parent))
        assert f"`{name}`" in page or f"`{folder}/`" in page, f"{name} is on no row of docs/licences.md"
