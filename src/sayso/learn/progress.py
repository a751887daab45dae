"""Progress of a training: a bar where somebody watches, a line now and then where a file does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

PLAIN_EVERY_S = 10.0
"""Seconds between lines where there is no terminal."""
SMOOTHING = 0.05
"""Share of the newest step in the time per step: about the last twenty steps count."""
HELDOUT_LOSS = "heldout/loss"
"""What the log calls the loss on held-out episodes; it stands beside that of the step."""


def say(text: str) -> None:
    """Write a line on the standard error."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


class TrainingProgress:
    """Progress bar on the standard error: step, loss, samples/s and time left."""

    def __init__(self, *, steps: int, done: int, batch_size: int) -> None:
        """Be ready to show a run of `steps` of which some are `done`."""
        self._steps, self._batch_size = steps, batch_size
        self._console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False),
            console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("loading", total=steps, completed=done)
        self._seconds_per_step, self._heldout = 0.0, ""
        self._last = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bar.start()
        self._last = self._shown = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        self._bar.stop()

    def step(self, line: Mapping[str, float]) -> None:
        """Show the log's line of a step that has just been taken."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        share = SMOOTHING if self._seconds_per_step else 1.0
        self._seconds_per_step += share * (took - self._seconds_per_step)
        step = int(line["step"])
        text = self._text(step, line["total"])
        self._bar.update(self._task, completed=step, description=text)
        if not self._console.is_terminal and (now - self._shown >= PLAIN_EVERY_S or step == self._steps):
            self._console.print(text, highlight=False, soft_wrap=True)
            self._shown = now

    def note(self, line: Mapping[str, float], said: str) -> None:
        """Show the log's line of a measurement, in words; the time it took belongs to no step."""
        if (loss := line.get(HELDOUT_LOSS)) is not None:
            self._heldout = f" (held out {loss:.4f})"
        text = f"step {int(line['step'])}: {said}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._last = time.monotonic()

    def _text(self, step: int, loss: float) -> str:
        rate = self._batch_size / max(self._seconds_per_step, 1e-9)
        minutes, seconds = divmod(round((self._steps - step) * self._seconds_per_step), 60)
        left = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        return f"step {step}/{self._steps}  loss {loss:.4f}{self._heldout}  {rate:.0f} samples/s  {left} left"
