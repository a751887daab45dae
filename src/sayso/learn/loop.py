"""Training loop: the only one, for every model and every method.

    source --> batch --> objective.loss --> gradients --> optimiser --> weights --> their moving average

Where batches come from is a `Source`, what makes a policy better an `Objective`, and what is kept on disk a
`Run`. The loop computes on one device. To spread it over several, `fit` would hand model and optimiser to
accelerate, `take_step` leave ``backward`` and the norm of the gradient to it, and `steps` ask the source for
this device's share; nothing else knows how many there are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sayso.data.sampling import prefetch
from sayso.data.windows import RawBatch
from sayso.learn.beginning import seeded
from sayso.learn.progress import TrainingProgress, say
from sayso.learn.run import Run
from sayso.learn.source import INDEX, Source
from sayso.spec import NotFiniteError
from sayso.work import interrupts


class Objective(Protocol):
    """Objective: what a way of learning minimises."""

    def loss(self, model: nn.Module, batch: RawBatch) -> Mapping[str, Tensor]:
        """Return the loss to minimise, ``total``, and whatever else the log is to hold of it.

        Args:
            model: what is trained.
            batch: what the source gave. Whatever else is random comes from torch's own generator, which
                depends on the seed and the step alone.
        """
        ...


class Check(Protocol):
    """Measurement of a policy while it trains, as the loop needs it."""

    def is_due(self, step: int) -> bool:
        """Tell whether to measure after a step."""
        ...

    def measure(self, run: Run) -> Mapping[str, float]:
        """Measure, and return what that wrote into the log."""
        ...

    def in_words(self, line: Mapping[str, float]) -> str:
        """Say what was measured."""
        ...


def fit(run: Run, source: Source, objective: Objective, checks: Sequence[Check] = ()) -> None:
    """Take every step of a run that is still to be taken, and keep it.

    Raises:
        NotFiniteError: if a loss or a gradient is not finite; the last checkpoint stays as it is.
        KeyboardInterrupt: at Ctrl-C or SIGTERM, after the step that was being done is done and kept.
    """
    c = run.config
    notes = source.open()
    with run.opened():
        if run.step == c.steps:
            run.complete()
        for note in (*notes, *run.notes):
            say(note)
        progress = TrainingProgress(steps=c.steps, done=run.step, batch_size=c.batch_size)
        with progress, contextlib.closing(steps(run, source, objective)) as taken, _interrupted() as stop:
            for line in taken:
                progress.step(line)
                for check in checks:
                    if check.is_due(run.step):
                        found = check.measure(run)
                        progress.note(found, check.in_words(found))
                if run.save_is_due() or stop():
                    run.save()
                if stop():
                    break
        if run.step < c.steps:
            raise KeyboardInterrupt


def steps(run: Run, source: Source, objective: Objective) -> Generator[dict[str, float], None, None]:
    """Take the steps of a run that are still to be taken, one at a time, and yield the log's line of each."""
    ahead = prefetch(source.batch, range(run.step + 1, run.config.steps + 1))
    with contextlib.closing(ahead) as batches:
        for batch in batches:
            yield take_step(run, objective, batch, source.examples)


def take_step(run: Run, objective: Objective, batch: RawBatch, examples: str) -> dict[str, float]:
    """Take one optimiser step and return what it wrote into the log.

    Args:
        run: what changes.
        objective: what is minimised.
        batch: what it sees.
        examples: what the batch is made of, in words.

    Raises:
        NotFiniteError: if a loss or a gradient is not finite; the weights are untouched.
    """
    run.step += 1
    with seeded(run.config.seed, run.step):
        losses = objective.loss(run.model, batch)
    run.optimizer.zero_grad(set_to_none=True)
    _refuse_not_finite_loss(losses, run.step, batch, examples)
    losses["total"].backward()
    norm = _clip(run, batch, examples)
    for group in run.optimizer.param_groups:
        group["lr"] = run.lr
    run.optimizer.step()
    run.average.update(run.step)
    return run.write_step(losses, norm)


def _clip(run: Run, batch: RawBatch, examples: str) -> float:
    """Shorten the gradient if it is too long, and return the length it had."""
    moving = {name: p for name, p in run.average.live.items() if p.grad is not None}
    norm = nn.utils.get_total_norm([p.grad for p in moving.values() if p.grad is not None])
    if not torch.isfinite(norm):
        bad = [name for name, p in moving.items() if p.grad is not None and not p.grad.isfinite().all()]
        raise NotFiniteError(
            f"step {run.step}: the gradient is not finite in {', '.join(bad[:5]) or 'its norm only'}"
            f"{f' and {len(bad) - 5} more' if len(bad) > 5 else ''}; {_named(batch, examples)}. "
            "Try a smaller lr or clip"
        )
    nn.utils.clip_grads_with_norm_(moving.values(), run.config.clip, norm)
    return float(norm)


def _refuse_not_finite_loss(losses: Mapping[str, Tensor], step: int, batch: RawBatch, examples: str) -> None:
    bad = [name for name, loss in losses.items() if not torch.isfinite(loss)]
    if not bad:
        return
    broken = [
        f"{key} of {_named(batch, examples, ~np.isfinite(values).reshape(len(values), -1).all(1))}"
        for key, values in batch.items()
        if isinstance(values, np.ndarray) and not np.isfinite(values).all()
    ]
    cause = (
        f"the data is not finite itself: {'; '.join(broken)}"
        if broken
        else f"the data is finite, so the model diverged on {_named(batch, examples)}; try a smaller lr"
    )
    raise NotFiniteError(f"step {step}: loss {', '.join(bad)} is not finite: {cause}")


def _named(batch: RawBatch, examples: str, which: Any = slice(None)) -> str:
    return f"{examples} {batch[INDEX][which].tolist()}"


@contextlib.contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Tell, inside a `with`, whether Ctrl-C was pressed or the process asked to end; twice ends it at once.

    So a step is never left in the middle, which would cost the minutes since the last checkpoint.
    """
    pressed = threading.Event()

    def remember(number: int, _: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        os.write(2, b"\nfinishing this step to keep it; Ctrl-C again ends at once\n")

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is set otherwise is somebody else's, or nobody's, as Ctrl-C behind a shell's ``&``.
    ours = {number: was for number, was in before.items() if interrupts.is_ordinary(was)}
    for number in ours:
        signal.signal(number, remember)
    try:
        yield pressed.is_set
    finally:
        for number, was in ours.items():
            signal.signal(number, was)
