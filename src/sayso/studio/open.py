"""Opening of the live page, kept up to date, everything left at rest: what ``sayso studio`` does."""

from __future__ import annotations

import contextlib
import io
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sayso.data.fit import names_of
from sayso.models.repacked import on_robot
from sayso.runtime.by_person import PersonConfig
from sayso.runtime.finding import tell_pace
from sayso.runtime.run import demonstrated, measured
from sayso.runtime.stopping import Stop, on_signals
from sayso.spec import Features, Policy, SaysoError, at_least, known
from sayso.studio.config import SessionConfig
from sayso.studio.controls import Controls
from sayso.studio.demonstrating import Demonstration
from sayso.studio.session import Session
from sayso.tasks.worlds import WORLDS, shipped_for

if TYPE_CHECKING:
    from viser import ViserServer

    from sayso.studio.screen import Screen

PERIOD_S = 0.04
"""How often what is drawn is brought up to date."""


@dataclass(frozen=True, kw_only=True)
class StudioConfig(SessionConfig):
    """Which policy to show, where, and to whom."""

    policy: str = ""
    """Folder of a policy, or ws://host:port of one elsewhere; by default the shipped one of the world."""
    host: str = "127.0.0.1"
    """Address to listen on. Whoever has the printed address can move the robot."""
    port: int = 8080
    """Port to listen on; the next free one if it is taken, any if 0."""
    threads: int = 1
    """Threads of the policy; the loop needs a core of its own."""
    browser: bool = False
    """Open the page in a browser."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        at_least(self, port=0, threads=1, seed=0)
        known("world", self.world, WORLDS)

    @property
    def subject(self) -> str:
        """Return the policy to load."""
        return self.policy or shipped_for(self.world, "--policy")


def studio(
    policy: Policy,
    features: Features,
    config: StudioConfig,
    tell: Callable[[str], None] = print,
    stop: Stop | None = None,
) -> None:
    """Show a policy at work on a page until somebody stops it. For the main thread.

    Args:
        policy: who acts.
        features: of the policy.
        config: where.
        tell: what to do with each line for the person at the terminal.
        stop: who may end it, besides signals.

    Raises:
        SaysoError: if there is no such room, the policy belongs to another robot, or viser is not installed.
    """
    _need_viser()
    stop, features = stop or Stop(), measured(features, demonstrated(policy), "", tell)
    policy, features = on_robot(policy, features, names_of(WORLDS[config.world].features))

    def page(server: ViserServer, controls: Controls) -> tuple[Screen, Session]:
        from sayso.studio.page import Page

        session = Session(policy, features, config)
        tell_pace(features, session.room_features, tell)
        return Page(server, session, features, controls), session

    _show(page, config.world, (config.host, config.port), tell, stop, browser=config.browser)
    tell("the robot is at rest and the page closed")


def demonstrate(config: PersonConfig, tell: Callable[[str], None] = print, stop: Stop | None = None) -> None:
    """Let a person demonstrate on a page until all is recorded, or somebody stops it. For the main thread.

    Raises:
        SaysoError: as `Demonstration` does, or if viser is not installed.
    """
    _need_viser()

    def page(server: ViserServer, controls: Controls) -> tuple[Screen, Session]:
        from sayso.studio.judging import JudgingPage

        session = Demonstration(config)
        return JudgingPage(server, session, session.room_features, controls), session

    where = config.page_host, config.page_port
    session = _show(page, config.world, where, tell, stop or Stop(), browser=config.browser)
    tell(session.hands.told())


def _need_viser() -> None:
    try:
        import viser  # noqa: F401 - as late as this: it is an extra
    except ModuleNotFoundError as error:
        if error.name != "viser":
            raise
        raise SaysoError("the live page needs viser: pip install 'sayso[studio]'") from error


def _show(
    lay_out: Callable[[ViserServer, Controls], tuple[Screen, Session]],
    world: str,
    where: tuple[str, int],
    tell: Callable[[str], None],
    stop: Stop,
    *,
    browser: bool,
) -> Session:
    """Open a page, keep it up to date until somebody stops it, and return its session, which is closed."""
    from sayso.studio.page import serve

    host, port = where
    with on_signals(stop), contextlib.ExitStack() as over:
        controls = Controls()
        server, url = serve(host, port, world, controls)
        over.callback(_quietly, server.stop)
        screen, session = lay_out(server, controls)
        over.callback(session.close)
        there = server.get_port()
        tell(url)  # on a line of its own, so that terminals know where it ends
        moved = f" Port {port} is taken, so it moved to {there}." if port not in (0, there) else ""
        tell(f"That is the page, with the token that opens it; Ctrl-C ends it.{moved}")
        if browser:
            webbrowser.open(url)
        while not stop.reason and not session.finished.is_set():
            screen.update()
            time.sleep(PERIOD_S)
        screen.update()
    return session


def _quietly(end: Callable[[], None]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        end()
