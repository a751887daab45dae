"""Write the tables of axes in docs/generalisation.md from `sayso.tasks.axes`, where each level is said.

They stand between ``<!-- axes: WORLD -->`` and ``<!-- end axes -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sayso.tasks.axes import Axis
from sayso.tasks.worlds import WORLDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "generalisation.md"
TABLE = re.compile(r"(<!-- axes: (\S+) -->\n).*?(<!-- end axes -->)", re.DOTALL)


def table(world: str) -> str:
    """Return the axes of a world as a Markdown table, a line for each level."""
    lines = ["| axis | level | what differs |", "| --- | ---: | --- |"]
    for axis in WORLDS[world].axes:
        for level in range(1, len(axis.levels)):
            lines.append(f"| {f'`{axis.name}`' if level == 1 else ''} | {level} | {_said(axis, level)} |")
    return "\n".join(lines)


def _said(axis: Axis, level: int) -> str:
    where = f" (in {', '.join(axis.families[level])})" if level in axis.families else ""
    return axis.meant(level) + where


def rendered(text: str) -> str:
    """Return a page with its tables written anew."""
    return TABLE.sub(lambda found: f"{found[1]}{table(found[2])}\n{found[3]}", text)


def main() -> int:
    """Rewrite the page with ``--write``; without, return 1 if it differs."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = rendered(text)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(fresh, encoding="utf-8")
        return 0
    return int(fresh != text)


if __name__ == "__main__":
    raise SystemExit(main())
