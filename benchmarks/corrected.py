"""Measure "no, the other one", said in mid-motion, in scenes of two things alike (docs/studio.md).

    python benchmarks/corrected.py                          the tabletop's shipped policy, 50 scenes
    python benchmarks/corrected.py --policy expert          the world's own expert: what the words alone cost
    python benchmarks/corrected.py --world home

In each scene the policy is asked for one thing. At a step that the seed draws, before it is done, a person
says "no, the other one"; what is held then is put down, the policy is asked for the other thing from where
the robot stands, and has the usual time for it. It counts if the other thing is where it was to go. Scenes
are fresh seeds of the test split. Each outcome is kept in the folder of parts, so that a run goes on where
it was stopped; `language_only.py` adds what is there to its metrics as ``corrected``.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from results_file import ROOT
from sayso.evaluation.planner import Here, Room
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import wilson
from sayso.runtime.operators.steering import Steering
from sayso.runtime.said import Ear, asked_in
from sayso.runtime.steered import rollout_steered
from sayso.spec import Array, Observation, Policy, SaysoError, seeds
from sayso.tasks.contract import Taught
from sayso.tasks.household.words.others import instead
from sayso.tasks.worlds import WORLDS, make_world
from sayso.work.provenance import write_json

WORDS = "no, the other one"
FIRST, LAST = 12, 50
"""Between which steps it is said: 0.6 to 2.5 seconds after the policy began."""
SCENES = 2000
"""In how many scenes to look for two things alike."""


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Which policy, where."""

    world: str = "tabletop"
    """tabletop or home."""
    policy: str = ""
    """Folder of a policy, or expert; by default the shipped one of the world."""
    family: str = "put"
    """Family of tasks that is asked for."""
    scenes: int = 50
    """How many scenes with two things alike."""
    parts: Path = Path("runs/language_only")
    """Folder of outcomes, as of language_only.py."""
    threads: int = 1
    """Threads of the policy."""


class Says(Here):
    """Room in which somebody says something after so many steps."""

    def __init__(self, room: Room, begin: Observation, ear: Ear, step: int) -> None:
        """Stand in for a room."""
        super().__init__(room, begin)
        self._ear, self._left = ear, step
        self.meant = ""

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action, and speak when it is time."""
        found = super().step(action, render=render)
        self._left -= 1
        if self._left == 0 and not (found[2] or found[3]):
            self.meant = self._ear.hear(WORDS)
        return found


def main(config: Corrected) -> None:
    """Measure scene after scene, and write what is there."""
    path = config.parts / "corrected.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    asked = {"world": config.world, "policy": config.policy or "shipped", "family": config.family}
    if found.get("config") != asked:
        found = {"config": asked, "scenes": {}}
    world: Any = make_world(config.world)
    policy = acting(config, world)
    scenes = found["scenes"]
    for seed in alike(world, config.family):
        if sum(one["said"] for one in scenes.values()) >= config.scenes:
            break
        if str(seed) not in scenes:
            scenes[str(seed)] = one = corrected(world, policy, seed, config.family)
            write_json(path, found)
            print(f"seed {seed}: {one}", flush=True)
    counted = [one["success"] for one in scenes.values() if one["said"]]
    share = wilson(sum(counted), len(counted))
    print(
        f"corrected: {sum(counted)} of {len(counted)} ({share.share:.3f}, {share.low:.3f}-{share.high:.3f})"
    )


def acting(config: Corrected, world: Any) -> Policy:
    """Return the policy, as it acts in the world."""
    if config.policy == "expert":
        assert isinstance(world, Taught)
        return world.expert()
    import torch

    from sayso.models.checkpoint import load
    from sayso.models.repacked import in_world

    torch.set_num_threads(config.threads)
    loaded = load(Path(config.policy) if config.policy else ROOT / WORLDS[config.world].checkpoint)
    return in_world(loaded, loaded.features, world.features)


def alike(world: Any, family: str) -> Iterator[int]:
    """Yield the seeds of scenes in which exactly one other thing is alike to what is asked for."""
    for number in count():
        if number == SCENES:
            raise SaysoError(f"{SCENES} scenes have too few with two things alike")
        (seed,) = seeds("test", 1, number)
        world.reset(seed=seed, options={"family": family})
        task = world.task
        try:
            other = instead(task.instruction, "", task.things.values(), world.families)
        except SaysoError:
            continue
        world.instruct(other)
        if world.task.object_name != task.object_name and world.feasible():
            yield seed


def corrected(world: Any, policy: Policy, seed: int, family: str) -> dict[str, Any]:
    """Return whether it was said in time, at which step, and whether the other thing was then done."""
    begin, _ = world.reset(seed=seed, options={"family": family})
    step = int(np.random.default_rng([seed, 1]).integers(FIRST, LAST))
    steering, asked = Steering(world.features), world.task.instruction
    ear = Ear(steering, lambda: asked_in(world, asked))
    room = Says(world, begin, ear, step)
    rollout_steered(room, begin, policy, seed, steering, waits=False)  # type: ignore[arg-type]
    if not (meant := room.meant):  # it was done before
        return {"said": False, "success": False, "step": step, "asked": asked}
    episode = rollout(Here(world, world.instruct(meant)), policy, seed)  # type: ignore[arg-type]
    return {
        "said": True,
        "success": episode.success,
        "step": step,
        "asked": asked,
        "meant": meant,
        "why": episode.why or episode.error,
    }


if __name__ == "__main__":
    main(tyro.cli(Corrected, description=__doc__))
