"""Table of objectives: the methods that ``--objective`` names, ours and those of installed packages.

A package outside adds one by an entry point, without a line changed here::

    [project.entry-points."sayso.objectives"]
    my-method = "my_package.my_file:MyMethod"

where ``MyMethod(policy, config)`` is a `sayso.learn.loop.Objective`.
"""

from __future__ import annotations

from sayso.extensions import Table

GROUP = "sayso.objectives"
OBJECTIVES = Table("objective", GROUP, type, {"imitate": "sayso.learn.imitate:Imitation"})
"""Name -> its class, imported when it is asked for."""
