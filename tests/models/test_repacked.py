"""A policy acts where cameras and numbers are called otherwise, or measured in another unit."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from sayso import loading
from sayso.data.fit import names_of
from sayso.data.statistics import Stats
from sayso.evaluation.rollout import rollout
from sayso.models import checkpoint
from sayso.models.repacked import RepackedPolicy, in_world, on_robot
from sayso.models.table import build
from sayso.runtime.exported import ExportedPolicy
from sayso.spec import (
    ACTION,
    STATE,
    Chunk,
    Dimension,
    FeatureMismatchError,
    Policy,
    UnknownNameError,
    image_key,
)
from small_policies import STATS, policy
from small_worlds import FEATURES, SpotWorld

THERE = {"front": "image", "wrist": "wrist_image"}
BACK = {there: here for here, there in THERE.items()}


class RenamedWorld(SpotWorld):
    """Spots that are seen through cameras of other names."""

    features = dataclasses.replace(FEATURES, cameras=dict.fromkeys(THERE.values(), (32, 32)), points=())

    def _observe(self):
        return {
            image_key(THERE[camera]) if (camera := key.rpartition(".")[2]) in THERE else key: value
            for key, value in super()._observe().items()
        }


def test_a_policy_acts_in_a_world_of_other_names_as_in_its_own():
    made = policy()
    before = rollout(SpotWorld(), made, 3)
    world = RenamedWorld()
    there = in_world(made, made.features, world.features, BACK)
    after = rollout(world, there, 3)
    assert (after.steps, after.conditions, after.error) == (before.steps, before.conditions, "")
    assert isinstance(there, Policy) and there.hear("go to the red spot") == made.hear("go to the red spot")
    own = rollout(SpotWorld(), in_world(made, made.features, SpotWorld.features), 3)
    assert own.steps == before.steps


def test_names_that_fit_nothing_are_refused():
    made = policy()
    with pytest.raises(FeatureMismatchError, match="camera only in the world: image, wrist_image"):
        in_world(made, made.features, RenamedWorld.features)
    with pytest.raises(UnknownNameError, match=r"'imgae'. Did you mean 'image'"):
        in_world(made, made.features, RenamedWorld.features, {"imgae": "front"})


def test_a_checkpoint_remembers_names_and_needs_to_be_told_nothing(tmp_path):
    made = policy(features=dataclasses.replace(FEATURES, renamed=BACK))
    checkpoint.save(made, tmp_path / "policy")
    kept = checkpoint.load(tmp_path / "policy")
    assert kept.features == made.features
    world = RenamedWorld()
    observation, _ = world.reset(seed=3)
    np.testing.assert_array_equal(
        kept.act(observation).actions, policy().act(SpotWorld().reset(seed=3)[0]).actions
    )
    maker = loading.maker_of(str(tmp_path / "policy"))
    assert rollout(world, maker(world), 3).steps == rollout(SpotWorld(), maker(SpotWorld()), 3).steps


def test_an_export_remembers_them_as_well():
    fed: list[dict] = []

    def engine(feeds):
        fed.append(feeds)
        return np.zeros((1, 4, 2), np.float32)

    features = dataclasses.replace(FEATURES, renamed=BACK)
    exported = ExportedPolicy(engine, [*map(image_key, THERE), STATE, "words", "words_mask"], features, STATS)
    exported.act(RenamedWorld().reset(seed=3)[0])
    exported.act(SpotWorld().reset(seed=3)[0])
    assert all(np.array_equal(fed[0][key], fed[1][key]) for key in fed[1])


def arm(unit: str):
    numbers = (Dimension(name="pan.pos", unit=unit), Dimension(name="gripper.pos", unit="%"))
    return dataclasses.replace(FEATURES, state=numbers, action=numbers, points=())


def test_a_policy_in_degrees_feels_and_moves_a_robot_in_radians():
    rows = np.random.default_rng(0).normal([20, 50], [30, 10], (100, 2))
    torch.manual_seed(0)
    stats = {STATE: Stats.of(rows), ACTION: Stats.of(rows)}
    made = build("vla", preset="tiny", features=arm("deg"), stats=stats)
    there, features = on_robot(made, made.features, names_of(arm("rad")))
    assert features == arm("rad")
    observation, _ = SpotWorld().reset(seed=0)
    factor = np.array([math.pi / 180, 1], np.float32)
    felt = there.act({**observation, STATE: np.array([40, 50], np.float32) * factor})
    same = made.act({**observation, STATE: np.array([40, 50], np.float32)})
    np.testing.assert_allclose(felt.actions, same.actions * factor, rtol=1e-4)
    assert there.stats[STATE].mean == pytest.approx(np.array(stats[STATE].mean) * factor)


def test_a_unit_that_nobody_knows_stays_unknown_on_every_robot():
    nameless = arm("")
    assert on_robot(Mute(), nameless, names_of(arm("deg")))[1] == nameless
    there = on_robot(Mute(), dataclasses.replace(nameless, renamed=BACK), names_of(RenamedWorld.features))[1]
    assert there.action == nameless.action and list(there.cameras) == [*BACK]


class Mute:
    """Answer, and nothing else."""

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        return Chunk(np.zeros((1, 2), np.float32))


def test_a_repacked_policy_can_what_its_policy_can_and_no_more():
    there = RepackedPolicy(Mute(), FEATURES, FEATURES)
    assert not hasattr(there, "seed") and not hasattr(there, "hear") and there.stats == {}
    assert isinstance(copy.deepcopy(there).policy, Mute)
    made = policy()
    assert RepackedPolicy(made, FEATURES, FEATURES).stats.keys() == STATS.keys()
