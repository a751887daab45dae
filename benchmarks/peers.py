"""Measure sayso's model against others: same demonstrations, same wall-clock time, same evaluation.

    python benchmarks/peers.py --datasets datasets --minutes 60 --worlds tabletop home

Every model has the learning rate, batch size and weight decay that it was published with, and acts as it was
published, except that as many actions of every chunk are carried out as of sayso's. One published rate was
found with pretrained weights and days of training, so that model is there a second time with a rate for short
training: `act_fast`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from budget import ROOT, Row, Terms, compare

PEERS = {
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
class Peers(Terms):
    """Say which models to measure, where, and for how long."""

    worlds: tuple[str, ...] = ("tabletop", "home")
    """Where it happens."""
    models: tuple[str, ...] = tuple(PEERS)
    """Which of the rows."""
    runs: Path = ROOT / "runs" / "peers"
    """Folder of all that is trained and measured: <world>/<model>/."""


def main(config: Peers) -> None:
    """Train and measure what is missing and write ``peers.json``."""
    print("wrote", compare("peers", config, PEERS, config.models))


if __name__ == "__main__":
    main(tyro.cli(Peers, description=__doc__))
