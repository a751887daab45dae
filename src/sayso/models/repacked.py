"""Policy on a robot that calls or measures things otherwise than its recordings did.

::

    robot -- its names and units --> Repack --> policy --> chunk --> Repack backwards --> robot

What looks at the pair sees a policy of that robot: features, statistics, states and actions are the robot's.
A policy of several robots (`sayso.data.mixture`) becomes one of the robot that it meets first (`OneRobot`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from sayso.calling import CalledLikeAModel
from sayso.data.fit import as_shown, fitting, names_of, refuse_unused
from sayso.data.mixture import places
from sayso.data.recognition import ROBOT, named
from sayso.data.statistics import Stats
from sayso.data.transforms import Repack
from sayso.data.views import Views
from sayso.spec import ACTION, STATE, Chunk, Features, Observation, Policy


class OnRobot(CalledLikeAModel):
    """A policy as it is on one robot; whatever else it can, it still can."""

    policy: Policy
    features: Features

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self.policy.reset()

    def __getattr__(self, name: str) -> Any:
        """Return what else the policy has, such as `hear` and `seed`."""
        if name.startswith("_") or name == "policy":  # not there yet: it is being copied
            raise AttributeError(name)
        return getattr(self.policy, name)


class OneRobot(OnRobot):
    """A policy for several robots, as one of them."""

    def __init__(self, policy: Policy, features: Features, number: int) -> None:
        """Let a policy be that of its robot of this number.

        Args:
            policy: who acts.
            features: what it sees and returns, of all its robots.
            number: which of ``features.robots`` it is.
        """
        self.policy, self.features, self.number = policy, features.robots[number], number
        self._places = places(features)[number]

    @property
    def stats(self) -> Mapping[str, Stats]:
        """Return the statistics of what this robot has."""
        return self._places.stats(getattr(self.policy, "stats", {}))

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` of this robot."""
        return self.policy.act({**observation, ROBOT: self.number})


class RepackedPolicy(OnRobot):
    """A policy, seeing and acting through a `Repack`."""

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

    @property
    def views(self) -> Views | None:
        """Return the reference pictures of its cameras by the robot's names; None if nobody tells."""
        own: Views | None = getattr(self.policy, "views", None)
        if not own:
            return own
        return own.elsewhere(self._repack.there, lambda states: self._repack.inverse({STATE: states})[STATE])

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in the robot's units."""
        chunk = self.policy.act(self._repack.forward(observation))
        return Chunk(self._repack.inverse({ACTION: chunk.actions})[ACTION])


def knowing(features: Features, names: Mapping[str, str], shown: Collection[str]) -> Features:
    """Return a policy's features that remember further names of cameras and numbers, there -> here.

    Raises:
        UnknownNameError: if the robot has none of one of these names.
    """
    refuse_unused(names, shown)
    robots = tuple(dataclasses.replace(r, renamed={**r.renamed, **names}) for r in features.robots)
    return dataclasses.replace(features, renamed={**features.renamed, **names}, robots=robots)


def one_robot(policy: Policy, features: Features, number: int) -> tuple[Policy, Features]:
    """Return a policy as one of its robots, and its features there; one of a single robot as it is."""
    if not features.robots:
        return policy, features
    one = OneRobot(policy, features, number)
    return one, one.features


def on_robot(policy: Policy, features: Features, shown: Mapping[str, str]) -> tuple[Policy, Features]:
    """Return a policy as it acts on a robot, and its features there.

    Args:
        policy: who acts.
        features: what it sees and returns.
        shown: name of each camera and number of the robot -> its unit, empty where it is unknown.

    Raises:
        FeatureMismatchError: if the policy knows several robots, and each of them has what this one has not.
    """
    if features.robots:
        policy, features = one_robot(policy, features, named(features, shown))
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
    policy, features = one_robot(policy, features, fitting(features, world))
    return on_robot(policy, features, shown)[0]
