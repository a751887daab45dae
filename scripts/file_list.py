"""Write the list in docs/files.md from the modules themselves: each line is a docstring's first sentence.

The list stands between ``<!-- files -->`` and ``<!-- end files -->``.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = re.compile(r"(<!-- files -->\n).*?(<!-- end files -->)", re.DOTALL)


def file_list(package: Path) -> str:
    """Return the tree of a package as a code block, top-level modules first, one line per module."""
    modules = sorted(package.glob("*.py"), key=lambda path: (path.stem != "__init__", path.stem))
    lines = [line(module, 0) for module in modules]
    for room in sorted(path for path in package.rglob("*") if path.is_dir() and any(path.glob("*.py"))):
        init, name = room / "__init__.py", f"{room.relative_to(package).as_posix()}/"
        lines += ["", f"{name:19} {first_sentence(init) if init.exists() else ''}".rstrip()]
        lines += [line(module, 2) for module in sorted(room.glob("*.py")) if module != init]
    return "```\n" + "\n".join(lines) + "\n```"


def line(module: Path, indent: int) -> str:
    """Return a module's name and what it says it is."""
    return f"{' ' * indent + module.name:20}{first_sentence(module)}".rstrip()


def first_sentence(module: Path) -> str:
    """Return the first line of a module's docstring without its full stop."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].removesuffix(".").replace("`", "")


def rendered(text: str, package: Path) -> str:
    """Return a page with its file list written anew."""
    return LIST.sub(lambda found: f"{found[1]}{file_list(package)}\n{found[2]}", text)


def main() -> int:
    """Rewrite the list with ``--write``; without, return 1 if it differs from the tree."""
    page = ROOT / "docs" / "files.md"
    text = page.read_text(encoding="utf-8")
    fresh = rendered(text, ROOT / "src" / "sayso")
    if "--write" in sys.argv[1:]:
        page.write_text(fresh, encoding="utf-8")
        return 0
    return int(fresh != text)


if __name__ == "__main__":
    raise SystemExit(main())
