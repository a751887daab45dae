"""Cache folder for what can be made again at any time: thinned meshes, decoded frames, compiled graphs."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Return ``$SAYSO_CACHE``, ``$XDG_CACHE_HOME/sayso`` or ``~/.cache/sayso``, the first that is set."""
    if own := os.environ.get("SAYSO_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sayso"


def kept(name: str) -> bytes | None:
    """Return what was kept under a name, ``folder/file``; None if there is nothing, or it was damaged."""
    try:
        whole = (cache_folder() / name).read_bytes()
    except OSError:
        return None
    digest, content = whole[:DIGEST_BYTES], whole[DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def keep(name: str, content: bytes, most: int) -> None:
    """Keep bytes under a name, and of its folder no more than the `most` files that were written last.

    A disk that is full or may not be written keeps nothing, which costs time and nothing else.
    """
    path = cache_folder() / name
    partial = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            partial.replace(path)  # atomic: who starts at the same time reads a whole file, or none
        finally:
            partial.unlink(missing_ok=True)
        newest_first = sorted(path.parent.iterdir(), key=lambda file: -file.stat().st_mtime_ns)
        for old in newest_first[most:]:
            old.unlink(missing_ok=True)
