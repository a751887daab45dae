"""Policies of each robot of a mixture, beside the mixture's: what only knows one robot takes one of these.

::

    runs/both/policy            acts on all of them, and is learned on from
              robots/desk       the policy of the robot that recorded desk, as if there were no other
              robots/tabletop
"""

from __future__ import annotations

from pathlib import Path

from sayso.data.mixture import places
from sayso.data.windows import Windows
from sayso.learn.checkpoint import written
from sayso.learn.heldout import recording_names
from sayso.learn.run import Run
from sayso.learn.views import beginnings
from sayso.models import checkpoint as policies
from sayso.models.alone import alone
from sayso.work.provenance import training_facts

ROBOTS = "robots"


def write_each(run: Run, windows: Windows) -> list[Path]:
    """Write the policy of each robot of a mixture, and return their folders; none of a single robot."""
    names, folders = recording_names(windows), []
    facts = training_facts(run.policy_folder)
    with run.deployed(), written(run.config.out):
        for number in range(len(run.policy.features.robots)):
            folder = run.config.out / ROBOTS / names[windows.robot_of.index(number)]
            own = alone(run.policy, number)
            own.views = beginnings(windows, own.features, number, places(run.policy.features)[number])
            policies.save(own, folder, training=facts)
            folders.append(folder)
    return folders
