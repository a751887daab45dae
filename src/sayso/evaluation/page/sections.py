"""Sections of a page about results: each answers one question, and is left out where nothing tells."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sayso.evaluation.kept import Kept
from sayso.evaluation.page.plots import COLOURS, Curve, bar, legend_of, over_levels, stacked
from sayso.evaluation.statistics import Tally, tally
from sayso.spec import Episode, Outcome

CHOSEN = {
    "named": COLOURS[2],
    "original": COLOURS[1],
    "other": COLOURS[4],
    "neither": COLOURS[7],
}
"""What was gone for -> its colour: the thing that was named, the one that the scene was made for, another."""
CALLED = {
    "named": "the thing that was named",
    "original": "the thing that the scene was made for",
    "other": "another thing",
    "neither": "nothing",
}
MOST_FAILURES = 12
"""Failures that are listed, of each result."""


def summary(results: Sequence[Kept]) -> str:
    """Say in a sentence how often it works as it was trained, and where it was measured."""
    plain = [kept for kept in _measured(results) if not kept.levels]
    counted = tally([e for kept in plain or results for e in kept.episodes])
    where = "" if plain else ", none of them as in training"
    rate = "no rate, since too many crashed" if counted.void else f"{100 * counted.success.share:.0f} %"
    low, high = 100 * counted.success.low, 100 * counted.success.high
    between = "" if counted.void else f", which puts the true rate between {low:.0f} and {high:.0f} % (95 %)"
    return (
        f"<p class='big'><b>{rate}</b> success</p><p>{counted.successes} of {counted.n} episodes succeeded"
        f"{where}{between}.</p>"
    )


def families(results: Sequence[Kept]) -> str:
    """Show success, with its interval, of each family as it was trained."""
    plain = [kept for kept in _measured(results) if not kept.levels]
    rows = [(family, _of(plain, family)) for family in _families(plain)]
    if not rows:
        return ""
    cells = [
        [escape(name), bar(t.success), _rate(t), f"{t.n}", f"{t.mean_steps:.0f}", f"{t.policy_ms:.1f}"]
        for name, t in rows
    ]
    heads = ["asked for", "success, and where the true rate lies", "", "episodes", "steps", "ms per look"]
    return _section("How often it works", _table(heads, cells), "Scenes that it never saw, as in training.")


def axes(results: Sequence[Kept]) -> str:
    """Draw success over the level of each axis that was measured alone."""
    plain = [kept for kept in _measured(results) if not kept.levels]
    names = dict.fromkeys(next(iter(kept.levels)) for kept in _measured(results) if len(kept.levels) == 1)
    plots = []
    for axis in names:
        at: dict[int, list[Kept]] = {0: plain} if plain else {}
        for kept in _measured(results):
            if list(kept.levels) == [axis]:
                at.setdefault(kept.levels[axis], []).append(kept)
        asked = dict.fromkeys(e.family for there in at.values() for kept in there for e in kept.episodes)
        together = Curve("all", {k: _of(there, None).success for k, there in at.items()})
        each = [Curve(f, {k: _of(there, f).success for k, there in at.items()}) for f in asked]
        labels = {k: _departs(there[0], axis) for k, there in at.items() if k and there}
        said = "".join(f"<li>{escape(words)}</li>" for _, words in sorted(labels.items()))
        plot = over_levels([together, *(each if len(each) > 1 else [])], labels)
        plots.append(
            f"<figure><figcaption>{escape(axis)}</figcaption>{plot}<ul class='faint'>{said}</ul></figure>"
        )
    several = [kept for kept in _measured(results) if len(kept.levels) > 1]
    rows = []
    for kept in several:
        words = ", ".join(f"{axis} {level}" for axis, level in kept.levels.items())
        rows.append([escape(words), bar(kept.of().success), _rate(kept.of())])
    if not plots and not rows:
        return ""
    more = _table(["axes and levels", "success", ""], rows) if rows else ""
    return _section(
        "How far from training it still works",
        f"<div class='plots'>{''.join(plots)}</div>{more}",
        "Each axis changes one thing, level by level; 0 is as in training.",
    )


def failures(results: Sequence[Kept]) -> str:
    """Show which condition was lacking how often, and list the first failures."""
    names = list(dict.fromkeys(name for kept in results for name in kept.of().failed_conditions))
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}

    def row(called: str, family: str, t: Tally) -> list[str]:
        lacking = {name: t.failed_conditions[name] for name in names if name in t.failed_conditions}
        return [escape(called), escape(family), f"{t.n - t.successes} of {t.n}", stacked(lacking, colours)]

    inside = _near_and_far(
        results, row, ["failures", "conditions that did not hold"], lambda t: t.failed_conditions
    )
    if not inside:
        return ""
    legend = {name.replace("_", " "): colour for name, colour in colours.items()}
    listed = [
        [escape(e.family), f"{e.seed}", escape(e.instruction), escape(_why(e)), escape(_called(kept))]
        for kept in _in_order(results)
        for e in [e for e in kept.episodes if e.outcome is not Outcome.SUCCESS][:MOST_FAILURES]
    ]
    heads = ["family", "seed", "instruction", "what was lacking", "measured"]
    one_by_one = (
        f"<details><summary>The first failures, one by one</summary>{_table(heads, listed)}</details>"
    )
    return _section(
        "What goes wrong",
        legend_of(legend) + inside + one_by_one,
        "An episode succeeds if all its conditions hold at the end; several may be lacking at once.",
    )


def chosen(results: Sequence[Kept]) -> str:
    """Show which thing was gone for, where one could be taken."""

    def row(called: str, family: str, t: Tally) -> list[str]:
        ordered = {name: t.chosen_object[name] for name in CHOSEN if name in t.chosen_object}
        rest = {name: n for name, n in t.chosen_object.items() if name not in ordered}
        return [escape(called), escape(family), stacked({**ordered, **rest}, CHOSEN)]

    inside = _near_and_far(results, row, ["thing that was taken"], lambda t: t.chosen_object)
    legend = legend_of({words: CHOSEN[name] for name, words in CALLED.items()})
    said = "Of the things in the scene, the one that it took at last."
    return _section("What it goes for", legend + inside, said) if inside else ""


def _near_and_far(
    results: Sequence[Kept],
    row: Callable[[str, str, Tally], list[str]],
    heads: Sequence[str],
    matters: Callable[[Tally], object],
) -> str:
    """Show each family as in training, and what is farther from it folded away, all families together."""
    plain = [kept for kept in _measured(results) if not kept.levels]
    near = [(family, _of(plain, family)) for family in _families(plain)]
    far = [(_called(kept), kept.of()) for kept in _in_order(results) if kept.levels or kept.probes]
    near_rows = [row("as in training", family, t) for family, t in near if matters(t)]
    far_rows = [row(called, "all", t) for called, t in far if matters(t)]
    table = _table(["measured", "family", *heads], near_rows) if near_rows else ""
    if not far_rows:
        return table
    rest = _table(["measured", "family", *heads], far_rows)
    return table + (
        f"<details><summary>Farther from training</summary>{rest}</details>" if near_rows else rest
    )


def probes(results: Sequence[Kept]) -> str:
    """Show what becomes of a wrong instruction, and of none."""
    rows = []
    for kept in (kept for kept in _in_order(results) if kept.probes):
        t = kept.of()
        took = bar(t.follows_words, COLOURS[2]) if t.chosen_object else ""
        rows.append([escape(kept.probes), bar(t.success), _rate(t), took, _share(t)])
    if not rows:
        return ""
    return _section(
        "Does it listen",
        _table(["told", "did what was told", "", "took the thing that was named", ""], rows),
        "The same scenes with other words. Who does not listen does as well with none at all.",
    )


def films(results: Sequence[Kept], most: int) -> tuple[str, int]:
    """Show the films of failures that were kept, and return how many could not be found."""
    shown: list[str] = []
    missing = 0
    for kept in results:
        by_name = {f"{e.family}-{e.seed}.mp4": e for e in kept.episodes}
        for said in kept.raw.get("films") or ():
            path = _found(Path(str(said)), kept.path)
            if path is None:
                missing += 1
            elif len(shown) < most:
                episode = by_name.get(path.name)
                what = f"{episode.instruction}: {_why(episode)}" if episode else path.stem
                shown.append(_film(path, f"{path.stem}, {_called(kept)}", what))
    if not shown:
        return "", missing
    said = "As the policy saw them, its cameras side by side."
    return _section("Failures to watch", f"<div class='films'>{''.join(shown)}</div>", said), missing


def _film(path: Path, place: str, what: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        "<figure><video controls loop muted preload='metadata' "
        f"src='data:video/mp4;base64,{data}'></video>"
        f"<figcaption>{escape(what)} <span class='faint'>{escape(place)}</span></figcaption></figure>"
    )


def sentences(others: Iterable[tuple[Path, Mapping[str, Any]]]) -> str:
    """Show what comparisons and diagnoses say."""
    rows = []
    for path, raw in others:
        said, place = str(raw.get("sentence") or raw.get("says")), path.name
        rows.append(f"<li>{escape(said)} <span class='faint'>{escape(place)}</span></li>")
    return _section("Compared and diagnosed", f"<ul>{''.join(rows)}</ul>") if rows else ""


def measured(results: Sequence[Kept]) -> str:
    """Say how each result came about, so that somebody else can repeat it."""
    rows = []
    for kept in results:
        raw, seeds = kept.raw, sorted({e.seed for e in kept.episodes})
        disjoint = {True: "none was trained on", False: "some were trained on"}
        told = disjoint.get(raw.get("seeds_disjoint_from_training"), "what was trained on is not known")  # type: ignore[arg-type]
        machine = dict(raw.get("machine") or {})
        span = f"{seeds[0]} to {seeds[-1]}, {told}" if seeds else ""
        partial = " (interrupted)" if raw.get("partial") else ""
        rows.append(
            [
                escape(kept.path.name) + partial,
                f"<code>{escape(str(raw.get('command', '')))}</code>",
                escape(span),
                escape(str(raw.get("commit", ""))[:12]),
                escape(str(raw.get("date", ""))[:10]),
                escape(f"{machine.get('cores', '?')} cores, {machine.get('cpu', '?')}"),
            ]
        )
    heads = ["file", "command", "seeds", "commit", "date", "machine"]
    return f"<details><summary>How it was measured</summary>{_table(heads, rows)}</details>"


def _found(path: Path, report: Path) -> Path | None:
    """Return where a film is: as it was said, or from the report's folder."""
    places = (
        path,
        report.parent / path,
        report.parent / path.name,
        report.parent / path.parent.name / path.name,
    )
    return next((place for place in places if place.is_file()), None)


def _measured(results: Sequence[Kept]) -> list[Kept]:
    """Return the results that are no probes of listening."""
    return [kept for kept in results if not kept.probes]


def _in_order(results: Sequence[Kept]) -> list[Kept]:
    """Return results from those as in training to those farthest from it, probes last."""
    return sorted(
        results, key=lambda kept: (bool(kept.probes), len(kept.levels), sorted(kept.levels.items()))
    )


def _families(results: Sequence[Kept]) -> list[str]:
    return list(dict.fromkeys(family for kept in results for family in kept.families))


def _of(results: Sequence[Kept], family: str | None) -> Tally:
    return tally([e for kept in results for e in kept.episodes if family in (None, e.family)])


def _rate(t: Tally) -> str:
    return (
        "void"
        if t.void
        else f"<b>{100 * t.success.share:.0f} %</b> <span class='faint'>{t.successes}/{t.n}</span>"
    )


def _share(t: Tally) -> str:
    return f"<b>{100 * t.follows_words.share:.0f} %</b>" if t.chosen_object else ""


def _called(kept: Kept) -> str:
    """Return under which circumstances a result was measured, in a few words."""
    levels = [
        f"{axis} {level}" for axis, level in kept.levels.items() if not (kept.probes and axis == "words")
    ]
    return ", ".join(filter(None, [kept.probes, *levels])) or "as in training"


def _departs(kept: Kept, axis: str) -> str:
    said = [str(words) for words in kept.config.get("departs") or () if str(words).startswith(f"{axis}=")]
    return said[0] if said else f"{axis}={kept.levels.get(axis)}"


def _why(e: Episode) -> str:
    return (e.error.splitlines() or [""])[-1] if e.outcome is Outcome.INVALID else e.why


def _section(title: str, inside: str, says: str = "") -> str:
    said = f"<p class='faint'>{escape(says)}</p>" if says else ""
    return f"<section><h3>{escape(title)}</h3>{said}{inside}</section>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
