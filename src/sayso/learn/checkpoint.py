"""Keep a training run on disk so that it survives being killed at any moment.

A checkpoint is a folder ``checkpoints/step_00001200`` with two files: ``state.safetensors`` (every tensor of
the run, named) and ``state.json`` (step, elapsed seconds, facts). It is written under a temporary name,
flushed to the disk and then renamed, so a folder that bears a step's name is complete. The log beside it is
one JSON object per line and is cut back to the checkpoint's step when a run resumes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from sayso.provenance import write_json
from sayso.spec import SaysoError

KEEP = 2
"""How many checkpoints stay on disk: the newest, and one more in case a disk lies about the newest."""

TENSORS, FACTS = "state.safetensors", "state.json"


def claim(run: Path, decides: Mapping[str, Any]) -> None:
    """Write into a folder which run it holds, or check that it holds this one.

    Args:
        run: the folder of the training run, made if need be.
        decides: plain JSON, everything that decides what the weights become.

    Raises:
        SaysoError: if the folder holds another run, saying what differs.
    """
    path = run / "run.json"
    if not path.exists():
        write_json(path, decides)
        return
    found = json.loads(path.read_text())
    differs = [
        f"{name}: {found.get(name)} there, {decides.get(name)} now"
        for name in sorted(decides.keys() | found.keys())
        if found.get(name) != decides.get(name)
    ]
    if differs:
        raise SaysoError(
            f"{run} holds a run with another config. Choose another folder for out, delete that one, or go "
            "on with what it was begun with:\n  " + "\n  ".join(differs)
        )


def save(run: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write a checkpoint of `run` at `step`, atomically, and drop all but the last `KEEP`.

    Args:
        run: the folder of the training run.
        step: how many optimiser steps have been taken.
        tensors: everything that must come back bit for bit.
        facts: plain JSON that goes with it.
    """
    final = run / "checkpoints" / f"step_{step:08d}"

    def write(folder: Path) -> None:
        # Clones part tensors that share memory, which safetensors refuses to store.
        plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        save_file(plain, folder / TENSORS)
        (folder / FACTS).write_text(json.dumps({"step": step, **facts}, indent=1))

    replace_folder(final, write)
    for old in _complete(run)[:-KEEP]:
        shutil.rmtree(old)
    return final


def newest(run: Path) -> Path | None:
    """Return the newest complete checkpoint of a run, or None; sweep away what a kill left half written."""
    for leftover in run.glob("checkpoints/.*"):
        shutil.rmtree(leftover)
    found = _complete(run)
    return found[-1] if found else None


def load(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint back: its tensors by name, and its facts with ``step`` among them."""
    facts: dict[str, Any] = json.loads((checkpoint / FACTS).read_text())
    return load_file(checkpoint / TENSORS), facts


def _complete(run: Path) -> list[Path]:
    return sorted(run.glob("checkpoints/step_*"))


def replace_folder(final: Path, write: Callable[[Path], object]) -> None:
    """Fill a folder through `write` under a temporary name, then put it in the place of `final`.

    Whoever reads `final` finds the whole old folder or the whole new one, never a mixture. For the instant
    between two renames there may be none.
    """
    new, old = final.with_name(f".{final.name}.new"), final.with_name(f".{final.name}.old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    write(new)
    for path in [*new.rglob("*"), new]:
        _flush(path)
    if final.exists():
        final.rename(old)
    new.rename(final)
    _flush(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Push a file or a folder's list of names to the disk, so that a rename never overtakes the contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Log:
    """Append one JSON object per line to a file that a kill may cut anywhere."""

    def __init__(self, path: Path, *, step: int = 0) -> None:
        """Open the log at `path` and drop every line written after `step`, and any line cut short."""
        kept = [line for line in _lines(path) if line["step"] <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in kept))
        fresh.replace(path)
        self._file = path.open("a")

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line and hand it to the operating system, where a kill cannot lose it."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def flush(self) -> None:
        """Push what was written to the disk, so that a power cut cannot lose it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            # Only the last line can be cut short, and it is younger than any checkpoint.
            break
    return lines
