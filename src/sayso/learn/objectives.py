"""Table of objectives: the methods that ``--objective`` names, ours and those of installed packages.

A package outside adds one by an entry point, without a line changed here::

    [project.entry-points."sayso.objectives"]
    my-method = "my_package.my_file:MyMethod"

where ``MyMethod(policy, config)`` is a `sayso.learn.loop.Objective`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from sayso.extensions import loaded, offered
from sayso.spec import known

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
    return loaded("objective", _entries()[known_objective(name)], type)


def _entries() -> dict[str, EntryPoint]:
    ours = {name: EntryPoint(name, where, GROUP) for name, where in OBJECTIVES.items()}
    return {**offered(GROUP), **ours}
