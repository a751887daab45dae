"""Render benchmark results into the tables of README and docs, so that no number is typed by hand.

A table stands between two comments, and everything between them is written by this script::

    <!-- table: benchmarks/results/thin_path.json put_tabletop put_home -->
    ...
    <!-- end table -->

As long as there is no such file the page says that nothing was measured yet.

Names behind the path choose the metrics and their order; without any, all are shown. A metric whose name
begins with ``textbook_`` is the baseline's and stands in a column beside the metric it is the baseline of.

Where metrics are called ``<row>.<column>``, such as ``late_fusion.put_tabletop``, ``grid`` instead of
``table`` makes a row of each, and the names behind the path choose the columns::

    <!-- grid: benchmarks/results/ablations.json mean_tabletop policy_ms_tabletop -->
    ...
    <!-- end grid -->

For people who know none of the names, ``rows`` takes a line each: the file, the metric, what to call it,
and a unit if it has one::

    <!-- rows
    household.json put_tabletop | Put a thing into a tray
    latency.json sayso_openvino_ms_p50 | One call of the policy | ms
    -->
    ...
    <!-- end rows -->
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASELINE = "textbook_"
TABLE = re.compile(
    r"(?P<head><!-- (?P<kind>table|grid): (?P<path>\S+)(?P<metrics>(?: \S+)*?) -->\n).*?"
    r"(?P<tail><!-- end (?P=kind) -->)",
    re.DOTALL,
)
ROWS = re.compile(r"(?P<head><!-- rows\n(?P<rows>.*?)-->\n).*?(?P<tail><!-- end rows -->)", re.DOTALL)


def pages(root: Path = ROOT) -> list[Path]:
    """Return the Markdown files that may hold tables."""
    return [
        *sorted(root.glob("*.md")),
        *sorted(root.glob("docs/**/*.md")),
        *sorted(root.glob("benchmarks/*.md")),
        *sorted(root.glob("checkpoints/*/README.md")),
    ]


def rendered(page: Path, root: Path = ROOT) -> str:
    """Return a page's text with every table in it written anew from its result file."""

    def table(match: re.Match[str]) -> str:
        file = root / match["path"]
        if not file.exists():
            return f"{match['head']}*Not measured yet.*\n{match['tail']}"
        result = json.loads(file.read_text(encoding="utf-8"))
        link = Path(os.path.relpath(file, page.parent)).as_posix()
        draw = grid if match["kind"] == "grid" else markdown
        return f"{match['head']}{draw(result, link, match['metrics'].split())}\n{match['tail']}"

    def labelled(match: re.Match[str]) -> str:
        lines = [labelled_row(line, page, root) for line in match["rows"].splitlines()]
        return "\n".join([f"{match['head']}|  | measured | |", "| --- | ---: | --- |", *lines, match["tail"]])

    return ROWS.sub(labelled, TABLE.sub(table, page.read_text(encoding="utf-8")))


def labelled_row(line: str, page: Path, root: Path) -> str:
    """Return a row of a table from ``file metric | label | unit``, with a link to where the number stands."""
    what, label, *unit = (part.strip() for part in line.split("|"))
    name, metric = what.split()
    file = root / "benchmarks" / "results" / name
    result = json.loads(file.read_text(encoding="utf-8"))
    if metric not in result["metrics"]:
        raise ValueError(f"{name} has no metric {metric}; it has {', '.join(result['metrics'])}")
    number = " ".join([shown(result["metrics"], metric), *unit])
    link = Path(os.path.relpath(file, page.parent)).as_posix()
    return f"| {label} | {number} | [{result['date'][:10]}]({link}) |"


def markdown(result: Mapping[str, Any], link: str, chosen: Iterable[str] = ()) -> str:
    """Return a result as a Markdown table with a line under it that says where the numbers come from."""
    metrics: Mapping[str, float] = result["metrics"]
    names = list(chosen) or [name for name in metrics if "/" not in name and not is_baseline(name, metrics)]
    if unknown := [name for name in names if name not in metrics]:
        raise ValueError(f"{link} has no metric {', '.join(unknown)}; it has {', '.join(metrics)}")
    compared = any(BASELINE + name in metrics for name in names)
    rows = [["", "sayso", "textbook"] if compared else ["", "measured"]]
    for name in names:
        row = [name.replace("_", " "), shown(metrics, name)]
        rows.append([*row, shown(metrics, BASELINE + name)] if compared else row)
    return table_of(rows, source(result, link))


def grid(result: Mapping[str, Any], link: str, chosen: Iterable[str] = ()) -> str:
    """Return a result whose metrics are called ``<row>.<column>`` as a Markdown table of rows and columns.

    A column that some rows do not have stays empty there; one that no row has is refused.
    """
    metrics: Mapping[str, float] = result["metrics"]
    cells = [name.split(".", 1) for name in metrics if "/" not in name and "." in name]
    there = list(dict.fromkeys(column for _, column in cells))
    columns = list(chosen) or there
    if unknown := [column for column in columns if column not in there]:
        raise ValueError(f"{link} has no column {', '.join(unknown)}; it has {', '.join(there)}")
    rows = [["", *(column.replace("_", " ") for column in columns)]]
    for name in dict.fromkeys(row for row, _ in cells):
        rows.append([name.replace("_", " "), *(shown(metrics, f"{name}.{column}") for column in columns)])
    return table_of(rows, source(result, link))


def table_of(rows: list[list[str]], footer: str) -> str:
    """Return rows, the first of which is the heading, as Markdown with a line under them."""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    lines = ["| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]]]
    return "\n".join([*lines, "", footer])


def is_baseline(name: str, metrics: Mapping[str, float]) -> bool:
    """Tell whether a metric is shown beside another one rather than in a row of its own."""
    return name.startswith(BASELINE) and name.removeprefix(BASELINE) in metrics


def shown(metrics: Mapping[str, float], name: str) -> str:
    """Return a metric for a reader: with an interval as per cent, else three digits; "" if absent."""
    if name not in metrics:
        return ""
    value = metrics[name]
    if f"{name}/low" not in metrics:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    low, high = metrics[f"{name}/low"], metrics[f"{name}/high"]
    return f"{value:.0%} ({low:.0%} to {high:.0%})"


def source(result: Mapping[str, Any], link: str) -> str:
    """Return the line under a table: n, machine, date, commit and the file itself."""
    machine = result["machine"]
    where = f"{machine['cores']} cores of {machine['cpu']}"
    when = f"{result['date'][:10]}, commit {result['commit'][:12]}"
    return f"*n = {result['n']}; {where}; {when}; [all of it]({link}).*"


def main() -> int:
    """Write the tables with ``--write``; without, return 1 if a page differs from its result files."""
    stale = []
    for page in pages():
        fresh = rendered(page)
        if fresh == page.read_text(encoding="utf-8"):
            continue
        stale.append(page.relative_to(ROOT))
        if "--write" in sys.argv[1:]:
            page.write_text(fresh, encoding="utf-8")
    verb = "wrote" if "--write" in sys.argv[1:] else "out of date:"
    for name in stale:
        print(verb, name)
    return int(bool(stale) and "--write" not in sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
