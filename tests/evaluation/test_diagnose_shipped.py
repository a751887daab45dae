"""Ten faults of convention, planted one at a time before the shipped policies: each is found and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.data.transforms import two_way
from sayso.evaluation.diagnose import Diagnosis, diagnosis
from sayso.evaluation.diagnosis.faults import FAULTS
from sayso.evaluation.diagnosis.shown import Demonstrations, Sequel, by_expert
from sayso.loading import load
from sayso.models.policy import ModelPolicy
from sayso.spec import IMAGES, STATE, Chunk, Features, Observation, image_key, seeds
from sayso.tasks.worlds import WORLDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
LOOKS = 36


@cache
def healthy(world: str) -> Demonstrations:
    entry = WORLDS.ready(world)
    chosen = seeds("validation", 2 * len(entry.families), 3000)
    return by_expert(
        entry.make(), [(entry.families[k % len(entry.families)], s) for k, s in enumerate(chosen)]
    )


@dataclass
class ChunkBegunLate:
    """A policy whose chunks begin a step late."""

    policy: ModelPolicy

    def __getattr__(self, name: str):
        return getattr(self.policy, name)

    def act(self, observation: Observation) -> Chunk:
        return Chunk(self.policy.act(observation).actions[1:])


def with_other_statistics(policy: ModelPolicy) -> ModelPolicy:
    rng = np.random.default_rng(1)
    policy.stats = {key: of_another_room(one, rng) for key, one in policy.stats.items()}
    policy.collator = replace(policy.collator, chain=two_way(policy.stats, policy.features))
    return policy


def of_another_room(one: Stats, rng: np.random.Generator) -> Stats:
    moved = np.array(one.mean) + rng.normal(0, 1, len(one.mean)) * np.array(one.std)
    return replace(one, mean=tuple(moved), std=tuple(np.array(one.std) * rng.uniform(0.5, 2, len(one.std))))


Seen = Callable[[Observation, Observation, Features], Observation]


def exchanged(now: Observation, before: Observation, features: Features) -> Observation:
    first, second = map(image_key, list(features.cameras)[:2])
    return {**now, first: now[second], second: now[first]}


def upside_down(now: Observation, before: Observation, features: Features) -> Observation:
    first = image_key(next(iter(features.cameras)))
    return {**now, first: now[first][::-1, ::-1]}


def reordered(now: Observation, before: Observation, features: Features) -> Observation:
    return {**now, STATE: now[STATE][np.random.default_rng(0).permutation(len(features.state))]}


SEEN: Mapping[str, Seen] = {
    "channels": lambda now, *_: {k: v[..., ::-1] if k.startswith(IMAGES) else v for k, v in now.items()},
    "cameras": exchanged,
    "upside down": upside_down,
    "state order": reordered,
    "late": lambda now, before, _: {**before, STATE: now[STATE]},
}


def planted(name: str, there: Demonstrations) -> Demonstrations:
    """Return what is shown as whoever made this mistake would hand it on."""
    f, every = there.features, 2 if name == "rate" else 1
    sequels = []
    for sequel in there.sequels:
        frames, actions = list(sequel.frames), sequel.actions
        if name in SEEN:
            pairs = zip(frames, [frames[0], *frames[:-1]], strict=True)
            frames = [SEEN[name](now, before, f) for now, before in pairs]
        if name in ("units", "gripper"):
            change = in_radians if name == "units" else turned_round
            frames = [{**frame, STATE: change(frame[STATE], f.state)} for frame in frames]
            actions = change(actions, f.action)
        sequels.append(Sequel(frames[::every], actions[::every]))
    return replace(there, sequels=sequels)


def in_radians(values: np.ndarray, dimensions) -> np.ndarray:
    return values * np.array([np.pi / 180 if d.unit == "deg" else 1 for d in dimensions], np.float32)


def turned_round(values: np.ndarray, dimensions) -> np.ndarray:
    return np.where([d.unit == "%" for d in dimensions], 100 - values, values)


def found(world: str, name: str) -> Diagnosis:
    policy = load(CHECKPOINTS / world, threads=1)
    acting = {"chunk": ChunkBegunLate, "statistics": with_other_statistics}.get(name, lambda same: same)(
        policy
    )
    return diagnosis(world, acting, planted(name, healthy(world)), LOOKS)


NAMED_IN = {
    "tabletop": [fault.name for fault in FAULTS],
    # Its cameras are of two sizes, and a step sooner or later costs it next to nothing.
    "home": [fault.name for fault in FAULTS if fault.name not in ("cameras", "chunk", "late")],
}


@pytest.mark.parametrize(("world", "name"), [(w, name) for w, names in NAMED_IN.items() for name in names])
def test_a_fault_before_a_shipped_policy_is_named(world, name):
    diagnosed = found(world, name)
    assert diagnosed.fault is not None and diagnosed.fault.name == name, str(diagnosed)


@pytest.mark.parametrize("world", NAMED_IN)
def test_nothing_is_said_of_a_shipped_policy_as_it_is(world):
    assert found(world, "").fault is None
