"""Order of training: which windows a step sees, which seed and step decide; batches made ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from sayso.data.statistics import Integers

T = TypeVar("T")


def epoch_slots(
    seed: int,
    step: int,
    batch_size: int,
    n: int,
    shuffled: Callable[[int, int, int], Integers] | None = None,
) -> tuple[Integers, Integers]:
    """Return, for each place in a batch, its slot in the epoch's shuffle of n and the number of the epoch.

    Every slot comes once per epoch, shuffled anew each time; a batch may span two epochs. A pure function, so
    that training resumes exactly at any step. `shuffled` is `shuffle`, or one that keeps what it returned.
    """
    places = step * batch_size + np.arange(batch_size)
    epochs, within = np.divmod(places, n)
    slots = np.empty_like(places)
    for epoch in np.unique(epochs):
        mine = epochs == epoch
        slots[mine] = (shuffled or shuffle)(seed, int(epoch), n)[within[mine]]
    return slots, epochs


def prefetch(make: Callable[[int], T], steps: Iterable[int], *, ahead: int = 4) -> Generator[T, None, None]:
    """Yield ``make(step)`` for each step while one thread prepares up to `ahead` further ones.

    What `make` raises is raised here, at its step. Closing the generator ends the thread.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader") as loader:
        waiting: deque[Future[T]] = deque()
        try:
            for step in steps:
                waiting.append(loader.submit(make, step))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def shuffle(seed: int, stream: int, n: int) -> Integers:
    """Return 0..n-1 in an order that depends on nothing but the arguments."""
    order: Integers = np.random.default_rng([seed, stream]).permutation(n)
    return order
