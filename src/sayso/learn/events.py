"""TensorBoard: the rows of a training's log as event files, for those who watch curves there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sayso.spec import SaysoError

FOLDER = "tensorboard"


class Events:
    """Event files beside the log. What a killed run wrote beyond its checkpoint is hidden when it goes on."""

    def __init__(self, out: Path, step: int) -> None:
        """Write behind a step of the run in `out`."""
        self._writer: Any = _writer()(str(out / FOLDER), purge_step=step + 1)

    def write(self, row: Mapping[str, float]) -> None:
        """Write a row of the log."""
        step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                tag = name if "/" in name else f"train/{name}"
                self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()


def refuse_missing() -> None:
    """Raise SaysoError unless event files can be written."""
    _writer()


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SaysoError(
            "--tensorboard needs TensorBoard: pip install 'sayso[tensorboard]', or leave it out; log.jsonl "
            "has the same numbers"
        ) from error
    return SummaryWriter
