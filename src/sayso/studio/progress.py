"""Progress of a plan, in words: marks on its lines, a verdict at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sayso.evaluation.planner import PlanReport
from sayso.runtime.report import RunReport
from sayso.spec import SaysoError
from sayso.studio.view import Line, Mark, Tone

FIRST, AGAIN = "first", "again"
"""Notes on a step that another one needs, and on one that is tried once more."""


def begun(lines: Sequence[Line], sentence: str) -> tuple[Line, ...]:
    """Return the lines with a step running: the next that was asked for, or one that must come before it."""
    at = next((i for i, line in enumerate(lines) if line.mark != "done" and line.note != FIRST), len(lines))
    asked = lines[at] if at < len(lines) else None
    if asked is None or asked.sentence != sentence:
        return *lines[:at], Line(sentence=sentence, mark="running", note=FIRST), *lines[at:]
    note = AGAIN if asked.mark == "failed" else ""
    return *lines[:at], replace(asked, mark="running", note=note), *lines[at + 1 :]


def meant(lines: Sequence[Line], sentence: str) -> tuple[Line, ...]:
    """Return the lines with another sentence in the place of the one that was running."""
    return tuple(replace(line, sentence=sentence) if line.mark == "running" else line for line in lines)


def ended(lines: Sequence[Line], *, success: bool) -> tuple[Line, ...]:
    """Return the lines with the one that was running done or failed."""
    over: Mark = "done" if success else "failed"
    return tuple(replace(line, mark=over) if line.mark == "running" else line for line in lines)


def verdict(report: PlanReport, stopped: str) -> tuple[str, Tone, str]:
    """Return how a plan ended: a headline, its tone, and what is still to be said.

    Args:
        report: of the planner.
        stopped: why somebody stopped it, if somebody did.
    """
    last = report.steps[-1].episode
    if report.success:
        return "Done", "good", "It was so already." if report.already else ""
    if last.error:
        return "The robot stopped", "bad", sentence(last.error)
    if stopped:
        return "Stopped", "idle", ""
    return "Not done", "bad", sentence(last.why or "the time was over")


def told(error: Exception) -> str:
    """Return what an error says, as a sentence."""
    return sentence(str(error) if isinstance(error, SaysoError) else f"{type(error).__name__}: {error}")


def sentence(text: str) -> str:
    """Return a text that begins with a capital and ends with a stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def kept(report: RunReport) -> str:
    """Return how long a run took and how well it kept time."""
    missed = f", {report.missed} deadlines missed" if report.missed else ""
    held = f", {report.held} of them held" if report.held else ""
    return f"{report.ticks} steps in {report.seconds:.1f} s{held}{missed}."
