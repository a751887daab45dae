"""Time LIBERO's control steps: without a look, with both pictures as we draw them, and as LeRobot does.

    python benchmarks/libero_drawing.py [--steps 60]

Rates are per second of one core's CPU time, so that other work on the machine counts less; it still slows
memory and caches down. One scene of each suite, actions at random, both cameras at 128 pixels in every step
that looks, or in every fourth, as policies do. LeRobot's steps are robosuite's own.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["LP_NUM_THREADS"] = "0"  # one core: the software renderer draws in the calling thread

import time
from dataclasses import asdict, dataclass

import numpy as np
import tyro

from results_file import write_result
from sayso.tasks.contract import World
from sayso.tasks.libero.suites import SUITES
from sayso.tasks.worlds import make_world

SEED = 1
WARM = 3
"""Steps that are not counted."""
EVERY = 4
"""How many actions a policy carries out between two looks."""


@dataclass(frozen=True, kw_only=True)
class LiberoDrawing:
    """How long to measure."""

    steps: int = 60
    """Control steps of each kind in each suite; with LeRobot's drawing a sixth of them."""


def rate(world: World, family: str, steps: int, *, every: int) -> float:
    """Return control steps per second of CPU time, with a look in every so many, or in none (0)."""
    world.reset(seed=SEED, options={"family": family})
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (steps + WARM, 7)).astype(np.float32)
    for action in actions[:WARM]:
        world.step(action, render=bool(every))
    began = time.process_time()
    for number, action in enumerate(actions[WARM:]):
        world.step(action, render=bool(every) and number % every == 0)
    return steps / (time.process_time() - began)


def main(config: LiberoDrawing) -> None:
    """Time a scene of each suite, print the rates and write ``libero_drawing.json``."""
    metrics: dict[str, float] = {}
    for suite in SUITES:
        family = f"{suite}-0"
        ours, theirs = make_world("libero", family), make_world("libero-lerobot", family)
        metrics[f"{suite}.no_look_per_s"] = rate(ours, family, config.steps, every=0)
        metrics[f"{suite}.policy_per_s"] = rate(ours, family, config.steps, every=EVERY)
        metrics[f"{suite}.per_s"] = rate(ours, family, config.steps, every=1)
        metrics[f"{suite}.lerobot_per_s"] = rate(theirs, family, max(1, config.steps // 6), every=1)
        ours.close()
        theirs.close()
        for name, value in list(metrics.items())[-4:]:
            print(f"{name:24} {value:7.1f}", flush=True)
    rounded = {name: round(value, 1) for name, value in metrics.items()}
    write_result(
        "libero_drawing", rounded, seeds=[SEED], n=config.steps, config={**asdict(config), "every": EVERY}
    )


if __name__ == "__main__":
    main(tyro.cli(LiberoDrawing, description=__doc__))
