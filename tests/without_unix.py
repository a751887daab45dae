"""Stand-in for another system: `sayso` where what only Unix has, or only Linux, is missing.

    python tests/without_unix.py train --datasets ...

Packages that sayso uses are loaded first: those for Windows and macOS know where they are, these do not.
"""

from __future__ import annotations

import asyncio
import builtins
import errno
import importlib
import mmap
import os
import select
import signal
import stat
import sys
from fcntl import F_GETFL
from fcntl import fcntl as flags_of
from pathlib import Path
from typing import Any

PACKAGES = (
    "av", "filelock", "numpy", "PIL.Image", "pyarrow.parquet", "rich.console", "rich.progress", "tyro",
    "subprocess", "multiprocessing.connection",
)  # fmt: skip
LEARNING = (
    "huggingface_hub", "msgpack", "onnxruntime", "prometheus_client", "safetensors.torch", "tokenizers",
    "torch", "websockets.asyncio.server", "websockets.sync.client",
)  # fmt: skip
MODULES = (
    "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty",
    "OpenGL.EGL", "mujoco.egl", "mujoco.osmesa",
)  # fmt: skip
OF_OS = (
    "fchmod", "fork", "forkpty", "getpgrp", "getpriority", "getuid", "killpg", "mkfifo", "nice",
    "posix_fallocate", "posix_fadvise", "sched_getaffinity", "sched_setaffinity", "setsid", "sysconf",
    "tcgetpgrp", "wait4",
)  # fmt: skip
OF_SIGNALS = (
    "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP",
    "SIGUSR1", "SIGUSR2", "alarm", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait",
)  # fmt: skip
HERE_ONLY = ("/proc", "/dev/shm", "/sys")


def take_away() -> None:
    """Let this process be without Unix."""
    learns = sys.argv[1] not in ("check", "edit", "show")
    for name in (*PACKAGES, *LEARNING * learns):
        importlib.import_module(name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, OF_OS), (signal, OF_SIGNALS), (mmap, [n for n in dir(mmap) if "MADV" in n])):
        for name in names:
            delattr(module, name)
    asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = _missing  # type: ignore[attr-defined]
    os.open, os.fsync, os.rename = _opened(os.open), _flushed(os.fsync), _renamed(os.rename)
    builtins.open = _file(builtins.open)  # type: ignore[assignment]
    select.select = _sockets_only(select.select)


def _missing(*_: Any) -> Any:
    raise NotImplementedError


def _opened(real: Any) -> Any:
    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if isinstance(path, str | Path) and Path(path).is_dir() and not flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return int(real(path, flags, *rest, **named))

    return opened


def _flushed(real: Any) -> Any:
    def flushed(descriptor: int) -> None:
        readable = flags_of(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if readable and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(descriptor)

    return flushed


def _renamed(real: Any) -> Any:
    def renamed(old: Any, new: Any, **named: Any) -> None:
        if Path(new).exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(old), None, str(new))
        real(old, new, **named)

    return renamed


def _file(real: Any) -> Any:
    def file(name: Any, *rest: Any, **named: Any) -> Any:
        if str(name).startswith(HERE_ONLY):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(name))
        return real(name, *rest, **named)

    return file


def _sockets_only(real: Any) -> Any:
    def sockets(*lists: Any) -> Any:
        for each in (one for part in lists[:3] for one in part):
            if not stat.S_ISSOCK(os.fstat(each if isinstance(each, int) else each.fileno()).st_mode):
                raise OSError(errno.ENOTSOCK, "not a socket")
        return real(*lists)

    return sockets


if __name__ == "__main__":
    take_away()
    from sayso.cli import main

    sys.exit(main())
