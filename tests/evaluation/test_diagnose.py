"""Ten faults of convention, planted one at a time between a world and a policy: each is found and named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sayso import cli
from sayso.data.format import Ending
from sayso.data.statistics import Stats
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.diagnose import (
    DiagnoseConfig,
    diagnose_in_world,
    diagnose_on_recordings,
    diagnosis,
)
from sayso.evaluation.diagnosis.faults import FAULTS
from sayso.evaluation.diagnosis.lag import lags
from sayso.evaluation.diagnosis.shown import Demonstrations, by_expert
from sayso.evaluation.measure import Subject
from sayso.spec import IMAGES, STATE, Observation, Outcome, SaysoError, image_key
from small_reach import FEATURES, ArmPolicy, ArmWorld, Fault, entry, statistics

STATS = statistics()
FRONT, WRIST = image_key("front"), image_key("wrist")
ORDER = [2, 0, 3, 1]
RADIANS = np.array([np.pi / 180] * 3 + [1], np.float32)


def pictures(change):
    return lambda now, before: {k: change(v) if k.startswith(IMAGES) else v for k, v in now.items()}


def turned_round(values):
    return np.concatenate([values[..., :3], 100 - values[..., 3:]], -1)


def late(now: Observation, before: Observation) -> Observation:
    return {**before, STATE: now[STATE]}


def of_another(stats: dict[str, Stats]) -> dict[str, Stats]:
    """Return statistics as an arm of another room would have them."""
    rng = np.random.default_rng(1)
    return {
        key: replace(
            one,
            mean=tuple(np.array(one.mean) + rng.normal(0, 2, len(one.mean)) * np.array(one.std)),
            std=tuple(np.array(one.std) * rng.uniform(0.4, 2.5, len(one.std))),
        )
        for key, one in stats.items()
    }


PLANTED = {
    "channels": Fault(see=pictures(lambda image: image[..., ::-1])),
    "cameras": Fault(see=lambda now, before: {**now, FRONT: now[WRIST], WRIST: now[FRONT]}),
    "upside down": Fault(see=lambda now, before: {**now, FRONT: now[FRONT][::-1, ::-1]}),
    "units": Fault(
        see=lambda now, before: {**now, STATE: now[STATE] * RADIANS},
        give=lambda action: action / RADIANS,
        take=lambda action: action * RADIANS,
    ),
    "gripper": Fault(
        see=lambda now, before: {**now, STATE: turned_round(now[STATE])}, give=turned_round, take=turned_round
    ),
    "state order": Fault(see=lambda now, before: {**now, STATE: now[STATE][ORDER]}),
    "rate": Fault(steps=2),
    "late": Fault(see=late),
}
"""Faults between the world and whoever acts in it, by the name that must be found."""
IN_POLICY = {
    "chunk": ArmPolicy(STATS, rows=lambda chunk: chunk[1:]),
    "statistics": ArmPolicy(of_another(STATS), trained=STATS),
}
"""Faults of the policy itself."""
HEALTHY = ArmPolicy(STATS)


def shown(fault: Fault | None = None, episodes: int = 6) -> Demonstrations:
    return by_expert(ArmWorld(fault), [("reach", 2_000_000 + k) for k in range(episodes)])


def found(policy: ArmPolicy, fault: Fault | None = None):
    return diagnosis("it", policy, shown(fault), 48)


def test_the_ten_are_the_table():
    assert {*PLANTED, *IN_POLICY} == {fault.name for fault in FAULTS} and len(FAULTS) == 10


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_between_world_and_policy_is_named(name):
    diagnosed = found(HEALTHY, PLANTED[name])
    assert diagnosed.fault is not None, str(diagnosed)
    assert diagnosed.fault.name == name, str(diagnosed)
    assert f"most likely: {diagnosed.fault.says}" in str(diagnosed) and "What to do: " in str(diagnosed)


@pytest.mark.parametrize("name", IN_POLICY)
def test_a_fault_of_the_policy_is_named(name):
    diagnosed = found(IN_POLICY[name])
    assert diagnosed.fault is not None and diagnosed.fault.name == name, str(diagnosed)


def test_nothing_is_said_of_a_healthy_policy():
    diagnosed = found(HEALTHY)
    assert diagnosed.fault is None and diagnosed.error < 0.5 * diagnosed.still
    assert "nothing of this: the policy does what is shown" in str(diagnosed)


def test_which_of_several_is_wrong_is_said():
    assert "camera front turned by 180 degrees" in found(HEALTHY, PLANTED["upside down"]).says
    assert "radians of state and action made degrees" in found(HEALTHY, PLANTED["units"]).says
    assert "gripper turned round in state and action" in found(HEALTHY, PLANTED["gripper"]).says
    back = Fault(see=lambda now, before: {**now, STATE: now[STATE][[1, 0, 2, 3]]})
    assert "sorted by their ranges, lift.pos, pan.pos, roll.pos, gripper.pos," in found(HEALTHY, back).says


def test_all_of_it_a_frame_too_late_is_not_taken_for_a_chunk_that_is():
    diagnosed = found(HEALTHY, Fault(see=lambda now, before: before))
    assert diagnosed.fault is not None and diagnosed.fault.name == "late"
    assert "first frame of each episode is shown twice" in diagnosed.says


def test_pictures_that_come_later_than_the_joints_are_told_without_any_policy():
    wrist = [lag for lag in lags(shown(PLANTED["late"])) if lag.camera == "wrist"]
    assert [lag.steps for lag in wrist] == [1] and wrist[0].with_it > wrist[0].without
    assert lags(shown()) == []


def test_who_has_learned_nothing_is_told_so():
    class Nothing(ArmPolicy):
        def act(self, observation):
            chunk = super().act(observation)
            goal = [7.0, 1.0, 200.0, 30.0] * np.sin(observation[STATE] * 1000)
            return replace(chunk, actions=(chunk.actions * 0 + goal).astype(np.float32))

    diagnosed = found(Nothing(STATS))
    assert diagnosed.fault is None and "several things are wrong at once" in diagnosed.says


def test_the_expert_itself_is_not_diagnosed():
    expert = Subject(name="expert", make=lambda world: world.expert(), weights="", training=None)
    with pytest.raises(SaysoError, match="expert sees the simulator itself"):
        diagnose_in_world(expert, DiagnoseConfig(world="arm"), place=entry())


def test_a_recording_shows_what_is_right_as_well(tmp_path, capsys):
    root = tmp_path / "recorded"
    ending = Ending(outcome=Outcome.SUCCESS, reward=1.0, actor="expert")
    for k, s in enumerate(shown(episodes=4).sequels):
        stage_episode(root, FEATURES, s.frames, seed=k, family="reach", ending=ending)
    assemble(root, FEATURES)
    config = DiagnoseConfig(datasets=(root,), episodes=4, looks=24)
    assert diagnose_on_recordings("it", HEALTHY, FEATURES, config) == 0
    assert diagnose_on_recordings("it", IN_POLICY["chunk"], FEATURES, config) == 1
    said = capsys.readouterr().out
    assert f"it, held against 4 episodes of {root}" in said
    assert "most likely: chunks of actions lie a step beside" in said


def test_the_verb_says_what_it_found_in_its_exit_code_and_on_disk(tmp_path, capsys):
    subject = Subject(name="it", make=lambda world: ArmPolicy(STATS), weights="", training=None)
    out = tmp_path / "found.json"
    config = DiagnoseConfig(world="arm", episodes=4, looks=24, out=out)
    assert diagnose_in_world(subject, config, place=entry()) == 0
    assert diagnose_in_world(subject, config, place=entry(PLANTED["channels"])) == 1
    said = capsys.readouterr().out
    assert "it, held against 4 episodes by the expert of arm at 24 moments" in said
    assert "red and blue of every picture exchanged" in said and f"diagnosis: {out}" in said
    raw = json.loads(out.read_text())
    assert raw["fault"] == "channels" and len(raw["tried"]) == 10 and raw["error"] > raw["still"] / 2


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("diagnose nowhere", "diagnose needs --world, whose expert shows what is right, or --datasets"),
        ("diagnose nowhere --world tabletop", "there is no checkpoint in 'nowhere'"),
        ("diagnose expert --datasets d", "the expert sees a simulator, not recordings"),
        ("diagnose nowhere --world tabletop --looks 0", "--looks is 0, but must be at least 1"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused_in_one_sentence(typed, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
