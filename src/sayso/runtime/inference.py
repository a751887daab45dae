"""Ask a policy in a thread of its own, so that whoever keeps time never waits for it."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from sayso.runtime.chunking import Answer
from sayso.spec import Observation, Policy, SaysoError


class PolicyFailedError(SaysoError):
    """Report that the policy raised something, in its own words."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Hold an answer and how long the policy took for it."""

    answer: Answer
    seconds: float


class Inference:
    """Ask one question at a time. The thread is a daemon: a policy that hangs does not keep anybody alive."""

    def __init__(self, policy: Policy) -> None:
        """Start the thread."""
        self._policy = policy
        self._questions: queue.SimpleQueue[tuple[Observation, int] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Timed | PolicyFailedError] = queue.SimpleQueue()
        self.busy = False
        """Whether a question waits for its answer to be fetched."""
        threading.Thread(target=self._serve, name="policy", daemon=True).start()

    def ask(self, observation: Observation, step: int) -> None:
        """Hand over what is seen at a step.

        Raises:
            RuntimeError: if the last question's answer was not fetched yet.
        """
        if self.busy:
            raise RuntimeError("the policy is still busy; fetch its answer first")
        self.busy = True
        self._questions.put((observation, step))

    def fetch(self, timeout_s: float = 0.0) -> Timed | None:
        """Return the answer if it is there, or comes within the time.

        Raises:
            PolicyFailedError: if the policy raised something.
        """
        try:
            found = self._answers.get(block=timeout_s > 0, timeout=timeout_s or None)
        except queue.Empty:
            return None
        self.busy = False
        if isinstance(found, PolicyFailedError):
            raise found
        return found

    def close(self) -> None:
        """Let the thread end after what it is at."""
        self._questions.put(None)

    def _serve(self) -> None:
        while (question := self._questions.get()) is not None:
            observation, step = question
            began = time.perf_counter()
            try:
                answer = Answer(chunk=self._policy.act(observation), seen_at=step)
            except Exception as error:  # the border of a thread: `fetch` raises it again
                self._answers.put(_in_words(error))
            else:
                self._answers.put(Timed(answer=answer, seconds=time.perf_counter() - began))


def _in_words(error: Exception) -> PolicyFailedError:
    failed = PolicyFailedError(f"the policy failed: {type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed
