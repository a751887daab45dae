"""Serve tiny policies from a thread of the test's own process."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sayso.runtime.server import PolicyServer, ServeConfig
from sayso.spec import STATE, TASK, Chunk, Features, Observation, Policy, image_key
from small_worlds import FEATURES, SIZE

TASK_ASKED = "go to the red spot"


class Remembering:
    """Return, three times, the first number of the state and how many looks there were since the reset."""

    def __init__(self) -> None:
        self.looks = 0

    def reset(self) -> None:
        self.looks = 0

    def act(self, observation: Observation) -> Chunk:
        self.looks += 1
        return Chunk(np.tile(np.float32([observation[STATE][0], self.looks]), (3, 1)))


class Breaking(Remembering):
    """Break when the task says so, in one of several ways."""

    def act(self, observation: Observation) -> Chunk:
        match observation[TASK]:
            case "raise":
                raise RuntimeError("no such file: /home/somebody/secret")
            case "nan":
                return Chunk(np.full((3, 2), np.nan, np.float32))
            case "wide":
                return Chunk(np.zeros((3, 7), np.float32))
            case "dawdle":
                time.sleep(0.6)
            case "hang":
                time.sleep(600)
        return super().act(observation)


@contextmanager
def served(
    make_policy: Callable[[], Policy] = Remembering,
    *,
    token: str = "",
    about: dict[str, Any] | None = None,
    features: Features = FEATURES,
    **config: Any,
) -> Iterator[str]:
    """Serve policies of the small world, on a free port unless told, and yield the address."""
    server = PolicyServer(
        make_policy, features, ServeConfig(**{"port": 0, **config}), token=token, about=about
    )
    opened: queue.Queue[str | Exception] = queue.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        try:
            async with server.listening() as url:
                opened.put(url)
                await stop.wait()
        except Exception as error:
            opened.put(error)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        url = opened.get(timeout=60)
        if isinstance(url, Exception):
            raise url
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


PROGRAM = """
from sayso.runtime.server import PolicyServer, ServeConfig, run_server
from small_servers import Breaking
from small_worlds import FEATURES
run_server(PolicyServer(Breaking, FEATURES, ServeConfig(port=0)), lambda url: print(url, flush=True))
print("stopped")
"""


def served_by_a_process() -> tuple[subprocess.Popen[str], str]:
    """Serve from a process that can be killed; return it and the address."""
    tests = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{tests.parent / 'src'}:{tests}"}
    command = [sys.executable, "-c", PROGRAM]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@contextmanager
def served_folder(folder: Path, **environment: str) -> Iterator[str]:
    """Serve the policy in a folder as people do, with ``sayso serve``, and yield the address."""
    command = [sys.executable, "-m", "sayso", "serve", str(folder), "--port", "0"]
    paths = os.pathsep.join([environment.pop("PYTHONPATH", ""), str(Path(__file__).parents[1] / "src")])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment, "PYTHONPATH": paths},
    )
    assert process.stdout is not None
    try:
        found = re.search(r"ws://\S+?:\d+", process.stdout.readline())
        assert found, "it does not say where it is"
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def look(x: float = 0.5, **changes: Any) -> Observation:
    """Return an observation of the small world, with changes; a change to None takes a thing away."""
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    observation: Observation = {
        image_key("front"): image,
        image_key("wrist"): image[::-1],
        STATE: np.array([x, 0.25], np.float32),
        TASK: TASK_ASKED,
    }
    return {name: value for name, value in (observation | changes).items() if value is not None}
