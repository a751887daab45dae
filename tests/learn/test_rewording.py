"""Words that are drawn anew each time a window is: seeded, cheap, recorded, and of the same meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso import cli
from sayso.evaluation.report import training_of
from sayso.learn.imitate import begin, open_windows, train
from sayso.learn.rewording import MOST, Rewording
from sayso.learn.wordings import named_wordings, others_of
from sayso.models import checkpoint as policies
from sayso.models.words import LEARNING, SHORT_WORDS, Reading
from sayso.spec import TASK, ConfigError, SaysoError
from sayso.tasks.household.draw import draw_task
from sayso.tasks.household.words.language import parse
from sayso.tasks.mt50 import TASKS
from sayso.work.provenance import training_facts
from small_trainings import go_to, record, tiny
from small_worlds import COLOURS

WAYS = ("drive over to", "find", "head for", "see")
SAID = {
    f"Go to the {colour} spot": [f"{way} the {colour} place" for way in WAYS] for colour in COLOURS
}  # the world's "visit the red spot" has none


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "spots", range(8))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wordings.json"
    path.write_text(json.dumps(SAID))
    return path


def heard(
    dataset: Path, out: Path, steps: Sequence[int] = range(1, 16), **changes: object
) -> list[list[str]]:
    config = tiny(dataset, out, grounding_share=0.0, **changes)
    _, source, _ = begin(config, open_windows(config))
    source.open()
    return [source.batch(step)[TASK] for step in steps]


def test_each_time_a_window_is_drawn_it_may_be_asked_for_in_other_words(dataset, file, tmp_path):
    recorded = heard(dataset, tmp_path / "a")
    reworded = heard(dataset, tmp_path / "b", wordings=str(file))
    known = {said.lower(): others for said, others in SAID.items()}
    pairs = [
        (a, b) for one, other in zip(recorded, reworded, strict=True) for a, b in zip(one, other, strict=True)
    ]
    able = [(a, b) for a, b in pairs if a in known]
    assert all(a == b for a, b in pairs if a not in known), (
        "what has no other words is said as it was recorded"
    )
    assert all(b == a or b in known[a] for a, b in able)
    assert 0.5 < np.mean([a != b for a, b in able]) < 1
    sentence = able[0][0]
    assert {b for a, b in able if a == sentence} == {sentence, *known[sentence]}
    assert reworded == heard(dataset, tmp_path / "c", wordings=str(file))
    assert heard(dataset, tmp_path / "d", wordings=str(file), wordings_share=0.0) == recorded
    every = heard(dataset, tmp_path / "e", wordings=str(file), wordings_share=1.0)
    assert not {said for batch in every for said in batch} & known.keys()


def test_several_devices_hear_what_one_hears(dataset, file, tmp_path):
    config = tiny(dataset, tmp_path / "run", wordings=str(file))
    _, source, _ = begin(config, open_windows(config))
    source.open()
    whole = source.batch(3)[TASK]
    assert [source.batch(3, rank, 2)[TASK] for rank in range(2)] == [whole[::2], whole[1::2]]


def test_other_wordings_are_drawn_evenly_as_often_as_is_asked():
    every = Rewording(named="x", share=1.0, others={"a": ["b", "c"]}, sentences=2)
    draws = np.array([[0.0, 0.0], [0.99, 0.99], [0.0, 0.0]])
    assert every.heard(["a", "a", "z"], draws) == ["b", "c", "z"]
    often = Rewording(named="x", share=0.75, others={"a": ["b", "c"]}, sentences=1)
    said = often.heard(["a"] * 4000, np.random.default_rng(0).random((4000, 2)))
    assert [said.count(one) / 4000 for one in "abc"] == pytest.approx([0.25, 0.375, 0.375], abs=0.03)


def test_a_run_with_other_words_that_is_killed_ends_as_if_nothing_had_happened(dataset, file, tmp_path):
    def weights(out):
        return policies.load(out / "policy").model.state_dict()

    straight = tiny(dataset, tmp_path / "straight", wordings=str(file))
    train(straight)
    killed = tiny(dataset, tmp_path / "killed", wordings=str(file))
    go_to(killed, 2, save_at=(2,))
    train(killed)
    train(tiny(dataset, tmp_path / "plain"))
    same, other = weights(tmp_path / "straight"), weights(tmp_path / "plain")
    assert all(torch.equal(tensor, same[name]) for name, tensor in weights(tmp_path / "killed").items())
    assert not all(torch.equal(tensor, same[name]) for name, tensor in other.items())


def test_a_policy_says_that_it_learned_other_words_and_which(dataset, file, tmp_path, capsys):
    out = tmp_path / "run"
    folder = train(tiny(dataset, out, wordings=str(file)))
    facts = training_facts(folder)
    assert facts["words"] == str(file) == training_of(folder).words
    assert facts["config"]["wordings"] == str(file) and facts["config"]["wordings_share"] == 0.75
    assert facts["rewording"]["share"] == 0.75 and facts["rewording"]["wordings"] > 10
    assert facts["sentences"] == [] and policies.load(folder).sentences == ()
    assert "75% of windows are asked for in other words" in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["wordings_digest"] == facts["rewording"]["sha256"]
    assert training_of(train(tiny(dataset, tmp_path / "plain"))).words == ""


def test_other_words_make_another_run_and_a_moved_file_does_not(dataset, file, tmp_path):
    train(tiny(dataset, tmp_path / "run", wordings=str(file)))
    moved = file.rename(tmp_path / "moved.json")
    train(tiny(dataset, tmp_path / "run", wordings=str(moved)))
    for changes in ({}, {"wordings": str(moved), "wordings_share": 0.5}):
        with pytest.raises(SaysoError, match="wordings"):
            train(tiny(dataset, tmp_path / "run", **changes))
    moved.write_text(json.dumps({**SAID, "Go to the red spot": ["run to the red one"]}))
    with pytest.raises(SaysoError, match="--wordings: what it names has other contents than it had"):
        train(tiny(dataset, tmp_path / "run", wordings=str(moved)))


def test_words_that_are_not_there_are_refused_before_anything_is_written(dataset, file, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(SaysoError, match=r"no file, and no world has such words.*Did you mean household"):
        train(tiny(dataset, out, wordings="houshold"))
    with pytest.raises(
        SaysoError, match=r"no other words for any of the .* instructions .*, such as '(go|visit)"
    ):
        train(tiny(dataset, out, wordings="household"))
    with pytest.raises(ConfigError, match=r"wordings_share is 1.5, but must be at least 0 and at most 1"):
        tiny(dataset, out, wordings=str(file), wordings_share=1.5)
    file.write_text("[]")
    with pytest.raises(SaysoError, match="holds no object from sentences to lists"):
        train(tiny(dataset, out, wordings=str(file)))
    assert not (out / "run.json").exists() and not (out / "policy").exists()


def test_the_words_of_the_household_fit_what_is_recorded_there():
    rng = np.random.default_rng(0)
    rows = [
        ("tabletop", "push"),
        ("tabletop", "put"),
        ("home", "fetch"),
        ("home", "goto"),
        ("home", "drawer"),
    ]
    recorded = [draw_task(*row, rng).instruction for row in rows for _ in range(2)]
    rewording = Rewording.of("household", 0.75, [*recorded, "sing a song"])
    assert rewording.others.keys() == set(recorded) and rewording.sentences == len(recorded) + 1
    assert f"of {len(recorded)} of {len(recorded) + 1} instructions" in str(rewording)
    for sentence, others in rewording.others.items():
        colour = getattr(parse(sentence).object, "colour", "")
        assert len(set(others)) > 100 and all(len(Reading.of(one).ids) <= SHORT_WORDS for one in others)
        assert sum(colour in one for one in others) > 0.6 * len(others)
    assert rewording.digest == Rewording.of("home", 0.75, [*recorded, "sing a song"]).digest
    assert sum(map(len, rewording.others.values())) <= MOST < LEARNING


def test_meta_worlds_words_are_those_that_paraphrase_teaches():
    sentences = [asked.instruction for asked in TASKS.values()]
    found = others_of("metaworld", sentences, 3)
    assert min(map(len, found.values())) > 20
    worlds = {"tabletop", "home", "metaworld", "metaworld-lerobot", "libero", "libero-lerobot"}
    assert {"household"} | worlds == named_wordings().keys()


def test_words_without_sentences_are_not_taught_afterwards(tmp_path, capsys):
    shipped = Path(__file__).parents[2] / "checkpoints" / "tabletop"
    assert (
        cli.main(["paraphrase", str(shipped), "--wordings", "household", "--out", str(tmp_path / "t")]) == 2
    )
    assert "sayso train --wordings household" in capsys.readouterr().err
