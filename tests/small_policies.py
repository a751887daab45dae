"""A tiny policy of ours for the small worlds, and the statistics that it was made with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sayso.data.statistics import Stats
from sayso.models.policy import ModelPolicy
from sayso.models.table import build
from sayso.spec import ACTION, STATE
from small_worlds import FEATURES

STATS = {
    STATE: Stats.of(np.random.default_rng(0).normal([0.5, 0.4], [0.2, 0.3], (100, 2))),
    ACTION: Stats.of(np.random.default_rng(1).normal([10.0, -20.0], [2.0, 4.0], (100, 2))),
}


def policy(**changes: Any) -> ModelPolicy:
    torch.manual_seed(0)
    made = build("vla", **{"preset": "tiny", "features": FEATURES, "stats": STATS, "chunk": 4, **changes})
    assert made.type == "vla"
    return made
