"""Own successes: a scene that failed is tried again, with noise that grows, until it succeeds; no expert.

::

    try 1, no noise    o o x o x x    what succeeds is kept
    try 2, noise           o   x x    only what failed is tried again
    try 3, more noise          x o    and what failed every time is given up

What a try finds that succeeds once in ten times is worth more than what the policy does anyway, and is drawn
more often: an episode weighs as much as its success was unexpected, 1 minus the share of its try that
succeeded. That is its advantage over what the policy would have expected (the reward is 1 for a success and 0
for a failure). What is learned is the action that was executed, noise and all: see `sayso.learn.record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sayso.evaluation.noise import ActionNoise
from sayso.learn.experience.contract import UNDISTURBED, Round, Shown, Source
from sayso.learn.record import FAILED, NoSuccessError, RecordConfig, record
from sayso.spec import Outcome, SaysoError
from sayso.work.ledger import rows_of

TRIES = 4
"""How often a scene is tried at most."""
STRONGER = 0.5
"""By how much the noise of each try is stronger than that of the one before; 1 is what disturbs experts."""
LEAST = 0.05
"""Smallest weight: of a try in which everything succeeded, little is learned."""
Scenes = Mapping[str, Sequence[int]]


def gather(round: Round) -> Sequence[Shown]:
    """Record the policy's own successes, those of each try in a dataset of their own.

    Raises:
        SaysoError: if it succeeded in no try of any scene; as `sayso.learn.record.record` otherwise.
    """
    shown: list[Shown] = []
    scenes: Scenes | None = None
    for number in range(1, TRIES + 1):
        out = round.folder / f"try_{number}"
        kept = _recorded(round, out, number, scenes)
        failed = _failed(out)
        left = sum(map(len, failed.values()))
        if kept:
            shown.append(Shown(dataset=out, weight=max(LEAST, left / (left + kept))))
        if not failed:
            break
        scenes = failed
    if not shown:
        raise SaysoError(
            f"the policy succeeded in none of {round.episodes} scenes, tried {TRIES} times each: there are "
            "no own successes to learn from. Train it on more demonstrations, or give --from corrections"
        )
    return shown


def _recorded(round: Round, out: Path, number: int, scenes: Scenes | None) -> int:
    """Try scenes once, the first of the round or those that are given; return how many succeeded."""
    config = RecordConfig(
        world=round.world,
        families=tuple(scenes) if scenes else round.families,
        out=out,
        episodes=sum(map(len, scenes.values())) if scenes else round.episodes,
        start=round.start,
        workers=round.workers,
        noise=noise_of(number),
        policy=str(round.policy),
        keep="successes",
        execute=round.execute,
    )
    try:
        return record(config, round.worlds, round.make_policy, scenes).episodes
    except NoSuccessError:
        return 0


def noise_of(number: int) -> ActionNoise:
    """Return what disturbs the actions in a try, counted from 1."""
    return ActionNoise().times(STRONGER * (number - 1), stream=number) if number > 1 else UNDISTURBED


def _failed(out: Path) -> Scenes:
    """Return the scenes of a recording that failed, by family; what crashed is not tried again."""
    failed = [row for row in rows_of(out / FAILED) if row["outcome"] == Outcome.FAILURE]
    return {family: tuple(seeds) for family, seeds in _by_family(failed)}


def _by_family(rows: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, list[int]]]:
    for family in sorted({str(row["family"]) for row in rows}):
        yield family, sorted(int(str(row["seed"])) for row in rows if row["family"] == family)


SOURCE = Source(gather=gather, gathering=0.5, tries=2.0)
"""Its row in the table of sources."""
