"""Connection to a robot and the end of it, whatever happens in between: no motor and no port stays open."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sayso.runtime.robot import DRIVER_ERRORS, check_robot
from sayso.spec import Features, Robot, SaysoError


def connect(robot: Robot, features: Features | None = None) -> None:
    """Connect a robot, and let go of it again if that fails half-way or somebody interrupts it.

    Args:
        robot: whom.
        features: of the policy that it must fit; None checks nothing.

    Raises:
        SaysoError: if it cannot be connected, or is not one that the policy knows.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(let_go, robot)  # its motors may be open though its cameras are not
        try:
            robot.connect()
            if features is not None:
                check_robot(robot, features)
        except SaysoError:
            raise
        except DRIVER_ERRORS as error:
            raise SaysoError(f"the robot cannot be connected: {type(error).__name__}: {error}") from error
        undo.pop_all()


def let_go(robot: Robot) -> None:
    """Disconnect a robot that may not be connected, or not whole."""
    with contextlib.suppress(*DRIVER_ERRORS):
        robot.disconnect()


@contextlib.contextmanager
def connected(robot: Robot, tell: Callable[[str], None] = print) -> Iterator[None]:
    """Connect a robot, and disconnect it whatever happens; tell if that fails, for the run is over.

    Raises:
        SaysoError: if it cannot be connected.
    """
    connect(robot)
    try:
        yield
    finally:
        try:
            robot.disconnect()
        except DRIVER_ERRORS as error:
            tell(f"the robot was not disconnected in good order: {type(error).__name__}: {error}")
        except KeyboardInterrupt:  # half let go of: its motors may still be on
            let_go(robot)
            raise
