"""Typing while a robot moves: what a person types until Enter is a line; Enter alone stops.

At a terminal keys come one by one, so that an empty line, Escape and a space stop at once. What is piped in
is read line by line, if it is no file: whoever feeds a loop of commands from one has not written it for us.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TextIO

from sayso.runtime.keys import POLL_S, Pressed, single_keys

ENTER, ERASE, AT_ONCE = ("\n", "\r"), ("\x7f", "\b"), ("\x1b", " ")
Typing = Literal["keys", "lines", ""]
"""How a person can type: key by key, line by line, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What to do with what is typed, in a thread beside the loop."""

    line: Callable[[str], None]
    """Called with each line that has words."""
    stop: Callable[[], None] = lambda: None
    """Called where Enter, Escape or a space is pressed and nothing was typed before."""
    so_far: Callable[[str], None] = lambda _: None
    """Called with what has been typed of a line, whenever that changes."""


@contextlib.contextmanager
def listening(typed: Typed, terminal: TextIO | None = None, *, lines: bool = True) -> Iterator[Typing]:
    """Listen to a terminal, by default the standard input, inside a `with`; yield how one can type.

    Args:
        typed: what to do with it.
        terminal: where keys come from.
        lines: whether to read what is piped in.
    """
    terminal, over = terminal or sys.stdin, threading.Event()
    if terminal is None:
        yield ""
        return
    with single_keys(terminal) as pressed:
        if pressed is not None:
            thread = threading.Thread(target=_keys, args=(pressed, typed, over), name="typed", daemon=True)
        elif lines and _is_piped(terminal):
            thread = threading.Thread(target=_lines, args=(terminal, typed, over), name="typed", daemon=True)
        else:
            yield ""
            return
        thread.start()
        try:
            yield "lines" if pressed is None else "keys"
        finally:
            over.set()
            thread.join()


def _keys(pressed: Pressed, typed: Typed, over: threading.Event) -> None:
    """Gather keys to lines."""
    text = ""
    while not over.is_set():
        if not (key := pressed()):
            continue
        if key in (*ENTER, *AT_ONCE) and not text.strip():
            typed.stop()
        elif key == "\x1b":
            text = ""
        elif key in ENTER:
            said, text = text.strip(), ""
            typed.line(said)
        elif key in ERASE:
            text = text[:-1]
        elif key.isprintable():
            text += key
        typed.so_far(text)


def _is_piped(terminal: TextIO) -> bool:
    """Tell whether lines come from another program that may still write, through a pipe or a socket."""
    try:
        mode = os.fstat(terminal.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return hasattr(os, "tcgetpgrp") and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def _lines(terminal: TextIO, typed: Typed, over: threading.Event) -> None:
    """Read lines as they come, and none after the end."""
    descriptor, rest = terminal.fileno(), b""
    while not over.is_set():
        try:
            if not select.select([descriptor], [], [], POLL_S)[0]:
                continue
            if not (some := os.read(descriptor, 4096)):
                return
        except OSError:
            return
        *whole, rest = (rest + some).split(b"\n")
        for line in whole:
            if said := line.decode("utf-8", "replace").strip():
                typed.line(said)
