"""Facts about an evaluation that is stopped and asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sayso.evaluate import evaluate
from sayso.journal import Journal, from_json, to_json
from sayso.measure import EvalConfig, _journal
from sayso.spec import Episode, Outcome, SaysoError, seeds
from small_worlds import breaks_on, expert_of, spot_world

TEST = seeds("test", 4)
ASKED = {"world": "spots"}


def ended(seed: int, outcome: Outcome) -> Episode:
    return Episode(
        world="spots", family="go", instruction="go", seed=seed, horizon=9, outcome=outcome, steps=3
    )


def test_what_was_done_is_not_done_again_and_the_report_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = evaluate(spot_world, expert_of, families=("go",), seeds=TEST, workers=1)
    first = Journal(path, ASKED)
    evaluate(spot_world, expert_of, families=("go",), seeds=TEST[:3], workers=1, journal=first)
    again = evaluate(
        spot_world,
        breaks_on(raises=tuple(TEST[:3])),
        families=("go",),
        seeds=TEST,
        workers=1,
        journal=Journal(path, ASKED),
    )
    assert [(e.seed, e.outcome, e.steps) for e in again.episodes] == [
        (e.seed, e.outcome, e.steps) for e in whole.episodes
    ]
    assert len(path.read_text().splitlines()) == 1 + len(TEST)


def test_a_line_cut_short_and_an_episode_that_crashed_are_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, ASKED)
    for seed, outcome in zip(TEST, (Outcome.SUCCESS, Outcome.INVALID, Outcome.FAILURE), strict=False):
        journal.enter(ended(seed, outcome))
    path.write_text(path.read_text()[:-20])
    assert list(Journal(path, ASKED).done) == [("go", TEST[0])]


def test_an_episode_survives_the_file() -> None:
    episode = ended(TEST[0], Outcome.FAILURE)
    assert from_json(to_json(episode)) == episode


def test_another_evaluation_is_refused_saying_what_differs(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl", {"world": "home", "swap": False})
    with pytest.raises(SaysoError, match=r"another evaluation.*\n  swap: False there, True now"):
        Journal(tmp_path / "journal.jsonl", {"world": "home", "swap": True})


def test_other_weights_make_another_evaluation_but_more_episodes_do_not(tmp_path: Path) -> None:
    policy, out = tmp_path / "policy", tmp_path / "report.json"
    policy.mkdir()
    (policy / "model.safetensors").write_bytes(b"one")
    for episodes in (5, 10):
        assert _journal(str(policy), EvalConfig(world="home", episodes=episodes, out=out))
    (policy / "model.safetensors").write_bytes(b"two")
    with pytest.raises(SaysoError, match="weights"):
        _journal(str(policy), EvalConfig(world="home", episodes=5, out=out))
