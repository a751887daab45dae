"""Keys of a terminal while a robot is moved by something else: what to do with an episode.

Without a terminal lines are read in their place, the first letter of each; an empty one is Enter.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from sayso.runtime.keys import Pressed, single_keys

ENTER, DISCARD, QUIT = "enter", "discard", "quit"
_MEANINGS = {"\n": ENTER, "\r": ENTER, "\x7f": DISCARD, "\b": DISCARD, "d": DISCARD, "q": QUIT}


class Verdicts:
    """What a person has said by keys and nobody has asked for yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._said = queue.SimpleQueue[str]()

    def say(self, key: str) -> None:
        """Take note of a key; one that means nothing is none."""
        if meaning := _MEANINGS.get(key.lower()):
            self._said.put(meaning)

    def next(self) -> str:
        """Return what was said first and not asked for yet; nothing if there is nothing."""
        with contextlib.suppress(queue.Empty):
            return self._said.get_nowait()
        return ""


@contextlib.contextmanager
def verdicts(terminal: TextIO | None = None) -> Iterator[Verdicts]:
    """Listen to a terminal, by default the standard input, inside a `with`."""
    terminal, found, over = terminal or sys.stdin, Verdicts(), threading.Event()
    with single_keys(terminal) as pressed:
        if pressed is None:
            threading.Thread(target=_read, args=(terminal, found), name="lines", daemon=True).start()
            yield found
            return
        thread = threading.Thread(target=_watch, args=(pressed, found, over), name="keys", daemon=True)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join()


def _watch(pressed: Pressed, found: Verdicts, over: threading.Event) -> None:
    while not over.is_set():
        if key := pressed():
            found.say(key)


def _read(lines: TextIO, found: Verdicts) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed meanwhile
        for line in lines:
            found.say(line.strip()[:1] or "\n")
    found.say("q")
