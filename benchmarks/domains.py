"""Measure what a policy is worth in another domain, and what adapting it costs in the old (docs/domains.md).

    python benchmarks/domains.py --rows in_domain zero_shot
    python benchmarks/domains.py

A row is made, or finished, unless it is there in full, and each can be asked for alone: demonstrations are
recorded, a policy is adapted or trained, and measured. Whatever was stopped goes on with the same command.
All rows are measured on the same seeds, later ones than any other benchmark's.

======================  =============================================================================
in_domain               the policy where it learned
zero_shot               the same in the new domain
adapted_10              adapted on ten demonstrations of each family, all weights, old ones replayed
old_domain_after        that one where it learned before
adapted_10_last         the last part alone learns
adapted_10_offsets      gains and biases alone learn
adapted_10_no_replay    all weights, nothing replayed and nothing guarded
old_domain_no_replay    that one where it learned before
cotrained_10            trained from the beginning on old and new demonstrations together
old_domain_cotrained    that one where it learned before
======================  =============================================================================

``<row>`` is the mean over the families with its interval, ``<row>_<family>`` the rate of one. Beside them
stand ``zero_shot_retention`` and ``adapted_10_retention``, the share of the success in the old domain, and
``old_domain_loss``, what that loses by the adaptation. The new domain is simulated, too: sim-to-sim.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from generalisation import mean, of
from household import fingerprint, outcome
from mt50_table import Episodes, flat, rate
from results_file import ROOT, evaluated, write_result
from sayso import cli
from sayso.evaluation.measure import EvalConfig
from sayso.spec import SaysoError, known, seeds
from sayso.tasks.worlds import WORLDS, in_domain

BEFORE, AFTER = "old", "new"
ROWS: Mapping[str, tuple[str, str]] = {
    "in_domain": ("shipped", BEFORE),
    "zero_shot": ("shipped", AFTER),
    "adapted_10": ("all", AFTER),
    "old_domain_after": ("all", BEFORE),
    "adapted_10_last": ("last", AFTER),
    "adapted_10_offsets": ("offsets", AFTER),
    "adapted_10_no_replay": ("alone", AFTER),
    "old_domain_no_replay": ("alone", BEFORE),
    "cotrained_10": ("cotrained", AFTER),
    "old_domain_cotrained": ("cotrained", BEFORE),
}
"""Row -> which policy, and where it is measured."""


@dataclass(frozen=True, kw_only=True)
class Domains:
    """What to measure, and where the parts are kept."""

    rows: tuple[str, ...] = tuple(ROWS)
    """Which rows. The file that is written holds these; what was made for them is not made again."""
    world: str = "tabletop"
    """In which world."""
    domain: str = "workshop"
    """The new domain."""
    families: tuple[str, ...] = ()
    """Families of tasks; none named means all of the world's."""
    policy: Path | None = None
    """Folder of the policy; the shipped one of the world if none is named."""
    demonstrations: int = 10
    """Demonstrations of each family in the new domain."""
    kept: int = 100
    """Demonstrations of each family in the old one: to be replayed, or trained on together."""
    start: int = 3000
    """Number of seeds of the test split to skip."""
    shown: int = 60_000
    """Number of seeds of the training split to skip: those before were demonstrated to somebody."""
    episodes: int = 20
    """Episodes of each family."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds that policies are measured on."""
    steps: int = 600
    """Optimiser steps of an adaptation."""
    cotraining_steps: int = 10_000
    """Optimiser steps of a training from the beginning."""
    workers: int = 0
    """Processes that record or evaluate side by side; 0 is one per core."""
    threads: int = 1
    """Threads of training."""
    runs: Path = ROOT / "runs" / "domains"
    """Folder of demonstrations, policies and the evaluations' own reports."""

    def __post_init__(self) -> None:
        """Refuse rows there are none of."""
        for row in self.rows:
            known("row", row, ROWS)
        known("world", self.world, WORLDS)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the families that are measured and demonstrated."""
        return self.families or WORLDS[self.world].families

    @property
    def shipped(self) -> Path:
        """Return the folder of the policy that everything begins with."""
        return self.policy or ROOT / WORLDS[self.world].checkpoint


def main(config: Domains) -> None:
    """Make what is missing, print the numbers and write ``domains.json``."""
    in_domain(config.world, config.domain)  # what cannot be drawn is said now, and not after an hour
    reports = {row: measured(config, row) for row in config.rows}
    metrics = summary({row: report["episodes"] for row, report in reports.items()}, config.world)
    for name, value in metrics.items():
        if "/" not in name:
            print(f"{name:45} {value:9.3f}")
    settings = {name: value for name, value in vars(config).items() if not isinstance(value, Path)}
    print(
        "wrote",
        write_result(
            "domains",
            metrics,
            seeds=seeds(config.split, config.episodes, config.start),
            n=config.episodes,
            config=settings
            | {"departs": {row: r["config"].get("departs", []) for row, r in reports.items()}},
            episodes=[outcome(row, e) for row, r in reports.items() for e in r["episodes"]],
            reports=reports.values(),
        ),
    )


def measured(config: Domains, row: str) -> dict[str, Any]:
    """Return the report of one row, which is made, or finished, unless it is there in full.

    Raises:
        SaysoError: if it was interrupted, or is void.
    """
    which, where = ROWS[row]
    print(f"{row}: {which}, {config.domain if where == AFTER else 'as in training'}", flush=True)
    policy = made(config, which)
    place = config.domain if where == AFTER else ""
    name = f"{config.world}_{fingerprint(policy)}_{place or 'home'}_{config.split}_{config.start}"
    wanted = EvalConfig(
        world=config.world,
        families=config.chosen,
        episodes=config.episodes,
        split=config.split,
        start=config.start,
        domain=place,
        workers=config.workers,
        out=config.runs / "reports" / f"{name}_{config.episodes}.json",
    )
    return evaluated(policy, wanted)


def made(config: Domains, which: str) -> Path:
    """Return the folder of a policy, which is adapted or trained unless it is there."""
    if which == "shipped":
        return config.shipped
    old, new = shown(config, ""), shown(config, config.domain)
    out = config.runs / f"{config.world}_{config.domain}_{which}"
    threads = ["--threads", str(config.threads)]
    if which == "cotrained":
        often = config.kept / config.demonstrations  # both domains count alike
        words = ["train", "--datasets", str(old), str(new), "--weights", "1", f"{often:g}"]
        call(*words, "--steps", str(config.cotraining_steps), "--out", str(out), *threads)
        return out / "policy"
    words = ["adapt", str(config.shipped), "--datasets", str(new), "--steps", str(config.steps)]
    kept = [] if which == "alone" else ["--keep", str(old)]
    call(
        *words, *kept, "--what", "all" if which == "alone" else which, "--out", str(out), *threads, may=(0, 1)
    )
    return out / "policy"


def shown(config: Domains, domain: str) -> Path:
    """Return a folder of demonstrations, which are recorded unless they are there."""
    each = config.demonstrations if domain else config.kept
    out = config.runs / f"{config.world}_{domain or 'home'}_{each}"
    start = config.shown + (5000 if domain else 0)
    words = ["record", "--world", config.world, "--episodes", str(each * len(config.chosen))]
    words += ["--families", *config.chosen, "--start", str(start), "--workers", str(config.workers)]
    call(*words, *(["--domain", domain] if domain else []), "--out", str(out))
    return out


def call(*words: str, may: tuple[int, ...] = (0,)) -> None:
    """Give a command of sayso's, and raise SaysoError if it was refused or stopped."""
    if cli.main(list(words)) not in may:
        raise SaysoError(f"`sayso {words[0]}` did not end well; give the same command again to go on")


def summary(found: Mapping[str, Episodes], world: str) -> dict[str, float]:
    """Return every metric from row -> episodes, with what is retained where both sides are there."""
    metrics: dict[str, float] = {}
    for row, episodes in found.items():
        metrics |= flat(row, mean(world, episodes))
        for family in dict.fromkeys(episode["family"] for episode in episodes):
            metrics |= flat(f"{row}_{family}", rate(of(family, episodes)))
    home = metrics.get("in_domain")
    for row in ("zero_shot", "adapted_10", "cotrained_10"):
        if home and row in metrics:
            metrics[f"{row}_retention"] = metrics[row] / home
    if home is not None and "old_domain_after" in metrics:
        metrics["old_domain_loss"] = home - metrics["old_domain_after"]
    return metrics


if __name__ == "__main__":
    main(tyro.cli(Domains, description=__doc__))
