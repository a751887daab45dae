"""Corrections (dataset aggregation, DAgger): the policy acts, and the expert says what it would have done.

::

    policy acts     o----o----o- - > expert acts ----o  finishes      what the policy did is forgotten
    expert says     ^    ^    ^    ^    ^    ^    ^                   what would have been right is learned

It meets the states that its own mistakes lead to, which no demonstration shows, together with the way out. To
follow it to the end of each failure taught a weak policy nothing (docs/log.md), so the expert takes over.
Source: Ross, Gordon and Bagnell 2011, "A reduction of imitation learning and structured prediction to
no-regret online learning".
"""

from __future__ import annotations

from collections.abc import Sequence

from sayso.learn.experience.contract import UNDISTURBED, Round, Shown, Source
from sayso.learn.record import RecordConfig, record

HANDOVER = 0.5
"""Share of an episode's time after which the expert acts at the latest."""


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
        handover=HANDOVER,
    )
    return (Shown(dataset=record(config, round.worlds, round.make_policy).out),)


SOURCE = Source(gather=gather)
"""Its row in the table of sources."""
