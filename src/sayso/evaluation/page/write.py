"""Writer of the page about results: what `sayso report` calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sayso.evaluation.kept import Kept, read_report, read_result
from sayso.evaluation.page import sections
from sayso.evaluation.page.style import STYLE
from sayso.spec import ConfigError, SaysoError, at_least
from sayso.work.replace import appearing

OTHERS = ("compare", "diagnose")
"""Results that are a sentence."""


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Where to write the page, and how much of it."""

    out: Path = Path("report.html")
    """The page: one file that needs no network."""
    max_films: int = 8
    """Most films of failures in it, of those that `sayso eval --films` kept."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        at_least(self, max_films=0)
        if self.out.suffix.lower() not in (".html", ".htm"):
            raise ConfigError(f"out is {self.out}, but a page is called something.html")


def write_page(paths: Sequence[Path], config: ReportConfig) -> Path:
    """Write one page about results, whole or not at all, and return where it is.

    Raises:
        SaysoError: if there are no results, or one of them cannot be read.
    """
    if not paths:
        raise SaysoError("report needs the JSON files of results, as `sayso eval --out` writes them")
    others, reports = [], []
    for path in paths:
        raw = read_result(path)
        if raw.get("benchmark") in OTHERS:
            others.append((path, raw))
        else:
            reports.append(read_report(path))
    text, missing = page(reports, others, config.max_films)
    if missing:
        print(f"sayso: {missing} films are not where the reports say, and left out", file=sys.stderr)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with appearing(config.out) as partial:
        partial.write_text(text, encoding="utf-8")
    return config.out


def page(
    reports: Sequence[Kept], others: Sequence[tuple[Path, Mapping[str, Any]]], most_films: int
) -> tuple[str, int]:
    """Return the page, and how many films could not be found; each policy in each world has a part of it."""
    groups: dict[tuple[str, str], list[Kept]] = {}
    for kept in reports:
        groups.setdefault((kept.policy or kept.path.stem, kept.world), []).append(kept)
    parts, missing = [], 0
    for (policy, world), results in groups.items():
        shown, lost = sections.films(results, most_films)
        missing += lost
        parts += [
            f"<h2>{escape(policy)} <span class='faint'>in the world {escape(world)}</span></h2>",
            sections.summary(results),
            sections.families(results),
            sections.axes(results),
            sections.probes(results),
            sections.failures(results),
            shown or _no_films(results),
            sections.chosen(results),
            sections.measured(results),
        ]
    title = ", ".join(dict.fromkeys(f"{policy} in {world}" for policy, world in groups)) or "Results"
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        "<h1>What was measured</h1>"
        "<p class='faint'>Each episode is a scene that nobody chose, and a sentence; it succeeds or not. "
        "What crashed counts neither way. Whiskers hold the true rate with 95 % confidence (Wilson).</p>"
    )
    return f"{head}{sections.sentences(others)}{''.join(parts)}</body></html>\n", missing


def _no_films(results: Sequence[Kept]) -> str:
    if all(e.success for kept in results for e in kept.episodes):
        return ""
    return "<p class='faint'>No films were kept: sayso eval --films FOLDER keeps some.</p>"
