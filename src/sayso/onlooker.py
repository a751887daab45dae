"""Episode viewer, from outside while it happens: how far it is, what is missing, its film, corrections."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from rich.markup import escape
from rich.progress import Progress

from sayso.evaluation.planner import Here, Room
from sayso.runtime.operators.steering import Steering
from sayso.runtime.said import Ear, asked_in
from sayso.runtime.typed import Typed, listening
from sayso.spec import Array, Image, Observation, SaysoError, image_key

FILM_EVERY = 2
"""Steps per frame of the film: half of them look as smooth and cost half the rendering."""


class FilmedRoom(Room, Protocol):
    """Room that a person can look into."""

    def describe(self) -> list[str]:
        """Return the names of what is there."""
        ...

    def render(self) -> Image | None:
        """Return a view of the whole room, uint8 ``[H, W, 3]``, if there is a camera for it."""
        ...


class Onlooker(Here):
    """Onlooker between the loop and a room, which begins where the room is: it watches every step."""

    def __init__(self, world: FilmedRoom, begin: Observation, progress: Progress) -> None:
        """Watch a room, whose present observation is `begin`."""
        super().__init__(world, begin)
        self._filmed = world
        self._progress = progress
        self._steps = 0
        self.film: list[Observation] = []
        self.moved_at: float | None = None
        """``time.perf_counter()`` at the first step."""

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action, show what is still missing and film what came of it."""
        self.moved_at = self.moved_at or time.perf_counter()
        observation, reward, terminated, truncated, info = self._room.step(action)
        self._steps += 1
        missing = ", ".join(name for name, held in info["conditions"].items() if not held)
        status = (
            f"{self._steps / self._room.features.fps:.1f} s  {'not yet: ' + missing if missing else 'done'}"
        )
        self._progress.update(self._progress.task_ids[0], completed=self._steps, status=status)
        if self._steps % FILM_EVERY == 0 or terminated or truncated:
            self.film.append(self._frame(observation))
        return observation, reward, terminated, truncated, info

    def _frame(self, observation: Observation) -> Observation:
        """Return what the policy sees, and beside it the whole room if a camera shows it."""
        overview = None
        with contextlib.suppress(
            NotImplementedError
        ):  # Gymnasium's own: nothing shows this world from outside
            overview = self._filmed.render()
        return observation if overview is None else {**observation, image_key("overview"): overview}


@contextlib.contextmanager
def corrected(room: FilmedRoom, sentence: str, tell: Callable[[str], None]) -> Iterator[Steering]:
    """Obey what is typed at a terminal while an episode happens, inside a `with`, and yield who obeys.

    Args:
        room: where it happens.
        sentence: what is being carried out.
        tell: what to do with an answer to what was typed.
    """
    steering = Steering(room.features)
    ear = Ear(steering, lambda: asked_in(room, sentence))

    def hear(line: str) -> None:
        try:
            understood = ear.hear(line)
        except SaysoError as error:
            tell(escape(f"   {line}: {error}"))
            return
        tell(escape(f"   {line}: understood, {understood}"))

    with listening(Typed(line=hear), lines=False):
        yield steering
