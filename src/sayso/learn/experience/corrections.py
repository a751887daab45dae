"""Corrections (dataset aggregation, DAgger): the policy acts, and the expert says what it would have done.

::

    policy acts     o----o----o----o----x  fails      what it did is forgotten
    expert says     ^    ^    ^    ^                  what would have been right, where it came to, is learned

It meets the states that its own mistakes lead to, which no demonstration shows, together with the way out.
Source: Ross, Gordon and Bagnell 2011, "A reduction of imitation learning and structured prediction to
no-regret online learning".
"""

from __future__ import annotations

from collections.abc import Sequence

from sayso.learn.experience.contract import UNDISTURBED, Round, Shown, Source
from sayso.learn.record import RecordConfig, record


def gather(round: Round) -> Sequence[Shown]:
    """Record episodes of the policy, failures included, with the expert's answer at every step.

    Raises:
        SaysoError: if the world has no expert; as `sayso.learn.record.record` otherwise.
    """
    config = RecordConfig(
        world=round.world,
        families=round.families,
        out=round.folder / "corrections",
        episodes=round.episodes,
        start=round.start,
        workers=round.workers,
        noise=UNDISTURBED,
        policy=str(round.policy),
        keep="corrections",
        execute=round.execute,
    )
    return (Shown(dataset=record(config, round.worlds, round.make_policy).out),)


SOURCE = Source(gather=gather)
"""Its row in the table of sources."""
