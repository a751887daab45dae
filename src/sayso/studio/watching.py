"""Policy that tells what it answers, and a robot that stands in a room already: what the page puts between.

loop ──> WatchedPolicy ──> policy
              │ heard, after a delay if there is to be one
              v
         whoever wants to show it
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sayso.data.views import Views
from sayso.models.words import Reading
from sayso.runtime.hearing import reading_of
from sayso.runtime.inference import PolicyFailedError
from sayso.runtime.robot import SimulatedRobot
from sayso.spec import Chunk, Observation, Policy
from sayso.tasks.contract import World

BUSY_S = 5.0
"""How long to wait for a policy that is still at the question of a run before."""


class RobotInRoom(SimulatedRobot):
    """Robot of a world as it stands: what it is to do was asked already, and to connect moves nothing."""

    def __init__(self, world: World, seen: Observation, info: Mapping[str, Any]) -> None:
        """Stand in a world whose present observation and info these are."""
        super().__init__(world, seed=0)  # of a scene that it never enters
        self._seen = seen
        self._note(info)

    def connect(self) -> None:
        """Be there."""

    def disconnect(self) -> None:
        """Stay in the room."""


class WatchedPolicy:
    """Policy that answers as another one does, later if there is a delay, and tells of every answer."""

    def __init__(self, policy: Policy, heard: Callable[[Chunk, float, float], None]) -> None:
        """Stand before a policy; `heard` is told the chunk, the policy's seconds and those of the answer."""
        self.policy, self._heard = policy, heard
        self._lock = threading.Lock()
        self.delay_s = 0.0
        """What to add to the policy's own time. It passes in the policy's thread: the loop does not wait."""

    @property
    def views(self) -> Views | None:
        """Return the reference pictures of the other policy; None if it does not tell."""
        found: Views | None = getattr(self.policy, "views", None)
        return found

    def hear(self, instruction: str) -> Reading | None:
        """Say what of an instruction the other policy reads; None if it does not tell."""
        return reading_of(self.policy, instruction)

    def reset(self) -> None:
        """Forget the episode that just ended.

        Raises:
            PolicyFailedError: if it is still at its last question.
        """
        if not self._lock.acquire(timeout=BUSY_S):
            raise PolicyFailedError("the policy does not come back from its last question")
        try:
            self.policy.reset()
        finally:
            self._lock.release()

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions."""
        began = time.perf_counter()
        with self._lock:
            chunk = self.policy.act(observation)
            thought_s = time.perf_counter() - began
        time.sleep(self.delay_s)
        with self._lock:
            self._heard(chunk, thought_s, time.perf_counter() - began)
        return chunk
