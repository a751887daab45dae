r"""Measure the speed of this checkout against an older one's, in turns of one run, on the same work.

    git worktree add --detach ../before COMMIT && make -C ../before setup
    python benchmarks/against.py --old ../before

Each side runs in the ``.venv`` of its own checkout; this file drives either. Both get the same seeds,
demonstrations (recorded by the old code) and checkpoint, and take turns: old, new, new, old. Whatever else
slows the machine slows both sides of a turn, so each turn has a ratio of its own. ``<row>.ratio`` is their
median, new / old, above 1 where the new code is faster; ``ratio_least`` and ``ratio_most`` hold the true
median in 95 % of runs. ``processor`` is the same per second of the processor's time, which others on the
machine disturb less, and ``alike`` the share of turns in which both did equally much. Rows are per second:
control steps of a world under its expert, ``drawn`` with all pictures; samples of training; calls of a
policy, as a checkpoint and as what each side's `sayso export` makes of it.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # the software renderer draws in the calling thread

import inspect
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro

ROOT = Path(__file__).resolve().parent.parent
SEEDS = range(1_000_000, 1_100_000)
Turn = tuple[int, float, float]
"""How much was done, in how many seconds, in how many of the processor's."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """What to compare with, and for how long."""

    old: Path
    """Checkout of the older code, with its .venv."""
    rows: tuple[str, ...] = (
        *("step_tabletop", "step_tabletop_drawn", "step_home", "step_home_drawn"),
        *("train_tiny", "train_small", "call_checkpoint", "call_export"),
    )
    """What to measure."""
    checkpoint: Path = ROOT / "checkpoints" / "tabletop"
    """Folder of a policy that both can load."""
    turns: int = 20
    """Turns of each row."""
    steps: int = 5
    """Training steps in a turn; twenty times as many calls of a policy."""
    demonstrations: int = 12
    """Episodes to record and to train on."""
    threads: int = 2
    """Threads of training and of policies; a world and its pictures have one."""


def clocks() -> Any:
    """Return the time and this process's processor time, seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def stepping(world: Any, drawn: bool) -> Iterator[Turn]:
    """Yield, for each seed, how many steps an episode of the expert took, and its seconds."""
    look = "render" if "render" in inspect.signature(world.step).parameters else "look"
    for seed in SEEDS:
        observation, _ = world.reset(seed=seed)
        expert, over, done, began = world.expert(), False, 0, clocks()
        while not over:
            action = expert.act(observation).actions[0]
            observation, _, ended, cut, _ = world.step(action, **{look: drawn})
            over, done = ended or cut, done + 1
        yield done, *(clocks() - began)


def training(**asked: Any) -> Iterator[int]:
    """Yield the samples of each step; `sayso.learn.loop` is younger than some code to compare with."""
    try:
        from sayso.learn import imitate, loop
    except ImportError:
        from sayso.learn import train

        old = train.Run(train.TrainConfig(**asked), train.open_windows(train.TrainConfig(**asked)))
        yield from (asked["batch_size"] for batch in old.batches() if old.advance(*batch))
    else:
        config = imitate.TrainConfig(**asked)
        run, source, objective = imitate.begin(config, imitate.open_windows(config))
        source.open()
        with run.opened():
            yield from (asked["batch_size"] for _ in loop.steps(run, source, objective))


def calling(world: Any, policy: Any) -> Iterator[int]:
    """Yield 1 for each call of a policy, on what the expert sees in ten steps."""
    (observation, _), seen, expert = world.reset(seed=SEEDS[0]), [], world.expert()
    for _ in range(10):
        seen.append(observation)
        observation, *_ = world.step(expert.act(observation).actions[0])
    while True:
        for look in seen:
            policy.act(look)
            yield 1


def timed(work: Iterator[int], count: int) -> Iterator[Turn]:
    """Yield what `count` pieces of work come to, and their seconds; one before them is not counted."""
    for _ in work:
        began = clocks()
        yield sum(next(work) for _ in range(count)), *(clocks() - began)


def side(row: str, folder: Path, config: dict[str, Any]) -> None:
    """Take the turns of a row in this process, one for each line that comes in."""
    from sayso import load, make_world

    threads, (kind, what, *drawn) = config["threads"], row.split("_")
    if kind == "step":
        turns = stepping(make_world(what), bool(drawn))
    elif kind == "train":
        asked = {"datasets": (folder / "demonstrations",), "out": Path(tempfile.mkdtemp(dir=folder))}
        asked |= {"preset": what, "batch_size": 32, "threads": threads}
        turns = timed(training(**asked, steps=(config["turns"] + 2) * (config["steps"] + 1)), config["steps"])
    else:
        policy = load(config[what], threads)
        turns = timed(calling(make_world("tabletop"), policy), 20 * config["steps"])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed is no answer
    for _ in sys.stdin:
        print(json.dumps(next(turns)), file=answers, flush=True)


def compared(row: str, sides: dict[str, list[str]], turns: int) -> dict[str, float]:
    """Let both sides take their turns of a row, and return its numbers; a first turn of each does not count.

    Raises:
        subprocess.CalledProcessError: if one of them ended.
    """
    told: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    began = {name: subprocess.Popen(command, **told) for name, command in sides.items()}
    done: dict[str, list[Turn]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name in ("old", "new") if turn % 2 else ("new", "old"):
            print(turn, file=began[name].stdin, flush=True)
            if not (answer := began[name].stdout.readline()):
                raise subprocess.CalledProcessError(began[name].wait(), sides[name])
            done[name].append(json.loads(answer))
            time.sleep(0.1)  # threads of what was just asked still spin
    for process in began.values():
        process.communicate()
    old, new = (np.array(done[name][1:]) for name in ("old", "new"))
    ratios = np.sort((new[:, :1] / new[:, 1:]) / (old[:, :1] / old[:, 1:]), axis=0)
    outside = sum(sum(math.comb(turns, i) for i in range(k + 1)) <= 0.025 * 2**turns for k in range(turns))
    ends = {"_least": max(outside - 1, 0), "_most": -max(outside, 1)}
    found = {"old": median(old[:, 0] / old[:, 1]), "new": median(new[:, 0] / new[:, 1])}
    for column, clock in enumerate(("ratio", "processor")):
        found[clock] = median(ratios[:, column])
        found |= {f"{clock}{end}": ratios[place, column] for end, place in ends.items()}
    found["alike"] = float((old[:, 0] == new[:, 0]).mean())
    print(f"{row:22}", *(f"{name} {value:9.3f}" for name, value in found.items()), flush=True)
    return {f"{row}.{name}": value for name, value in found.items()}


def main(config: Against) -> None:
    """Record, export, let the sides take turns and write ``against.json``."""
    from results_file import portable, write_result
    from sayso.work.provenance import commit

    pythons = {"old": str(config.old.resolve() / ".venv" / "bin" / "python"), "new": sys.executable}
    settings = {**asdict(config), "old": commit(config.old), "checkpoint": portable(str(config.checkpoint))}
    with tempfile.TemporaryDirectory() as made:
        folder, metrics, sides = Path(made), {}, {}
        shown = [
            str(folder / "demonstrations"),
            "--episodes",
            str(config.demonstrations),
            "--world",
            "tabletop",
        ]
        subprocess.run([pythons["old"], "-m", "sayso", "record", "--out", *shown], check=True)
        for name, python in pythons.items():
            export = [str(config.checkpoint), "--out", str(folder / name), "--frames", "2", "--calls", "2"]
            subprocess.run([python, "-m", "sayso", "export", *export], check=True)
            told = {key: getattr(config, key) for key in ("turns", "steps", "threads")}
            told |= {"checkpoint": str(config.checkpoint), "export": str(folder / name)}
            sides[name] = [python, __file__, "side", made, json.dumps(told)]
        for row in config.rows:
            metrics |= compared(row, {name: [*words, row] for name, words in sides.items()}, config.turns)
    used = list(SEEDS[: config.turns + 1])
    print("wrote", write_result("against", metrics, seeds=used, n=config.turns, config=settings))


if __name__ == "__main__":
    if sys.argv[1:2] == ["side"]:
        side(sys.argv[4], Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        main(tyro.cli(Against, description=__doc__))
