"""The process of the command: how it begins, and how it ends at Ctrl-C and with work left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"

LEFT_BEHIND = """
import sys, time, torch
from sayso import __main__ as process
from sayso.runtime.inference import Worker

def long_answer():
    ends, square = time.monotonic() + 5, torch.randn(300, 300)
    while time.monotonic() < ends:
        torch.mm(square, square)

def main():
    Worker("policy").submit(long_answer)
    time.sleep(0.2)
    print("done")
    return 7

process.main = main
process.command()
"""
SWALLOWED = """
import signal, time
from sayso import __main__ as process

class Swallows:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0)

def main():
    Swallows()
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        return 130

process.main = main
process.command()
"""
INSIDE_EXEC = """
import signal, time
from sayso import __main__ as process

def main():
    try:
        exec("signal.raise_signal(signal.SIGINT); time.sleep(0)")
    except KeyboardInterrupt:
        return 130

process.main = main
process.command()
"""

AS_AN_IMPORT_ERROR = """
import signal, sys, time
from sayso import __main__ as process

class Compiled:
    def find_spec(self, name, path, target=None):
        if name == "sayso.cli":
            try:
                signal.raise_signal(signal.SIGINT)
                time.sleep(0)
            except KeyboardInterrupt:
                raise ImportError("could not import the C extension") from None

sys.meta_path.insert(0, Compiled())
process.command()
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )


def test_a_policy_that_is_still_at_an_answer_does_not_abort_the_end_of_the_process():
    done = python(LEFT_BEHIND)
    assert (done.returncode, done.stdout, done.stderr) == (7, "done\n", "")


def test_ctrl_c_that_python_swallows_in_a_finaliser_counts_all_the_same():
    done = python(SWALLOWED)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_inside_generated_code_gives_the_same_exit_code_as_anywhere():
    assert python(INSIDE_EXEC).returncode == 130


def test_ctrl_c_that_an_import_turns_into_an_error_of_its_own_ends_with_130_and_one_line():
    done = python(AS_AN_IMPORT_ERROR)
    assert (done.returncode, done.stderr) == (130, "sayso: interrupted\n")


def test_an_import_that_fails_by_itself_keeps_its_traceback():
    done = python(AS_AN_IMPORT_ERROR.replace("signal.raise_signal(signal.SIGINT)", "raise KeyboardInterrupt"))
    assert done.returncode == 1
    assert "could not import the C extension" in done.stderr


def test_without_a_standard_output_there_is_no_traceback():
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m sayso --help >&-"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_that_is_interrupted_while_it_begins_ends_with_130_and_one_line(tmp_path):
    command = [sys.executable, "-m", "sayso", "serve", str(SRC.parent / "checkpoints" / "tabletop")]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as going:
        maps = Path(f"/proc/{going.pid}/maps")
        while going.poll() is None and "numpy" not in maps.read_text(encoding="utf-8"):
            time.sleep(0.01)  # it has begun, and is being imported
        going.send_signal(signal.SIGINT)
        said, wrong = going.communicate(timeout=240)
    assert (going.returncode, said, wrong) == (130, "", "sayso: interrupted\n")
