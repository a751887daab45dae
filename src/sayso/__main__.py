"""Entry point of the command ``sayso``, which ends in one line at Ctrl-C while it is being imported, too."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sayso.work import interrupts

AGAIN_S = 0.05


def main() -> int:
    """Carry out the command line and return its exit code, as `sayso.cli.main` does."""
    interrupts.note()
    try:
        from sayso.cli import main as carry_out

        return carry_out()
    except (KeyboardInterrupt, ImportError) as error:
        if isinstance(error, ImportError) and not interrupts.was_pressed():
            raise
        print("sayso: interrupted", file=sys.stderr)
        return 130


def command() -> None:
    """Be the whole process: carry out the command line, and end with its exit code."""
    code = 1  # Python's own for what nobody caught

    def leave() -> None:
        """Leave the process, when all is done but the dismantling of Python itself.

        A policy that is still at an answer, in a thread that nobody waits for, would return into what is no
        more, which aborts the process.
        """
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or none at all
                stream.flush()
        os._exit(code)

    atexit.register(leave)  # before anything else, so that it is the last
    sys.unraisablehook = _unraisable
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who began us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if "WORLD_SIZE" in os.environ:  # before torch is imported, whose notes on processes are for its authors
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    code = main()
    sys.exit(code)


def _unraisable(lost: Any) -> None:
    """Press Ctrl-C once more, a moment later, where Python swallows it: inside a finaliser."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(AGAIN_S, _interrupt).start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt() -> None:
    """Interrupt the main thread, even where it waits for the system; that Windows cannot do."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


if __name__ == "__main__":
    command()
