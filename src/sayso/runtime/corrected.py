"""Corrected run: the loop, with a person who corrects it by typing, at a terminal or through a pipe.

typed line ──> Ear ──> Steering, before the policy ──> drive ──┐
                              ^                                │ something else was meant
                              └──── drive, with that sentence ─┘
"""

from __future__ import annotations

import contextlib
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

SUCH = '"a bit to the left", "slower", "stop", "the other one"'
HOW: Mapping[str, str] = {
    "keys": f"Enter, space, Escape or Ctrl-C stops the robot; type to correct it: {SUCH}",
    "lines": f"Ctrl-C stops the robot; lines that are piped in correct it: {SUCH}",
    "": "Ctrl-C stops the robot",
}
"""How a person can type -> what to tell before the first step."""
HELD = "; any other key holds it until what is typed is understood"


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

    A robot that can break is held from the first key until a line is understood, and any key before the first
    step stops it. As `sayso.runtime.loop.drive` otherwise, where `brake` ends all of it.
    """
    steering, asked, careful = Steering(features), instruction, moves(robot)

    def what() -> Asked:
        return asked_in(robot.world, asked) if isinstance(robot, SimulatedRobot) else Asked(sentence=asked)

    ear = Ear(steering, what, careful=careful)

    def hear(line: str) -> None:
        echo("")
        try:
            understood, holds = ear.hear(line), False
            if understood.endswith("stop"):
                understood, holds = f"{understood}; 'go on' lets it go on", True
            said = f"understood: {understood}"
        except SaysoError as error:
            said, holds = str(error), True
        if careful and holds and not steering.runs:
            brake(f"somebody said {line!r} before it began")
        steering.listening = False  # where it is to be held, the steering knows by now
        tell(said)

    def so_far(text: str) -> None:
        steering.listening = careful
        if careful and not steering.runs:  # it may be on its way to where it begins, and asks nobody
            brake("a key was pressed")
        prompt = f"{'held ' if careful else ''}> {text}"
        echo(prompt if (careful or text) and not brake.reason else "")

    typed = Typed(line=hear, stop=lambda: brake("a key was pressed"), so_far=so_far)
    with listening(typed) as how:
        tell(f'"{instruction}"; {HOW[how]}{HELD if careful and how == "keys" else ""}')
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


def echo(line: str) -> None:
    """Show what has been typed, where somebody looks; a terminal that is gone is for signals to tell."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
