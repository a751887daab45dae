"""Choice among the robots that a policy knows: which of them the one is that it is to drive."""

from __future__ import annotations

from sayso.data.fit import check_fits, read_names
from sayso.robots import driven_robot, our_name
from sayso.runtime.finding import DRY, SIMULATION, RobotChoice
from sayso.spec import FeatureMismatchError, Features, UnknownNameError
from sayso.tasks.worlds import WORLDS, world_of


def chosen(features: Features, config: RobotChoice) -> int:
    """Return which robot of a mixture a choice means: by its kind, then by the cameras named; else the first.

    One in a simulation must fit a world that there is; an imagined one may be any.
    """
    names = read_names(config.rename)
    said = [word.partition("=")[0] for word in (*config.robot.split()[1:], *config.cameras) if "=" in word]
    cameras = {names.get(name, name) for name in said}

    def likeness(number: int) -> tuple[bool, int]:
        robot = features.robots[number]
        known = {robot.renamed.get(name, name) for name in cameras}
        return _is_one(robot, config.kind), -len(known ^ robot.cameras.keys()) if known else 0

    return max(range(len(features.robots)), key=likeness)


def _is_one(robot: Features, kind: str) -> bool:
    if kind == DRY:
        return True
    if kind != SIMULATION:
        return our_name(robot.robot_type) == driven_robot(kind).name
    try:
        check_fits(robot, WORLDS[world_of(robot.robot_type)].features)
    except (FeatureMismatchError, UnknownNameError):
        return False
    return True
