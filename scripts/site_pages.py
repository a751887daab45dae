"""Add to the site what docs/ does not hold: an API reference, every result, pages of other folders.

MkDocs calls the functions whose names begin with ``on_`` (``hooks`` in ``mkdocs.yml``).
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "benchmarks")]

import file_list  # noqa: E402
import tables  # noqa: E402

DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "sayso"
RESULTS = ROOT / "benchmarks" / "results"
ELSEWHERE = "repository"
"""Folder of the site with the pages that stand outside docs/."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s#:]*)(#[^()\s]*)?\)")
"""A link or picture whose target is a file: picture's mark, text, path, anchor."""


def modules() -> list[Path]:
    """Return every module of the package that is not private, by room and name."""
    return sorted(
        (path for path in PACKAGE.rglob("*.py") if not path.stem.startswith("_")),
        key=lambda path: (path.parent != PACKAGE, path.parent.as_posix(), path.stem),
    )


def reference(module: Path) -> str:
    """Return the address of a module's page of the reference."""
    return f"reference/{module.relative_to(PACKAGE).with_suffix('').as_posix()}.md"


def outside() -> list[Path]:
    """Return the Markdown files outside docs/ that a page of the site leads to, itself such a file or not."""
    found: list[Path] = []
    waiting = [
        *DOCS.glob("**/*.md"),
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "benchmarks" / "README.md",
    ]
    while waiting:
        page = waiting.pop()
        if not page.is_relative_to(DOCS):
            found.append(page)
        targets = [
            (page.parent / path).resolve() for _, _, path, _ in LINK.findall(page.read_text(encoding="utf-8"))
        ]
        waiting += [
            target
            for target in dict.fromkeys(targets)
            if target.suffix == ".md"
            and target.is_file()
            and target not in found
            and target not in waiting
            and not target.is_relative_to(DOCS)
        ]
    return sorted(set(found))


def address(target: Path) -> str | None:
    """Return where in the site a file of the repository stands, None if it is no page of it."""
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    if target.suffix == ".md":
        return f"{ELSEWHERE}/{target.relative_to(ROOT).as_posix()}"
    if target == RESULTS or target.is_relative_to(RESULTS):
        return "results.md"
    if target.is_relative_to(PACKAGE) and target.suffix == ".py" and not target.stem.startswith("_"):
        return reference(target)
    return None


def relinked(markdown: str, source: Path, here: str) -> str:
    """Return a page whose links lead to pages of the site; a file that is none keeps its name alone.

    Args:
        markdown: its text.
        source: the file that it was written in, which its links start from.
        here: its address in the site.
    """

    def link(match: re.Match[str]) -> str:
        mark, text, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path:
            return match[0]
        target = (source.parent / path).resolve()
        where = address(target) if target.is_relative_to(ROOT) else None
        if where is None:
            return match[0] if mark else text
        if where == "results.md" and target != RESULTS:
            anchor = f"#{target.stem.replace('_', '-')}"
        return f"{mark}[{text}]({os.path.relpath(where, Path(here).parent.as_posix())}{anchor})"

    return LINK.sub(link, markdown)


def results() -> str:
    """Return the page of all results: what was measured, by which command, at which commit."""
    parts = [
        "# Every result, with its command",
        "Each table is a file under `benchmarks/results/`; nothing here was typed by hand. A number with two "
        "more in brackets is a rate and the interval that holds the true one with 95 % confidence.",
    ]
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        draw = tables.grid if any("." in name for name in result["metrics"]) else tables.markdown
        table = draw(result, file.name)
        table = re.sub(r"\[all of it\]\([^)]*\)", f"`benchmarks/results/{file.name}`", table)
        title = file.stem.replace("_", " ")
        parts += [
            f"## {title} {{#{file.stem.replace('_', '-')}}}",
            f"```text\n{result['command']}\n```",
            table,
        ]
    return "\n\n".join(parts) + "\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the modules, room by room, where the plan of the site says ``reference/``."""
    rooms: dict[str, list[Any]] = {}
    for module in modules():
        room = module.parent.relative_to(PACKAGE).as_posix()
        rooms.setdefault("sayso" if room == "." else room, []).append({module.stem: reference(module)})
    tree = ["reference/index.md", *({room: pages} for room, pages in rooms.items())]
    config.nav = [
        {name: tree if page == "reference/" else page}
        for item in config.nav or []
        for name, page in item.items()
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made or stand elsewhere."""
    made = {"results.md": results()}
    made["reference/index.md"] = (
        "# API reference\n\nWhat each module is, from its own first line. Public names have shapes, units, "
        f"errors and sources in their docstrings.\n\n{file_list.file_list(PACKAGE)}\n"
    )
    for module in modules():
        name = ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts)
        made[reference(module)] = f"# `{name}`\n\n::: {name}\n"
    for page in outside():
        made[address(page) or ""] = page.read_text(encoding="utf-8")
    for where, text in made.items():
        files.append(File.generated(config, where, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to pages of the site."""
    here = page.file.src_uri
    if here.startswith("reference/"):
        return markdown
    inside = here.startswith(f"{ELSEWHERE}/")
    source = ROOT / here.removeprefix(f"{ELSEWHERE}/") if inside else DOCS / here
    return relinked(markdown, source, here)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take the second colon from what begins a block of code in a docstring."""
    return html.replace('::</p>\n<div class="highlight">', ':</p>\n<div class="highlight">')
