"""File lock: one process at a time writes into a folder, and the next one is told who is there.

    sayso record --out d   holds d/.lock ----------------------------> ends, or is killed: the lock is gone
    sayso record --out d     refused: "d is in use: recording, by process 4711 on lab3 since 14:02:11"

The operating system holds the lock for as long as the process lives, so one that was killed blocks nobody.
Who ends deletes the file while holding it; who has waited for that file finds it without a name, and tries
again with a new one (`filelock` sees to that), so there are never two inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from sayso.spec import SaysoError
from sayso.spec.files import parsed

LOCK, HOLDER = ".lock", ".lock.json"
"""Files in a locked folder: what the operating system locks, and who says to hold it."""


class InUseError(SaysoError):
    """Folder that another process is writing into."""


@contextlib.contextmanager
def locked(folder: Path, doing: str, name: str = "", *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, which is made if need be, inside a `with`.

    Args:
        folder: which.
        doing: what for, such as ``recording``; others are told.
        name: of one report among many in the folder, if only that is to be held.
        wait: whether to say on stderr who holds it and wait, instead of being refused.

    Raises:
        InUseError: if another process holds it, or this one does already.
        SaysoError: if the folder cannot be made or written into.
    """
    prefix = f".{name}" if name else ""
    lock, holder = FileLock(folder / f"{prefix}{LOCK}"), folder / f"{prefix}{HOLDER}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            print(f"{folder / name} is in use: {_holder(holder)}; waiting", file=sys.stderr)
            lock.acquire()
        _say_who(holder, doing)
    except Timeout:
        raise InUseError(
            f"{folder / name} is in use: {_holder(holder)}. Wait until that has ended, stop it, or choose "
            f"another {'name' if name else 'folder'}"
        ) from None
    except OSError as error:
        lock.release()
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise SaysoError(
                f"{folder} is to be a folder, but {there} is a file: name another place, or move it away"
            ) from error
        raise SaysoError(
            f"{folder} cannot be written into ({error.strerror or error}); choose another folder, or make "
            "room and give yourself the right to write there"
        ) from error
    try:
        yield
    finally:
        for file in (holder, Path(lock.lock_file)):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        lock.release()


def _say_who(path: Path, doing: str) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    about = {"doing": doing, "pid": os.getpid(), "host": platform.node(), "since": since}
    path.write_text(json.dumps(about), encoding="utf-8")


def _holder(path: Path) -> str:
    """Return what the holder wrote, waiting up to a second for one that is about to write."""
    for _ in range(20):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            about = parsed(path.read_text(encoding="utf-8"))
            return f"{about['doing']}, by process {about['pid']} on {about['host']} since {about['since']}"
        time.sleep(0.05)
    return "another process writes there"
