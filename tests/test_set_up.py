"""The set-up takes a Python that runs, and says in a sentence which one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


@pytest.fixture
def machine(tmp_path):
    """Return a folder that is all there is on the path: sed, and shims of Pythons that do not run."""
    (tmp_path / "sed").symlink_to(shutil.which("sed"))
    for name in (f"python{THIS}", "python3"):
        (tmp_path / name).write_text(SHIM, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def found(machine: Path, *versions: str, python: str = "") -> subprocess.CompletedProcess[str]:
    """Ask for the interpreter of such a machine."""
    environment = {"PATH": str(machine), "HOME": str(machine), "PYTHON": python}
    words = ["/bin/sh", str(ROOT / "scripts" / "python.sh"), *versions]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)


def keep(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "python3").symlink_to(sys.executable)


@pytest.mark.parametrize(
    "kept", [f".pyenv/versions/{THIS}.1/bin", f".local/share/uv/python/cpython-{THIS}.1-linux-x86_64-gnu/bin"]
)
def test_a_shim_that_does_not_run_is_passed_over_for_one_that_does(machine, kept):
    keep(machine / kept)
    assert found(machine, THIS).stdout == f"{machine}/{kept}/python3\n"


def test_the_version_most_wished_for_comes_first(machine):
    wrong = machine / ".pyenv" / "versions" / "3.99.1" / "bin"
    keep(wrong)  # it only says that it is 3.99
    (machine / "python3").unlink()
    (machine / "python3").symlink_to(sys.executable)
    assert found(machine, "3.99", THIS).stdout == f"{machine}/python3\n"


def test_no_python_is_said_with_what_to_install(machine):
    asked = found(machine, "3.11", "3.12", "3.13")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert (
        "found no Python 3.11, 3.12 or 3.13" in asked.stderr and "PYTHON=/path/to/python3.11" in asked.stderr
    )


@pytest.mark.parametrize(
    ("python", "versions", "why"),
    [
        (sys.executable, ["3.98", "3.99"], f"is Python {THIS}"),
        ("python3", [THIS], "PYTHON=python3 does not run"),
        ("/no/such/python", [THIS], "PYTHON=/no/such/python does not run"),
    ],
)
def test_a_python_that_was_named_is_taken_or_refused(machine, python, versions, why):
    asked = found(machine, *versions, python=python)
    assert asked.returncode == 1 and why in asked.stderr and len(asked.stderr.splitlines()) == 1
    assert found(machine, THIS, python=sys.executable).stdout == f"{sys.executable}\n"


def test_make_notices_that_another_python_was_named(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / "installed").touch()

    def would_do(python: str) -> str:
        words = ["make", "-n", "setup", f"PYTHON={python}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            words, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=60
        ).stdout

    assert "setup.sh" not in would_do(sys.executable)
    assert "setup.sh" not in would_do("")
    (tmp_path / "other").write_text("#!/bin/sh\necho Python 3.99.0\n", encoding="utf-8")
    (tmp_path / "other").chmod(0o755)
    assert "setup.sh" in would_do(str(tmp_path / "other"))
