"""Registration of the worlds with Gymnasium, as soon as somebody imports it, and not before.

Gymnasium takes a tenth of a second to import and is not needed by who asks for help, and it has no way to be
told of worlds without being imported. So an import of it, before ours or after, is what registers them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def register_when_imported() -> None:
    """Let ``import gymnasium`` register the worlds, at once if it is imported already."""
    if gymnasium := sys.modules.get("gymnasium"):
        _register(gymnasium)
    else:
        sys.meta_path.insert(0, _Behind())


def _register(gymnasium: Any) -> None:
    from sayso.tasks.worlds import GYMNASIUM_IDS

    for name, world in GYMNASIUM_IDS.items():
        gymnasium.register(id=name, entry_point="sayso.tasks.worlds:make_world", kwargs={"name": world})


class _Behind:
    """Finder of Gymnasium, after the other finders, that registers behind its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if found and found.loader:
            run = found.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                _register(module)

            vars(found.loader)["exec_module"] = run_and_register
        return found
