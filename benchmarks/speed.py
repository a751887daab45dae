r"""Measure speed in the processor's time, this code beside an earlier commit's, in turns of one run.

    python benchmarks/speed.py --before COMMIT [--dataset datasets/tabletop] [--turns 8]

Both sides run in this environment, the earlier one from a git worktree that comes first on the path, with the
same seeds, demonstrations and export. They take turns, so that whatever else the machine does slows both.
Seconds are the processor's: of `control_steps_per_s` those of the thread that steps and draws (expert and
resets apart), else those of the whole process. For a row, ``<row>_before`` is the other side's and
``<row>_ratio`` the median over turns of how many times as fast it is now.

- ``control_steps_per_s``: steps of the tabletop with two cameras, in one thread; ``_home`` of the home.
- ``train_ratio``: samples per second in training, now over before (needs ``--dataset``).
- ``first_action_s``: from the start of `sayso run EXPORT --robot dry` to the first action, when it was run
  before; ``first_start_s``: the first time, when the graph is compiled and the instruction is read.
- ``acting_memory_mb``: the high-water mark of that process, which runs without torch.
- ``policy_ms``: a call of the exported policy on ``--threads`` threads, by the clock; ``policy_cpu_ms``.
- ``lerobot_smolvla_ms``: LeRobot's own SmolVLA, where `make smolvla` made its environment.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # the software renderer draws in the calling thread
os.environ["OMP_NUM_THREADS"] = "1"

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import tyro

from against import SEEDS, calling, training

ROOT = Path(__file__).resolve().parent.parent
SENTENCE = "put the red block in the blue tray"
SKIPPED = 5
"""Steps of an episode that are not counted: shaders compile at the first pictures."""
START = """
import sys, time
from sayso.runtime.robot import DryRun
from sayso.cli import main
send, told = DryRun.send_action, []
def first(robot, action):
    if not told:
        told.append(time.process_time())
    return send(robot, action)
DryRun.send_action = first
main(["run", sys.argv[1], sys.argv[2], "--robot", "dry", "--seconds", "1"])
assert "torch" not in sys.modules, "torch was imported"
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("told", told[0], int(peak) / 1024)
"""
"""Print the processor's seconds until the first action, and the peak of memory, MB."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What to measure, against what, for how long."""

    before: str
    """Commit to compare with."""
    rows: tuple[str, ...] = ("sim", "start", "policy", "train", "lerobot")
    """What to measure."""
    checkpoint: Path = ROOT / "checkpoints" / "tabletop"
    """Folder of the policy."""
    dataset: Path | None = None
    """Folder of demonstrations to train on; without it training is left out."""
    turns: int = 8
    """Turns of each side."""
    steps: int = 60
    """Control steps, or calls of a policy, in a turn."""
    threads: int = 2
    """Threads of the policy; training has one."""
    smolvla: Path = ROOT / ".venv-smolvla" / "bin" / "python"
    """Python of the environment with LeRobot's SmolVLA."""


class Side:
    """One of the two codes, which is asked for turns."""

    def __init__(self, source: Path, given: dict[str, Any], cache: Path) -> None:
        """Name the ``src`` folder of the code, what it is given, and a cache folder of its own."""
        self._given = json.dumps(given)
        self._env = {**os.environ, "PYTHONPATH": str(source), "SAYSO_CACHE": str(cache)}
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is once it was installed
        self._process: subprocess.Popen[str] | None = None

    def begin(self, row: str) -> None:
        """Start the process of a row."""
        command = [sys.executable, __file__, "side", row, self._given]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=self._env, **pipes)

    def turn(self) -> list[float]:
        """Return what was done, in how many seconds of the processor, and by the clock.

        Raises:
            subprocess.CalledProcessError: if the process ended.
        """
        assert self._process and self._process.stdin and self._process.stdout
        print(file=self._process.stdin, flush=True)
        if line := self._process.stdout.readline():
            return list(json.loads(line))
        raise subprocess.CalledProcessError(self._process.wait(), "side")

    def end(self) -> None:
        """End the process."""
        assert self._process
        self._process.communicate()

    def start(self, export: Path) -> tuple[float, float]:
        """Return the seconds to the first action of a process of its own, and its peak of memory, MB."""
        command = [sys.executable, "-c", START, str(export), SENTENCE]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=True)
        told = next(line.split() for line in done.stdout.splitlines() if line.startswith("told "))
        return float(told[1]), float(told[2])


def stepping(name: str, steps: int) -> Iterator[list[float]]:
    """Yield, for each seed, steps with all pictures, and the seconds of this thread and of the clock."""
    from sayso import make_world

    world = make_world(name)
    for seed in SEEDS:
        observation, _ = world.reset(seed=seed)
        expert, counted, spent, clock = world.expert(), 0, 0.0, 0.0
        for number in range(SKIPPED + steps):
            action = expert.act(observation).actions[0]
            began, began_clock = time.thread_time(), time.perf_counter()
            observation, _, ended, cut, _ = world.step(action)
            if number >= SKIPPED:
                spent += time.thread_time() - began
                clock += time.perf_counter() - began_clock
                counted += 1
            if ended or cut:
                break
        if counted:
            yield [counted, spent, clock]


def turns_of(row: str, given: dict[str, Any]) -> Iterator[list[float]]:
    """Yield turns of a row."""
    if row.startswith("sim_"):
        yield from stepping(row.removeprefix("sim_"), given["steps"])
        return
    if row == "policy":
        from sayso import load, make_world

        work, count = calling(make_world("tabletop"), load(given["export"], given["threads"])), given["steps"]
    else:
        import torch

        torch.set_num_threads(1)
        steps, count = (given["turns"] + 2) * 2, 1
        asked = {"datasets": (Path(given["dataset"]),), "out": Path(tempfile.mkdtemp(dir=given["folder"]))}
        work = training(**asked, preset="small", batch_size=32, threads=1, steps=steps)
    while True:
        began, clock = time.process_time(), time.perf_counter()
        done = sum(next(work) for _ in range(count))
        yield [done, time.process_time() - began, time.perf_counter() - clock]


def answer(row: str, given: dict[str, Any]) -> None:
    """Take a turn for each line that comes in."""
    turns, answers = turns_of(row, given), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed is no answer
    for _ in sys.stdin:
        print(json.dumps(next(turns)), file=answers, flush=True)


def compared(row: str, sides: dict[str, Side], turns: int) -> dict[str, list[list[float]]]:
    """Let both sides take their turns of a row; a first turn of each does not count."""
    for side in sides.values():
        side.begin(row)
    done: dict[str, list[list[float]]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name in ("before", "now") if turn % 2 else ("now", "before"):
            done[name].append(sides[name].turn())
    for side in sides.values():
        side.end()
    return {name: counted[1:] for name, counted in done.items()}


def of_both(name: str, now: list[float], before: list[float], *, faster: float) -> dict[str, float]:
    """Return a row's medians and ratio; `faster` is 1 for what is per second, and -1 for seconds."""
    ratios = [(here / there) ** faster for here, there in zip(now, before, strict=True)]
    found = {name: median(now), f"{name}_before": median(before), f"{name}_ratio": median(ratios)}
    print(*(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
    return found


def per_second(name: str, row: str, sides: dict[str, Side], config: Speed) -> dict[str, float]:
    """Return what both sides do in a second of the processor."""
    done = compared(row, sides, config.turns)
    rates = {side: [count / spent for count, spent, _ in turns] for side, turns in done.items()}
    return of_both(name, rates["now"], rates["before"], faster=1)


def policy_calls(sides: dict[str, Side], config: Speed) -> dict[str, float]:
    """Return milliseconds of a call, by the clock and of the processor."""
    done = compared("policy", sides, config.turns)
    found = {}
    for name, column in (("policy_ms", 2), ("policy_cpu_ms", 1)):
        ms = {side: [1000 * turn[column] / turn[0] for turn in turns] for side, turns in done.items()}
        found |= of_both(name, ms["now"], ms["before"], faster=-1)
    return found


def starts(sides: dict[str, Side], export: Path, config: Speed) -> dict[str, float]:
    """Return seconds to the first action, from an empty cache and after that, and memory."""
    fresh = {name: side.start(export) for name, side in sides.items()}
    later = {name: [side.start(export) for _ in range(config.turns)] for name, side in sides.items()}
    found = of_both("first_start_s", [fresh["now"][0]], [fresh["before"][0]], faster=-1)
    for column, name in enumerate(("first_action_s", "acting_memory_mb")):
        now, before = ([turn[column] for turn in later[side]] for side in ("now", "before"))
        found |= of_both(name, now, before, faster=-1)
    return found


def smolvla(config: Speed) -> dict[str, float]:
    """Return the median of LeRobot's SmolVLA, if it can be had."""
    if not config.smolvla.exists():
        print(f"lerobot: left out; there is no {config.smolvla}, which `make smolvla` makes")
        return {}
    from latency import LatencyBenchmark, LeRobotsSmolVLA

    wanted = LatencyBenchmark(checkpoint=config.checkpoint, threads=config.threads, smolvla=config.smolvla)
    with contextlib.closing(LeRobotsSmolVLA(wanted)) as call:
        call()
        laps = []
        for _ in range(config.turns):
            began = time.perf_counter()
            call()
            laps.append(1000 * (time.perf_counter() - began))
    return {"lerobot_smolvla_ms": median(laps)}


@contextlib.contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into a folder for as long as this lasts."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def main(config: Speed) -> None:
    """Let both sides take their turns, print the numbers and write ``speed.json``."""
    from results_file import portable, write_result

    with tempfile.TemporaryDirectory() as made, worktree(config.before, Path(made) / "before") as before:
        folder = Path(made)
        export, metrics = folder / "export", {}
        asked = [str(config.checkpoint), "--out", str(export), "--frames", "2", "--calls", "2"]
        subprocess.run([sys.executable, "-m", "sayso", "export", *asked], check=True)
        given = {"export": str(export), "dataset": str(config.dataset), "folder": made}
        given |= {key: getattr(config, key) for key in ("turns", "steps", "threads")}
        sources = {"now": ROOT / "src", "before": before / "src"}
        sides = {name: Side(source, given, folder / f"cache_{name}") for name, source in sources.items()}
        if "sim" in config.rows:
            metrics |= per_second("control_steps_per_s", "sim_tabletop", sides, config)
            metrics |= per_second("control_steps_per_s_home", "sim_home", sides, config)
        if "start" in config.rows:
            metrics |= starts(sides, export, config)
        if "policy" in config.rows:
            metrics |= policy_calls(sides, config)
        if "train" in config.rows and config.dataset:
            trained = per_second("train_samples_per_s", "train", sides, config)
            metrics |= trained | {"train_ratio": trained["train_samples_per_s_ratio"]}
        if "lerobot" in config.rows:
            metrics |= smolvla(config)
    settings = {**asdict(config), "checkpoint": portable(str(config.checkpoint.resolve()))}
    settings |= {"dataset": config.dataset and config.dataset.name, "smolvla": ""}
    used = list(SEEDS[: config.turns + 1])
    print("wrote", write_result("speed", metrics, seeds=used, n=config.turns, config=settings))


if __name__ == "__main__":
    if sys.argv[1:2] == ["side"]:
        answer(sys.argv[2], json.loads(sys.argv[3]))
    else:
        main(tyro.cli(Speed, description=__doc__))
