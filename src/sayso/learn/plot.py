"""Plot of a training: its loss, on what it learned and on what was held out, and its error per dimension."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sayso.evaluation.action_error import ActionError
from sayso.learn.heldout import FILE, read
from sayso.learn.progress import HELDOUT_LOSS
from sayso.spec import SaysoError
from sayso.work.ledger import rows_of
from sayso.work.replace import appearing

PLOT = "training.png"
MISSING = "a plot needs matplotlib: pip install 'sayso[plots]'"
_SMOOTH = 50
"""Steps over which the loss of training is averaged, or a tenth of all if that is less."""


def can_plot() -> bool:
    """Tell whether what draws is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def plot(run: Path, path: Path | None = None) -> Path:
    """Draw the training in a folder from its log, and return the picture's path.

    Args:
        run: folder of a training.
        path: where the picture goes; beside the log if left out.

    Raises:
        SaysoError: if matplotlib is not installed, or nothing has been logged.
    """
    if not can_plot():
        raise SaysoError(MISSING)
    from matplotlib.figure import Figure

    rows = rows_of(run / "log.jsonl")
    if not rows:
        raise SaysoError(f"{run} has no log yet: nothing to draw")
    found = read(run / FILE) if (run / FILE).exists() else None
    tall = max(4.0, 0.5 * len(found.dimensions)) if found else 4.0
    figure = Figure(figsize=(12 if found else 6, tall), layout="constrained")
    panes = figure.subplots(1, 2 if found else 1, squeeze=False)[0]
    _losses(panes[0], rows)
    if found:
        _errors(panes[1], found)
    path = path or run / PLOT
    with appearing(path) as partial:
        figure.savefig(partial, format=path.suffix.removeprefix(".") or "png", dpi=120)
    return path


def show_run(run: Path, out: Path | None = None) -> Path:
    """Print a training's error on held-out episodes, draw it into `out`, and return the picture's path."""
    if (run / FILE).exists():
        print(read(run / FILE))
    if out:
        out.mkdir(parents=True, exist_ok=True)
    return plot(run, (out or run) / PLOT)


def _losses(pane: Any, rows: Sequence[Mapping[str, float]]) -> None:
    steps, loss = _column(rows, "total")
    n = max(1, min(_SMOOTH, len(loss) // 10))
    if len(loss):
        pane.plot(steps[n - 1 :], np.convolve(loss, np.ones(n) / n, "valid"), label="training")
    steps, loss = _column(rows, HELDOUT_LOSS)
    if len(loss):
        pane.plot(steps, loss, "o-", label="held out")
    pane.set(xlabel="step", ylabel="loss", yscale="log", title="Loss")
    pane.grid(alpha=0.3)
    pane.legend()


def _errors(pane: Any, found: ActionError) -> None:
    """Draw the three errors of each dimension as bars, beside whoever always does the mean action."""
    names = [f"{d.name}\n{d.error:.3g} {d.unit}" for d in found.dimensions]
    places, kinds = np.arange(len(names)), ("error", "still", "mean")
    for k, (kind, label) in enumerate(zip(kinds, ("policy", "stands still", "mean action"), strict=True)):
        shares = [(getattr(d, kind) or 0.0) / (d.mean or 1.0) for d in found.dimensions]
        pane.barh(places + 0.27 * (k - 1), shares, 0.27, label=label)
    pane.set_yticks(places, names, fontsize="small")
    pane.invert_yaxis()  # in the order of the dimensions, from above
    pane.set(xlabel="share of the mean action's error", title="Error on held-out episodes")
    pane.legend()


def _column(rows: Sequence[Mapping[str, float]], name: str) -> tuple[Any, Any]:
    pairs = [(row["step"], row[name]) for row in rows if name in row]
    return np.array([step for step, _ in pairs]), np.array([value for _, value in pairs])
