"""Asynchronous inference: a policy computes in a thread of its own, and who keeps time never waits for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sayso.runtime.chunking import Answer
from sayso.spec import Observation, Policy, SaysoError

T = TypeVar("T")
LEAVES_S = 1.0
"""How long whoever closes a worker waits for what it is at; work that hangs is left behind."""


class PolicyFailedError(SaysoError):
    """What the policy raised, in its own words."""


class Worker:
    """Thread that does one thing after the other. It is a daemon: work that hangs keeps nobody alive."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self._began: float | None = None
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Hand over some work; what it returns or raises will be in the future."""
        future: Future[T] = Future()
        self._jobs.put((work, future))
        return future

    @property
    def busy_s(self) -> float:
        """Return for how long it has been at what it does now; 0 if it waits for something to do."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def close(self) -> None:
        """Let the thread end after what was handed over already, and wait a moment for it.

        A thread that is inside a library when the interpreter ends would abort the process.
        """
        self._jobs.put(None)
        self._thread.join(LEAVES_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            if not future.set_running_or_notify_cancel():
                continue
            self._began = time.monotonic()
            try:
                found = work()
            except BaseException as error:  # the border of a thread: whoever reads the future has it raised
                self._began = None
                future.set_exception(error)
            else:
                self._began = None
                future.set_result(found)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Answer, and how long the policy took for it."""

    answer: Answer
    seconds: float


class Inference:
    """Policy that is asked one question at a time, in a thread of its own."""

    def __init__(self, policy: Policy) -> None:
        """Start its thread."""
        self._policy, self._worker = policy, Worker("policy")
        self._asked: Future[Timed] | None = None

    @property
    def busy(self) -> bool:
        """Tell whether a question waits for its answer to be fetched."""
        return self._asked is not None

    def ask(self, observation: Observation, step: int) -> None:
        """Hand over what is seen at a step.

        Raises:
            RuntimeError: if the last question's answer was not fetched yet.
        """
        if self.busy:
            raise RuntimeError("the policy is still busy; fetch its answer first")
        self._asked = self._worker.submit(partial(self._answer, observation, step))

    def fetch(self, timeout_s: float = 0.0) -> Timed | None:
        """Return the answer if it is there, or comes within the time.

        Raises:
            PolicyFailedError: if the policy raised something.
        """
        if self._asked is None or not wait([self._asked], timeout_s).done:
            return None
        asked, self._asked = self._asked, None
        if error := asked.exception():
            raise PolicyFailedError(f"the policy failed: {type(error).__name__}: {error}") from error
        return asked.result()

    def close(self) -> None:
        """Let the thread end after what it is at."""
        self._worker.close()

    def _answer(self, observation: Observation, step: int) -> Timed:
        began = time.perf_counter()
        answer = Answer(chunk=self._policy.act(observation), seen_at=step)
        return Timed(answer=answer, seconds=time.perf_counter() - began)
