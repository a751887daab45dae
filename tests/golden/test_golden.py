"""What the same seeds gave when it was last written down: tasks, how experts end, losses of tiny trainings.

A change that is not meant to change numbers leaves these as they are; one that is meant to writes them anew,
and says so: ``PYTHONPATH=tests python tests/golden/test_golden.py``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sayso.evaluation.rollout import rollout
from sayso.learn.loop import steps
from sayso.models.contract import computes_in_bf16
from sayso.models.table import MODELS
from sayso.tasks.worlds import make_world
from small_trainings import begun, record, tiny

EPISODES = Path(__file__).with_name("episodes.json")
LOSSES = Path(__file__).with_name("losses.json")
HOUSEHOLD = ("tabletop", "home")
SEEDS = (1_000_700, 1_000_701)
"""Of the block for validation."""


def episodes(world_name: str) -> dict[str, Any]:
    """Return what is asked of each family on each seed, and how its expert fares."""
    world = make_world(world_name)
    found = {}
    for family in world.families:
        for seed in SEEDS:
            e = rollout(world, world.expert(), seed, family=family)
            found[f"{family}/{seed}"] = [e.instruction, e.horizon, e.outcome, e.steps]
    world.close()
    return found


def losses(model: str, folder: Path) -> list[float]:
    """Return the first losses of a tiny training."""
    config = tiny(record(folder / "spots", range(3)), folder / "run", model=model, steps=3)
    with begun(config) as (run, source, objective):
        return [taken["total"] for taken in steps(run, source, objective)]


@pytest.mark.parametrize("world", HOUSEHOLD)
def test_the_same_seeds_ask_for_the_same_and_experts_end_as_they_did(world):
    assert episodes(world) == json.loads(EPISODES.read_text())[world]


@pytest.mark.parametrize("model", sorted(json.loads(LOSSES.read_text())))
def test_a_tiny_training_has_the_losses_it_had(model, tmp_path):
    written = json.loads(LOSSES.read_text())[model]
    near = 2e-3 if computes_in_bf16("cpu") else 1e-2  # processors round differently, and Muon's steps most
    np.testing.assert_allclose(losses(model, tmp_path), written, rtol=near)


if __name__ == "__main__":
    EPISODES.write_text(json.dumps({world: episodes(world) for world in HOUSEHOLD}, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as made:
        found = {model: losses(model, Path(made) / model) for model in MODELS}
    LOSSES.write_text(json.dumps(found, indent=1) + "\n")
