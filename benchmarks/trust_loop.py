"""Control loop at 30 Hz beside all that may run with it: a page looked at, a recording, a client that asks.

The loop drives the simulated robot in this process, as ``sayso run`` does. Missed deadlines are ticks that
were not over when the next was due. Memory is that of this process, from the first tenth of the time to its
end. Then the loop is begun `STOPS` times anew and stopped by SIGINT at a random moment: how long after the
signal the last command, which freezes the robot, was sent.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sayso.loading import policy_and_features
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import SimulatedRobot
from sayso.runtime.simulated import simulated
from sayso.runtime.stopping import Stop, on_signals
from trust_found import Found
from trust_frames import listening
from trust_messages import HANDSHAKE_OF_PAGE

ROOT = Path(__file__).resolve().parent.parent
HZ = 30.0
STOPS = 20
SENTENCE = "put the red block in the bowl"
ASKS = """
import sys, time
from sayso.models.checkpoint import read_folder
from sayso.runtime.remote import RemotePolicy
sys.path.insert(0, sys.argv[3])
from trust_messages import look_of
policy, look = RemotePolicy(sys.argv[1]), look_of(read_folder(sys.argv[2]).features)
while True:
    policy.act(look)
    time.sleep(0.2)
"""
"""Client that asks a server five times a second."""


class Stamped(SimulatedRobot):
    """Simulated robot that notes when it was last sent a command."""

    sent_s = 0.0

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Do it, and note when it came."""
        self.sent_s = time.monotonic()
        return super().send_action(action)


def run_loop(minutes: float, checkpoint: Path, seed: int) -> dict[str, Any]:
    """Measure for so many minutes, then the stops; return flat numbers."""
    policy, features = policy_and_features(str(checkpoint), threads=1)
    robot = simulated(features, SENTENCE)
    robot.__class__ = Stamped
    draw, sizes = random.Random(seed), list[tuple[float, int]]()
    how: dict[str, Any] = {"features": features, "limits": limits_of(features)}
    with _beside(checkpoint), _sampled(sizes):
        stop = Stop()
        with on_signals(stop):
            config = LoopConfig(hz=HZ, seconds=60 * minutes)
            report = drive(robot, policy, robot.instruction, **how, config=config, stop=stop)
        stops_ms = []
        for _ in range(STOPS):
            stop = Stop()
            asked = threading.Timer(draw.uniform(1.0, 3.0), os.kill, (os.getpid(), signal.SIGINT))
            with on_signals(stop):
                asked.start()
                moments = _noted()
                drive(
                    robot, policy, robot.instruction, **how, config=LoopConfig(hz=HZ, seconds=30), stop=stop
                )
            asked.join()
            stops_ms.append(max(0.0, 1000 * (robot.sent_s - moments[0])))
    robot.disconnect()
    until = sizes[-1][0]
    steady = [size for when, size in sizes if when > 0.1 * until]
    return {
        "ticks": report.ticks,
        "minutes": report.seconds / 60,
        "missed_deadlines": report.missed / max(1, report.ticks),
        "worst_stop_ms": max(stops_ms),
        "stops": len(stops_ms),
        "memory_mb": steady[-1] / 2**20,
        "memory_growth": steady[-1] / steady[0] - 1,
        "ended_early": float(report.seconds < 60 * minutes - 1),
    }


def _noted() -> list[float]:
    """Return a list into which goes when a signal came."""
    moments: list[float] = []
    ours = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        moments.append(time.monotonic())
        if callable(ours):
            ours(number, frame)

    signal.signal(signal.SIGINT, note)
    return moments


@contextlib.contextmanager
def _sampled(sizes: list[tuple[float, int]]) -> Iterator[None]:
    """Note how much memory this process has, once a second."""
    over, began = threading.Event(), time.monotonic()

    def sample() -> None:
        while not over.wait(1.0):
            pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
            sizes.append((time.monotonic() - began, pages * os.sysconf("SC_PAGE_SIZE")))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _beside(checkpoint: Path) -> Iterator[None]:
    """Run the page with somebody who looks at it, a recording without end, and a server with a client."""
    from websockets.sync.client import connect

    paths = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": paths}
    page = ["studio", "--policy", str(checkpoint), "--port", "0"]
    with contextlib.ExitStack() as over:
        url, _ = over.enter_context(listening(page, r"http://\S+", Found()))
        place = urllib.parse.urlsplit(url)
        protocol = HANDSHAKE_OF_PAGE.rpartition("Protocol: ")[2].strip()
        address = f"ws://{place.netloc}/?{place.query}"
        line = over.enter_context(connect(address, subprotocols=[protocol], max_size=None))  # type: ignore[list-item]
        threading.Thread(target=lambda: [None for _ in line], daemon=True).start()
        serve = ["serve", str(checkpoint), "--port", "0"]
        server, _ = over.enter_context(listening(serve, r"ws://\S+?:\d+", Found()))
        folder = over.enter_context(tempfile.TemporaryDirectory())
        record = [
            "record",
            "--world",
            "tabletop",
            "--episodes",
            "100000",
            "--workers",
            "1",
            "--out",
            folder + "/new",
        ]
        commands = (
            [sys.executable, "-c", ASKS, server, str(checkpoint), str(Path(__file__).parent)],
            [sys.executable, "-m", "sayso", *record],
        )
        for command in commands:
            process = subprocess.Popen(command, start_new_session=True, **quiet)
            over.callback(process.wait)
            over.callback(os.killpg, process.pid, signal.SIGKILL)
        yield
        over.callback(line.close)
