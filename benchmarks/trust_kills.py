"""Kills of long work at random moments (SIGKILL, of all its processes), which then goes on to the end.

Each folder of work is killed `IN_A_ROW` times before it may end. What it ends in must be what the same
command ends in that nobody disturbs: the dataset to the byte, the losses and the weights of a training, the
episodes of a report, the policy of an improvement. What was kept when it was killed must be there at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from sayso.work.ledger import rows_of
from sayso.work.provenance import write_json

ROOT = Path(__file__).resolve().parent.parent
IN_A_ROW = 5
WORLD = "--world tabletop --families push --workers 1"


@dataclass(frozen=True)
class Work:
    """Command that takes long, what it ends in, and what it has kept so far."""

    name: str
    command: str
    """With ``{root}`` for the folder of what was prepared, and ``{out}`` for its own."""
    result: Callable[[Path], Any]
    kept: Callable[[Path], set[str]]


def _dataset(out: Path) -> dict[str, str]:
    files = [
        path for part in ("meta", "data", "videos") for path in (out / part).rglob("*") if path.is_file()
    ]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _losses(out: Path) -> Any:
    rows = [row for row in rows_of(out / "log.jsonl") if "total" in row]
    losses = {int(row["step"]): float(row["total"]) for row in rows}
    return losses, _weights(out / "policy")


def _weights(policy: Path) -> str:
    return hashlib.sha256((policy / "model.safetensors").read_bytes()).hexdigest()


def _report(out: Path) -> Any:
    episodes = json.loads((out / "report.json").read_text(encoding="utf-8"))["episodes"]
    return [(e["family"], e["seed"], e["outcome"], e["steps"]) for e in episodes]


def _improved(out: Path) -> Any:
    return [row["stage"] for row in rows_of(out / "rounds.jsonl")], _weights(out / "policy")


def _episodes(out: Path) -> set[str]:
    from sayso.data.writer import recorded

    return {key.folder for key in recorded(out)}


def _steps(out: Path) -> set[str]:
    from sayso.learn.checkpoint import newest

    found = newest(out)
    done = int(found.name.removeprefix("step_")) if found else 0
    return set(map(str, range(1, done + 1)))


def _journal(out: Path) -> set[str]:
    rows = [row for path in out.glob("*.episodes.jsonl") for row in rows_of(path)]
    kept = {f"{row['family']} {row['seed']}" for row in rows if "seed" in row}
    if (out / "report.json").is_file():
        kept |= {f"{family} {seed}" for family, seed, *_ in _report(out)}
    return kept


def _stages(out: Path) -> set[str]:
    return {str(row["stage"]) for row in rows_of(out / "rounds.jsonl")}


WORKS = (
    Work("record", f"record {WORLD} --episodes 4 --out {{out}}", _dataset, _episodes),
    Work(
        "train",
        "train --datasets {root}/dataset --out {out} --preset tiny --batch-size 4 --threads 1 --steps 40 "
        "--save-minutes 0",
        _losses,
        _steps,
    ),
    Work("eval", f"eval expert {WORLD} --episodes 4 --out {{out}}/report.json", _report, _journal),
    Work(
        "improve",
        f"improve {{root}}/policy {WORLD} --from successes --datasets {{root}}/dataset --episodes 1 "
        "--steps 10 --pairs 8 --rounds 1 --batch-size 4 --threads 1 --out {out}",
        _improved,
        _stages,
    ),
)


def kill_all(kills: int, seed: int, keep: Path) -> dict[str, Any]:
    """Kill each kind of work in turn until there were so many kills; return what came, by kind.

    What came of each kind is kept in ``keep/kills-KIND.json``, and a kind that is there is not done again.
    """
    share = [kills // len(WORKS) + (k < kills % len(WORKS)) for k in range(len(WORKS))]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for work, n in zip(WORKS, share, strict=True):
            path = keep / f"kills-{work.name}.json"
            kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"sent": 0}
            if kept["sent"] < n:
                _prepare(root)
                kept = _killed(work, root, n, random.Random(f"{seed}/{work.name}"))
                write_json(path, kept)
            found[work.name] = kept
    return found


def _prepare(root: Path) -> None:
    """Make what trainings and improvements begin with, once."""
    if not (root / "policy").exists():
        _to_the_end(WORKS[0], root, root / "dataset")
        _to_the_end(WORKS[1], root, root / "run")
        shutil.copytree(root / "run" / "policy", root / "policy")


def _killed(work: Work, root: Path, kills: int, draw: random.Random) -> dict[str, Any]:
    began = time.monotonic()
    _to_the_end(work, root, root / f"{work.name}-whole")
    long_s = time.monotonic() - began
    wanted = work.result(root / f"{work.name}-whole")
    done = lost = other = 0
    examples: list[str] = []
    bar = iter(track(range(kills), f"kills of {work.name}", console=Console(stderr=True)))
    while done < kills:
        out = root / f"{work.name}-killed"
        shutil.rmtree(out, ignore_errors=True)
        kept: set[str] = set()
        for _ in range(min(IN_A_ROW, kills - done)):
            moment_s = draw.uniform(0.0, long_s)
            if not _killed_after(work, root, out, moment_s):
                break
            done += 1
            next(bar, None)
            now = work.kept(out)
            if gone := kept - now:
                lost += len(gone)
                examples.append(
                    f"{work.name}: killed after {moment_s:.2f} s, {', '.join(sorted(gone))} was lost"
                )
            kept |= now
        if said := _to_the_end(work, root, out):
            other += 1
            examples.append(f"{work.name}: it did not go on: {said}")
        elif work.result(out) != wanted or not kept <= work.kept(out):
            other += 1
            examples.append(f"{work.name}: it ended in something else")
    next(bar, None)
    counted = {"death": 0, "lost": lost, "ended otherwise": other}
    return {"sent": done, "counted": counted, "examples": examples}


def _started(work: Work, root: Path, out: Path) -> subprocess.Popen[bytes]:
    words = [word.format(root=root, out=out) for word in work.command.split()]
    return subprocess.Popen(
        [sys.executable, "-m", "sayso", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _killed_after(work: Work, root: Path, out: Path, moment_s: float) -> bool:
    """Begin work or go on with it, kill it after so long, and tell whether it was not at its end by then."""
    process = _started(work, root, out)
    try:
        process.communicate(timeout=moment_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def _to_the_end(work: Work, root: Path, out: Path) -> str:
    """Let work go on to its end, and return what it said if it could not."""
    process = _started(work, root, out)
    _, said = process.communicate()
    ended_well = process.returncode == 0 or (work.name == "improve" and process.returncode == 1)
    return "" if ended_well else said.decode(errors="replace").strip()[-300:] or f"code {process.returncode}"
