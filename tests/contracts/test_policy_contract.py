"""Every policy of ours keeps the contract that `rollout` relies on."""

from pathlib import Path

import numpy as np
import torch

from contracts.policy_contract import PolicyContract
from sayso.data.normalize import Stats
from sayso.models.checkpoint import load
from sayso.models.table import build
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE, check_fits
from sayso.tasks import sawyer


def fresh(kind, features):
    rng = np.random.default_rng(0)
    stats = {key: Stats.of(rng.normal(0, 20, (50, len(features.action)))) for key in (STATE, ACTION)}
    torch.manual_seed(0)
    return build(kind, preset="tiny", features=features, stats=stats)


class TestFreshVLA(PolicyContract):
    def make(self):
        features = LEKIWI.features()
        return fresh("vla", features), features


class TestFreshTextbook(PolicyContract):
    def make(self):
        features = SO101.features()
        return fresh("textbook", features), features


class ShippedContract(PolicyContract):
    """The checkpoints in the repository keep it too, and fit the worlds they are named after."""

    world = ""

    def make(self):
        policy = load(Path(__file__).parents[2] / "checkpoints" / self.world)
        return policy, policy.features

    def test_it_fits_its_world(self, made):
        features = {"tabletop": SO101.features, "home": LEKIWI.features, "metaworld": sawyer.features}
        check_fits(made[0].features, features[self.world]())

    def test_the_words_decide_what_it_does(self, made, look):
        policy, _ = made
        other = policy.act({**look, "task": "put the green can in the yellow bowl"}).actions
        assert np.abs(policy.act(look).actions - other).max() > 0.1


class TestShippedTabletop(ShippedContract):
    world = "tabletop"


class TestShippedHome(ShippedContract):
    world = "home"


class TestShippedMetaworld(ShippedContract):
    world = "metaworld"


del PolicyContract, ShippedContract  # pytest would collect them here as tests of their own
