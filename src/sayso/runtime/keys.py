"""Keyboard input without Enter: on Unix through termios, on Windows through msvcrt, elsewhere none."""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TextIO

POLL_S = 0.05
Pressed = Callable[[], str]


@contextlib.contextmanager
def single_keys(terminal: TextIO) -> Iterator[Pressed | None]:
    """Let keys arrive one by one inside a `with`, and leave the terminal as it was.

    Yields:
        A function that waits `POLL_S` for a key, takes it and returns it, or nothing; None where there
        are no keys: without a terminal, behind one, or on a system whose terminals nobody knows.
    """
    if not terminal.isatty() or _in_background(terminal.fileno()):
        yield None
    elif (termios := _there("termios")) and (tty := _there("tty")):
        descriptor = terminal.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)  # keys arrive without Enter; Ctrl-C is still a signal
        termios.tcflush(descriptor, termios.TCIFLUSH)  # what was typed before was not meant
        try:
            yield lambda: _taken(descriptor) if select.select([descriptor], [], [], POLL_S)[0] else ""
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    elif msvcrt := _there("msvcrt"):
        while msvcrt.kbhit():
            msvcrt.getch()
        yield lambda: _taken_on_windows(msvcrt)
    else:
        yield None


def waits(terminal: TextIO) -> bool:
    """Tell whether something that was typed at a terminal waits to be read."""
    if not terminal.isatty():
        return False
    if msvcrt := _there("msvcrt"):
        return bool(msvcrt.kbhit())
    return bool(select.select([terminal], [], [], 0)[0])


def _there(name: str) -> ModuleType | None:
    """Return a module of the standard library, if this system has it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _taken(descriptor: int) -> str:
    try:
        return os.read(descriptor, 1).decode("latin-1")
    except OSError:  # the terminal is gone, which is for signals to tell
        return ""


def _taken_on_windows(msvcrt: ModuleType) -> str:
    if not msvcrt.kbhit():
        time.sleep(POLL_S)
        return ""
    return str(msvcrt.getch().decode("latin-1"))


def _in_background(descriptor: int) -> bool:
    """Tell whether a shell's ``&`` has put us behind a terminal, which would halt us for touching it."""
    if not hasattr(os, "tcgetpgrp"):
        return False
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # not the terminal that we came from, so that nobody else is in front of it
        return False
