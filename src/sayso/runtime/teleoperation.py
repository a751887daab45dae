"""Recording on a real robot: a person moves it by a teleoperator, and keeps each episode or discards it.

    set the desk in order, the robot follows ──Enter──> the episode ──Enter──> kept
             ^                                             │ Backspace          │
             └─────────────────────────────────────────────┴────────────────────┘

Limits, and coming to rest whatever happens, are those of the control loop that also drives policies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sayso.data.format import REAL, Ending
from sayso.data.growing import GrowingDataset
from sayso.robots import DEGREES, Connection, driven_robot
from sayso.runtime.by_person import PersonConfig
from sayso.runtime.connecting import connected
from sayso.runtime.drivers import teleoperator_at
from sayso.runtime.finding import make_robot, words_of
from sayso.runtime.limits import Limits, limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.operators.teleoperator import Device, TeleoperatorOperator
from sayso.runtime.robot import DRIVER_ERRORS
from sayso.runtime.stopping import Stop, on_signals
from sayso.runtime.takes import Take, recorded_features
from sayso.runtime.terminal import DISCARD, ENTER, QUIT, Verdicts, verdicts
from sayso.runtime.tick import Tick, unwatched
from sayso.runtime.watched import WatchedRobot
from sayso.spec import Dimension, Features, Robot, SaysoError

FPS = 30.0


@dataclass
class _Sitting:
    """What one sitting works with, and what came of it."""

    config: PersonConfig
    robot: WatchedRobot
    operator: TeleoperatorOperator
    features: Features
    limits: Limits
    keys: Verdicts
    stop: Stop
    tell: Callable[[str], None]
    said: str = ""

    def drive(self, watch: Callable[[Tick], None], longest_s: float) -> str:
        """Let the person drive until a key is pressed, and return what it means; ``quit`` at the end of all.

        Raises:
            SaysoError: if robot or teleoperator failed.
        """
        self.said = ""

        def until() -> str:
            self.said = self.said or self.keys.next()
            return self.stop.reason or self.said

        report = drive(
            self.robot,
            None,
            self.config.task,
            features=self.features,
            limits=self.limits,
            before=[self.operator],
            config=LoopConfig(hz=self.features.fps, seconds=longest_s, start="anywhere"),
            until=until,
            watch=watch,
        )
        if report.fault:
            raise SaysoError(f"{report.stopped}. What was kept before is in {self.config.out}")
        return QUIT if self.stop.reason else self.said


def teleoperate(config: PersonConfig, tell: Callable[[str], None] = print, terminal: Any = None) -> str:
    """Record what a person does with a real robot, and return a line on what is there.

    Args:
        config: which robot, moved by what.
        tell: what to do with each line for the person.
        terminal: where keys come from; by default the standard input.

    Raises:
        SaysoError: if robot or teleoperator cannot be found or fail, or the folder holds something else.
            What was kept until then is part of the dataset.
    """
    stop = Stop()
    robot = WatchedRobot(make_robot(config, _asked_of(config), config.task, tell), lambda _: None)
    device = teleoperator_at(
        Connection(
            lerobot=config.teleop_type,
            settings=words_of(config.teleop_fields),
            id=config.teleop_id,
            unit=DEGREES,
        )
    )
    with on_signals(stop), connected(robot, tell), _open(device, tell), verdicts(terminal) as keys:
        features = features_of(robot, config)
        about = {"world": "a real room", "robot": features.robot_type, "by": "person"}
        with GrowingDataset(config.out, features, about, tell) as dataset:
            operator = TeleoperatorOperator(device, features)
            limits = _limits(features, config, tell)
            sitting = _Sitting(config, robot, operator, features, limits, keys, stop, tell)
            kept = _record(sitting, dataset)
            return f"{config.out}: {kept} kept now, {len(dataset)} in all"


def _record(sitting: _Sitting, dataset: GrowingDataset) -> int:
    """Record episode after episode until there are enough, and return how many were kept."""
    config, tell, kept = sitting.config, sitting.tell, 0
    take = Take(sitting.features, config.out)
    sitting.robot.seen = take.see
    while kept < config.episodes:
        tell(
            f'episode {kept + 1} of {config.episodes}, "{config.task}": set the desk in order; the robot '
            "follows you. Enter begins, q ends"
        )
        while (said := sitting.drive(unwatched, 0.0)) not in (ENTER, QUIT):
            pass
        if said == QUIT:
            return kept
        tell("recording. Enter keeps it, Backspace (or d) discards it, q ends without it")

        def watch(tick: Tick) -> None:
            take.step(tick, config.task, moving=sitting.operator.moving)

        said = sitting.drive(watch, config.longest_s)
        while not said and not sitting.stop.reason:  # its time is over
            tell(f"{config.longest_s:g} s are over. Enter keeps it, Backspace (or d) discards it")
            said = sitting.drive(unwatched, 0.0)
        frames = take.cut()
        if said == ENTER and frames:
            tell(f"writing {len(frames)} frames")
            dataset.add(frames, family=REAL, ending=Ending(actor="person"))
            kept += 1
        elif said == ENTER:
            tell("nothing has moved, so there is nothing to keep")
        elif said == DISCARD:
            tell("discarded")
        else:
            return kept
    return kept


def features_of(robot: Robot, config: PersonConfig) -> Features:
    """Return what episodes of a robot hold: all numbers and cameras that it shows, and all that it takes."""
    units = {d.name: d.unit for d in driven_robot(config.kind).in_degrees}
    shown: Mapping[str, Any] = robot.observation_features
    numbers = [name for name, kind in shown.items() if not isinstance(kind, tuple)]
    features = Features(
        robot_type=_type_of(config),
        fps=config.hz or FPS,
        state=tuple(Dimension(name=name, unit=units.get(name, "")) for name in numbers),
        action=tuple(Dimension(name=name, unit=units.get(name, "")) for name in robot.action_features),
        cameras={name: (kind[0], kind[1]) for name, kind in shown.items() if isinstance(kind, tuple)},
    )
    return recorded_features(features, labelled=False)


def _asked_of(config: PersonConfig) -> Features:
    """Return what is asked of a robot before it says what it shows: joints in degrees, if it has a choice."""
    dimensions = driven_robot(config.kind).in_degrees
    return Features(
        robot_type=_type_of(config), fps=config.hz or FPS, state=dimensions, action=dimensions, cameras={}
    )


def _type_of(config: PersonConfig) -> str:
    row = driven_robot(config.kind)
    return row.name if row.dimensions else row.lerobot or row.name


def _limits(features: Features, config: PersonConfig, tell: Callable[[str], None]) -> Limits:
    """Return the limits of a robot; of one whose limits nobody knows there are none, which is told."""
    limits = limits_of(features, speed_deg_s=config.max_speed_deg_s, imagined=True)
    known = [name for name, low in zip(limits.names, limits.low, strict=True) if low > -float("inf")]
    if endless := [name for name in limits.names if name not in known]:
        tell(f"no limits are known of {', '.join(endless)}: what the teleoperator says is sent as it is")
    return limits


@contextlib.contextmanager
def _open(device: Device, tell: Callable[[str], None]) -> Iterator[None]:
    """Connect a teleoperator, and disconnect it whatever happens.

    Raises:
        SaysoError: if it cannot be connected, or is not calibrated.
    """
    try:
        device.connect()
        if getattr(device, "is_calibrated", None) is False:
            raise SaysoError("the teleoperator is not calibrated; run lerobot-calibrate with its id first")
    except DRIVER_ERRORS as error:
        with contextlib.suppress(*DRIVER_ERRORS):
            device.disconnect()
        if isinstance(error, SaysoError):
            raise
        raise SaysoError(f"the teleoperator cannot be connected: {type(error).__name__}: {error}") from error
    try:
        yield
    finally:
        try:
            device.disconnect()
        except DRIVER_ERRORS as error:
            tell(f"the teleoperator was not disconnected in good order: {error}")
