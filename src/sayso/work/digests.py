"""Digests (SHA-256) of a folder's files, to find out later which were damaged since.

    sha256 of each file  -->  SHA256SUMS, a line per file, as `sha256sum` writes them

So `sha256sum --check SHA256SUMS` tells the same without sayso. A folder that has none is taken on trust:
older versions wrote none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")


def write_digests(folder: Path, names: Iterable[str]) -> Path:
    """Write down the digest of some of a folder's files, and return where."""
    path = folder / SUMS
    lines = "".join(f"{digest(folder / name)}  {name}\n" for name in sorted(names))
    path.write_text(lines, encoding="utf-8")
    return path


def damaged(folder: Path, names: Iterable[str]) -> list[str]:
    """Say of each of these files what is wrong with it; nothing if they are as they were written.

    Args:
        folder: where they lie.
        names: of files that must be there.
    """
    wanted = sorted(names)
    wrong = [f"{name} is missing" for name in wanted if not (folder / name).is_file()]
    if wrong or not (folder / SUMS).exists():
        return wrong
    try:
        written = read(folder)
    except ValueError:
        return [f"{SUMS} is damaged itself"]
    if not written.keys() >= set(wanted):
        return [f"{SUMS} is damaged itself"]
    return [f"{name} was damaged" for name in wanted if digest(folder / name) != written[name]]


def read(folder: Path) -> dict[str, str]:
    """Return the digest of each file that a folder's list names.

    Raises:
        ValueError: if the list is damaged, or names what lies elsewhere.
    """
    written: dict[str, str] = {}
    for line in (folder / SUMS).read_bytes().decode().splitlines():
        found = _LINE.fullmatch(line)
        if not found or ".." in Path(found["name"]).parts or Path(found["name"]).is_absolute():
            raise ValueError(f"{line!r} is no line of digests")
        written[found["name"]] = found["digest"]
    if not written:
        raise ValueError("there is no line in it")
    return written


def digest(path: Path) -> str:
    """Return the digest of what a file holds, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
