"""Trust, with figures: wrong messages, wrong files, kills, and an hour of the control loop.

    python benchmarks/trust.py --rows frames files kills loop
    python benchmarks/trust.py --rows kills --kills 40
    python benchmarks/trust.py --rows loop --minutes 10

What is counted is kept in the folder ``--work`` as it grows: stopped at any moment, the same command goes on,
and ``trust.json`` holds what is there. What a fault was, and the number that repeats it, is in
its ``examples``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from results_file import RESULTS, ROOT, write_result
from sayso.work.provenance import write_json
from trust_found import FAULTS, Found

Row = Literal["frames", "files", "kills", "loop"]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Say which rows to measure, and how large."""

    rows: tuple[Row, ...] = ("frames", "files", "kills", "loop")
    """Rows to measure; those that are kept already are not measured again."""
    frames: int = 100_000
    """Wrong messages to a policy server."""
    requests: int = 20_000
    """Wrong requests to the pages, three in four of them to the live page."""
    files: int = 10_000
    """Wrong files."""
    kills: int = 200
    """Kills in all, of record, train, eval and improve in turn."""
    minutes: float = 60.0
    """Minutes of the control loop."""
    seed: int = 0
    """Seed of all that is random."""
    checkpoint: Path = ROOT / "checkpoints" / "tabletop"
    """Policy that is served and runs."""
    work: Path = ROOT / "runs" / "trust"
    """Folder in which rows are kept."""
    out: Path = RESULTS
    """Folder of ``trust.json``."""


def frames(config: Trust) -> dict[str, Any]:
    """Send wrong messages to a server and wrong requests to the pages."""
    from sayso.models.checkpoint import read_folder
    from trust_frames import fuzz_page, fuzz_server

    features = read_folder(config.checkpoint).features
    found = {name: Found(config.work / f"frames-{name}.json") for name in ("server", "studio", "label")}
    of_label = config.requests // 4
    while found["server"].sent < config.frames:
        fuzz_server(found["server"], config.frames, config.seed, config.checkpoint, features)
    while found["studio"].sent < config.requests - of_label:
        fuzz_page(found["studio"], "studio", config.requests - of_label, config.seed)
    while found["label"].sent < of_label:
        fuzz_page(found["label"], "label", of_label, config.seed)
    return {name: one.plain() for name, one in found.items()}


def files(config: Trust) -> dict[str, Any]:
    """Open wrong files."""
    from trust_files import fuzz_files, prepare

    prepare(config.work / "whole")
    found = Found(config.work / "files-opened.json")
    fuzz_files(found, config.files, config.seed, config.work / "whole")
    return {"opened": found.plain()}


def kills(config: Trust) -> dict[str, Any]:
    """Kill long work at random moments, let it go on, and compare."""
    from trust_kills import kill_all

    return kill_all(config.kills, config.seed, config.work)


def loop(config: Trust) -> dict[str, Any]:
    """Run the control loop with a page, a recording and a client beside it."""
    from trust_loop import run_loop

    return run_loop(config.minutes, config.checkpoint, config.seed)


ROWS: Mapping[str, Callable[[Trust], dict[str, Any]]] = {
    "frames": frames,
    "files": files,
    "kills": kills,
    "loop": loop,
}
ASKED: Mapping[str, tuple[str, ...]] = {
    "frames": ("frames", "requests"),
    "files": ("files",),
    "kills": ("kills",),
    "loop": ("minutes",),
}
"""Row -> what it depends on how large it is."""


def measured(config: Trust, row: str) -> dict[str, Any]:
    """Return a row, measured as far as it is not kept from before."""
    path = config.work / f"{row}.json"
    asked = {name: getattr(config, name) for name in ASKED[row]}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if kept.get("asked") != asked:
        config.work.mkdir(parents=True, exist_ok=True)
        load = os.getloadavg()[0]
        kept = {"asked": asked, **ROWS[row](config), "load_before": load, "load_after": os.getloadavg()[0]}
        write_json(path, kept)
    return kept


def so_far(config: Trust, row: str) -> dict[str, Any]:
    """Return what is kept of a row, of one that was stopped in the middle, too; empty if nothing is."""
    path = config.work / f"{row}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    parts = sorted(config.work.glob(f"{row}-*.json"))
    return {part.stem.partition("-")[2]: json.loads(part.read_text(encoding="utf-8")) for part in parts}


def numbers(row: str, found: Mapping[str, Any]) -> dict[str, float]:
    """Return a row as flat numbers."""
    flat: dict[str, float] = {}
    for name, part in found.items():
        if isinstance(part, dict) and "counted" in part:
            flat[f"{row}/{name}/sent"] = part["sent"]
            flat |= {f"{row}/{name}/{what}": part["counted"].get(what, 0) for what in FAULTS}
            flat |= {f"{row}/{name}/{what}": n for what, n in part["counted"].items()}
        elif isinstance(part, dict) and name != "asked":
            flat |= {f"{row}/{name}/{what}": n for what, n in part.items() if isinstance(n, int | float)}
        elif isinstance(part, int | float):
            flat[f"{row}/{name}"] = part
    return flat


def main(config: Trust) -> int:
    """Measure what is asked for and write all that is kept; 1 if there was a fault."""
    try:
        for row in config.rows:
            measured(config, row)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
    kept = {row: found for row in ROWS if (found := so_far(config, row))}
    flat = {name: n for row, found in kept.items() for name, n in numbers(row, found).items()}
    examples = {
        f"{row}/{name}": part["examples"]
        for row, found in kept.items()
        for name, part in found.items()
        if isinstance(part, dict) and part.get("examples")
    }
    about = {"asked": {row: found.get("asked") for row, found in kept.items()}, "examples": examples}
    many = sum(n for name, n in flat.items() if name.endswith("/sent"))
    print(write_result("trust", flat, seeds=[config.seed], n=int(many), config=about, folder=config.out))
    faults = {name: n for name, n in flat.items() if name.rpartition("/")[2] in FAULTS and n}
    print("\n".join(f"{name}: {n:g}" for name, n in faults.items()) or "no fault")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Trust, description=__doc__)))
