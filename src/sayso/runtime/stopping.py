"""Emergency stop: by a call or by a signal. The first reason counts; nothing takes it back."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGBREAK")
SIGNALS = tuple(signal.Signals[name] for name in _NAMES if hasattr(signal, name))
"""Ctrl-C, ``kill``, the end of the terminal or of the connection it came through, and the other keys that
a terminal turns into signals: a process put to sleep by Ctrl-Z would leave the robot to its last command.
Windows has three of these, one of its own among them."""
STUCK_S = 2.0
"""When a signal comes so long after the first, nobody has listened to that: something hangs."""


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


class Brake(Stop):
    """Emergency stop of several runs, one after the other: of the present one, and of any that would come."""

    def __init__(self) -> None:
        """Begin without a reason and without a run."""
        super().__init__()
        self._run: Stop | None = None

    def run(self) -> Stop:
        """Return the stop of a run that begins, which may end by itself."""
        self._run = run = Stop()
        if self.reason:
            run(self.reason, fault=self.fault)
        return run

    def __call__(self, reason: str, *, fault: bool = False) -> None:
        """Ask for the end of it all, and say why."""
        super().__call__(reason, fault=fault)
        if self._run is not None:
            self._run(self.reason, fault=self.fault)


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
