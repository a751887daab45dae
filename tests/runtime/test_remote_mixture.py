"""A served policy of several robots is to each client that of its robot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sayso.data.mixture import union
from sayso.data.statistics import Stats
from sayso.models.repacked import on_robot
from sayso.models.table import build
from sayso.runtime.remote import RemotePolicy
from sayso.runtime.request import read_request
from sayso.runtime.wire import WireError, pack
from sayso.spec import ACTION, STATE, TASK, Features, image_key
from small_mixtures import DESK, SIMULATED, TWO_ARMS, unlabelled
from small_servers import served

ROBOTS = (unlabelled(SIMULATED), DESK, TWO_ARMS)


def look(features: Features) -> dict:
    seen = {image_key(c): np.full((*size, 3), 70, np.uint8) for c, size in features.cameras.items()}
    return seen | {STATE: np.ones(len(features.state), np.float32), TASK: "do number 1"}


def test_each_client_is_answered_as_its_robot():
    both = union(ROBOTS)
    rng = np.random.default_rng(0)
    stats = {
        key: Stats.of(rng.normal(0, 9, (50, n)))
        for key, n in ((STATE, len(both.state)), (ACTION, len(both.action)))
    }
    torch.manual_seed(0)
    policy = build("vla", preset="tiny", features=both, stats=stats, chunk=3)
    with served(lambda: policy, features=both) as url, RemotePolicy(url) as remote:
        assert remote.features == both
        for features in ROBOTS:
            expected = policy.act(look(features)).actions
            np.testing.assert_array_equal(remote.act(look(features)).actions, expected)
            shown = dict.fromkeys((*features.cameras, *features.state_names, *features.action_names), "")
            one, its = on_robot(remote, both, shown)
            assert its.action_names == features.action_names
            assert len(one.stats[ACTION].mean) == len(features.action)
            np.testing.assert_array_equal(one.act(look(features)).actions, expected)


def test_what_is_of_none_of_the_robots_is_refused_in_a_sentence():
    both = union(ROBOTS)
    wrong = look(DESK) | {STATE: np.zeros(3, np.float32)}
    with pytest.raises(WireError, match="with 3 numbers of state is none of the robots"):
        read_request(pack(wrong), both)
    with pytest.raises(WireError, match="'robot' is 'desk', but must be one of 0 to 2"):
        read_request(pack(look(DESK) | {"robot": "desk"}), both)
