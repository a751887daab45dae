"""Fuzzing of what is opened: files that are damaged or made to do harm, and what came of them.

Each try takes a fresh copy of something whole, changes one file (`trust_damage`) and opens it as the command
line does. Allowed is success, or an error that the command line says in one sentence; all else is a fault,
and so are the end of the process and what takes more than `PATIENCE_S`. Tries are run in a process that is
begun again where one ends it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from sayso.refusals import for_a_terminal
from sayso.spec import SaysoError
from trust_damage import changed
from trust_found import Found

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
"""Of the clock, on a machine that is busy with other things, too."""
MEMORY = 8 * 2**30
"""Bytes that a process may take: what a file claims to hold must not be believed."""
DESK = ROOT / "tests" / "recordings" / "desk"


@dataclass(frozen=True)
class Kind:
    """Kind of thing on disk: how it is opened, and which share of the tries is about it."""

    name: str
    share: float
    open: Callable[[Path], object]


def _policy(folder: Path) -> object:
    from sayso.models.checkpoint import load

    return load(folder)


def _training(folder: Path) -> object:
    from sayso.learn.checkpoint import load

    return load(folder)


def _dataset(folder: Path) -> object:
    from sayso.data.reader import Dataset

    dataset = Dataset(folder)
    for camera in dataset.features.cameras:
        ends = sorted({0, len(dataset) - 1})
        list(dataset.images(camera, np.array(ends)))
    return dataset.stats


def _checked(folder: Path) -> object:
    from sayso.data.check import findings
    from sayso.data.checks.evidence import gather

    return [str(finding) for finding in findings(gather(folder))]


def _verified(folder: Path) -> object:
    from sayso.data.verify import VerifyConfig, verify

    return verify([folder], VerifyConfig(), tell=lambda _: None)


def _settings(folder: Path) -> object:
    from sayso.learn.settings import expanded

    return expanded(["--config", str(folder)], str(folder))


def _cameras(folder: Path) -> object:
    from sayso.data.cameras import read_cameras

    return read_cameras(folder / "cameras.json")


def _clicks(folder: Path) -> object:
    from sayso.data.clicks import read_clicks

    return read_clicks(folder / "clicks.json")


def _report(folder: Path) -> object:
    from sayso.evaluation.kept import read_report, read_result

    read_result(folder / "report.json")
    return read_report(folder / "report.json")


def _clips(folder: Path) -> object:
    from sayso.data.clips import frames, read_clips

    clips = read_clips(folder, ["front"])
    return [len(list(itertools.islice(frames(clip.videos["front"], 10.0), 3))) for clip in clips]


KINDS = (
    Kind("policy", 0.22, _policy),
    Kind("dataset", 0.26, _dataset),
    Kind("checked dataset", 0.06, _checked),
    Kind("verified", 0.06, _verified),
    Kind("training", 0.06, _training),
    Kind("settings", 0.06, _settings),
    Kind("cameras", 0.08, _cameras),
    Kind("clicks", 0.06, _clicks),
    Kind("report", 0.06, _report),
    Kind("clips", 0.08, _clips),
)
SOURCES = {"checked dataset": "dataset", "verified": "dataset"}
"""Kinds that are opened from the whole one of another kind."""
LISTS = ("SHA256SUMS", "meta/sayso.json")
"""Files of digests. In half the tries they are taken away, as an attacker would: else they tell of all."""


def prepare(root: Path) -> None:
    """Make a whole one of each kind, by the commands that make them, unless they are there."""
    if (root / "clips" / "can.front.mp4").exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    must("edit", DESK, "--episodes", "0", "--resize", "32", "--out", root / "dataset")
    run = root / "run"
    must("train", "--datasets", root / "dataset", "--out", run, "--preset", "tiny", "--steps", "2",
         "--batch-size", "4", "--threads", "1")  # fmt: skip
    shutil.copytree(run / "policy", root / "policy")
    shutil.copytree(max((run / "checkpoints").iterdir()), root / "training")
    (root / "settings").mkdir()
    shutil.copy(run / "run.json", root / "settings")
    for name, file, value in (("cameras", "cameras.json", CAMERAS), ("clicks", "clicks.json", CLICKS)):
        (root / name).mkdir()
        (root / name / file).write_text(json.dumps(value), encoding="utf-8")
    (root / "report").mkdir()
    must("eval", "expert", "--world", "tabletop", "--families", "push", "--episodes", "1", "--workers", "1",
         "--out", root / "report" / "report.json")  # fmt: skip
    (root / "clips").mkdir()
    (root / "clips" / "sentences.txt").write_text("can: put the can in the bowl\n", encoding="utf-8")
    shutil.rmtree(run)
    shutil.copy(next((root / "dataset" / "videos").rglob("*.mp4")), root / "clips" / "can.front.mp4")


def must(*words: object) -> None:
    """Give a command, and end here if it fails."""
    command = [sys.executable, "-m", "sayso", *map(str, words)]
    paths = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, capture_output=True, text=True, env=paths)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{run.stderr}")


CAMERAS = {
    "cameras": {
        "front": {
            "size": [480, 640],
            "matrix": [[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]],
            "distortion": [0.0] * 5,
            "rotation": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            "translation_m": [0.0, 0.0, 1.0],
        }
    }
}
CLICKS = {
    "episodes": {"0": {"front": {"object": [[0, 0.5, 0.5], [3, None, None]], "place": [[2, 0.1, 0.9]]}}}
}


def tried(root: Path, scratch: Path, seed: int, number: int) -> tuple[str, str]:
    """Change one file and open what it belongs to; return what came, and what was said or done."""
    draw = random.Random(f"{seed}/{number}")
    (kind,) = draw.choices(KINDS, [kind.share for kind in KINDS])
    here = scratch / "it"
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(root / SOURCES.get(kind.name, kind.name), here)
    if draw.random() < 0.5:
        for name in LISTS:
            (here / name).unlink(missing_ok=True)
    path = draw.choice(sorted(p for p in here.rglob("*") if p.is_file()))
    done = f"{kind.name}: {path.relative_to(here).as_posix()}: {changed(path, draw)}"
    try:
        kind.open(here)
    except (SaysoError, OSError, MemoryError) as error:  # what the command line says in one sentence
        said = for_a_terminal(str(error))
        if "Traceback" in said or "\n" in said.strip():
            return "traceback", f"{done}: {said[:300]!r}"
        return "refused", done
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "/sayso/" in frame.filename] or list(where)
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return "traceback", f"{done}: {type(error).__name__} at {at}: {str(error)[:150]}"
    return "answered", done


def fuzz_files(found: Found, tries: int, seed: int, root: Path) -> None:
    """Open wrong files until there were so many, and count what came."""
    bar = iter(track(range(found.sent, tries), "files", console=Console(stderr=True)))
    next(bar, None)
    while found.sent < tries:
        for came, said in _in_a_process(root, seed, found.sent, tries):
            found.add(came, said)
            next(bar, None)
    found.keep()


def _in_a_process(root: Path, seed: int, first: int, tries: int) -> Iterator[tuple[str, str]]:
    """Yield what came of each try from `first` on, up to one that ends the process or does not end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_all(root, seed, range(first, tries), writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        while True:
            ready, _, _ = select.select([lines], [], [], PATIENCE_S)
            line = lines.readline() if ready else b""
            if line:
                came, _, said = line.decode().rstrip("\n").partition("\t")
                yield came, said
                continue
            if not ready:
                os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code != 0:
                yield ("death" if ready else "hang"), f"signal or code {code}"
            return


def _all(root: Path, seed: int, numbers: range, writing: int) -> int:
    """Try all of them, and write a line for each."""
    import torch

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)  # codecs say what they think of broken videos
    with tempfile.TemporaryDirectory() as scratch, contextlib.suppress(BrokenPipeError):
        for number in numbers:
            came, said = tried(root, Path(scratch), seed, number)
            line = f"{came}\t{said}".replace("\n", " ").encode(errors="replace")
            os.write(writing, line[:2000] + b"\n")
    return 0


def main() -> None:
    """Repeat tries by their numbers, and say what came: ``python benchmarks/trust_files.py SEED N N``."""
    seed, *numbers = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder) / "whole")
        for number in numbers:
            began = time.monotonic()
            came, said = tried(Path(folder) / "whole", Path(folder), seed, number)
            print(f"{number}: {came} in {time.monotonic() - began:.1f} s: {said}")


if __name__ == "__main__":
    main()
