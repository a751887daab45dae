"""Policy on a robot that calls or measures things otherwise than its recordings did.

::

    robot -- its names and units --> Repack --> policy --> chunk --> Repack backwards --> robot

What looks at the pair sees a policy of that robot: features, statistics, states and actions are the robot's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from sayso.calling import CalledLikeAModel
from sayso.data.fit import as_shown, check_fits, names_of, refuse_unused
from sayso.data.statistics import Stats
from sayso.data.transforms import Repack
from sayso.spec import ACTION, Chunk, Features, Observation, Policy


class RepackedPolicy(CalledLikeAModel):
    """A policy, seeing and acting through a `Repack`; whatever else it can, it still can."""

    def __init__(self, policy: Policy, features: Features, robot: Features) -> None:
        """Put a policy on a robot.

        Args:
            policy: who acts.
            features: what it sees and returns.
            robot: the same in the robot's names and units.
        """
        self.policy, self.features = policy, robot
        self._repack = Repack.between(robot, features)

    @property
    def stats(self) -> Mapping[str, Stats]:
        """Return the statistics of the demonstrations, in the robot's units."""
        return self._repack.stats(getattr(self.policy, "stats", {}))

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in the robot's units."""
        chunk = self.policy.act(self._repack.forward(observation))
        return Chunk(self._repack.inverse({ACTION: chunk.actions})[ACTION])

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self.policy.reset()

    def __getattr__(self, name: str) -> Any:
        """Return what else the policy has, such as `hear` and `seed`."""
        if name.startswith("_") or name == "policy":  # not there yet: it is being copied
            raise AttributeError(name)
        return getattr(self.policy, name)


def knowing(features: Features, names: Mapping[str, str], shown: Collection[str]) -> Features:
    """Return a policy's features that remember further names of cameras and numbers, there -> here.

    Raises:
        UnknownNameError: if the robot has none of one of these names.
    """
    refuse_unused(names, shown)
    return dataclasses.replace(features, renamed={**features.renamed, **names})


def on_robot(policy: Policy, features: Features, shown: Mapping[str, str]) -> tuple[Policy, Features]:
    """Return a policy as it acts on a robot, and its features there.

    Args:
        policy: who acts.
        features: what it sees and returns.
        shown: name of each camera and number of the robot -> its unit, empty where it is unknown.
    """
    there = as_shown(features, shown)
    if there == dataclasses.replace(features, renamed={}):
        return policy, features
    return RepackedPolicy(policy, features, there), there


def in_world(
    policy: Policy, features: Features, world: Features, names: Mapping[str, str] | None = None
) -> Policy:
    """Return a policy as it acts in a world.

    Args:
        policy: who acts.
        features: what it sees and returns.
        world: what the world shows and takes.
        names: what the world calls cameras and numbers -> what the policy does, beside what it remembers.

    Raises:
        FeatureMismatchError: if they do not fit together.
        UnknownNameError: if the world has none of one of these names.
    """
    shown = names_of(world)
    features = knowing(features, names or {}, shown)
    check_fits(features, world)
    return on_robot(policy, features, shown)[0]
