"""Dynamic batching: looks that came while the policy computed are computed together next, one of each client.

::

    client 1 --look--.                            .--> thread 1: looks 1, 2 of the round --> answers
    client 2 --look--+--> waiting, oldest first --+
    client 3 --look--'                            '--> thread 2: look 3 ------------------> answers

A client has one look here at a time, so that whoever asks often waits as long as whoever asks seldom: for
what is computed now, and for one batch with its own look in it. No look waits for others that may still come.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sayso.data.recognition import ROBOT
from sayso.runtime.inference import Worker
from sayso.spec import Chunk, FeatureMismatchError, Features, Observation, Policy


class LeftError(Exception):
    """Client that left before its look was computed."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one client's policy is to answer."""

    policy: Policy
    observation: Observation
    begins: bool
    """Whether an episode begins with it."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Answer to a look, and what came before it."""

    chunk: Chunk
    waited_s: float
    """How long it waited until it was computed."""
    act_s: float
    """How long it was computed, with the others of its batch."""
    together: int
    """How many looks its batch had."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Shape of the chunks that clients were promised."""

    features: Features
    rows: int = 0
    """Actions in each; 0 if their number was not announced."""

    def check(self, chunk: Chunk, observation: Observation) -> Chunk:
        """Return the chunk.

        Raises:
            FeatureMismatchError: if it is not of that shape.
        """
        its = self.features.robots[observation[ROBOT]] if self.features.robots else self.features
        width, wanted = chunk.actions.shape[1], len(its.action)
        if width != wanted:
            raise FeatureMismatchError(f"the policy returned {width} numbers per action instead of {wanted}")
        if self.rows and len(chunk) != self.rows:
            raise FeatureMismatchError(f"the policy returned {len(chunk)} actions instead of {self.rows}")
        return chunk


def answers(looks: Sequence[Look]) -> list[Chunk | Exception]:
    """Return what policies answer, or what each of them raised, computed at once if they can be."""
    try:
        for look in looks:
            if look.begins:
                look.policy.reset()
        if len(looks) > 1 and (together := _together(looks)):
            return [*together([look.policy for look in looks], [look.observation for look in looks])]
    except Exception:  # whose fault it is, each of them tells by itself
        pass
    return [_alone(look) for look in looks]


def _alone(look: Look) -> Chunk | Exception:
    try:
        return look.policy.act(look.observation)
    except Exception as error:  # the border of a client: the others have their answers
        return error


def company(policy: Policy) -> Hashable | None:
    """Return what policies have in common that can be computed at once; None for one that cannot."""
    return getattr(policy, "company", None) if hasattr(type(policy), "act_together") else None


def _together(looks: Sequence[Look]) -> Callable[..., Sequence[Chunk]] | None:
    """Return what computes all of these looks at once, if anything does."""
    shared = company(looks[0].policy)
    if shared is None or any(company(look.policy) != shared for look in looks):
        return None
    found: Callable[..., Sequence[Chunk]] = type(looks[0].policy).act_together  # type: ignore[attr-defined]
    return found


@dataclass(eq=False, kw_only=True)
class _Asked:
    """Question that waits, and whoever waits for its answer."""

    look: Look
    is_wanted: Callable[[], bool]
    came: float
    answer: asyncio.Future[Answered]


class Batcher:
    """Threads that compute what clients ask, all that wait at once. To be used in one event loop."""

    def __init__(self, *, threads: int, most: int) -> None:
        """Start the threads.

        Args:
            threads: how many compute at a time.
            most: looks that are computed at once.
        """
        self._threads = [Worker(f"inference {number}") for number in range(threads)]
        self._free = list(self._threads)
        self._most = most
        self._waiting: deque[_Asked] = deque()
        self._computing = 0

    @property
    def waiting(self) -> int:
        """Return how many looks wait."""
        return len(self._waiting)

    @property
    def busy_s(self) -> float:
        """Return for how long the thread that is slowest has been at what it does now."""
        return max(thread.busy_s for thread in self._threads)

    async def ask(self, look: Look, shape: Shape, is_wanted: Callable[[], bool]) -> Answered:
        """Return the answer to a look.

        Args:
            look: what is asked.
            shape: what the answer must be of.
            is_wanted: whether anybody still waits for it, when it is about to be computed.

        Raises:
            LeftError: if nobody did.
            Exception: whatever the policy raised.
        """
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(look=look, is_wanted=is_wanted, came=time.perf_counter(), answer=answer))
        self._hand_out()
        found: Answered = await answer
        shape.check(found.chunk, look.observation)
        return found

    def close(self) -> None:
        """Let the threads end after what they are at."""
        for asked in self._waiting:
            asked.answer.cancel()
        self._waiting.clear()
        for thread in self._threads:
            thread.close()

    def _hand_out(self) -> None:
        """Give every thread that is free its share of what waits."""
        while self._free and (batch := self._batch()):
            thread = self._free.pop()
            self._computing += len(batch)
            began = time.perf_counter()
            done = asyncio.wrap_future(thread.submit(partial(answers, [asked.look for asked in batch])))
            done.add_done_callback(partial(self._return, thread, batch, began))

    def _batch(self) -> list[_Asked]:
        """Return the looks that have waited longest, as many as are one thread's share of all, and alike."""
        while self._waiting and self._is_left(self._waiting[0]):
            self._waiting.popleft()
        if not self._waiting:
            return []
        shared = company(self._waiting[0].look.policy)
        share = math.ceil((len(self._waiting) + self._computing) / len(self._threads))
        most = 1 if shared is None else min(self._most, share)
        batch: list[_Asked] = []
        for asked in [*self._waiting]:
            if len(batch) == most:
                break
            if self._is_left(asked):
                self._waiting.remove(asked)
            elif company(asked.look.policy) == shared:
                self._waiting.remove(asked)
                batch.append(asked)
        return batch

    def _is_left(self, asked: _Asked) -> bool:
        """Tell whether nobody waits for an answer any more, and let it be known."""
        if not asked.answer.done() and not asked.is_wanted():
            asked.answer.set_exception(LeftError())
        return asked.answer.done()

    def _return(self, thread: Worker, batch: list[_Asked], began: float, done: asyncio.Future[Any]) -> None:
        """Let everybody of a batch have its answer, and the thread the next one."""
        self._computing -= len(batch)
        self._free.append(thread)
        act_s = time.perf_counter() - began
        failed = done.exception()
        for asked, found in zip(batch, len(batch) * [failed] if failed else done.result(), strict=True):
            if asked.answer.done():  # who asked has gone meanwhile
                continue
            if isinstance(found, BaseException):
                asked.answer.set_exception(found)
            else:
                asked.answer.set_result(
                    Answered(chunk=found, waited_s=began - asked.came, act_s=act_s, together=len(batch))
                )
        self._hand_out()
