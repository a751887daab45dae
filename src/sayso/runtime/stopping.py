"""Emergency stop: by a call, by a signal, by a key. The first reason counts; nothing takes it back."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from typing import TextIO

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)
"""Ctrl-C, ``kill``, the end of the terminal or of the connection it came through, and the two other keys that
a terminal turns into signals: a process put to sleep by Ctrl-Z would leave the robot to its last command."""
STUCK_S = 2.0
"""When a signal comes so long after the first, nobody has listened to that: something hangs."""
POLL_S = 0.05


class Stop:
    """Reason why a run should end, once somebody wants it to. It may be called from any thread."""

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
            self.fault, self.reason = fault, reason or "somebody asked for it"


@contextlib.contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """Stop at `SIGNALS` instead of dying of them. For the main thread only.

    Raises:
        KeyboardInterrupt: wherever the main thread is, when one comes `STUCK_S` after the first or later.
    """
    first_s = math.inf

    def ask(number: int, _: object) -> None:
        nonlocal first_s
        first_s = min(first_s, time.monotonic())
        stop(signal.Signals(number).name)
        if time.monotonic() - first_s > STUCK_S:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def later() -> Iterator[None]:
    """Let Ctrl-C wait, inside a `with`, where raising would abort the process: in C++ that calls Python."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came.is_set():
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def on_key(stop: Stop, terminal: TextIO | None = None) -> Iterator[bool]:
    """Stop at any key. Yield whether there are keys: without a terminal, or behind one, there are none.

    Args:
        stop: whom to tell.
        terminal: where keys come from; by default the standard input.
    """
    terminal = terminal or sys.stdin
    if not terminal.isatty() or _in_background(terminal.fileno()):
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


def _in_background(descriptor: int) -> bool:
    """Tell whether a shell's ``&`` has put us behind a terminal, which would halt us for touching it."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # not the terminal that we came from, so that nobody else is in front of it
        return False


def _watch(descriptor: int, stop: Stop, over: threading.Event) -> None:
    while not over.is_set():
        readable, _, _ = select.select([descriptor], [], [], POLL_S)
        if readable:
            with contextlib.suppress(OSError):  # the terminal is gone, which is for `on_signals`
                if os.read(descriptor, 1):
                    stop("a key was pressed")
            return
