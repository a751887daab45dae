"""Measure sayso's model against published ones: same demonstrations, as many samples, same evaluation.

    python benchmarks/baselines.py --datasets datasets --samples 400000 --worlds tabletop home

Every model has the learning rate, batch size and weight decay that it was published with, and acts as it was
published, except that as many actions of every chunk are carried out as of sayso's. One published rate was
found with pretrained weights and days of training, so that model is there a second time with a rate for short
training: `act_fast`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from comparison import ROOT, Row, Terms, compare

BASELINES = {
    "vla": Row(train={"model": "vla", "lr": 7e-4, "batch_size": 32, "weight_decay": 0.01}),
    # Zhao et al. 2023, table III
    "act": Row(
        train={"model": "act", "optimizer": "adamw", "lr": 1e-5, "batch_size": 8, "weight_decay": 1e-4}
    ),
    "act_fast": Row(
        train={"model": "act", "optimizer": "adamw", "lr": 1e-4, "batch_size": 32, "weight_decay": 1e-4}
    ),
    # Chi et al. 2023, the variant with convolutions
    "diffusion": Row(
        train={"model": "diffusion", "optimizer": "adamw", "lr": 1e-4, "batch_size": 64, "weight_decay": 1e-6}
    ),
    # Adam as in the chapter; it answers with one action, so it looks after each.
    "textbook": Row(
        train={"model": "textbook", "optimizer": "adamw", "lr": 1e-4, "batch_size": 16, "weight_decay": 0.0},
        execute=1,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Baselines(Terms):
    """Which models to measure, where, and how long to train."""

    worlds: tuple[str, ...] = ("tabletop", "home")
    """Where it happens."""
    models: tuple[str, ...] = tuple(BASELINES)
    """Which of the rows."""
    runs: Path = ROOT / "runs" / "baselines"
    """Folder of all that is trained and measured: <world>/<model>/."""


def main(config: Baselines) -> None:
    """Train and measure what is missing and write ``baselines.json``."""
    print("wrote", compare("baselines", config, BASELINES, config.models))


if __name__ == "__main__":
    main(tyro.cli(Baselines, description=__doc__))
