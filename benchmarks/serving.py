"""Measure how long clients of `sayso serve` wait, each look computed by itself or together with others.

    python benchmarks/serving.py checkpoints/tabletop [--seconds 5] [--turns 6]

Servers and clients are processes of this machine and share its cores. All servers stand at once and take
turns; a turn is so many seconds of clients, each a process, that ask again as soon as they are answered:

- ``single``: one client.
- ``ten``: ten.
- ``eleventh``: one more that asks every 50 ms, while those ten ask; ``eleventh_connect_ms`` is what it needs
  to be let in and told what is served.

``one_by_one`` is what served before there were batches: one thread that computes one look at a time, on as
many threads of torch as there are cores. ``batched`` computes together what waits, likewise; ``workers`` is
what `sayso serve` does by itself: a thread per core, each computing its batch on one core. Milliseconds are
from sending a look until its answer is read; ``per_s`` is answers per second to all. ``far`` is how far an
answer was at most from the one that the policy gives by itself, in standard deviations of the demonstrations.
"""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from websockets.sync.client import connect

from results_file import portable, write_result
from sayso.loading import load
from sayso.runtime.wire import pack, unpack
from sayso.spec import ACTION, STATE, TASK, Array, Features, Observation, image_key
from sayso.work.pool import cores

SERVERS: Mapping[str, tuple[str, ...]] = {
    "one_by_one": ("--workers", "1", "--batch", "1"),
    "batched": ("--workers", "1"),
    "workers": (),
}
"""Name -> how it is served."""
CLIENTS, PAUSE_S = 10, 0.05
PERCENTILES = (50, 95, 99)
LOOKS = 4
"""Different looks of each client."""


@dataclass(frozen=True, kw_only=True)
class ServingBenchmark:
    """What to serve, and for how long."""

    checkpoint: tyro.conf.Positional[Path]
    """Folder of the policy."""
    seconds: float = 5.0
    """Seconds of each turn."""
    turns: int = 6
    """Turns of each server with each number of clients."""
    instruction: str = "put the red block in the blue tray"
    """What the policy is told."""


@dataclass(frozen=True)
class Answers:
    """What one client saw in one turn."""

    connect_ms: float
    waits_ms: list[float]
    chunks: list[Array]
    """The last answer to each of its looks."""


def looks(features: Features, instruction: str, client: int) -> list[Observation]:
    """Return what a client shows: noise, other noise than the others'."""
    rng, found = np.random.default_rng(client), []
    for _ in range(LOOKS):
        observation: Observation = {TASK: instruction}
        for camera, size in features.cameras.items():
            observation[image_key(camera)] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        observation[STATE] = rng.normal(size=len(features.state)).astype(np.float32)
        found.append(observation)
    return found


def client(pipe: Connection, messages: list[bytes]) -> None:
    """Be a client: ask whom one is told to, as often as one is told to, until one is told nothing more."""
    while (order := pipe.recv()) is not None:
        url, seconds, pause_s = order
        began = time.perf_counter()
        with connect(url, compression=None, proxy=None, max_size=None) as socket:
            socket.recv()
            connect_ms = 1000 * (time.perf_counter() - began)
            waits_ms: list[float] = []
            answers: dict[int, Any] = {}
            while time.perf_counter() < began + seconds or len(waits_ms) < LOOKS:
                asked = time.perf_counter()
                socket.send(messages[len(waits_ms) % LOOKS])
                answers[len(waits_ms) % LOOKS] = socket.recv()
                waits_ms.append(1000 * (time.perf_counter() - asked))
                time.sleep(pause_s)
        pipe.send(Answers(connect_ms, waits_ms, [unpack(answers[k])["actions"] for k in range(LOOKS)]))


class Crew:
    """Clients, each in a process of its own."""

    def __init__(self, shown: list[list[Observation]]) -> None:
        """Start them."""
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        for own in shown:
            pipe, theirs = context.Pipe()
            args = (theirs, [pack(observation) for observation in own])
            context.Process(target=client, args=args, daemon=True).start()
            self._pipes.append(pipe)

    def ask(self, url: str, seconds: float, numbers: range, pause_s: float = 0.0) -> None:
        """Let clients of these numbers ask for so long."""
        for number in numbers:
            self._pipes[number].send((url, seconds, pause_s))

    def heard(self, numbers: range) -> list[Answers]:
        """Wait for what they were answered."""
        return [self._pipes[number].recv() for number in numbers]

    def close(self) -> None:
        """Send them home."""
        for pipe in self._pipes:
            pipe.send(None)


@contextmanager
def serving(checkpoint: Path, flags: tuple[str, ...]) -> Iterator[str]:
    """Serve a checkpoint with some flags, and yield the address."""
    command = [sys.executable, "-m", "sayso", "serve", str(checkpoint), "--port", "0", *flags]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen(command, **pipes)
    assert process.stdout
    try:
        found = re.search(r"ws://\S+:\d+", process.stdout.readline())
        assert found, f"{' '.join(command)} does not serve"
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def one_turn(crew: Crew, url: str, config: ServingBenchmark) -> dict[str, list[Answers]]:
    """Return what clients were answered: one, ten, and one beside those."""
    first, ten, eleventh = range(1), range(CLIENTS), range(CLIENTS, CLIENTS + 1)
    crew.ask(url, config.seconds, first)
    heard = {"single": crew.heard(first)}
    crew.ask(url, config.seconds, ten)
    heard["ten"] = crew.heard(ten)
    crew.ask(url, config.seconds + 2, ten)
    time.sleep(1)  # until the ten are at full rate
    crew.ask(url, config.seconds, eleventh, PAUSE_S)
    heard["eleventh"] = crew.heard(eleventh)
    crew.heard(ten)
    return heard


def numbers(name: str, turns: list[list[Answers]], seconds: float) -> dict[str, float]:
    """Return flat metrics of what some clients were answered."""
    waits = np.concatenate([answers.waits_ms for heard in turns for answers in heard])
    found = {f"{name}_ms_p{p}": float(np.percentile(waits, p)) for p in PERCENTILES}
    connects = [answers.connect_ms for heard in turns for answers in heard]
    return found | {
        f"{name}_ms_max": float(waits.max()),
        f"{name}_connect_ms": float(np.median(connects)),
        f"{name}_per_s": len(waits) / len(turns) / seconds,
    }


def far(turns: list[list[Answers]], expected: list[list[Array]], scale: Array) -> float:
    """Return how far answers of the first clients were at most from what was expected of them."""
    return max(
        float((np.abs(found - wanted) / scale).max())
        for heard in turns
        for answers, own in zip(heard, expected, strict=False)
        for found, wanted in zip(answers.chunks, own, strict=True)
    )


def main(config: ServingBenchmark) -> None:
    """Serve, ask, print the numbers and write ``serving.json``."""
    policy = load(config.checkpoint, 1)
    shown = [looks(policy.features, config.instruction, number) for number in range(CLIENTS + 1)]
    expected = [[policy.act(observation).actions for observation in own] for own in shown]
    heard: dict[str, list[dict[str, list[Answers]]]] = {name: [] for name in SERVERS}
    crew = Crew(shown)
    with ExitStack() as stack:
        stack.callback(crew.close)
        urls = {name: stack.enter_context(serving(config.checkpoint, SERVERS[name])) for name in SERVERS}
        for turn in range(config.turns):
            for name in list(SERVERS)[:: 1 if turn % 2 else -1]:
                heard[name].append(one_turn(crew, urls[name], config))
                late = max(max(a.waits_ms) for a in heard[name][-1]["eleventh"])
                print(f"turn {turn + 1} of {config.turns}, {name}: eleventh waits {late:.0f} ms", flush=True)
    metrics: dict[str, float] = {}
    for name, turns in heard.items():
        for clients in turns[0]:
            those = [turn[clients] for turn in turns]
            metrics |= {f"{name}_{k}": v for k, v in numbers(clients, those, config.seconds).items()}
        metrics[f"{name}_far"] = far([t["ten"] for t in turns], expected, policy.stats[ACTION].std)
    for name, value in metrics.items():
        print(f"{name:36} {value:12.4g}")
    settings = {**asdict(config), "checkpoint": portable(str(config.checkpoint.resolve())), "cores": cores()}
    settings["servers"] = {name: list(flags) for name, flags in SERVERS.items()}
    n = min(len(a.waits_ms) for turns in heard.values() for t in turns for a in t["eleventh"])
    print("wrote", write_result("serving", metrics, seeds=[], n=n * config.turns, config=settings))


if __name__ == "__main__":
    main(tyro.cli(ServingBenchmark, description=__doc__))
