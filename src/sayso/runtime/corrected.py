"""Run of the loop that a person corrects by typing, at a terminal or through a pipe.

typed line ──> Ear ──> Steering, before the policy ──> drive ──┐
                              ^                                │ something else was meant
                              └──── drive, with that sentence ─┘
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from sayso.data.statistics import Stats
from sayso.runtime.limits import Limits
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.operators.steering import Steering
from sayso.runtime.report import RunReport
from sayso.runtime.robot import SimulatedRobot, moves
from sayso.runtime.said import Asked, Ear, asked_in
from sayso.runtime.stopping import Brake
from sayso.runtime.tick import Watch
from sayso.runtime.typed import Typed, listening
from sayso.spec import Features, Policy, Robot, SaysoError

HOW: Mapping[str, str] = {
    "keys": 'Enter, Escape or Ctrl-C stops the robot; type to correct it: "a bit to the left", "slower", '
    '"stop", "the other one"',
    "lines": "Ctrl-C stops the robot; lines that are piped in correct it",
    "": "Ctrl-C stops the robot",
}


def drive_corrected(
    robot: Robot,
    policy: Policy,
    instruction: str,
    *,
    features: Features,
    limits: Limits,
    config: LoopConfig,
    brake: Brake,
    until: Callable[[], str],
    stats: Mapping[str, Stats],
    tell: Callable[[str], None],
    watch: Watch,
) -> RunReport:
    """Let a policy drive while a person may correct it, and return the report of the last run.

    A robot that can break is held while a line is being typed. As `sayso.runtime.loop.drive` otherwise, where
    `brake` ends all of it.
    """
    steering, asked = Steering(features), instruction

    def what() -> Asked:
        return asked_in(robot.world, asked) if isinstance(robot, SimulatedRobot) else Asked(sentence=asked)

    ear = Ear(steering, what)

    def hear(line: str) -> None:
        try:
            understood = ear.hear(line)
        except SaysoError as error:
            tell(str(error))
            return
        waits = "; 'go on' lets it go on" if understood.endswith("stop") else ""
        tell(f"understood: {understood}{waits}")

    def so_far(text: str) -> None:
        steering.listening = bool(text) and moves(robot)
        sys.stderr.write(f"\r\x1b[K{f'> {text}' if text else ''}")
        sys.stderr.flush()

    typed = Typed(line=hear, stop=lambda: brake("a key was pressed"), so_far=so_far)
    with listening(typed) as how:
        tell(f'"{instruction}"; {HOW[how]}')
        while True:
            report = drive(
                robot,
                policy,
                asked,
                features=features,
                limits=limits,
                before=[steering],
                config=config,
                stop=brake.run(),
                until=until,
                stats=stats,
                tell=tell,
                watch=watch,
                pace=steering.pace,
            )
            if not steering.about or brake.reason or report.fault:
                return report
            asked = steering.about
            tell(f'"{asked}"')
            if isinstance(robot, SimulatedRobot):
                robot.ask(asked)
