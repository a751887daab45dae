"""Licences of the packages that sayso is installed with, as a table in docs/licences.md.

    python scripts/licences.py           says what in the table is not so
    python scripts/licences.py --write   brings it up to date

A row for each package of the constraints files, as the package itself says. What is not installed here keeps
the row that it has: the table is made in the environments of `make setup`, `make metaworld` and `make libero`
in turn.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
PINNED = ("constraints.txt", "constraints-metaworld.txt", "constraints-libero.txt")
BEGIN, END = "<!-- packages -->\n", "<!-- end packages -->"
LONGEST = 110
SHORT = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Classifier of a package -> the licence's usual name."""


def pinned() -> list[str]:
    """Return the names of all packages of the constraints files."""
    lines = [line for name in PINNED for line in (ROOT / name).read_text("utf-8").splitlines()]
    names = {
        re.split(r"[=<>;\[ ]", line)[0].lower().replace("_", "-") for line in lines if line[:1].isalpha()
    }
    return sorted(names)


def licence_of(package: str) -> str:
    """Return what an installed package says its licence is; empty if it is not installed here."""
    try:
        about = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if expression := about.get("License-Expression"):
        return str(expression)[:LONGEST]
    classifiers = [
        c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if c.startswith("License")
    ]
    found = [SHORT[one] for one in classifiers if one in SHORT]
    return ", ".join(found) or _plainly(about.get("License"))


def _plainly(said: str | None) -> str:
    first = (said or "").partition("\n")[0][:LONGEST]
    return "not said" if first in ("", "UNKNOWN") else first


def rows(page: str) -> dict[str, str]:
    """Return the licence of each package as a page has it."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    return dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", table, re.M))


def renewed(page: str) -> str:
    """Return a page with every row as it should be."""
    known = rows(page)
    lines = [f"| {name} | {licence_of(name) or known.get(name, 'unknown')} |" for name in pinned()]
    before, _, rest = page.partition(BEGIN)
    table = "\n".join(["| package | licence |", "| --- | --- |", *lines])
    return f"{before}{BEGIN}\n{table}\n\n{END}{rest.partition(END)[2]}"


def wrong(page: str) -> list[str]:
    """Return what is not so in a page, a sentence each."""
    known = rows(page)
    found = [f"{name} has no row" for name in pinned() if known.get(name, "unknown") == "unknown"]
    return found + [
        f"{name} says {licence_of(name)}, and the page {known[name]}"
        for name in known
        if licence_of(name) not in ("", known[name])
    ]


def main() -> int:
    """Write the table, or say what is wrong with it."""
    parser = argparse.ArgumentParser(description="Hold docs/licences.md against the installed packages.")
    parser.add_argument("--write", action="store_true", help="bring it up to date")
    if parser.parse_args().write:
        PAGE.write_text(renewed(PAGE.read_text("utf-8")), encoding="utf-8")
    found = wrong(PAGE.read_text("utf-8"))
    print("\n".join(found) or "every package has its licence")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
