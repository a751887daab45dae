"""Facts about an evaluation that is stopped and asked for again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sayso import loading
from sayso.evaluation.journal import Journal, from_json, to_json
from sayso.evaluation.measure import EvalConfig, Subject, asked_of, journal_beside
from sayso.evaluation.trials import evaluate
from sayso.spec import Episode, Outcome, SaysoError, seeds
from sayso.work.lock import InUseError
from sayso.work.pool import WorkerError
from sayso.work.provenance import code
from small_worlds import breaks_on, expert_of, spot_world

TEST = seeds("test", 4)
ASKED = {"world": "spots"}
BY = {"code": code(), "commit": "c0ffee"}


def ended(seed: int, outcome: Outcome) -> Episode:
    return Episode(
        world="spots", family="go", instruction="go", seed=seed, horizon=9, outcome=outcome, steps=3
    )


def test_what_was_done_is_not_done_again_and_the_report_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = evaluate(spot_world, expert_of, families=("go",), seeds=TEST, workers=1)
    first = Journal(path, ASKED, BY)
    evaluate(spot_world, expert_of, families=("go",), seeds=TEST[:3], workers=1, journal=first)
    again = evaluate(
        spot_world,
        breaks_on(raises=tuple(TEST[:3])),
        families=("go",),
        seeds=TEST,
        workers=1,
        journal=Journal(path, ASKED, BY),
    )
    assert [(e.seed, e.outcome, e.steps) for e in again.episodes] == [
        (e.seed, e.outcome, e.steps) for e in whole.episodes
    ]
    assert len(path.read_text().splitlines()) == 1 + len(TEST)


def test_a_line_cut_short_and_an_episode_that_crashed_are_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, ASKED, BY)
    for seed, outcome in zip(TEST, (Outcome.SUCCESS, Outcome.INVALID, Outcome.FAILURE), strict=False):
        journal.enter(ended(seed, outcome))
    path.write_text(path.read_text()[:-20])
    assert list(Journal(path, ASKED, BY).done) == [("go", TEST[0])]


def test_an_episode_survives_the_file() -> None:
    episode = ended(TEST[0], Outcome.FAILURE)
    assert from_json(to_json(episode)) == episode


def test_a_journal_that_calls_the_chosen_object_by_its_old_name_is_read() -> None:
    told = ended(TEST[0], Outcome.FAILURE)
    told.notes["chosen_object"] = "named"
    old = to_json(told) | {"notes": {"went_for": "named"}}
    assert from_json(old) == told


def test_another_evaluation_is_refused_saying_what_differs(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl", {"world": "home", "swap": False}, BY)
    with pytest.raises(SaysoError, match=r"another evaluation \(swap: False there, True now\)"):
        Journal(tmp_path / "journal.jsonl", {"world": "home", "swap": True}, BY)


def test_other_weights_make_another_evaluation_but_more_episodes_do_not(tmp_path: Path) -> None:
    policy, out = tmp_path / "policy", tmp_path / "report.json"
    policy.mkdir()

    def begin(episodes: int) -> None:
        measured = Subject(
            name=str(policy), make=expert_of, weights=loading.weights_of(str(policy)), training=None
        )
        with journal_beside(out, asked_of(measured, EvalConfig(world="home", episodes=episodes, out=out))):
            pass

    (policy / "model.safetensors").write_bytes(b"one")
    (policy / "stats.json").write_text("{}")
    begin(5)
    begin(10)
    (policy / "stats.json").write_text('{"mean": 1}')
    with pytest.raises(SaysoError, match="weights"):
        begin(5)
    (policy / "stats.json").write_text("{}")
    (policy / "model.safetensors").write_bytes(b"two")
    with pytest.raises(SaysoError, match="weights"):
        begin(5)


def test_other_code_makes_another_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "report.json"
    with journal_beside(out, ASKED):
        pass
    monkeypatch.setattr("sayso.work.provenance.code", lambda: "another tree")
    with pytest.raises(SaysoError, match=r"code: .* there, another tree now"), journal_beside(out, ASKED):
        pass


def test_a_report_names_the_commit_that_measured_and_not_the_one_that_wrote(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    evaluate(
        spot_world, expert_of, families=("go",), seeds=TEST[:3], workers=1, journal=Journal(path, ASKED, BY)
    )
    later = Journal(path, ASKED, {**BY, "commit": "documentation was committed meanwhile"})
    report = evaluate(spot_world, expert_of, families=("go",), seeds=TEST, workers=1, journal=later)
    assert report.to_json()["commit"] == "c0ffee"


def test_code_that_changes_while_it_measures_ends_the_evaluation(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", ASKED, {**BY, "code": "of an hour ago"})
    with pytest.raises(WorkerError, match="the code has changed"):
        evaluate(spot_world, expert_of, families=("go",), seeds=TEST, workers=1, journal=journal)


def test_an_empty_file_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    journal = Journal(path, ASKED, BY)
    journal.enter(ended(TEST[0], Outcome.SUCCESS))
    assert not journal.damage and list(Journal(path, ASKED, BY).done) == [("go", TEST[0])]


@pytest.mark.parametrize(
    "content", [b"{", b"[]\n", b"null\n", b"\xff\xfe\n", b'{"world": "spots"}\n', b"\0" * 99]
)
def test_a_first_line_that_cannot_be_read_begins_anew_and_what_was_there_is_kept(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    journal = Journal(path, ASKED, BY)
    kept = tmp_path / "journal.jsonl.damaged"
    assert kept.read_bytes() == content and str(kept) in journal.damage
    journal.enter(ended(TEST[0], Outcome.SUCCESS))
    assert list(Journal(path, ASKED, BY).done) == [("go", TEST[0])]


def test_a_line_that_was_cut_is_not_glued_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, ASKED, BY)
    for seed in TEST[:2]:
        journal.enter(ended(seed, Outcome.SUCCESS))
    path.write_bytes(path.read_bytes()[:-20])
    again = Journal(path, ASKED, BY)
    again.enter(ended(TEST[2], Outcome.FAILURE))
    assert list(Journal(path, ASKED, BY).done) == [("go", TEST[0]), ("go", TEST[2])]


def test_no_damage_of_a_journal_is_taken_for_an_episode(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, ASKED, BY)
    for seed in TEST:
        journal.enter(ended(seed, Outcome.SUCCESS))
    whole, true = path.read_bytes(), Journal(path, ASKED, BY).done
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        at = int(rng.integers(len(content)))
        match rng.integers(3):
            case 0:
                content = content[:at]
            case 1:
                content[at] ^= 1 << int(rng.integers(8))
            case _:
                content[at : at + 40] = bytes(len(content[at : at + 40]))
        path.write_bytes(content)
        found = Journal(path, ASKED, BY)
        assert all(true.get(trial) == episode for trial, episode in found.done.items())


def test_two_evaluations_do_not_share_a_report(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    with (
        journal_beside(out, ASKED),
        pytest.raises(InUseError, match=r"report\.json is in use: evaluating"),
        journal_beside(out, ASKED),
    ):
        pass
    with journal_beside(out, ASKED), journal_beside(tmp_path / "other.json", ASKED):
        pass


def test_a_folder_is_no_place_for_a_report(tmp_path: Path) -> None:
    with pytest.raises(SaysoError, match="is a folder; name a file"), journal_beside(tmp_path, ASKED):
        pass
    with pytest.raises(SaysoError, match="is a device"), journal_beside(Path(os.devnull), ASKED):
        pass
