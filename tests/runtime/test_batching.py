"""Many clients of one server: computed together, answered as if each were alone, none at another's cost."""

from __future__ import annotations

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_remote_mixture import look as look_of
from test_remote_server import Caller, get, looks, wait_for

from sayso import loading
from sayso.data.mixture import union
from sayso.data.statistics import Stats
from sayso.models.policy import ModelPolicy
from sayso.models.table import build
from sayso.runtime.batching import Look, answers, company
from sayso.runtime.remote import RemotePolicy
from sayso.runtime.wire import pack
from sayso.spec import ACTION, STATE, TASK, SaysoError
from small_mixtures import DESK, SIMULATED, TWO_ARMS, unlabelled
from small_policies import STATS, policy
from small_servers import Breaking, Remembering, look, served

SENTENCES = (
    "go to the red spot",
    "go",
    "please go over to the spot that is blue and then stay there",
    "stop",
)
TOLERANCE = 1e-4
"""Of what a number of the demonstrations varies by."""


class Sociable(Breaking):
    """Compute at once with others of its class, note what was computed, and wait at a gate if told to."""

    company = "sociable"
    batches: list[list[str]]
    gate: threading.Event

    @staticmethod
    def act_together(policies, observations):
        policies[0].batches.append([observation[TASK] for observation in observations])
        return [Breaking.act(p, seen) for p, seen in zip(policies, observations, strict=True)]

    def act(self, observation):
        self.batches.append([observation[TASK]])
        if observation[TASK] == "wait at the gate":
            assert self.gate.wait(timeout=60)
        return super().act(observation)


@pytest.fixture
def sociable():
    """Return a class of policies with a gate of their own, of which batches are noted."""
    return type("Noting", (Sociable,), {"batches": [], "gate": threading.Event()})


def wait_until_waiting(url: str, many: int) -> None:
    """Wait until so many looks wait for the policy."""
    wait_for(lambda: f"sayso_waiting {many:.1f}" in get(url, "/metrics")[2])


@contextmanager
def held_up(policy: type[Sociable], many: int, **config: Any):
    """Serve, and hold up the policy with one client's look; yield the address, other clients, and threads."""
    with served(policy, **config) as url, ExitStack() as clients, ThreadPoolExecutor(many + 1) as threads:
        busy, *others = (clients.enter_context(Caller(url)) for _ in range(many + 1))
        first = threads.submit(busy.ask, task="wait at the gate")
        wait_for(lambda: ["wait at the gate"] in policy.batches)
        try:
            yield url, others, threads
        finally:
            policy.gate.set()
        assert first.result()["server_timing"]["batch_size"] == 1
        assert looks(busy.ask()) == 2, "it is served as before"


def test_looks_that_are_computed_together_are_answered_as_each_by_itself():
    own = policy()
    rng = np.random.default_rng(0)
    seen = [
        look(x, **{TASK: SENTENCES[k % 4], STATE: rng.normal(0.5, 0.2, 2).astype(np.float32)})
        for k, x in enumerate(np.linspace(0.1, 0.9, 11))
    ]
    one_by_one = [own.act(observation).actions for observation in seen]
    policies = [loading.with_its_own_memory(own) for _ in seen]
    together = ModelPolicy.act_together(policies, seen)
    for alone, chunk in zip(one_by_one, together, strict=True):
        assert np.abs(alone - chunk.actions).max() < TOLERANCE * max(STATS[ACTION].std)
    assert np.ptp([chunk.actions for chunk in together], axis=0).max() > 100 * TOLERANCE, "all alike"


def test_looks_of_unlike_robots_can_be_computed_together():
    robots = (unlabelled(SIMULATED), DESK, TWO_ARMS)
    both = union(robots)
    rng = np.random.default_rng(0)
    sizes = ((STATE, len(both.state)), (ACTION, len(both.action)))
    stats = {key: Stats.of(rng.normal(0, 9, (50, n))) for key, n in sizes}
    torch.manual_seed(0)
    own = build("vla", preset="tiny", features=both, stats=stats, chunk=3)
    seen = [look_of(features) for features in (*robots, DESK)]
    for observation, chunk in zip(seen, ModelPolicy.act_together(4 * [own], seen), strict=True):
        np.testing.assert_allclose(chunk.actions, own.act(observation).actions, atol=9 * TOLERANCE)


def test_a_policy_that_draws_noise_is_computed_alone():
    flow = policy(decoder="flow")
    assert company(flow) is None
    twins = [loading.with_its_own_memory(flow) for _ in range(2)]
    asked = [Look(policy=twin, observation=look(), begins=True) for twin in twins]
    first, second = answers(asked)
    np.testing.assert_array_equal(first.actions, second.actions)


def test_what_came_while_the_policy_computed_is_computed_together_next(sociable):
    with held_up(sociable, 6) as (url, callers, threads):
        asked = [threads.submit(caller.ask, x=k / 10) for k, caller in enumerate(callers)]
        wait_until_waiting(url, 6)
        sociable.gate.set()
        for k, one in enumerate(asked):
            answer = one.result()
            assert answer["actions"][0, 0] == np.float32(k / 10), "everybody has their own answer"
            assert answer["server_timing"]["batch_size"] == 6
            assert 0 < answer["server_timing"]["queue_ms"] < answer["server_timing"]["infer_ms"]
        told = get(url, "/metrics")[2]
    assert [len(batch) for batch in sociable.batches][1:3] == [1, 6]  # the first is the look at nothing
    assert 'sayso_batch_size_bucket{le="4.0"} 1.0' in told and "sayso_queue_seconds_count 7.0" in told


def test_no_more_than_so_many_are_computed_at_once(sociable):
    with held_up(sociable, 5, batch=2) as (url, callers, threads):
        asked = [threads.submit(caller.ask) for caller in callers]
        wait_until_waiting(url, 5)
        sociable.gate.set()
        assert sorted(a.result()["server_timing"]["batch_size"] for a in asked) == [1, 2, 2, 2, 2]


def test_whoever_sends_without_waiting_is_answered_no_more_often_than_others():
    order = []

    class Noting(Remembering):
        def act(self, observation):
            order.append(observation[TASK])
            time.sleep(0.02)
            return super().act(observation)

    with served(Noting) as url, Caller(url) as flood, Caller(url) as polite:
        for _ in range(40):
            flood.socket.send(pack(look(task="flood")))
        for _ in range(5):
            polite.ask(task="polite")
        for _ in range(40):
            flood.socket.recv(timeout=30)
    polite_ones = [k for k, task in enumerate(order) if task == "polite"]
    between = np.diff(polite_ones) - 1
    assert between.max() <= 2, f"{between} floods between two polite looks"


def test_who_dies_before_its_look_is_computed_costs_nothing(sociable):
    with held_up(sociable, 2) as (url, (dead, alive), threads):
        dead.socket.send(pack(look(task="nobody waits for this")))
        other = threads.submit(alive.ask)
        wait_until_waiting(url, 2)
        dead.socket.socket.shutdown(socket.SHUT_RDWR)  # as a process that is killed: no goodbye
        time.sleep(0.3)
        sociable.gate.set()
        assert looks(other.result()) == 1
        wait_for(lambda: "sayso_connections 2.0" in get(url, "/metrics")[2])
    assert all("nobody waits for this" not in batch for batch in sociable.batches)


def test_a_look_that_breaks_the_policy_costs_its_own_client_the_connection_and_no_other(sociable):
    with held_up(sociable, 3) as (url, callers, threads):
        wrong = [threads.submit(callers[k].ask, task=task) for k, task in ((0, "raise"), (1, "wide"))]
        right = threads.submit(callers[2].ask, x=0.25)
        wait_until_waiting(url, 3)
        sociable.gate.set()
        assert "the policy failed" in wrong[0].result() and "7 numbers per action" in wrong[1].result()
        assert right.result()["actions"][0, 0] == 0.25


def test_two_workers_compute_at_the_same_time():
    meet = threading.Barrier(2)

    class Meeting(Remembering):
        def act(self, observation):
            if observation[TASK] == "meet":
                meet.wait(timeout=60)
            return super().act(observation)

    with (
        served(Meeting, workers=2) as url,
        Caller(url) as one,
        Caller(url) as other,
        ThreadPoolExecutor(2) as threads,
    ):
        asked = [threads.submit(caller.ask, task="meet") for caller in (one, other)]
        assert [looks(a.result()) for a in asked] == [1, 1]


def test_a_client_that_waits_long_is_told_how_seldom_to_ask(sociable, caplog):
    with (
        held_up(sociable, 1, busy_ms=100) as (url, (idle,), threads),
        RemotePolicy(url) as remote,
        caplog.at_level(logging.WARNING, "sayso.runtime.remote"),
    ):
        asked = threads.submit(remote.act, look())
        wait_until_waiting(url, 1)
        time.sleep(0.15)
        sociable.gate.set()
        asked.result()
        assert 0.1 < remote.every_s < 60
        assert [
            r for r in caplog.records if f"{url} is busy with 3 clients: an answer takes" in r.getMessage()
        ]
        assert "busy" not in idle.ask()
        remote.act(look())
        assert remote.every_s == 0


def test_an_export_has_one_thread_that_computes(tmp_path):
    (tmp_path / "model.onnx").touch()
    with pytest.raises(SaysoError, match="--workers is 2, but an export answers one look at a time"):
        loading.to_serve(tmp_path, 2)


def test_the_shipped_policy_serves_ten_clients_in_batches():
    own = loading.load(Path(__file__).parents[2] / "checkpoints" / "tabletop", 1)
    features = own.features
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(10):
        shown = look_of(features) | {TASK: "put the white can in the yellow tray"}
        shown |= {key: rng.integers(0, 256, v.shape, np.uint8) for key, v in shown.items() if "images" in key}
        seen.append(shown)
    expected = [own.act(shown).actions for shown in seen]
    make = lambda: loading.with_its_own_memory(own)  # noqa: E731
    with (
        served(make, features=features, workers=2) as url,
        ExitStack() as clients,
        ThreadPoolExecutor(10) as threads,
    ):
        remotes = [clients.enter_context(RemotePolicy(url)) for _ in seen]
        for _ in range(3):
            found = threads.map(lambda pair: pair[0].act(pair[1]).actions, zip(remotes, seen, strict=True))
            for chunk, wanted in zip(found, expected, strict=True):
                assert (np.abs(chunk - wanted) / own.stats[ACTION].std).max() < 1e-3
        told = get(url, "/metrics")[2]
    assert float(told.split('sayso_batch_size_bucket{le="1.0"} ')[1].split()[0]) < 20, "most came in batches"
