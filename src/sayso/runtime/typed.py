"""Typing while a robot moves: what a person types until Enter is a line; any key that makes no word stops.

    a ─ z, 0 ─ 9, signs          begin a line, or go on with it
    Enter, where it has words    says it
    Enter, a space, the erasing key, where there are none; Escape, an arrow, Tab, ... anywhere     stop

At a terminal keys come one by one, so that they count at once. What is piped in is read line by line, if it
is no file: whoever feeds a loop of commands from one has not written it for us.
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
from typing import Any, Literal, TextIO

from sayso.runtime.keys import POLL_S, Pressed, single_keys

ENTER, ERASE = ("\n", "\r"), ("\x7f", "\b")
Typing = Literal["keys", "lines", ""]
"""How a person can type: key by key, line by line, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What to do with what is typed, in a thread beside the loop."""

    line: Callable[[str], None]
    """Called with each line that has words."""
    stop: Callable[[], None] = lambda: None
    """Called where a key is pressed that stops, and where nobody can listen any more."""
    so_far: Callable[[str], None] = lambda _: None
    """Called after each key with what has been typed of a line, and before `line` is."""


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
            how: tuple[Any, ...] = (_keys, pressed)
        elif lines and _is_piped(terminal):
            how = (_lines, terminal)
        else:
            yield ""
            return
        thread = threading.Thread(target=_or_stop, args=(*how, typed, over), name="typed", daemon=True)
        thread.start()
        try:
            yield "lines" if pressed is None else "keys"
        finally:
            over.set()
            thread.join()


def _or_stop(
    gather: Callable[[Any, Typed, threading.Event], None], source: Any, typed: Typed, over: threading.Event
) -> None:
    """Listen to a source, and stop the robot if that fails: nobody would hear who wants it stopped."""
    whole = False
    try:
        gather(source, typed, over)
        whole = True
    finally:
        if not whole:
            typed.stop()


def struck(text: str, key: str) -> tuple[str, str, bool]:
    """Return what a line is after a key, the words that are said by it, and whether it stops.

    Letters, digits and signs make a line, and so do a space and the erasing key where one is begun. Any other
    key stops: whoever hammers at a keyboard wants nothing else.

    Args:
        text: what has been typed of the line.
        key: which key.
    """
    if key in ENTER and text.strip():
        return "", text.strip(), False
    if key in ERASE and text:
        return text[:-1], "", False
    if key >= "\x80" or (key.isprintable() and (text or key != " ")):  # a letter may be of several such bytes
        return text + key, "", False
    return "", "", True


def _keys(pressed: Pressed, typed: Typed, over: threading.Event) -> None:
    """Gather keys to lines."""
    text = ""
    while not over.is_set():
        if not (key := pressed()):
            continue
        text, said, stops = struck(text, key)
        if stops:
            typed.stop()
        typed.so_far(text)
        if said:
            typed.line(said)


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
