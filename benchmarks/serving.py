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

import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import tyro

from results_file import portable, write_result
from sayso.loading import load
from sayso.runtime.wire import pack, unpack
from sayso.spec import ACTION, STATE, TASK, Array, Features, Observation, image_key
from sayso.work.pool import cores
from serving_client import Heard, Order

SERVERS: Mapping[str, tuple[str, ...]] = {
    "one_by_one": ("--workers", "1", "--batch", "1"),
    "batched": ("--workers", "1"),
    "workers": (),
}
"""Name -> how it is served."""
CLIENTS, PAUSE_S = 10, 0.05
PERCENTILES = (50, 95, 99)
LOOKS = 2
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


class Crew:
    """Clients, each in a process of its own (`serving_client`)."""

    def __init__(self, shown: list[list[Observation]]) -> None:
        """Start them."""
        script = Path(__file__).with_name("serving_client.py")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._processes = [subprocess.Popen([sys.executable, str(script)], **pipes) for _ in shown]
        for number, own in enumerate(shown):
            self._tell(number, [pack(observation) for observation in own])

    def ask(self, order: Order, numbers: range) -> None:
        """Let clients of these numbers ask."""
        for number in numbers:
            self._tell(number, order)

    def heard(self, numbers: range) -> list[Heard]:
        """Wait for what they were answered."""
        pipes: list[IO[bytes] | None] = [self._processes[number].stdout for number in numbers]
        return [pickle.load(pipe) for pipe in pipes if pipe]

    def close(self) -> None:
        """Send them home."""
        for number, process in enumerate(self._processes):
            self._tell(number, None)
            process.communicate()

    def _tell(self, number: int, what: object) -> None:
        pipe = self._processes[number].stdin
        assert pipe
        pickle.dump(what, pipe)
        pipe.flush()


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


def one_turn(crew: Crew, url: str, config: ServingBenchmark) -> dict[str, list[Heard]]:
    """Return what clients were answered: one, ten, and one beside those."""
    first, ten, eleventh = range(1), range(CLIENTS), range(CLIENTS, CLIENTS + 1)
    crew.ask(Order(url, config.seconds), first)
    heard = {"single": crew.heard(first)}
    crew.ask(Order(url, config.seconds), ten)
    heard["ten"] = crew.heard(ten)
    crew.ask(Order(url, config.seconds + 2), ten)
    time.sleep(1)  # until the ten are at full rate
    crew.ask(Order(url, config.seconds, PAUSE_S), eleventh)
    heard["eleventh"] = crew.heard(eleventh)
    crew.heard(ten)
    return heard


def numbers(name: str, turns: list[list[Heard]], seconds: float) -> dict[str, float]:
    """Return flat metrics of what some clients were answered."""
    waits = np.concatenate([answers.waits_ms for heard in turns for answers in heard])
    found = {f"{name}_ms_p{p}": float(np.percentile(waits, p)) for p in PERCENTILES}
    connects = [answers.connect_ms for heard in turns for answers in heard]
    return found | {
        f"{name}_ms_max": float(waits.max()),
        f"{name}_connect_ms": float(np.median(connects)),
        f"{name}_per_s": len(waits) / len(turns) / seconds,
    }


def far(turns: list[list[Heard]], expected: list[list[Array]], scale: Array) -> float:
    """Return how far answers of the first clients were at most from what was expected of them."""
    return max(
        float((np.abs(found["actions"] - wanted) / scale).max())
        for heard in turns
        for answers, own in zip(heard, expected, strict=False)
        for found, wanted in zip(map(unpack, answers.answers), own, strict=False)
    )


def main(config: ServingBenchmark) -> None:
    """Serve, ask, print the numbers and write ``serving.json``."""
    policy = load(config.checkpoint, 1)
    shown = [looks(policy.features, config.instruction, number) for number in range(CLIENTS + 1)]
    expected = [[policy.act(observation).actions for observation in own] for own in shown]
    heard: dict[str, list[dict[str, list[Heard]]]] = {name: [] for name in SERVERS}
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
