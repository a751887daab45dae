"""Table of objectives: the methods that ``--objective`` names, ours and those of installed packages.

A package outside adds one by an entry point, without a line changed here::

    [project.entry-points."sayso.objectives"]
    my-method = "my_package.my_file:MyMethod"

where ``MyMethod(policy, config)`` is a `sayso.learn.loop.Objective`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sayso.spec import SaysoError, known

GROUP = "sayso.objectives"
OBJECTIVES: Mapping[str, str] = {"imitate": "sayso.learn.imitate:Imitation"}
"""Name -> where its class is. It is imported when it is asked for."""


def known_objective(name: str) -> str:
    """Return the name of an objective if there is one, else raise `UnknownNameError`."""
    return known("objective", name, _entries())


def objective_class(name: str) -> Callable[..., Any]:
    """Return what makes an objective from a policy and the config of a training.

    Raises:
        UnknownNameError: if there is none of this name.
        SaysoError: if the package that offers it cannot be imported.
    """
    entry = _entries()[known_objective(name)]
    try:
        made: Callable[..., Any] = entry.load()
    except (ImportError, AttributeError) as error:
        raise SaysoError(
            f"the objective {name!r} cannot be loaded from {entry.value} ({error}); install the package that "
            "offers it again"
        ) from error
    return made


def _entries() -> dict[str, EntryPoint]:
    ours = {name: EntryPoint(name, where, GROUP) for name, where in OBJECTIVES.items()}
    return {entry.name: entry for entry in entry_points(group=GROUP)} | ours
