"""Recognition of a robot among those of a mixture: by the names that it shows, or by one observation.

::

    shows desk, hand, shoulder_pan.pos, ...  --.
    observation.images.desk, .hand, 6 numbers --+--> which of ``Features.robots`` it is
    {"robot": 1, ...}                        --'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sayso.data.fit import names_of
from sayso.spec import IMAGES, STATE, FeatureMismatchError, Features

ROBOT = "robot"
"""Key of which robot of a mixture a window or an observation is of: its place in ``Features.robots``."""


def which(features: Features, observation: Mapping[str, Any]) -> int:
    """Return which robot of a mixture an observation is of: what it says, or the one it shows most of.

    Args:
        features: of the mixture.
        observation: with the policy's names, or those it remembers.

    Raises:
        FeatureMismatchError: if it is of none, or as well of one as of another.
    """
    robots = features.robots
    if (told := observation.get(ROBOT)) is not None:
        if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < len(robots):
            raise FeatureMismatchError(f"{ROBOT!r} is {told!r}, but must be one of 0 to {len(robots) - 1}")
        return told
    numbers = np.size(observation.get(STATE, ()))
    fits = {
        k: len(robot.cameras)
        for k, robot in enumerate(robots)
        if len(robot.state) in (numbers, 0) and _seen(robot, observation) >= robot.cameras.keys()
    }
    best = [
        k
        for k, n in fits.items()
        if (n, len(robots[k].state)) == max((fits[j], len(robots[j].state)) for j in fits)
    ]
    if len(best) != 1:
        kinds = "; ".join(f"{k}: {said(robot)}" for k, robot in enumerate(robots))
        how = "none" if not best else "as well one as another"
        raise FeatureMismatchError(
            f"an observation of {', '.join(sorted(observation))} with {numbers} numbers of state is {how} of "
            f"the robots that the policy knows ({kinds}); {ROBOT!r} in it can say which"
        )
    return best[0]


def named(features: Features, shown: Mapping[str, str], fps: float | None = None) -> int:
    """Return which robot of a mixture has the names that one shows, and most of them; the first of several.

    Args:
        features: of the mixture.
        shown: name of each camera and number of the robot -> its unit.
        fps: its rate, if that is to tell robots apart which have the same names.

    Raises:
        FeatureMismatchError: if each has a name that is not shown, saying which of the likest robot.
    """
    missing, has = [], []
    for robot in features.robots:
        there = {robot.renamed.get(name, name) for name in shown} | shown.keys()
        missing.append([name for name in names_of(robot) if name not in there])
        has.append(len(names_of(robot)))
    number = min(
        range(len(missing)),
        key=lambda k: (len(missing[k]), fps not in (None, features.robots[k].fps), -has[k]),
    )
    if missing[number]:
        kinds = "; ".join(map(said, features.robots))
        raise FeatureMismatchError(
            f"the robot is none of those that the policy knows ({kinds}): the likest also has "
            f"{', '.join(missing[number])}. If it calls these otherwise, say so with --rename"
        )
    return number


def said(robot: Features) -> str:
    """Say, for a person, which robot it is."""
    return (
        f"{robot.robot_type} at {robot.fps:g} a second with {len(robot.state)} numbers of state, "
        f"{len(robot.action)} of action and cameras {', '.join(robot.cameras)}"
    )


def _seen(robot: Features, observation: Mapping[str, Any]) -> set[str]:
    """Return the cameras whose pictures are there, by the robot's names."""
    shown = {key.removeprefix(IMAGES) for key in observation if key.startswith(IMAGES)}
    return shown | {robot.renamed[name] for name in shown if name in robot.renamed}
