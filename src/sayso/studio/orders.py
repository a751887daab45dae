"""Queue of what people ask for. What moves the robot gives way to whatever is asked for after it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from sayso.runtime.stopping import Stop

Order = Callable[[], None]


class Orders:
    """What is still to be done, and the two brakes of what is being done: of all of it, of this step."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._queue = queue.SimpleQueue[tuple[int, Order] | None]()
        self._lock = threading.Lock()
        self._count = self._void = 0
        self._all, self._step = Stop(), Stop()

    def put(self, order: Order) -> None:
        """Have something done after what moves now has come to rest."""
        self._add(order, moves=False)

    def put_motion(self, order: Order) -> None:
        """Have the robot moved, unless `stop` or another order comes before that begins."""
        self._add(order, moves=True)

    def put_aside(self, order: Order) -> None:
        """Have something done that can wait, and stops nothing."""
        self._queue.put((0, order))

    def end(self) -> None:
        """Let `next` return None once all else is done."""
        self._queue.put(None)

    def stop(self, reason: str) -> None:
        """Stop what moves, and forget what was to move."""
        with self._lock:
            self._void = self._count
            self._all(reason)
            self._step(reason)

    def stop_step(self, reason: str) -> None:
        """Stop the present step only."""
        self._step(reason)

    @property
    def stopped(self) -> str:
        """Return why what is being done should end; empty if it should not."""
        return self._all.reason

    def begin_step(self) -> Stop:
        """Return the brake of a step that begins; it is pulled already if all should end."""
        with self._lock:
            self._step = Stop()
            if self._all.reason:
                self._step(self._all.reason)
            return self._step

    def next(self, timeout_s: float | None = None) -> Order | None:
        """Return what to do next, or None at the end.

        Raises:
            queue.Empty: if there was nothing for so long.
        """
        while (entry := self._queue.get(timeout=timeout_s)) is not None:
            number, order = entry
            with self._lock:
                if number == 0 or number > self._void:
                    self._all = Stop()
                    return order
        return None

    def _add(self, order: Order, *, moves: bool) -> None:
        self.stop("something else was asked for")
        with self._lock:
            self._count += moves
            self._queue.put((self._count if moves else 0, order))
