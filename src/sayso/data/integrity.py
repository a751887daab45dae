"""Integrity of a dataset: a digest of every file, so that a changed bit is told by the file's name.

``meta/sayso.json`` has the SHA-256 of each, and its size, which tells of a cut video without reading it. They
count as long as nobody else has written the dataset anew: LeRobot's tools leave an ``info.json`` behind them
that is not as sayso writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sayso.data.format import DIGESTS, STATS, FormatError
from sayso.data.info import inside
from sayso.spec.files import parsed

_FOLDERS = ("meta", "data", "videos", "images")
_REMEDY = "Take the file from a copy of the dataset; for a change that is meant, delete meta/sayso.json"


@dataclass(frozen=True)
class Digest:
    """Digest of what a file holds."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Digest:
        """Read a file and return its digest."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def of_files(root: Path) -> dict[str, Digest]:
    """Read every file of a dataset and return its digest by its path below `root`."""
    return {path.relative_to(root).as_posix(): Digest.of(path) for path in files_of(root)}


def files_of(root: Path) -> Iterator[Path]:
    """Yield every file of a dataset, but that of the digests."""
    paths = (path for folder in _FOLDERS for path in sorted((root / folder).rglob("*.*")))
    return (path for path in paths if path.is_file() and path != root / DIGESTS)


def write(root: Path) -> Path:
    """Write down the digests of a dataset's files."""
    files = {name: vars(digest) for name, digest in of_files(root).items()}
    (root / DIGESTS).write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")
    return root / DIGESTS


def dataset_hash(root: Path, *, ours: bool = False) -> str:
    """Return a SHA-256 over every file of a dataset: metadata, rows and videos; as hex.

    Raises:
        FormatError: if sayso wrote the dataset, and nobody since, and a file is not what was recorded.
    """
    found, known = of_files(root), read(root) if ours else {}
    for name, digest in known.items():
        if name != STATS and found.get(name) != digest:
            raise _not_what_was_recorded(root / name)
    lines = (f"{name} {digest.sha256}\n" for name, digest in sorted(found.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read(root: Path) -> dict[str, Digest]:
    """Return the digest of each file by its path below `root`; none where they were not written.

    Raises:
        FormatError: if the file of digests is damaged itself.
    """
    path = root / DIGESTS
    if not path.is_file():
        return {}
    try:
        raw = parsed(path.read_bytes())
        files = raw["files"].items()
        return {
            inside(root, name).relative_to(root).as_posix(): Digest(entry["size"], entry["sha256"])
            for name, entry in files
        }
    except (FormatError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path} cannot be read, so it is cut or damaged; without it the dataset is read, but damage to "
            "its other files is not noticed. Take it from a copy of the dataset, or delete it"
        ) from error


def check(root: Path, *, ours: bool) -> tuple[str, ...]:
    """Hold the files against their digests, and return what a person should know.

    Of videos only the size is compared here; `dataset_hash` reads them.

    Args:
        root: folder of the dataset.
        ours: whether sayso wrote the dataset, and nobody since; else digests do not count.

    Raises:
        FormatError: if a file is missing or is not what was recorded.
    """
    known = read(root)
    if not ours:
        changed = "other software has changed it, so that the digests in meta/sayso.json no longer count"
        return (changed,) if known else ()
    for name, digest in known.items():
        if name != STATS:  # LeRobot computes it anew in place; here nothing is read from it
            compare(root / name, digest, content=not name.startswith("videos/"))
    return ()


def verify(root: Path) -> int:
    """Hold every file of a dataset against its digest, videos included, and return how many there are.

    Raises:
        FormatError: if a file is missing or is not what was recorded, or there are no digests.
    """
    known = read(root)
    if not known:
        raise FormatError(f"{root} has no digests ({DIGESTS}): only recordings of sayso's own have")
    for name, digest in known.items():
        compare(root / name, digest, content=True)
    return len(known)


def compare(path: Path, digest: Digest, *, content: bool) -> None:
    """Hold a file against its digest: its size, and what it holds if `content`.

    Raises:
        FormatError: if it is missing or is not what was recorded.
    """
    if not path.is_file():
        raise FormatError(f"{path} is missing, but was recorded. {_REMEDY}")
    if path.stat().st_size != digest.size or (content and Digest.of(path) != digest):
        raise _not_what_was_recorded(path)


def _not_what_was_recorded(path: Path) -> FormatError:
    return FormatError(f"{path} is not what was recorded: it is cut, damaged or was changed. {_REMEDY}")
