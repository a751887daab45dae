"""Keep one line per step in a file that a kill may cut anywhere.

``log.jsonl`` holds a JSON object per line, each with its ``step``. A run that is taken up again at step n
goes on behind the lines up to n; what was written after that is done, and written, again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Log:
    """Training log. Every line is with the operating system at once, where a kill cannot lose it."""

    def __init__(self, path: Path, *, step: int = 0) -> None:
        """Open the log at `path`, without the lines after `step` and without one that was cut short.

        A line that something else damaged is left out as well, but then a copy of the file is kept.
        """
        self.notes: list[str] = []
        """What is worth saying to whoever opened it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        *lines, cut = before.split(b"\n")
        if _step_of(cut) is not None:  # whole but for the end of its line
            lines.append(cut)
        if wrong := [n for n, line in enumerate(lines, 1) if line and _step_of(line) is None]:
            copy = _unused(path.with_name(f"{path.name}.damaged"))
            copy.write_bytes(before)
            self.notes.append(
                f"{path} was damaged in line {', '.join(map(str, wrong))}, which is left out; the file as it "
                f"was is kept as {copy.name}"
            )
        kept = b"".join(line + b"\n" for line in lines if _is_up_to(step, line))
        reached = max([0, *filter(None, map(_step_of, kept.splitlines()))])
        if reached < step:
            self.notes.append(
                f"{path} holds nothing of steps {reached + 1} to {step}; it goes on behind them"
            )
        if kept != before:
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(kept)
            fresh.replace(path)
        # Without a buffer: what a full disk did not take must not be tried again when the file is closed.
        self._file = path.open("ab", buffering=0)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        left = memoryview(json.dumps(line).encode() + b"\n")
        while left:
            left = left[self._file.write(left) :]

    def flush(self) -> None:
        """Push what was written to the disk, so that a power cut cannot lose it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _step_of(line: bytes) -> int | None:
    """Return the step of a line; None if it is none of ours."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return step if isinstance(step, int) else None


def _is_up_to(step: int, line: bytes) -> bool:
    at = _step_of(line)
    return at is not None and at <= step


def _unused(path: Path) -> Path:
    """Return a path that nothing has yet, with a number behind it if need be."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
