"""Every command and snippet of README and docs, run as a reader types it: no variable set, only shorter.

A page's commands run one after the other in a folder of their own, for what one makes the next one uses.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tables

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

ELSEWHERE = {
    r"^make ": "make's targets are what .ci/run and `make browser`, `make openpi`, `make lerobot` run",
    r"^(\S+/)?pip install|-m venv|^\.venv-lerobot": "an environment of its own: `make lerobot`",
    r"^ssh ": "another computer",
    r"--world libero|sayso/Libero|\.venv-libero/bin/python": "its own environment: `make libero-test`",
    r"sayso studio --world metaworld": "an environment of its own: `test_metaworld_shipped.py` drives it",
    r"^wait": "joins what ran in the background",
    r"benchmarks/tables\.py --write": "`test_readme.py` holds that it would change nothing",
}
"""What is not run here, and where it is."""

PORT = 8000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Where `sayso serve` listens by itself, and beside it for each further process that runs tests."""

SHORTER = {
    r"sayso record (?!--by person).*--world home": "--families goto --episodes 1 --workers 1",
    r"sayso record (?!--by person).*--world tabletop": "--episodes 3 --workers 1",
    r"sayso record .*--world metaworld": "--families reach push --episodes 2 --workers 1",
    r"sayso train ": "--preset tiny --steps 2 --batch-size 4 --threads 1",
    r"sayso adapt ": "--steps 20 --batch-size 8 --threads 1 --bound 10",
    r"sayso paraphrase ": "--steps 2 --threads 1",
    r"sayso eval .*--world tabletop": "--families push --episodes 1 --workers 1",
    r"sayso eval .*--world home": "--families goto --episodes 1 --workers 1",
    r"sayso eval .*--world metaworld": "--families reach --episodes 1 --workers 1",
    r"sayso compare .*--world tabletop": "--families push --pairs 1 --workers 1",
    r"sayso improve ": "--families push --episodes 1 --steps 20 --pairs 8 --rounds 1 --batch-size 4",
    r"sayso diagnose .*--world tabletop": "--families push --episodes 1 --looks 1",
    r"sayso run ": "--seconds 1",
    r"sayso serve ": f"--port {PORT}",
    r"sayso demo": "--instructions 1",
    r"sayso export ": "--frames 2 --calls 2",
    r"python benchmarks/throughput\.py sim": "--steps 5 --episodes 1",
    r"python scripts/from_nothing\.py": "--scale 0.001",
    r"python scripts/damage\.py": "--tries 2 --commands 2 --seed 7",
}
"""What is typed behind a command to make it take seconds; of a flag given twice the last one counts."""

NEARER = (r"ws://[\w.]+:8000", f"ws://127.0.0.1:{PORT}")
"""Other people's computers, and the one that stands for them."""

WHOLE = ("chapter.md", "metaworld.md")
"""Pages whose snippets run in `test_chapter.py` and `test_metaworld.py`; openpi's run in `make openpi`."""

LONG = "ablations|baselines|experience|latency|mt50_table"
HOURS = rf"python (benchmarks/({LONG})\.py|scripts/from_nothing\.py metaworld)"
"""What cannot be made short: it is only asked whether it knows its flags; its parts are tested elsewhere."""

REFUSED = {
    r"--robot so101": "lerobot",
    r"--robot (lekiwi|\"lekiwi )": "nothing listens at",
}
"""What cannot work here, and a word of the sentence that must say why."""

LISTENS = {
    r"sayso serve ": "ws://",
    r"sayso studio": "http://",
    r"sayso record --by person --world": "http://",
}
"""What stays until it is stopped, and what it prints when it is there."""

SEEN = """
from sayso import load, make_world
_world = make_world("{world}")
observation, _ = _world.reset(seed=1_000_000)
"""
BEFORE = {
    "export.md": SEEN.format(world="home"),
    "serving.md": SEEN.format(world="tabletop") + "to_our_units = None\n",
    "runtime.md": """
from threading import Timer
from sayso import load
from sayso.runtime.robot import ImaginedRobot
policy = load("checkpoints/home", threads=1)
robot = ImaginedRobot(policy.features)
Timer(3, lambda: stop("enough")).start()
""",
}
"""What a page's snippets suppose to be there."""


def blocks(page: Path, language: str) -> list[str]:
    """Return what stands between the fences of a language, "" for none, in a page."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return [text for spoken, text in found if spoken == language]


def commands(page: Path) -> list[str]:
    """Return what a page tells its reader to type."""
    lines = [line for block in blocks(page, "") for line in block.replace("\\\n", " ").splitlines()]
    typed = [re.sub(r"\s+#.*| &$|^taskset -c \d ", "", line).strip() for line in lines]
    return [line for line in typed if re.match(r"sayso |python |\.venv|python3|make |pip |ssh ", line)]


def shortened(command: str) -> str:
    """Return a command that does the same in seconds."""
    behind = [words for pattern, words in SHORTER.items() if re.match(pattern, command)]
    return " ".join([re.sub(*NEARER, command), *behind])


WORDINGS = (
    '{"put the can in the bowl": ["drop the can into the bowl"], "open the drawer": ["pull the drawer"]}'
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder as a clone looks from its top, in which commands may write."""
    for name in ("scripts", "benchmarks", "checkpoints"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "wordings.json").write_text(WORDINGS)
    return tmp_path


def bare() -> dict[str, str]:
    """Return the environment of somebody who has set nothing, with sayso on the path."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | {"PATH": f"{BIN}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


ITS_OWN = ("own_robot.md",)
"""Pages that a test of their own types, as they need an arm: `test_own_robot.py`."""
PAGES = [
    page for page in tables.pages() if page.name not in ITS_OWN and (commands(page) or blocks(page, "python"))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
@pytest.mark.timeout(900)
def test_what_a_page_says_can_be_typed(page, clone):
    if page.name == "metaworld.md" and not has_metaworld():
        pytest.skip("needs the extra metaworld: `make metaworld-test`")
    with contextlib.ExitStack() as listening:
        for command in commands(page):
            if not any(re.search(pattern, command) for pattern in ELSEWHERE):
                typed(shortened(command), clone, listening)
        for number, snippet in enumerate(blocks(page, "python")):
            if page.name in WHOLE or "openpi_client" in snippet:
                continue
            code = re.sub(*NEARER, BEFORE.get(page.name, "") + snippet)
            run = subprocess.run(
                [sys.executable, "-c", code],
                cwd=clone,
                env=bare(),
                capture_output=True,
                text=True,
                timeout=200,
            )
            assert run.returncode == 0, f"snippet {number}:\n{code}\n{run.stderr[-3000:]}"


def flags_of(script: Path) -> dict[str, set[str]]:
    """Return the flags in the commands that a docstring shows, by the word behind the script, if any."""
    said = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    found: dict[str, set[str]] = {}
    for word, rest in re.findall(r"\bpython \S+\.py(?: ([a-z]+)(?= |$))?(.*)", said, re.M):
        found.setdefault(word, set()).update(re.findall(r"--[a-z][\w-]*", rest))
    return {word: flags for word, flags in found.items() if flags}


SCRIPTS = [path for folder in ("scripts", "benchmarks") for path in sorted((ROOT / folder).glob("*.py"))]


@pytest.mark.parametrize("script", [s for s in SCRIPTS if flags_of(s)], ids=lambda script: script.stem)
def test_what_a_script_says_of_itself_it_understands(script):
    for word, flags in flags_of(script).items():
        words = [sys.executable, str(script), *filter(None, [word]), "--help"]
        run = subprocess.run(words, env=bare(), capture_output=True, text=True, timeout=200)
        assert run.returncode == 0, run.stderr
        assert sorted(flag for flag in flags if flag not in run.stdout) == [], words


def has_metaworld() -> bool:
    """Tell whether the package is installed; a benchmark has the same name as its module."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version("metaworld"))
    return False


def typed(command: str, folder: Path, listening: contextlib.ExitStack) -> None:
    """Run a command; one that listens is left running until the page ends."""
    words = shlex.split(command)
    there = next((said for pattern, said in LISTENS.items() if re.match(pattern, command)), "")
    if there and not any(re.search(p, command) for p in REFUSED):
        listening.enter_context(listener(words, folder, there))
        return
    flags = []
    if re.match(HOURS, command):
        flags, words = [word for word in words if word.startswith("--")], [*words[:2], "--help"]
    run = subprocess.run(
        words, cwd=folder, env=bare(), capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL
    )
    assert [flag for flag in flags if flag not in run.stdout] == [], command
    said = f"{command}\n{run.stdout[-1000:]}\n{run.stderr[-3000:]}"
    assert "Traceback" not in run.stderr, said
    for pattern, why in REFUSED.items():
        if re.search(pattern, command):
            assert run.returncode == 2 and why in run.stderr, said
            return
    assert run.returncode == 0, said


@contextlib.contextmanager
def listener(words: list[str], folder: Path, there: str):
    """Start something that listens, wait until it says where, and stop it as a person would."""
    said = folder / f"{words[1]}.txt"
    with said.open("w") as file:
        going = subprocess.Popen(words, cwd=folder, env=bare(), stdout=file, stderr=subprocess.STDOUT)
    try:
        ends = time.monotonic() + 100
        while there not in said.read_text() and going.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        assert there in said.read_text(), f"{words}: {said.read_text()}"
        yield
    finally:
        going.send_signal(signal.SIGINT)
        code = going.wait(timeout=60)
        assert code in (0, 130), f"{words} ended with {code}: {said.read_text()[-2000:]}"


def test_every_command_that_is_not_run_says_where_it_is():
    skipped = [c for page in PAGES for c in commands(page) if any(re.search(p, c) for p in ELSEWHERE)]
    assert len(skipped) < len([c for page in PAGES for c in commands(page)]) / 2
