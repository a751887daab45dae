r"""Measure what each design choice buys: the same model with one choice undone, on the same data and samples.

    python benchmarks/ablations.py --datasets datasets --samples 400000

What each row asks stands in docs/ablations.md. Demonstrations without recovery noise are another dataset;
its row is skipped where there is none:

    sayso record --world tabletop --noise.deg 0 --noise.m-per-s 0 --noise.deg-per-s 0 --episodes ... \
        --out datasets/tabletop_steady
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from comparison import ROOT, Row, Terms, compare


def changed(**fields: Any) -> Row:
    """Return a row whose model differs in fields of its config."""
    return Row(train={"model_config": fields})


ROWS = {
    "base": Row(),
    "another_seed": Row(train={"seed": 1}),
    "late_fusion": changed(fusion="late"),
    "chunk_1": Row(train={"chunk": 1}, execute=1),
    "chunk_4": Row(train={"chunk": 4}),
    "chunk_32": Row(train={"chunk": 32}),
    "discount_85": changed(discount=0.85),
    "looks_each_step": Row(weights_of="base", execute=1),
    "looks_each_eighth": Row(weights_of="base", execute=8),
    "no_augmentation": changed(augmentation=None),
    "no_pointing_loss": changed(point_weight=0.0, where_weight=0.0),
    "asked_one_thing": Row(train={"grounding_share": 0.0}),
    "flow_matching": Row(train={"decoder": "flow"}),
    "adamw": Row(train={"optimizer": "adamw"}),
    "no_recovery_noise": Row(dataset="_steady"),
}


@dataclass(frozen=True, kw_only=True)
class Ablations(Terms):
    """Which rows to measure, where, and how long to train."""

    worlds: tuple[str, ...] = ("tabletop",)
    """Where it happens."""
    only: tuple[str, ...] = tuple(ROWS)
    """Which of the rows."""
    runs: Path = ROOT / "runs" / "ablations"
    """Folder of all that is trained and measured: <world>/<row>/."""


def main(config: Ablations) -> None:
    """Train and measure what is missing and write ``ablations.json``."""
    print("wrote", compare("ablations", config, ROWS, config.only))


if __name__ == "__main__":
    main(tyro.cli(Ablations, description=__doc__))
