"""Append-only file of JSON lines, which a kill may cut anywhere and a disk may damage: each carries a check.

::

    {"check": "5f2c11a0", "step": 1, "total": 0.93}
    {"check": "0b77e2d4", "step": 2, "total": 0.88}
    {"check": "91c0", "st                               <- a kill: cut off when it is opened again

The log of a training, the journal of an evaluation and the failures of a recording are such files.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sayso.refusals import naming
from sayso.spec.files import parsed

Row = dict[str, Any]
CHECK = "check"


class Ledger:
    """Rows of a file, and those to come. Each is with the operating system at once: a kill cannot lose it."""

    def __init__(self, path: Path, wanted: Callable[[Row], bool] = lambda row: True) -> None:
        """Open the file, or begin it, without a last line that was cut short and without unwanted rows.

        A damaged line is left out as well, but then a copy of the file is kept. Lines without any check, as
        they were once written, are read.

        Args:
            path: the file.
            wanted: tells of a row whether it stays. A KeyError, TypeError or ValueError says that it is
                none of ours, which counts as damage.
        """
        self.path = path
        self.rows: list[Row] = []
        """Those that were there when it was opened."""
        self.damage = ""
        """What could not be read, and where it is kept, in a sentence; empty if nothing was damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        *lines, last = before.split(b"\n")
        checked = any(line.startswith(f'{{"{CHECK}": '.encode()) for line in (*lines, last))
        if not lines or _read(last, checked):  # it was not cut, or there is nothing else
            lines.append(last)
        kept, wrong = [], []
        for number, line in enumerate(lines, 1):
            try:
                if (row := _read(line, checked)) and wanted(row):
                    self.rows.append(row)
                    kept.append(line + b"\n")
                elif line and not row:
                    wrong.append(number)
            except (KeyError, TypeError, ValueError):
                wrong.append(number)
        if wrong:
            copy = _unused(path.with_name(f"{path.name}.damaged"))
            copy.write_bytes(before)
            self.damage = (
                f"{path} was damaged in line {', '.join(map(str, wrong))}, which is left out; the file as it "
                f"was is kept as {copy}"
            )
        if b"".join(kept) != before:
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(b"".join(kept))
            fresh.replace(path)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row behind the others.

        Raises:
            OSError: naming the file, if there is no room.
        """
        text = json.dumps(row)
        left = memoryview(f'{{"{CHECK}": "{_sum(text)}", {text[1:]}\n'.encode())
        with naming(self.path), self.path.open("ab", buffering=0) as file:
            while left:
                left = left[file.write(left) :]

    def flush(self) -> None:
        """Push what was written to the disk, so that a power cut cannot lose it."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())


def rows_of(path: Path) -> list[Row]:
    """Return the whole rows of a file that somebody may be writing to; none if there is no file."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    checked = any(line.startswith(f'{{"{CHECK}": '.encode()) for line in lines)
    return [row for line in lines if line and (row := _read(line, checked))]


def _sum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _read(line: bytes, checked: bool) -> Row | None:
    """Return what `Ledger.append` wrote, without its check; None if a byte of it is another."""
    try:
        row = parsed(line)
        check = row.pop(CHECK, None)
        right = check == _sum(json.dumps(row)) if checked else check is None
        return row if right else None
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None


def _unused(path: Path) -> Path:
    """Return a path that nothing has yet, with a number behind it if need be."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
