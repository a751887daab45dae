"""Step of a plan on the page: how the loop is to drive it, and what came of it as an episode."""

from __future__ import annotations

from sayso.runtime.chunking import StrategyName
from sayso.runtime.loop import LoopConfig
from sayso.runtime.report import RunReport
from sayso.spec import WHY, Episode, Outcome
from sayso.studio.sites import Finding, RealSite, Site


def loop_for(own: LoopConfig, site: Site, strategy: StrategyName, delay_s: float) -> LoopConfig:
    """Return how to drive a step at a site.

    Args:
        own: what the page was opened with.
        site: where it is.
        strategy: how late chunks are joined now.
        delay_s: how much later than by itself the policy answers now.
    """
    # What is late on purpose is not what the watchdog is for; at worst an answer is used twice as late.
    late_s = max(site.late_s, delay_s)
    return LoopConfig(
        hz=own.hz,
        strategy=strategy,
        execute=own.execute if strategy == own.strategy else None,
        watchdog_ms=own.watchdog_ms + 2000 * late_s,
        patience_s=own.patience_s,
        seconds=own.seconds or site.longest_s,
        rest_s=own.rest_s,
        strict=own.strict,
        start=own.start if isinstance(site, RealSite) else "anywhere",
    )


def episode_of(
    report: RunReport, found: Finding, world: str, sentence: str, seed: int, *, stopped: bool
) -> Episode:
    """Return a step as an episode; one that a person or a fault ended is not to be tried again."""
    outcome = Outcome.SUCCESS if found.success else Outcome.FAILURE
    if not found.success and (report.fault or stopped):
        outcome = Outcome.INVALID
    return Episode(
        world=world,
        family=found.family,
        instruction=sentence,
        seed=seed,
        horizon=report.ticks,
        outcome=outcome,
        conditions=dict(found.conditions),
        steps=report.ticks,
        seconds=report.seconds,
        error=report.stopped if report.fault else "",
        notes={WHY: found.why} if found.why else {},
    )
