"""Deployment of a policy: joined with a robot and an instruction, which is what ``sayso run`` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sayso.data.fit import names_of, read_names
from sayso.data.recognition import said
from sayso.data.statistics import Stats
from sayso.data.units import JointUnit, with_units
from sayso.models.recovery import RecoveringPolicy
from sayso.models.repacked import knowing, on_robot, one_robot
from sayso.robots import DEGREES, driven_robot
from sayso.runtime.among import chosen
from sayso.runtime.chunking import make_strategy
from sayso.runtime.connecting import connected, let_go
from sayso.runtime.corrected import drive_corrected
from sayso.runtime.dry import account, beforehand
from sayso.runtime.finding import DRY, SIMULATION, RobotChoice, make_robot
from sayso.runtime.hearing import not_heard
from sayso.runtime.limits import SERVO_DEG_S, Limits, Point, limits_of
from sayso.runtime.loop import LoopConfig
from sayso.runtime.report import RunReport
from sayso.runtime.robot import SimulatedRobot
from sayso.runtime.simulated import refuse_other_setup, short_enough
from sayso.runtime.stopping import Brake, on_signals
from sayso.runtime.tick import Watch, unwatched
from sayso.spec import EXECUTE, Features, Policy, Robot, SaysoError, at_least
from sayso.tasks.worlds import WORLDS, world_of
from sayso.work.replace import appearing


@dataclass(frozen=True, kw_only=True)
class RunConfig(RobotChoice, LoopConfig):
    """Which robot to drive, and how."""

    max_speed_deg_s: float = SERVO_DEG_S
    """Fastest change of a joint's target. Begin with 60 on a robot you do not know."""
    workspace_low_m: Point | None = None
    """Corner x y z of the box that the hand may be in, metres from the arm's base; by default its reach,
    down to the table or the floor."""
    workspace_high_m: Point | None = None
    """The opposite corner."""
    recover: bool = False
    """Where the policy gets nowhere for a second, back off along its own path and look again. It does so too
    where it is done and nobody tells it: for simulation, and for tasks that somebody stops."""
    threads: int = 1
    """Threads of the policy; the loop needs a core of its own."""
    units: JointUnit = ""
    """Unit of the arm's joints, where the policy's recording named none: deg, normalized (-100 to 100) or
    rad. By default it is seen from how far they go."""
    out: Path | None = None
    """File for the report, as JSON."""
    rerun: str = ""
    """Watch it in Rerun (extra `rerun`): --rerun alone opens the viewer; FILE.rrd is written; an address,
    such as rerun+http://127.0.0.1:9876/proxy, is that of a viewer which is open."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        RobotChoice.__post_init__(self)
        LoopConfig.__post_init__(self)
        at_least(self, threads=1)


def run(
    policy: Policy,
    features: Features,
    instruction: str,
    config: RunConfig,
    tell: Callable[[str], None] = print,
    watch: Callable[[Features], Watch] = lambda _: unwatched,
) -> RunReport:
    """Let a policy drive the robot that the config names, and return the report.

    Args:
        policy: who acts.
        features: of the policy.
        instruction: what is asked for.
        config: which robot, and how.
        tell: what to do with each line for the person who watches.
        watch: given the features in the robot's names, returns what is told of every step.

    Raises:
        SaysoError: if the robot cannot be found, or does not fit the policy. Nothing has moved then.
    """
    if not instruction.strip():
        raise SaysoError('the instruction is empty; say what to do, such as "put the can in the bowl"')
    not_heard(policy, instruction, moves=config.kind not in (SIMULATION, DRY) and not config.dry_run)
    policy, features = as_one(policy, features, config, tell)
    stats, stop = demonstrated(policy), Brake()
    features = measured(features, stats, config.units, tell)
    if config.kind == SIMULATION:
        refuse_other_setup(features, read_names(config.rename))
    robot = make_robot(config, features, instruction, tell, stats)
    try:
        policy, features = _spoken(policy, features, robot, config, tell)
        stats = demonstrated(policy)
        if config.recover:
            looks = make_strategy(config.strategy, config.execute)
            policy = RecoveringPolicy(policy, features, getattr(looks, "execute", EXECUTE))
        limits = _limits(features, stats, config, tell)
    except SaysoError:
        let_go(robot)
        raise
    # Whoever interrupts while a robot is being connected or let go of must not leave it half open.
    with on_signals(stop), connected(robot, tell):
        if isinstance(robot, SimulatedRobot):
            instruction = short_enough(policy, robot, tell)
        for line in beforehand(robot):
            tell(line)
        report = drive_corrected(
            robot,
            policy,
            instruction,
            features=features,
            limits=limits,
            config=config,
            brake=stop,
            until=lambda: ending(robot),
            stats=stats,
            tell=tell,
            watch=watch(features),
        )
        for line in (str(report), *account(robot, features, stats)):
            tell(line)
        if isinstance(robot, SimulatedRobot) and (why := robot.why_not()):
            tell(f"not done: {why}")
    if config.out:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        with appearing(config.out) as partial:
            partial.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


def demonstrated(policy: Policy) -> Mapping[str, Stats]:
    """Return the statistics of what a policy learned from; empty if it does not tell."""
    stats: Mapping[str, Stats] = getattr(policy, "stats", {})
    return stats


def as_one(
    policy: Policy, features: Features, config: RobotChoice, tell: Callable[[str], None]
) -> tuple[Policy, Features]:
    """Return a policy as the one of its robots that a choice means, and tell which; a single one as it is."""
    if not features.robots:
        return policy, features
    number = chosen(features, config)
    tell(
        f"the policy knows {len(features.robots)} kinds of robots and is here {said(features.robots[number])}"
    )
    return one_robot(policy, features, number)


def measured(
    features: Features, stats: Mapping[str, Stats], joints: JointUnit, tell: Callable[[str], None]
) -> Features:
    """Return features with units, and tell what had to be assumed for them."""
    found, said = with_units(features, stats, joints)
    for line in said:
        tell(line)
    return found


def _spoken(
    policy: Policy, features: Features, robot: Robot, config: RunConfig, tell: Callable[[str], None]
) -> tuple[Policy, Features]:
    """Return a policy as it acts on a robot, and its features in the robot's names and units.

    Raises:
        UnknownNameError: if the robot has none of a name that is to be renamed.
    """
    shown = dict.fromkeys((*robot.observation_features, *robot.action_features), "")
    if config.kind == SIMULATION:
        shown |= names_of(WORLDS[world_of(features.robot_type)].features)
    elif config.kind != DRY:
        shown |= {name: unit or DEGREES for name, unit in driven_robot(config.kind).units.items()}
    here = knowing(features, read_names(config.rename), shown)
    policy, there = on_robot(policy, here, shown)
    pairs = zip(names_of(here).items(), names_of(there).items(), strict=True)
    for (name, unit), (its, its_unit) in pairs:
        if (name, unit) != (its, its_unit):
            tell(f"the robot's {its} {its_unit}".rstrip() + f" is {name} {unit}".rstrip() + " to the policy")
    return policy, there


def _limits(
    features: Features, stats: Mapping[str, Stats], config: RunConfig, tell: Callable[[str], None]
) -> Limits:
    return limits_of(
        features,
        stats,
        speed_deg_s=config.max_speed_deg_s,
        low_m=config.workspace_low_m,
        high_m=config.workspace_high_m,
        imagined=config.kind == DRY,
        tell=tell,
    )


def ending(robot: Robot) -> str:
    """Return why an episode in simulation is over, or nothing; other robots' never is."""
    if not isinstance(robot, SimulatedRobot):
        return ""
    if robot.succeeded:
        return "success"
    return "not done within the time of the task" if robot.over else ""
