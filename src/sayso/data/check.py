"""Doctor for datasets: what is wrong before anything is learned, where, and what to do about it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sayso.data.checks.asked import Asked, Heard
from sayso.data.checks.evidence import Evidence, gather
from sayso.data.checks.finding import Finding, Severity, error
from sayso.data.checks.remedies import together
from sayso.data.checks.table import CHECKS
from sayso.data.format import FormatError
from sayso.data.info import nothing_there
from sayso.data.reader import Dataset
from sayso.refusals import mistaken
from sayso.spec import NotFiniteError
from sayso.work.progress import tracked

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """How closely to look, and how to tell.

    Exit code 0: no error was found. 1: an error, or with --strict a warning. 2: there is no such folder.
    """

    heldout: tuple[Path, ...] = ()
    """Datasets that are kept for measuring: an episode that is in both is an error."""
    all_frames: bool = False
    """Decode every picture, not a few of each episode, and hold each file against its digest."""
    strict: bool = False
    """Let warnings count as errors do."""
    json: bool = False
    """Print all findings as one JSON object instead of lines."""


def check(root: Path, config: CheckConfig, hear: Callable[[str], Heard] | None = None) -> int:
    """Print what is wrong with a dataset, and return the exit code.

    Args:
        root: its folder.
        config: how closely to look, and how to tell.
        hear: reads a sentence as a policy does.

    Raises:
        FormatError: if there is no such folder.
    """
    for folder in (root, *config.heldout):
        if not folder.is_dir() or mistaken(folder, "dataset"):
            raise FormatError(nothing_there(folder))
    began = time.monotonic()
    asked = Asked(hear=hear, heldout=config.heldout, all_frames=config.all_frames, track=tracked)
    evidence = gather(root, asked)
    found = findings(evidence)
    code = int(any(finding.severity in _fatal(config) for finding in found))
    if config.json:
        print(json.dumps(_as_json(evidence, found, code), indent=2))
    else:
        _print(evidence, found, time.monotonic() - began)
    return code


def findings(e: Evidence) -> tuple[Finding, ...]:
    """Return all findings, the worst first.

    Where no check finds an error, the reader has the last word: what it refuses is one.
    """
    found = [finding for row in CHECKS for finding in row.findings(e)]
    if not any(finding.severity is Severity.ERROR for finding in found):
        try:
            Dataset(e.root)
        except (FormatError, NotFiniteError) as fault:
            found.append(error(str(fault), check="reader"))
    weight = list(Severity)
    return tuple(sorted(found, key=lambda finding: weight.index(finding.severity)))


def _fatal(config: CheckConfig) -> tuple[Severity, ...]:
    return (Severity.ERROR, Severity.WARNING) if config.strict else (Severity.ERROR,)


def _as_json(e: Evidence, found: Sequence[Finding], code: int) -> dict[str, object]:
    return {
        "dataset": str(e.root),
        "episodes": len(e.episodes),
        "frames": len(e),
        "exit_code": code,
        "command": _together(e, found),
        "findings": [finding.to_json() for finding in found],
    }


def _print(e: Evidence, found: Sequence[Finding], took_s: float) -> None:
    """Write a line for each finding, what to do below it, and how many there are."""
    console, counts = Console(), Counter[Severity]()
    for finding in found:
        counts[finding.severity] += 1
        line = Text(f"{finding.severity:8}", STYLES[finding.severity])
        line.append(f"{finding.check:13}", "dim").append(_plain(finding.line), "not dim")
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{'':21}-> {_plain(finding.remedy)}", "cyan"), soft_wrap=True)
    if command := _together(e, found):
        console.print(Text(f"all of these in one: {command}", "cyan"), soft_wrap=True)
    said = ", ".join(f"{counts[kind]} {kind}{'s' * (counts[kind] != 1)}" for kind in Severity)
    what = f"{len(e.episodes)} episodes, {len(e)} frames, {len(CHECKS)} checks in {took_s:.1f} s"
    console.print(Text(f"{e.root}: {said} ({what})"), soft_wrap=True)


def _together(e: Evidence, found: Iterable[Finding]) -> str:
    """Return the command that mends all that one command can."""
    return together(e, [finding.remedy for finding in found if finding.severity is not Severity.NOTE])


def _plain(text: str) -> str:
    """Return a text with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
