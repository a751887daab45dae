"""Terminal: a person is asked what the robot is to do, as long as there is somebody to answer.

::

    nothing to do ----> ask, and wait for a line ----> the sentence, as long as the robot is at it
          ^                                                  |
          +---- done, or out of time, or a line was typed <--+        quit, Ctrl-C, end of input: `Ended`
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any, NoReturn, TextIO

from sayso.chapter.body import SHARED, RobotInterface
from sayso.runtime.keys import waits
from sayso.runtime.robot import SimulatedRobot
from sayso.spec import SaysoError

GOODBYES = ("quit", "exit", "stop", "bye")


class Ended(SystemExit):
    """End of a loop that says ``while True``: the program stops without a traceback, as with ``sys.exit()``.

    Whoever wants to go on afterwards writes ``try: inference_loop()`` and ``except SystemExit: pass``.
    """


class TerminalInterface:
    """Person who says what is to be done: a line of the standard input each."""

    def __init__(self, robot: RobotInterface | None = None, source: TextIO | None = None) -> None:
        """Say for which robot; None is the shared one.

        Args:
            robot: whose tasks begin and end.
            source: where lines come from; None is the standard input.
        """
        self._body = SHARED if robot is None else robot.body
        self._source = source
        self._asked, self._since = "", 0
        self._waiting = self._interrupted = self._welcomed = False
        self._before: Any = None

    def get_instruction(self) -> list[str]:
        """Return what is to be done now, as a list of one sentence.

        It waits for a line when there is nothing to do: at the beginning, and when the task ended. While the
        robot is at it the same sentence is returned at once, unless another was typed at a terminal; lines of
        a file wait for their turn.

        Raises:
            Ended: if there are no more lines, somebody said ``quit``, or pressed Ctrl-C.
        """
        self._catch_interrupts()
        if self._interrupted:
            self._end()
        if self._asked and self._task_over():
            print(self._outcome(), flush=True)
            self._asked = ""
        if not self._asked or self._typed():
            self._asked = self._ask()
            self._since = self._body.steps
        return [self._asked]

    def _lines(self) -> TextIO:
        return self._source or sys.stdin

    def _typed(self) -> bool:
        """Tell whether a line waits at a terminal."""
        return waits(self._lines())

    def _ask(self) -> str:
        """Return the next line that is understood, in the words that a policy hears."""
        if not self._welcomed and isinstance(self._body.robot, SimulatedRobot):
            self._welcomed = True
            describe = getattr(self._body.robot.world, "describe", None)
            print("There is:", ", ".join(describe()) if describe else "what the sentence names")
        while True:
            line = self._next_line()
            if line.lower() in GOODBYES:
                self._end()
            if line:
                try:
                    return self._understood(line)
                except SaysoError as error:
                    print(error, flush=True)

    def _next_line(self) -> str:
        source = self._lines()
        print("What shall I do? ", end="", flush=True)
        self._waiting = True
        try:
            line = source.readline()
        except KeyboardInterrupt:
            line = ""
        finally:
            self._waiting = False
        if not line:
            self._end()
        if not source.isatty():
            print(line.strip(), flush=True)
        return line.strip()

    def _understood(self, line: str) -> str:
        """Tell a simulated world what is asked, so that it knows when that is done."""
        world: Any = getattr(self._body.robot, "world", None)
        if not hasattr(world, "instruct"):
            return line
        world.instruct(line)
        return str(world.task.instruction)

    def _task_over(self) -> bool:
        robot = self._body.robot
        return self._body.steps > self._since and isinstance(robot, SimulatedRobot) and robot.over

    def _outcome(self) -> str:
        robot = self._body.robot
        if robot.succeeded:
            return f"Done: {self._asked}."
        missing = ", ".join(name.replace("_", " ") for name, held in robot.conditions.items() if not held)
        return f"Not done in time: {self._asked}. Missing: {missing}."

    def _catch_interrupts(self) -> None:
        """Let the first Ctrl-C end the loop at its next question, and the second one whatever hangs."""
        if self._before is not None or threading.current_thread() is not threading.main_thread():
            return

        def interrupted(*_: object) -> None:
            if self._waiting or self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        self._before = signal.signal(signal.SIGINT, interrupted)

    def _end(self) -> NoReturn:
        """Let go of the robot, and of Ctrl-C."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._before, self._interrupted, self._asked = None, False, ""
        self._welcomed = False
        self._body.close()
        print("Goodbye.", flush=True)
        raise Ended
