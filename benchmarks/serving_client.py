"""Client of a policy server, in a process of its own that imports little; `serving.py` tells it whom to ask.

Pickled orders come in on the standard input, pickled answers go out on the standard output.
"""

from __future__ import annotations

import pickle
import sys
import time
from dataclasses import dataclass
from typing import Any

from websockets.sync.client import connect


@dataclass(frozen=True)
class Order:
    """What to do in one turn."""

    url: str
    seconds: float
    pause_s: float = 0.0
    """Between an answer and the next look."""


@dataclass(frozen=True)
class Heard:
    """What came of it."""

    connect_ms: float
    """Until the server had introduced itself."""
    waits_ms: list[float]
    answers: list[bytes]
    """The last one to each look that was asked about."""


def ask(order: Order, messages: list[bytes]) -> Heard:
    """Ask one thing after the other for so long, once at least."""
    began = time.perf_counter()
    with connect(order.url, compression=None, proxy=None, max_size=None, open_timeout=60) as socket:
        socket.recv()
        connect_ms = 1000 * (time.perf_counter() - began)
        waits_ms: list[float] = []
        answers: dict[int, Any] = {}
        while not waits_ms or time.perf_counter() < began + order.seconds:
            number = len(waits_ms) % len(messages)
            asked = time.perf_counter()
            socket.send(messages[number])
            answers[number] = socket.recv()
            waits_ms.append(1000 * (time.perf_counter() - asked))
            time.sleep(order.pause_s)
    return Heard(connect_ms, waits_ms, [answers[number] for number in sorted(answers)])


def main() -> None:
    """Take messages, then orders, until there are no more."""
    messages = pickle.load(sys.stdin.buffer)
    while (order := pickle.load(sys.stdin.buffer)) is not None:
        pickle.dump(ask(order, messages), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    from serving_client import main  # so that what is pickled has the name that `serving.py` knows it by

    main()
