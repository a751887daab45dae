"""Training checkpoints, which survive a kill at any moment, and a disk that lies.

A checkpoint is a folder ``checkpoints/step_00001200`` with ``state.safetensors`` (every tensor of the run,
named), ``state.json`` (step, elapsed seconds) and the digests of both. It is written under a temporary name,
flushed to the disk and then renamed, so a folder that bears a step's name is complete. One that was damaged
later is put aside, and the one before it is taken.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.work.digests import damaged, write_digests
from sayso.work.replace import replace_folder

KEEP = 2
"""How many checkpoints stay on disk: the newest, and one more in case the newest is damaged."""

TENSORS, FACTS = "state.safetensors", "state.json"

FULL = (errno.ENOSPC, errno.EDQUOT, None)
"""Numbers of errors for which there must be room; safetensors gives none."""


class DamagedError(SaysoError):
    """Checkpoint that is not as it was written."""


@dataclass(frozen=True)
class State:
    """What a training checkpoint brings back."""

    step: int
    seconds: float
    tensors: Mapping[str, Tensor]


def save(run: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write a checkpoint of `run` at `step`, atomically, and drop all but the last `KEEP`.

    Args:
        run: the folder of the training run.
        step: how many optimiser steps have been taken.
        tensors: everything that must come back bit for bit.
        facts: plain JSON that goes with it, the ``seconds`` among them.
    """
    final = run / "checkpoints" / f"step_{step:08d}"

    def write(folder: Path) -> None:
        # Clones part tensors that share memory, which safetensors refuses to store.
        plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        save_file(plain, folder / TENSORS)
        (folder / FACTS).write_text(json.dumps({"step": step, **facts}, indent=1), encoding="utf-8")
        write_digests(folder, (TENSORS, FACTS))

    replace_folder(final, write)
    for old in _complete(run)[:-KEEP]:
        shutil.rmtree(old)
    return final


def newest(run: Path) -> Path | None:
    """Return the newest complete checkpoint of a run, damaged or not, or None."""
    found = _complete(run)
    return found[-1] if found else None


def load_newest(run: Path, begin_with: str) -> tuple[State | None, list[str]]:
    """Read the newest checkpoint that is as it was written, and say which ones are not.

    What a kill left half written is swept away. A damaged checkpoint is renamed, so that it does not push
    whole ones out.

    Args:
        run: the folder of the training run.
        begin_with: words that begin another run with the weights of its policy.

    Raises:
        DamagedError: if there are checkpoints, and all are damaged.
    """
    for leftover in run.glob("checkpoints/.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    wrong: dict[Path, str] = {}
    state = None
    for found in reversed(_complete(run)):
        try:
            state = load(found)
            break
        except DamagedError as error:
            wrong[found] = str(error)
    if wrong and state is None:
        raise DamagedError(
            f"no checkpoint of {run} is whole: {'; '.join(wrong.values())}. Begin a new run: another --out, "
            f"and {begin_with} to keep what was learned"
        )
    notes = []
    for found, how in wrong.items():
        aside = found.with_name(f"damaged_{found.name}")
        shutil.rmtree(aside, ignore_errors=True)
        found.rename(aside)
        notes.append(f"{how}; it is now called {aside.name}, and the run goes on from the one before it")
    return state, notes


def load(checkpoint: Path) -> State:
    """Read a checkpoint back.

    Raises:
        DamagedError: if it is not as it was written.
    """
    if wrong := damaged(checkpoint, (TENSORS, FACTS)):
        raise DamagedError(f"{checkpoint}: {'; '.join(wrong)}")
    try:
        facts = parsed((checkpoint / FACTS).read_bytes())
        step, seconds = int(facts["step"]), float(facts["seconds"])
        return State(step, seconds, load_file(checkpoint / TENSORS))
    except (ValueError, OverflowError, TypeError, KeyError, OSError, SafetensorError) as error:
        raise DamagedError(f"{checkpoint} cannot be read ({error})") from error


@contextlib.contextmanager
def written(run: Path) -> Iterator[None]:
    """Say what is kept if a disk that is full, or fails, ends what happens inside a `with`.

    Raises:
        SaysoError: instead of the error of the operating system.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        where = getattr(error, "filename", None) or run
        remedy = "Make room on that disk" if getattr(error, "errno", None) in FULL else "Mend that"
        raise SaysoError(
            f"{where} cannot be written to ({getattr(error, 'strerror', None) or error}); {kept(run)}. "
            f"{remedy}, then give the same command again to go on"
        ) from error


def kept(run: Path) -> str:
    """Say up to which step a run is kept."""
    found = newest(run)
    return f"all up to step {_step(found)} is kept" if found else "no step is kept yet"


def _complete(run: Path) -> list[Path]:
    found = [path for path in run.glob("checkpoints/step_*") if path.name.removeprefix("step_").isdigit()]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step_"))
