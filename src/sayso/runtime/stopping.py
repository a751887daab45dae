"""Stop a running robot: by a call, by a signal, by a key. The first reason counts; nothing takes it back."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import TextIO

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, ``kill``, and the end of the terminal or of the connection it came through."""
POLL_S = 0.05


class Stop:
    """Hold why a run should end, once somebody wants it to. It may be called from any thread."""

    def __init__(self) -> None:
        """Begin without a reason."""
        self._lock = threading.Lock()
        self.reason = ""
        """Why to stop; empty as long as nobody wants it."""
        self.fault = False
        """Whether something went wrong, rather than somebody had enough."""

    def __call__(self, reason: str, *, fault: bool = False) -> None:
        """Ask for the end, and say why."""
        # A signal may interrupt this very function in the same thread, so it must not wait for the lock.
        if self._lock.acquire(blocking=False):
            self.fault, self.reason = fault, reason


@contextlib.contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """Stop at `SIGNALS`, as often as they come, instead of dying of them. For the main thread only."""

    def ask(number: int, _: object) -> None:
        stop(signal.Signals(number).name)

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def on_key(stop: Stop, terminal: TextIO | None = None) -> Iterator[bool]:
    """Stop at any key. Yield whether there are keys: without a terminal there are none.

    Args:
        stop: whom to tell.
        terminal: where keys come from; by default the standard input.
    """
    terminal = terminal or sys.stdin
    if not terminal.isatty():
        yield False
        return
    descriptor, over = terminal.fileno(), threading.Event()
    before = termios.tcgetattr(descriptor)
    thread = threading.Thread(target=_watch, args=(descriptor, stop, over), name="keys", daemon=True)
    tty.setcbreak(descriptor)  # keys arrive without Enter; Ctrl-C is still a signal
    termios.tcflush(descriptor, termios.TCIFLUSH)  # what was typed before was not meant
    thread.start()
    try:
        yield True
    finally:
        over.set()
        thread.join()
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _watch(descriptor: int, stop: Stop, over: threading.Event) -> None:
    while not over.is_set():
        readable, _, _ = select.select([descriptor], [], [], POLL_S)
        if readable:
            with contextlib.suppress(OSError):  # the terminal is gone, which is for `on_signals`
                if os.read(descriptor, 1):
                    stop("a key was pressed")
            return
