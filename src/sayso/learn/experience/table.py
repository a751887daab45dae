"""Table of sources of experience: what ``sayso improve --from`` names, ours and those of installed packages.

A package outside adds one by an entry point, without a line changed here::

    [project.entry-points."sayso.experience"]
    my-source = "my_package.my_file:SOURCE"       # a `sayso.learn.experience.contract.Source`
"""

from __future__ import annotations

from sayso.extensions import Table
from sayso.learn.experience.contract import Source

GROUP = "sayso.experience"
SOURCES = Table(
    "source of experience",
    GROUP,
    Source,
    {
        "successes": "sayso.learn.experience.successes:SOURCE",
        "corrections": "sayso.learn.experience.corrections:SOURCE",
        "reinforcement": "sayso.learn.experience.reinforcement:SOURCE",
    },
)
"""Name -> its row, imported when it is asked for."""
