"""Held-out error: loss and action error of the averaged weights on episodes that nothing is learned from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from sayso.data.windows import RawBatch, Windows
from sayso.evaluation.action_error import ActionError, action_error, spread_evenly
from sayso.learn.config import TrainConfig
from sayso.learn.dealing import seeded
from sayso.learn.loop import Objective
from sayso.learn.progress import HELDOUT_LOSS
from sayso.learn.run import Run
from sayso.learn.selection import said
from sayso.learn.source import INDEX
from sayso.models.repacked import one_robot
from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.work.provenance import write_json

FILE = "heldout.json"
ERROR = "heldout/error"
"""What the log calls the action error; that of a dimension stands behind a further slash."""


class HeldOut:
    """Measurement on held-out episodes, every so many steps and at the end, kept in ``heldout.json``."""

    def __init__(self, config: TrainConfig, windows: Windows, objective: Objective) -> None:
        """Measure on `windows.measured`, with the loss of `objective`."""
        self.config, self.windows, self.objective = config, windows, objective
        self.numbers = spread_evenly(windows.measured)
        self._parts = {
            name: (number, part, spread_evenly(measured))
            for number, name in enumerate(recording_names(windows))
            for part, measured in [windows.of_dataset(number)]
            if len(measured)
        }

    @property
    def path(self) -> Path:
        """Return the file of the newest measurement."""
        return self.config.out / FILE

    def is_due(self, step: int) -> bool:
        """Tell whether to measure after a step."""
        every = self.config.heldout_every
        return step == self.config.steps or bool(every and step % every == 0)

    def measure(self, run: Run) -> dict[str, float]:
        """Measure the averaged weights, and return what that wrote into the log."""
        line = self._measured(run)
        run.write(line)
        return line

    def _measured(self, run: Run) -> dict[str, float]:
        """Write what the averaged weights reach into the file, and return it as a line of the log."""
        with run.deployed(), seeded(run.config.seed, run.step):
            loss = self._loss(run)
            found = self._error(run)
        roots = [str(dataset.root) for dataset in self.windows.datasets]
        episodes = dict(zip(roots, said(self.windows), strict=True))
        write_json(self.path, {"step": run.step, "loss": loss, "episodes": episodes, **found.to_json()})
        line: dict[str, float] = {"step": run.step, HELDOUT_LOSS: loss, ERROR: found.error}
        return line | {f"{ERROR}/{d.name}": d.error for d in found.dimensions}

    def in_words(self, line: Mapping[str, float]) -> str:
        """Say what was measured."""
        return f"held out: loss {line[HELDOUT_LOSS]:.4f}, error {read(self.path).by_unit()}"

    def summary(self, run: Run) -> str:
        """Return the newest measurement as a table; it is made again if somebody has removed it."""
        if not self.path.exists():
            self._measured(run)
        return f"held-out error ({self.path}):\n{read(self.path)}"

    def _error(self, run: Run) -> ActionError:
        """Return the action error; of a mixture of unlike robots that of each recording."""
        features = self.windows.features
        if not features.robots:
            return action_error(run.policy, self.windows, self.numbers)
        found = {}
        for name, (number, part, numbers) in self._parts.items():
            policy, _ = one_robot(run.policy, features, self.windows.robot_of[number])
            found[name] = action_error(policy, part, numbers)
        return ActionError.of_all(found)

    @torch.no_grad()
    def _loss(self, run: Run) -> float:
        """Return the mean loss of all windows; each weighs as much as another."""
        total, size = 0.0, self.config.batch_size
        for first in range(0, len(self.numbers), size):
            part = self.numbers[first : first + size]
            batch: RawBatch = self.windows.batch(part) | {INDEX: part}
            total += len(part) * float(self.objective.loss(run.policy.model, batch)["total"])
        return total / len(self.numbers)


def recording_names(windows: Windows) -> list[str]:
    """Return what the recordings are called: as their folders, and by number where two are alike."""
    names = [dataset.root.resolve().name for dataset in windows.datasets]
    return [f"{k}-{name}" if names.count(name) > 1 else name for k, name in enumerate(names)]


def read(path: Path) -> ActionError:
    """Return what a ``heldout.json`` holds.

    Raises:
        SaysoError: if it is missing or damaged.
    """
    try:
        return ActionError.from_json(parsed(path.read_bytes()))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SaysoError(
            f"{path} cannot be read ({error}): delete it, and training writes it anew"
        ) from error
