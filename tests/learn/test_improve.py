"""Improvement from experience: rounds, the guard, resuming after a kill, and what is refused.

Trainings here are far too short to learn from. So who acts where a policy is measured is said by its weights:
``ACTS`` names a stand-in for some, and all others act as they were trained.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.data.reader import Dataset
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.measure import Subject
from sayso.evaluation.report import training_of
from sayso.evaluation.rollout import rollout
from sayso.learn.earlier import demonstrations_of
from sayso.learn.experience import reinforcement, successes
from sayso.learn.experience.contract import Round, Source
from sayso.learn.experience.table import SOURCES
from sayso.learn.imitate import train
from sayso.learn.improve import ImproveConfig, improve
from sayso.learn.planning import Pace, Plan, planned
from sayso.learn.record import FAILED
from sayso.models import checkpoint as policies
from sayso.spec import ACTION, ConfigError, Policy, SaysoError
from sayso.work.ledger import rows_of
from sayso.work.provenance import digest_of
from small_trainings import record, tiny
from small_worlds import FEATURES, SMALL_WORLDS, SpotWorld, expert_of, still

pytestmark = pytest.mark.usefixtures("one_thread")
ACTS = {}


def loaded(folder: Path, world: SpotWorld) -> Policy:
    return policies.load(folder)


def subject_of(name: str) -> Subject:
    folder = Path(name)
    digest = digest_of(folder)
    make = ACTS.get(digest, partial(loaded, folder))
    return Subject(name=name, make=make, weights=digest, training=training_of(folder))


def asked(out: Path, **changes) -> ImproveConfig:
    usual = {"world": "spots", "source": "corrections", "hours": 10, "rounds": 1, "episodes": 4, "steps": 20,
             "pairs": 16, "workers": 1, "batch_size": 8}  # fmt: skip
    return ImproveConfig(**{**usual, "out": out, **changes})


def improved(checkpoint: Path, config: ImproveConfig):
    return improve(checkpoint, config, subject_of, SMALL_WORLDS)


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """A policy that learned hardly anything, and its demonstrations beside it."""
    folder = tmp_path_factory.mktemp("begun")
    demonstrations = record(folder / "demonstrations", range(6))
    return train(tiny(demonstrations, folder / "run", steps=2, stride=4))


@pytest.fixture
def acts(monkeypatch):
    """Say who acts in the place of a policy."""
    return lambda policy, make: monkeypatch.setitem(ACTS, digest_of(policy), make)


@pytest.fixture
def finds(monkeypatch, begun):
    """Offer a source whose candidate is another policy than the one begun with, and acts as it is told."""

    def offer(make, gather=lambda round: ()):
        def learn(round: Round, shown: object) -> Path:
            found = round.folder / "candidate"
            shutil.rmtree(found, ignore_errors=True)
            policy = policies.load(begun)
            next(policy.model.parameters()).data += 1e-3 * round.start
            policies.save(policy, found)
            monkeypatch.setitem(ACTS, digest_of(found), make)
            return found

        row = Source(gather=gather, learn=learn, needs_demonstrations=False)
        monkeypatch.setitem(SOURCES.own, "found", lambda: row)

    return offer


def nonsense(root: Path) -> Path:
    """Record demonstrations of one who flees from what is named."""
    world = SpotWorld()
    for seed in range(4):
        episode = rollout(world, world.expert(), seed, keep_frames=True)
        for frame in episode.frames:
            frame[ACTION] = -frame[ACTION]
        stage_episode(root, FEATURES, episode.frames, seed=seed, family=episode.family)
    return assemble(root, FEATURES)


def test_nonsense_demonstrations_never_replace_a_policy_that_works(begun, acts, tmp_path, capsys):
    acts(begun, expert_of)
    before = digest_of(begun)
    found = improved(begun, asked(tmp_path / "out", datasets=(nonsense(tmp_path / "nonsense"),), pairs=60))
    assert not found.replaced and digest_of(tmp_path / "out" / "policy") == before == digest_of(begun)
    (row,) = found.rounds
    assert row["verdict"] == "first" and f"{begun} is better than round 1" in row["sentence"]
    assert (
        str(found)
        == f"{found.policy} is {begun} as it was: none of 1 rounds could be shown to make it better"
    )
    assert "round 1: the new policy is not taken: " in capsys.readouterr().out
    trained = training_of(tmp_path / "out" / "round_1" / "training" / "policy")
    assert [name.partition("-")[2] for name in trained.datasets][:2] == ["nonsense", "corrections"]


def test_a_policy_that_is_better_takes_the_place_of_the_one_before_and_is_what_the_next_round_begins_with(
    begun, acts, finds, tmp_path, capsys
):
    acts(begun, still)
    finds(expert_of)
    config = asked(tmp_path / "out", source="found", rounds=2, pairs=30)
    found = improved(begun, config)
    first, second = found.rounds
    assert found.replaced == 1 and first["verdict"] == "second" and second["verdict"] != "second"
    assert (
        digest_of(found.policy) == digest_of(tmp_path / "out" / "round_1" / "candidate") != digest_of(begun)
    )
    assert (
        "round 1: the new policy takes the place of the one before: round 1 is better"
        in capsys.readouterr().out
    )
    assert "round 1 and round 2" in second["sentence"]
    assert str(found) == f"{found.policy} is better than {begun}: it is that of round 1"
    seeds = [{e["seed"] for pair in compared(tmp_path / "out", n)["episodes"] for e in pair} for n in (1, 2)]
    assert seeds[0] and seeds[1] and not seeds[0] & seeds[1]
    assert [compared(tmp_path / "out", n)["alpha"] for n in (1, 2)] == [0.05 / 2, 0.05 / 6]


def compared(out: Path, number: int):
    from sayso.evaluation.kept import read_result

    return read_result(out / f"round_{number}" / "compared.json")


def test_asked_again_nothing_is_done_again_and_more_rounds_go_on(begun, finds, acts, tmp_path):
    acts(begun, still)
    finds(still)
    out = tmp_path / "out"
    improved(begun, asked(out, source="found", pairs=8))
    lines = rows_of(out / "rounds.jsonl")
    assert [row["stage"] for row in lines] == ["planned", "gathered", "learned", "compared"]
    improved(begun, asked(out, source="found", pairs=8))
    assert rows_of(out / "rounds.jsonl") == lines
    assert len(improved(begun, asked(out, source="found", pairs=8, rounds=2)).rounds) == 2


def test_what_a_kill_left_in_the_place_of_the_policy_is_put_right(begun, finds, acts, tmp_path):
    acts(begun, still)
    finds(expert_of)
    out = tmp_path / "out"
    found = improved(begun, asked(out, source="found", pairs=30))
    shutil.rmtree(found.policy)  # killed before the one that was decided for was copied
    assert improved(begun, asked(out, source="found", pairs=30)).replaced == 1
    assert digest_of(found.policy) == digest_of(out / "round_1" / "candidate")


def test_a_round_for_which_there_is_no_time_is_not_begun(begun, tmp_path, capsys):
    found = improved(begun, asked(tmp_path / "out", hours=1e-6, episodes=0, steps=0))
    assert found.rounds == [] and not found.replaced
    assert digest_of(found.policy) == digest_of(begun)
    assert "round 1 is not begun: 0.0 minutes are left of --hours 1e-06" in capsys.readouterr().err
    assert "no round could be shown to make it better" in str(found)


def test_a_plan_is_what_fits_into_the_time_at_the_pace_of_the_round_before():
    pace = Pace(scene_s=2.0, sample_s=0.01, episode_s=1.0)
    free = Plan(episodes=0, steps=0, pairs=300)
    how = {"gathering": 0.5, "batch_size": 10, "families": 2}
    assert planned(1000, pace, **how, asked=free) == Plan(episodes=200, steps=4000, pairs=100)
    assert planned(1000, pace, **how, asked=Plan(episodes=7, steps=30, pairs=10)) == Plan(
        episodes=7, steps=30, pairs=10
    )
    assert planned(10, pace, **how, asked=free) is None
    said = {"recording_seconds": 30, "demonstrations": 60, "seconds": 100, "samples": 1000}
    assert Pace.of(said, 2, 3.0) == Pace(scene_s=1.5, sample_s=0.1, episode_s=0.5)
    assert Pace.of({"seconds": "damaged"}, 2, 1.0).episode_s == 1.0


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_improve
test_improve.improved(Path(sys.argv[1]), test_improve.asked(Path(sys.argv[2]), world="slow"))
"""


def killed(begun: Path, out: Path, there: str) -> None:
    """Improve in a process of its own, and kill it as soon as there is something."""
    tests = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(begun), str(out), str(Path(__file__).parent)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent / "src")])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 400
    while not [*out.glob(there)] and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [*out.glob(there)], "it ended before it could be killed"


@pytest.mark.timeout(1500)
def test_an_improvement_that_is_killed_in_each_stage_goes_on_and_its_policy_was_whole(begun, tmp_path):
    out, stages = tmp_path / "out", ["planned", "gathered", "learned", "compared"]
    for done, there in enumerate(
        (
            "round_1/corrections/staging/episode-*",
            "round_1/training/log.jsonl",
            "round_1/compared.*.episodes.jsonl",
        ),
        start=1,
    ):
        killed(begun, out, there)
        policies.load(out / "policy")
        found = [row["stage"] for row in rows_of(out / "rounds.jsonl")]
        assert found == stages[: len(found)] and done <= len(found) < len(stages)
    found = improved(begun, asked(out, world="slow"))
    assert len(found.rounds) == 1
    assert [row["stage"] for row in rows_of(out / "rounds.jsonl")] == stages


def round_of(folder: Path, begun: Path, make, **changes) -> Round:
    usual = {
        "folder": folder,
        "policy": begun,
        "make_policy": make,
        "world": "spots",
        "families": ("go", "visit"),
        "worlds": SMALL_WORLDS,
        "start": 500,
        "episodes": 8,
        "steps": 20,
        "workers": 1,
        "threads": 1,
    }
    return Round(**{**usual, **changes})


class Timid:
    """Do as the expert does, a tenth as fast: it arrives in time only where it has not far to go."""

    def __init__(self, world: SpotWorld) -> None:
        """Look into the world."""
        self.expert = world.expert()

    def reset(self) -> None:
        """Do nothing."""

    def act(self, observation):
        """Return one slow action."""
        chunk = self.expert.act(observation)
        return type(chunk)(chunk.actions * 0.12)


def test_only_what_failed_is_tried_again_and_what_was_rarer_weighs_more(begun, tmp_path):
    shown = successes.gather(round_of(tmp_path, begun, Timid, episodes=12))
    first = {(e.family, e.seed) for e in Dataset(tmp_path / "try_1").episodes}
    failed = {(row["family"], row["seed"]) for row in rows_of(tmp_path / "try_1" / FAILED)}
    assert first and failed and len(first) + len(failed) == 12
    again = {(e.family, e.seed) for each in shown[1:] for e in Dataset(each.dataset).episodes}
    assert again <= failed
    left = len(failed)
    assert shown[0].weight == pytest.approx(left / 12)
    for each in shown[1:]:
        assert each.weight >= successes.LEAST
    tried = [len(rows_of(tmp_path / f"try_{n}" / FAILED)) for n in range(1, successes.TRIES + 1)]
    assert tried == sorted(tried, reverse=True)
    assert successes.gather(round_of(tmp_path, begun, Timid, episodes=12)) == shown


def test_the_noise_of_each_try_is_stronger_and_another_and_the_first_has_none():
    drawn = [successes.noise_of(n).begin(FEATURES, 7) for n in (1, 2, 3)]
    moved = [np.stack([p(np.zeros(2, np.float32)) for _ in range(300)]) for p in drawn]
    assert not moved[0].any()
    assert 0 < moved[1].std() < moved[2].std()
    assert abs(np.corrcoef(moved[1][:, 0], moved[2][:, 0])[0, 1]) < 0.9


def test_a_policy_that_never_succeeds_has_nothing_to_learn_from_and_that_is_said(begun, acts, tmp_path):
    acts(begun, still)
    with pytest.raises(
        SaysoError, match=r"succeeded in none of 2 scenes, tried 4 times each: .*--from corrections"
    ):
        improved(begun, asked(tmp_path / "out", source="successes", episodes=2))
    assert digest_of(tmp_path / "out" / "policy") == digest_of(begun)


def test_reinforcement_moves_the_decoder_alone_and_what_succeeded_becomes_likelier(
    begun, tmp_path, monkeypatch
):
    monkeypatch.setattr(reinforcement, "ITERATIONS", 1)
    acting = round_of(tmp_path, begun, partial(loaded, begun), episodes=2, execute=4)
    assert reinforcement.gather(acting) == ()
    folder = reinforcement.learn(acting, ())
    learned, before = policies.load(folder), policies.load(begun)
    moved = {
        name.partition(".")[0]
        for (name, one), two in zip(
            before.model.state_dict().items(), learned.model.state_dict().values(), strict=True
        )
        if not torch.equal(one, two)
    }
    assert moved <= {"decoder"}
    facts = training_of(folder)
    assert facts.seeds[0] == training_of(begun).seeds[0] and len(facts.seeds) > 1
    decoder, contexts = before.model.decoder, torch.randn(64, 9, before.model.config.width)
    old = decoder.sample(contexts, None)[:, :4].mean(1).detach()
    drawn = torch.randn(64, 2) * reinforcement.SIGMA
    advantages = torch.where(drawn[:, 0] > 0, 1.0, -1.0)
    reinforcement._climb(decoder, contexts, old + drawn, advantages, 4)
    now = decoder.sample(contexts, None)[:, :4].mean(1).detach()
    assert float((now - old)[:, 0].mean()) > 0.001


def test_demonstrations_are_found_where_the_run_says_and_only_if_they_are_still_those(begun, tmp_path):
    assert [p.name for p in demonstrations_of(begun)] == ["demonstrations"]
    alone = tmp_path / "alone"
    shutil.copytree(begun, alone)
    with pytest.raises(
        SaysoError, match=r"learned from demonstrations, and no such recording .* give --datasets"
    ):
        demonstrations_of(alone)
    silent = tmp_path / "silent"
    policies.save(policies.load(begun), silent)
    with pytest.raises(SaysoError, match=r"does not say what it learned from: give --datasets"):
        demonstrations_of(silent)


def test_another_improvement_in_the_same_folder_is_refused(begun, finds, acts, tmp_path):
    acts(begun, still)
    finds(still)
    improved(begun, asked(tmp_path / "out", source="found", pairs=8))
    with pytest.raises(SaysoError, match=r"holds another improvement .from: found there, corrections now"):
        improved(begun, asked(tmp_path / "out", pairs=8))
    other = tmp_path / "other"
    shutil.copytree(begun, other / "policy")
    with pytest.raises(SaysoError, match=r"holds a policy, but no improve.json"):
        improved(begun, asked(other))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "sucesses"}, "from is sucesses: .* Did you mean 'successes'"),
        ({"hours": 0}, "hours is 0"),
        ({"rounds": 0}, "rounds is 0"),
        ({"pairs": 2}, "pairs is 2"),
        ({"alpha": 1}, "alpha is 1"),
        ({"steps": 3}, "steps is 3"),
        ({"start": 999_999}, "start is 999999, but 1 comparisons"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(changes, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        asked(tmp_path, **changes)
