"""Ctrl-C, where what is being imported turns it into an error of its own."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_pressed = threading.Event()


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as Python's own handler does, and let `was_pressed` know of it."""
    _pressed.set()
    signal.default_int_handler(number, frame)


def was_pressed() -> bool:
    """Tell whether Ctrl-C has been pressed, whatever became of its KeyboardInterrupt.

    What is compiled, numpy to begin with, makes an ImportError of one that comes while it is imported.
    """
    return _pressed.is_set()


def note() -> None:
    """Note Ctrl-C from now on, unless it is ignored, as in what a shell's ``&`` began. Main thread only."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def is_ordinary(handler: Any) -> bool:
    """Tell whether a handler, as `signal.getsignal` gives it, is the one that a command begins with."""
    return handler in (signal.default_int_handler, signal.SIG_DFL, interrupt)
