"""Table of docs/architecture.md as a test: who may import whom, how long things are, what is forbidden.

A module without a row, or an arrow that is not allowed, is a change of the architecture: change the table
there and here in one go, and say why.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sayso.tasks.household.variants import VARIANTS
from sayso.tasks.worlds import WORLDS

SRC = Path(__file__).resolve().parents[2] / "src"

ROWS = [
    {"spec"},
    {"extensions", "refusals"},
    {"calling", "flags", "geometry", "robots", "shipped", "work"},
    {"sim", "data"},
    {"tasks", "models"},
    {"evaluation"},
    {"learn", "runtime"},
    {"bridges"},
    {"chapter", "cli", "demo", "onlooker", "registration", "studio", "loading", "verbs"},
    {"", "__main__"},  # the package itself, which offers names from everywhere
]
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
INSIDE_A_ROW = {
    ("verbs", "demo"),
    ("demo", "onlooker"),
    ("verbs", "studio"),
    ("verbs", "loading"),
    ("cli", "verbs"),
}

TORCH_FREE = {
    *("spec", "calling", "evaluation", "extensions", "flags", "geometry", "refusals", "registration"),
    *("robots", "shipped", "work", "sim", "data", "tasks"),
    *("runtime", "studio", "learn.record", "learn.recording", "learn.watching"),
    *("models.words", "models.collate", "models.repacked", "models.recovery", "models.hands"),
}
MAY_USE_TORCH = {"runtime.export", "runtime.graphs", "runtime.torchscript"}
TORCH = {"torch", "transformers", "sayso.models"}

FILE_LINES, FUNCTION_LINES = 400, 80
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "core", "base", "shared", "tools"}
COMMANDS = {"Be", "Compute", "Describe", "Fix", "Hold", "Identify", "Keep", "Know", "Report", "Say", "Tell"}
"""First words of a docstring that suit a function only, as does every word that a function's begins with."""
NOUNS_AS_WELL = {"Answer", "Check", "Digest", "Export", "Place", "Record", "Report", "Time", "Word"}
BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {
    *(
        "evaluation.rollout",
        "work.workers",
        "runtime.server",
        "runtime.batching",
        "runtime.inference",
        "studio.session",
    )
}


def modules(src: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield each module's name below the package ("" for the package, "sim.robots", ...) and its tree."""
    for path in sorted((src / "sayso").rglob("*.py")):
        parts = path.relative_to(src / "sayso").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, parsed(path.read_text(encoding="utf-8"))


@functools.cache
def parsed(text: str) -> ast.Module:
    """Return the tree of a file's text; most of the time of this page would go into that."""
    return ast.parse(text)


def imports(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield everything a module imports, at its top or inside a function, as full dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(imported: str) -> str | None:
    """Return which room of ours an import leads to; None if it leads outside."""
    package, _, rest = imported.partition(".")
    if package != "sayso":
        return None
    room = rest.partition(".")[0]
    return room if room in ROW else ""


def wrong_arrows(src: Path) -> list[str]:
    found = []
    for name, tree in modules(src):
        here = name.partition(".")[0]
        assert here in ROW, f"{here} has no row: give it one here and in docs/architecture.md"
        for imported in imports(name, tree):
            there = room_of(imported)
            if there in (None, here) or (here, there) in INSIDE_A_ROW:
                continue
            if ROW[there] >= ROW[here]:
                found.append(f"{name} imports {imported}")
    return found


def imported_files(src: Path) -> dict[str, set[str]]:
    """Return each module's name and the names of those it imports, files rather than rooms."""
    trees = dict(modules(src))

    def file_of(imported: str) -> str:
        name = imported.removeprefix("sayso").removeprefix(".")
        while name and name not in trees:
            name = name.rpartition(".")[0]
        return name

    return {
        name: {file_of(i) for i in imports(name, tree) if room_of(i) is not None} - {name}
        for name, tree in trees.items()
    }


def circles(src: Path) -> list[tuple[str, ...]]:
    """Return the files that, one over the other, import themselves; those of one circle together."""
    files = imported_files(src)

    def reached(start: str) -> set[str]:
        found, waiting = set[str](), [start]
        while waiting:
            new = files.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    below = {name: reached(name) for name in files}
    found = {tuple(sorted(b for b in below[a] if a in below[b])) for a in files if a in below[a]}
    return sorted(found)


def is_torch_free(name: str) -> bool:
    return name not in MAY_USE_TORCH and not TORCH_FREE.isdisjoint({name, name.partition(".")[0]})


def uses_of_torch(src: Path) -> list[str]:
    return [
        f"{name} imports {imported}"
        for name, tree in modules(src)
        if is_torch_free(name)
        for imported in imports(name, tree)
        if not imported.startswith(
            tuple(f"sayso.{name}." for name in TORCH_FREE if name.startswith("models."))
        )
        if any(f"{imported}.".startswith(f"{forbidden}.") for forbidden in TORCH)
        or imported == "safetensors.torch"
        or imported.startswith("safetensors.torch.")
    ]


def over_budget(src: Path) -> list[str]:
    found = []
    for path in sorted((src / "sayso").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > FILE_LINES:
            found.append(f"{path.name} has {lines} lines")
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{path.name}: {node.name} has {lines} lines")
    return found


def names_of_worlds(src: Path, worlds: set[str]) -> list[str]:
    """Return where a world is named outside its own file and the table."""
    return constants(src, worlds, own=("tasks.worlds", "sim.scene", "tasks.metaworld", "tasks.libero"))


def constants(src: Path, words: set[str], own: tuple[str, ...]) -> list[str]:
    """Return where one of some words is a string of the program, outside some rooms and files."""
    return [
        f"{name}, line {node.lineno}: {node.value}"
        for name, tree in modules(src)
        if not any(f"{name}.".startswith(f"{room}.") for room in own)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words
    ]


def names_of_families(src: Path, families: set[str]) -> list[str]:
    """Return where a family of the household's tasks is named outside its room.

    In `sim` a drawer is furniture, Meta-World has a task called push as well, and `sayso push` is a verb.
    """
    own = ("tasks.household", "tasks.metaworld", "tasks.mt50", "tasks.libero", "sim")
    verb = constants(src, families & {"push"}, own=(*own, "verbs"))
    return verb + constants(src, families - {"push"}, own=own)


def forbidden_names(src: Path) -> list[str]:
    return [name for name, _ in modules(src) if not FORBIDDEN_NAMES.isdisjoint(name.split("."))]


def first_words(src: Path, *kinds: type[ast.AST]) -> list[tuple[str, str]]:
    """Return the first word of each docstring of these kinds, and where it stands."""
    found = [
        (f"{name}.{getattr(node, 'name', '')}".rstrip("."), (ast.get_docstring(node) or "").split())
        for name, tree in modules(src)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]
    return [(place, words[0].rstrip(":,;.")) for place, words in found if words]


def commanding(src: Path) -> list[str]:
    """Return the classes and files whose docstrings begin as if they were functions."""
    of_functions = {word for _, word in first_words(src, ast.FunctionDef, ast.AsyncFunctionDef)}
    verbs = (of_functions | COMMANDS) - NOUNS_AS_WELL
    return [place for place, word in first_words(src, ast.ClassDef, ast.Module) if word in verbs]


def broad_handlers(src: Path) -> list[str]:
    return [
        f"{name}, line {node.lineno}"
        for name, tree in modules(src)
        if name not in MAY_CATCH_ALL
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or any(isinstance(n, ast.Name) and n.id in BROAD for n in ast.walk(node.type)))
    ]


def test_every_import_points_to_a_lower_row():
    assert wrong_arrows(SRC) == []


def test_no_files_import_each_other_in_a_circle():
    assert circles(SRC) == []


def test_the_rooms_that_run_without_torch_do_not_import_it():
    assert uses_of_torch(SRC) == []


def test_files_and_functions_keep_their_budgets():
    assert over_budget(SRC) == []


def test_no_family_of_tasks_is_named_outside_the_household():
    assert names_of_families(SRC, {family for family, _ in VARIANTS}) == []


def test_no_world_is_named_outside_its_own_file_and_the_table():
    assert names_of_worlds(SRC, set(WORLDS)) == []


def test_no_room_is_a_drawer():
    assert forbidden_names(SRC) == []


def test_a_class_and_a_file_are_introduced_as_things():
    assert commanding(SRC) == []


def test_everything_is_caught_only_at_the_named_borders():
    assert broad_handlers(SRC) == []


CANARY = """
import importlib, json, os, sys
import gymnasium, mujoco  # these two set variables when they are imported; ours may not
before = dict(os.environ)
for name in json.load(sys.stdin):
    importlib.import_module(name)
    changed = {key for key in before.keys() | os.environ.keys() if before.get(key) != os.environ.get(key)}
    assert not changed, f"{name} changed {changed}"
assert not TORCH_FREE or "torch" not in sys.modules, "torch was imported"
"""


def import_in_a_fresh_process(names: list[str], *, torch_free: bool, path: Path = SRC) -> str:
    """Import modules where nothing was imported before; return the last line of what went wrong, or ""."""
    run = subprocess.run(
        [sys.executable, "-c", CANARY.replace("TORCH_FREE", str(torch_free))],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(path)},
    )
    return run.stderr.strip().splitlines()[-1] if run.returncode else ""


def test_importing_a_torch_free_module_brings_no_torch_and_changes_no_environment_variable():
    names = [f"sayso.{name}" for name, _ in modules(SRC) if is_torch_free(name)]
    assert names
    assert import_in_a_fresh_process(names, torch_free=True) == ""


def test_importing_any_module_changes_no_environment_variable():
    names = [f"sayso.{name}".rstrip(".") for name, _ in modules(SRC)]
    assert import_in_a_fresh_process(names, torch_free=False) == ""


def test_this_test_notices_each_kind_of_violation(tmp_path):
    room = tmp_path / "sayso" / "sim"
    room.mkdir(parents=True)
    (room / "hen.py").write_text(
        'def lay():\n    from sayso.sim import egg\n\nclass Egg:\n    """Be an egg."""\n'
    )
    (room / "egg.py").write_text("from sayso.sim.hen import lay\n")
    long_function = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
    (room / "utils.py").write_text(
        "import torch\nfrom sayso.data import format\nfrom sayso import tasks\n"
        "try:\n    pass\nexcept (ValueError, Exception):\n    pass\n" + long_function + "#\n" * FILE_LINES
    )
    assert wrong_arrows(tmp_path) == ["sim.utils imports sayso.data.format", "sim.utils imports sayso.tasks"]
    assert uses_of_torch(tmp_path) == ["sim.utils imports torch"]
    assert circles(tmp_path) == [("sim.egg", "sim.hen")]
    assert len(over_budget(tmp_path)) == 2
    assert commanding(tmp_path) == ["sim.hen.Egg"]
    assert forbidden_names(tmp_path) == ["sim.utils"]
    (tmp_path / "sayso" / "planner.py").write_text("if family == 'goto':\n    pass\n")
    assert names_of_families(tmp_path, {"goto"}) == ["planner, line 1: goto"]
    assert names_of_worlds(tmp_path, {"goto"}) == ["planner, line 1: goto"]
    assert broad_handlers(tmp_path) == ["sim.utils, line 6"]


def test_it_notices_what_an_import_does(tmp_path):
    (tmp_path / "meddler.py").write_text("import os\nos.environ['X_MEDDLED'] = '1'\n")
    (tmp_path / "torch.py").write_text("")
    assert "X_MEDDLED" in import_in_a_fresh_process(["meddler"], torch_free=False, path=tmp_path)
    assert "torch was imported" in import_in_a_fresh_process(["torch"], torch_free=True, path=tmp_path)
