"""Drivers of robots that do not exist, with the faults of those that do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sayso.runtime.robot import Described
from sayso.spec import Chunk, Features, Observation


class Steady:
    """Ask for the same action always, sixteen times."""

    def __init__(self, action: list[float]) -> None:
        self.action = np.array(action, np.float32)

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation: Observation) -> Chunk:
        return Chunk(np.tile(self.action, (16, 1)))


class Driver(Described):
    """Be where it is told to be, and see noise, as any real camera does."""

    def __init__(self, features: Features) -> None:
        super().__init__(features)
        self.state = dict.fromkeys(features.state_names, 0.0)
        self.sent: list[dict[str, float]] = []
        self.readings = 0
        self._noise = np.random.default_rng(0)

    def connect(self) -> None:
        """Do nothing."""

    def get_observation(self) -> dict[str, Any]:
        self.readings += 1
        pictures = {
            name: self._noise.integers(1, 255, (*size, 3), np.uint8)
            for name, size in self.features.cameras.items()
        }
        return {**self.state, **pictures}

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        self.sent.append(dict(action))
        self.state |= {name: number for name, number in action.items() if name in self.state}
        return dict(action)

    def disconnect(self) -> None:
        """Do nothing."""


class Frozen(Driver):
    """Show the very same picture from one reading on, in the very same array or in a new one."""

    def __init__(self, features: Features, after: int, camera: str, *, copies: bool = False) -> None:
        super().__init__(features)
        self.after, self.camera, self.copies = after, camera, copies
        self._kept: Any = None

    def get_observation(self) -> dict[str, Any]:
        reading = super().get_observation()
        if self.readings <= self.after or self._kept is None:
            self._kept = reading[self.camera]
        return reading | {self.camera: self._kept.copy() if self.copies else self._kept}


class Stuttering(Driver):
    """Fail, or lack something, at some readings."""

    def __init__(self, features: Features, at: range, lacks: str = "", blank: str = "") -> None:
        super().__init__(features)
        self.at, self.lacks, self.blank = at, lacks, blank

    def get_observation(self) -> dict[str, Any]:
        reading = super().get_observation()
        if self.readings not in self.at:
            return reading
        if self.lacks:
            del reading[self.lacks]
        elif self.blank:
            reading[self.blank] = np.zeros_like(reading[self.blank])
        else:
            raise ConnectionError("no status packet")
        return reading


class Slow(Driver):
    """Take a while to be connected and let go of, and write down what happened."""

    def __init__(self, features: Features, seconds: float, notes: Path) -> None:
        super().__init__(features)
        self.seconds, self.notes = seconds, notes

    def note(self, what: str) -> None:
        with self.notes.open("a") as file:
            file.write(what + "\n")

    def connect(self) -> None:
        self.note("connecting")
        time.sleep(self.seconds)
        self.note("torque on")

    def disconnect(self) -> None:
        self.note("disconnecting")
        time.sleep(self.seconds)
        self.note("torque off")


PROGRAM = """
import json, sys
from pathlib import Path
from sayso.runtime import run as running
from sayso.runtime import stopping
from sayso.sim.robots import SO101
from small_drivers import Slow, Steady
notes, (seconds, drive_s, stopping.STUCK_S) = Path(sys.argv[1]), map(float, sys.argv[2:])
robot = Slow(SO101.features(), seconds, notes)
running.make_robot = lambda *_: robot
config = running.RunConfig(robot="so101", port="none", seconds=drive_s, rest_s=0.1)
report = running.run(Steady([1.0] * 6), SO101.features(), "rise", config)
moved = any(any(sent.values()) for sent in robot.sent)
robot.note(json.dumps([report.stopped, report.ticks, moved, report.at_rest]))
"""


def run_in_a_process(
    notes: Path, seconds: float, drive_s: float, stuck_s: float = 2.0
) -> subprocess.Popen[str]:
    """Drive a slow robot from a process of its own, which counts as stuck after so long."""
    tests = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{tests.parent / 'src'}:{tests}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(notes), str(seconds), str(drive_s), str(stuck_s)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def noted(notes: Path) -> Iterator[Any]:
    """Yield what a slow robot wrote down, what is JSON as such."""
    for line in notes.read_text().splitlines() if notes.exists() else []:
        yield json.loads(line) if line.startswith("[") else line
