"""Every policy of ours keeps the contract that `rollout` relies on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.policy_contract import PolicyContract
from sayso.data.fit import check_fits
from sayso.data.statistics import Stats
from sayso.models.checkpoint import load
from sayso.models.table import MODELS, build
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE
from sayso.tasks.worlds import WORLDS

TOY = "MODEL"
"""What the package outside calls its model."""


def fresh(kind, features):
    rng = np.random.default_rng(0)
    stats = {key: Stats.of(rng.normal(0, 20, (50, len(features.action)))) for key in (STATE, ACTION)}
    torch.manual_seed(0)
    return build(kind, preset="tiny", features=features, stats=stats)


class TestEveryModel(PolicyContract):
    """A fresh policy of each row of the table, and of the package outside."""

    @pytest.fixture(scope="class", params=[*MODELS, TOY])
    def made(self, request):
        features = (LEKIWI if request.param == "vla" else SO101).features()
        if request.param is not TOY:
            return fresh(request.param, features), features
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(Path(__file__).parents[1] / "outside"))
            patch.setattr(MODELS, "own", {**MODELS.own, TOY: f"sayso_outside.model:{TOY}"})
            return fresh(TOY, features), features


class TestEveryShippedPolicy(PolicyContract):
    """The checkpoint of each world keeps it too, and fits that world."""

    @pytest.fixture(
        scope="class", params=sorted({row.checkpoint for row in WORLDS.values() if row.checkpoint})
    )
    def made(self, request):
        policy = load(Path(__file__).parents[2] / request.param)
        return policy, policy.features

    def test_it_fits_its_world(self, made, request):
        where = request.node.callspec.params["made"]
        rows = [row for row in WORLDS.values() if row.checkpoint == where]
        assert rows
        for row in rows:
            check_fits(made[0].features, row.features)

    def test_the_words_decide_what_it_does(self, made, look):
        policy, _ = made
        other = policy.act({**look, "task": "put the green can in the yellow bowl"}).actions
        assert np.abs(policy.act(look).actions - other).max() > 0.1


del PolicyContract  # pytest would collect it here as tests of its own
