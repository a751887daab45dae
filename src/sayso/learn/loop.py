"""Training loop: the only one, for every model and every method.

    source --> batch --> objective.loss --> gradients --> optimiser --> weights --> their moving average

Where batches come from is a `Source`, what makes a policy better an `Objective`, and what is kept on disk a
`Run`. Its `Devices` are one, or several processes that each run this loop: `steps` asks the source for the
shares of a batch that are this device's, and backward takes the mean gradient of all.
"""

from __future__ import annotations

import contextlib
import math
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
from sayso.learn.dealing import Share, dealt
from sayso.learn.devices import pinned
from sayso.learn.parts import whole
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
    c, devices = run.config, run.devices
    with devices.leader_first():
        notes = source.open()
    with run.opened():
        if run.step == c.steps:
            run.complete()
            run.gather()
        for note in (*notes, *run.notes):
            say(note)
        progress = TrainingProgress(steps=c.steps, done=run.step, batch_size=c.batch_size)
        with (
            progress,
            contextlib.closing(steps(run, source, objective)) as taken,
            _interrupted(devices.leads) as stop,
        ):
            for line in taken:
                progress.step(line)
                due = [check for check in checks if check.is_due(run.step)]
                if devices.agree(bool(due)):
                    run.gather()
                for check in due:
                    found = check.measure(run)
                    progress.note(found, check.in_words(found))
                stopped = devices.agree(stop())
                if devices.agree(devices.leads and run.save_is_due()) or stopped:
                    run.save()
                if stopped:
                    break
        if run.step < c.steps:
            raise KeyboardInterrupt


def steps(run: Run, source: Source, objective: Objective) -> Generator[dict[str, float], None, None]:
    """Take the steps of a run that are still to be taken, one at a time, and yield the log's line of each."""
    shares = run.devices.mine(run.config.batch_size)

    def batches(step: int) -> list[RawBatch]:
        return [pinned(source.batch(step, share.number, share.of), run.config.device) for share in shares]

    ahead = prefetch(batches, range(run.step + 1, run.config.steps + 1))
    with contextlib.closing(ahead) as made:
        for of_step in made:
            yield take_step(run, objective, of_step, source.examples)


def take_step(run: Run, objective: Objective, batches: Sequence[RawBatch], examples: str) -> dict[str, float]:
    """Take one optimiser step and return what it wrote into the log.

    Args:
        run: what changes.
        objective: what is minimised.
        batches: what this device sees: its shares of the batch, one pass each.
        examples: what they are made of, in words.

    Raises:
        NotFiniteError: if a loss or a gradient is not finite; the weights are untouched.
    """
    run.step += 1
    run.optimizer.zero_grad(set_to_none=True)
    shares, found = run.devices.mine(run.config.batch_size), []
    for number, (share, batch) in enumerate(zip(shares, batches, strict=True)):
        with run.devices.passing(run.learner, number):
            losses = _loss(run, objective, batch, share)
            _refuse_not_finite_loss(losses, run.step, batch, examples)
            (losses["total"] / len(shares)).backward()
        found.append({name: loss.detach() / len(shares) for name, loss in losses.items()})
    losses = run.devices.mean({name: torch.stack([one[name] for one in found]).sum() for name in found[0]})
    norm = _clip(run, batches, examples)
    for group in run.optimizer.param_groups:
        group["lr"] = run.lr
    run.optimizer.step()
    run.average.update(run.step)
    return run.write_step(losses, norm)


def _loss(run: Run, objective: Objective, batch: RawBatch, share: Share) -> Mapping[str, Tensor]:
    with dealt(run.config.seed, run.step, share):
        return objective.loss(run.learner, batch)


def _clip(run: Run, batches: Sequence[RawBatch], examples: str) -> float:
    """Shorten the gradient if it is too long, and return the length it had."""
    moving = {name: p for name, p in run.average.live.items() if p.grad is not None}
    norm = nn.utils.get_total_norm([p.grad for p in moving.values() if p.grad is not None])
    length = float(whole(norm))
    if not math.isfinite(length):
        bad = [name for name, p in moving.items() if p.grad is not None and not p.grad.isfinite().all()]
        seen = "; ".join(_named(batch, examples) for batch in batches)
        raise NotFiniteError(
            f"step {run.step}: the gradient is not finite in {', '.join(bad[:5]) or 'its norm only'}"
            f"{f' and {len(bad) - 5} more' if len(bad) > 5 else ''}; {seen}. "
            "Try a smaller lr or clip"
        )
    nn.utils.clip_grads_with_norm_(moving.values(), run.config.clip, norm)
    return length


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
def _interrupted(says: bool) -> Iterator[Callable[[], bool]]:
    """Tell, inside a `with`, whether Ctrl-C was pressed or the process asked to end; twice ends it at once.

    So a step is never left in the middle, which would cost the minutes since the last checkpoint. `says` is
    whether to tell the person.
    """
    pressed = threading.Event()

    def remember(number: int, _: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        if says:
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
