"""What needs no simulation works without what only Unix has: as on Windows, as far as Linux can tell.

Nothing here ran on Windows or macOS. `without_unix` takes away what they lack and forbids what they forbid.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DESK = ROOT / "tests" / "recordings" / "desk"
SENTENCE = "put the red block in the bowl"
TEXTUAL = ("read_text", "write_text")


def bare(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has set nothing."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(folder), "OMP_NUM_THREADS": "1"}


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "without_unix.py"), *map(str, words)]


def typed(folder: Path, *words: str) -> str:
    """Type a command where there is no Unix, and return what it said."""
    done = subprocess.run(
        command(*words), cwd=folder, env=bare(folder), capture_output=True, text=True, timeout=200
    )
    said = f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0 and "Traceback" not in done.stderr, said
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a policy where there is no Unix, once from nothing and once more to go on."""
    folder = tmp_path_factory.mktemp("elsewhere")
    words = ["--datasets", DESK, "--preset", "tiny", "--batch-size", "4", "--threads", "1", "--out", "run"]
    typed(folder, "train", *words, "--steps", "2")
    assert "policy: run" in typed(folder, "train", *words, "--steps", "3")
    return folder


def test_training_goes_on_where_it_was_stopped(trained):
    assert (trained / "run" / "policy" / "model.safetensors").exists()
    assert not list((trained / "run").rglob("*.new"))


def test_recordings_are_checked_shown_and_edited(trained):
    assert "0 errors" in typed(trained, "check", DESK)
    typed(trained, "edit", DESK, "--episodes", "0-1", "--out", "two")
    assert "2 episodes" in typed(trained, "check", "two")


def test_a_robot_runs_dry_from_a_folder_and_from_a_server(trained):
    dry = ("--robot", "dry", "--seconds", "0.3")
    assert "shoulder_pan.pos" in typed(trained, "run", "run/policy", SENTENCE, *dry)
    serving = subprocess.Popen(
        command("serve", "run/policy", "--port", "0", "--host", "127.0.0.1"),
        cwd=trained,
        env=bare(trained),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = serving.stdout.readline()
        assert "ws://" in said
        assert "shoulder_pan.pos" in typed(trained, "run", said.split()[-1], SENTENCE, *dry)
    finally:
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=60) == 0


def test_text_is_read_and_written_as_utf_8_whatever_language_a_machine_speaks():
    wrong = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in TEXTUAL:
                named = {keyword.arg for keyword in node.keywords}
                first = [
                    a for a in node.args[node.func.attr == "write_text" :] if ast.unparse(a) == "'utf-8'"
                ]
                if "encoding" not in named and not first:
                    wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
