"""Atomic replacement of a folder or file by a finished one, so that nobody ever finds half of one.

fill .policy.new --> flush to the disk --> rename policy to .policy.old, and .policy.new to policy
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


def replace_folder(final: Path, write: Callable[[Path], object]) -> None:
    """Fill a folder through `write` under a temporary name, then put it in the place of `final`.

    Whoever reads `final` finds the whole old folder or the whole new one, never a mixture. For the instant
    between two renames there may be none.
    """
    final = final.resolve()  # of "." there is no name
    new, old = final.with_name(f".{final.name}.new"), final.with_name(f".{final.name}.old")
    _put_back(old, final)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        write(new)
        flush_all(new)
        if final.exists():
            final.rename(old)
        new.rename(final)
        flush(final.parent)
    finally:  # of a disk that is full, say
        _put_back(old, final)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Let a file be written under another name inside a `with`, and appear under its own once it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _put_back(old: Path, final: Path) -> None:
    """Undo the first of the two renames, if a kill or an error kept the second from being done."""
    if old.exists() and not final.exists():
        old.rename(final)


def flush_all(folder: Path) -> None:
    """Push a folder and all below it to the disk."""
    for path in [*folder.rglob("*"), folder]:
        flush(path)


def flush(path: Path) -> None:
    """Push a file or a folder's list of names to the disk, so that a rename never overtakes the contents.

    Windows opens no folders, and pushes only what is open for writing: there that is left to the system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
    finally:
        os.close(descriptor)
