"""Other wordings are learned from sentences alone, and nothing else about a policy changes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sayso import cli
from sayso.learn import checkpoint
from sayso.learn.imitate import train
from sayso.learn.paraphrase import Paraphrase, ParaphraseConfig, paraphrase
from sayso.learn.source import INDEX, Sentences
from sayso.learn.wordings import parted, read_wordings
from sayso.models.checkpoint import CONFIG, load, save
from sayso.models.table import build
from sayso.models.words import MAX_WORDS, FrozenTextEncoder, bert_tokenizer
from sayso.spec import SaysoError
from sayso.tasks.mt50 import TASKS, WORDINGS
from sayso.work.ledger import Ledger
from small_policies import STATS, policy
from small_trainings import record, tiny
from small_worlds import FEATURES

SAID = {
    "go to the red spot": [
        "drive over to the red place",
        "the red spot is where you should be",
        "red, please",
    ],
    "go to the green spot": ["drive over to the green place", "find the green one and stay", "green, please"],
    "visit the blue spot": ["pay a visit to the blue place", "call at the blue one", "blue, please"],
    "visit the yellow spot": [],
}


@pytest.fixture
def learner(tmp_path: Path) -> Path:
    folder = tmp_path / "learner"
    save(policy(), folder, training={"steps": 7})
    return folder


def file_of(wordings: object, folder: Path) -> Path:
    path = folder / "wordings.json"
    path.write_text(json.dumps(wordings))
    return path


def config(folder: Path, said: Mapping[str, Sequence[str]] = SAID, **fields: object) -> ParaphraseConfig:
    settings = {"steps": 150, "batch_size": 16, "threads": 1, "out": folder / "taught", **fields}
    return ParaphraseConfig(wordings=file_of(said, folder), **settings)  # type: ignore[arg-type]


def slots(folder: Path, sentences: Sequence[str]) -> torch.Tensor:
    words, mask = FrozenTextEncoder().encode(sentences)
    with torch.no_grad():
        return load(folder).model.reader(torch.from_numpy(words), torch.from_numpy(mask)).flatten(1)


def test_what_means_the_same_gives_what_the_sentence_it_knew_gave(learner: Path, tmp_path: Path) -> None:
    taught = paraphrase(learner, config(tmp_path))
    wanted = slots(learner, list(SAID))
    closest = torch.pdist(wanted).min()
    for target, (known, others) in zip(wanted, SAID.items(), strict=True):
        off = torch.linalg.vector_norm(slots(taught, [known, *others]) - target, dim=1)
        assert (off < 0.3 * closest).all(), known
    before = torch.linalg.vector_norm(slots(learner, SAID["visit the blue spot"]) - wanted[2], dim=1)
    assert (before > 0.3 * closest).any()


def test_only_the_reader_changes_and_the_checkpoint_says_how(learner: Path, tmp_path: Path) -> None:
    taught = paraphrase(learner, config(tmp_path, steps=3))
    before, after = (load(folder).model.state_dict() for folder in (learner, taught))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"reader"}
    facts = json.loads((taught / CONFIG).read_text())["training"]
    assert facts["steps"] == 7
    assert facts["wordings"]["sentences"] == 9
    assert facts["wordings"]["config"]["steps"] == 3
    assert str(tmp_path) not in json.dumps(facts["wordings"])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder).model.state_dict()


def assert_equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(some[name], others[name]) for name in some)


def test_the_same_lesson_gives_the_same_weights(learner: Path, tmp_path: Path) -> None:
    first = weights(paraphrase(learner, config(tmp_path, steps=5)))
    assert_equal(weights(paraphrase(learner, config(tmp_path, steps=5, out=tmp_path / "again"))), first)


def test_a_lesson_that_is_killed_ends_as_if_nothing_had_happened(learner: Path, tmp_path: Path) -> None:
    straight = paraphrase(learner, config(tmp_path, steps=6, out=tmp_path / "straight"))
    asked = config(tmp_path, steps=6, save_minutes=0)

    class PulledThePlugError(Exception):
        pass

    def pull(self: Ledger, line: Mapping[str, float]) -> None:
        if line["step"] == 4:
            raise PulledThePlugError
        write(self, line)

    write = Ledger.append
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "append", pull)
        with pytest.raises(PulledThePlugError):
            paraphrase(learner, asked)
    newest = checkpoint.newest(asked.out)
    assert newest is not None
    assert newest.name == "step_00000003"
    assert_equal(weights(paraphrase(learner, asked)), weights(straight))
    logged = [json.loads(line) for line in (asked.out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]


def test_a_lesson_can_be_lengthened_but_is_not_another_one(learner: Path, tmp_path: Path) -> None:
    paraphrase(learner, config(tmp_path, steps=2))
    paraphrase(learner, config(tmp_path, steps=3))
    with pytest.raises(SaysoError, match=r"--drop: 0\.1 there, 0\.2 now"):
        paraphrase(learner, config(tmp_path, steps=3, drop=0.2))
    with pytest.raises(SaysoError, match="--wordings: what it names has other contents than it had"):
        paraphrase(learner, config(tmp_path, {**SAID, "turn": []}, steps=3))
    with pytest.raises(SaysoError, match="the policy that it began with has other contents"):
        paraphrase(tmp_path / "taught" / "policy", config(tmp_path, steps=3))


def test_a_training_and_a_lesson_do_not_share_a_folder(learner: Path, tmp_path: Path) -> None:
    paraphrase(learner, config(tmp_path, steps=1))
    dataset = record(tmp_path / "spots", range(2))
    with pytest.raises(SaysoError, match=r"another method \(paraphrase, not imitate\): choose another --out"):
        train(tiny(dataset, tmp_path / "taught"))
    out = tmp_path / "trained"
    train(tiny(dataset, out, steps=1))
    with pytest.raises(SaysoError, match=r"another method \(imitate, not paraphrase\)"):
        paraphrase(out / "policy", config(tmp_path, out=out))


def test_what_a_step_hears_depends_on_seed_and_step_alone_and_is_shared_out() -> None:
    source = Sentences(list(enumerate(SAID)), FrozenTextEncoder(), batch_size=5, seed=3)
    whole = source.batch(7)[INDEX].tolist()
    source.batch(8)
    assert source.batch(7)[INDEX].tolist() == whole
    assert source.batch(8)[INDEX].tolist() != whole
    shares = [source.batch(7, rank, 2)[INDEX].tolist() for rank in (0, 1)]
    assert shares == [whole[0::2], whole[1::2]]


def test_a_probe_is_never_taught(learner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taught, probe = parted(SAID, 1 / 3)
    assert [sentence for _, sentence in probe] == ["red, please", "green, please", "blue, please"]
    assert len(taught) == 6
    paraphrase(learner, config(tmp_path, steps=100, probe_share=1 / 3))
    assert re.search(r"not taught: \d of 3 understood.* before, 3 of 3 understood", capsys.readouterr().out)


def test_understanding_is_counted_by_the_nearest_meaning(tmp_path: Path) -> None:
    def batch(sentences: Sequence[tuple[int, str]]) -> dict[str, Any]:
        return Sentences(sentences, FrozenTextEncoder(), batch_size=1, seed=0).chosen()

    reader, known = policy().model.reader.eval(), batch(list(enumerate(SAID)))
    lesson = Paraphrase(reader, known, config(tmp_path), scale=torch.ones(()))
    perfect = lesson.understood(reader, known)
    assert (perfect.right, perfect.n) == (4, 4)
    assert perfect.distance == pytest.approx(0, abs=1e-9)
    swapped = lesson.understood(reader, batch([(1, "go to the red spot"), (0, "go to the green spot")]))
    assert swapped.right == 0
    assert swapped.distance > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["go"], "holds no object"),
        ({"only one": []}, "holds no object"),
        ({"go": "walk", "stop": []}, "not a list of sentences"),
        ({"go": ["walk"], "run": ["Walk"]}, "stands for 'go' and for 'run'"),
        ({"go": [], "stop": []}, "no other wording"),
    ],
)
def test_a_file_that_teaches_nothing_is_refused(wrong: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(SaysoError, match=said):
        read_wordings(file_of(wrong, tmp_path))


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SaysoError, match="is not JSON"):
        read_wordings(tmp_path / "broken.json")


def test_a_policy_without_a_reader_is_refused(tmp_path: Path) -> None:
    other = build("textbook", preset="tiny", features=FEATURES, stats=STATS)
    assert other.type != "vla"
    save(other, tmp_path / "other")
    with pytest.raises(SaysoError, match="not of the type vla"):
        paraphrase(tmp_path / "other", config(tmp_path))


def test_it_is_a_verb_which_an_earlier_name_still_reaches(
    learner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [str(learner), "--wordings", str(file_of(SAID, tmp_path)), "--out", str(tmp_path / "new")]
    assert cli.main(["paraphrase", *told, "--steps", "2"]) == 0
    said = capsys.readouterr()
    assert f"policy: {tmp_path / 'new' / 'policy'}" in said.out
    assert "is called" not in said.err
    assert cli.main(["teach", *told, "--steps", "2"]) == 0
    assert capsys.readouterr().err.startswith("sayso: `teach` is called `paraphrase` now")
    assert cli.main(["paraphrase", *told, "--drop", "1"]) == cli.EXIT_REFUSED


def plain(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))


def test_meta_worlds_wordings_are_for_all_its_sentences_and_never_the_held_out_ones() -> None:
    wordings = read_wordings(WORDINGS)
    assert set(wordings) == {asked.instruction for asked in TASKS.values()}
    assert min(map(len, wordings.values())) >= 40
    taught = [plain(sentence) for others in wordings.values() for sentence in others]
    assert len(set(taught)) == len(taught)
    assert set(taught).isdisjoint(plain(sentence) for asked in TASKS.values() for sentence in asked.heldout)
    assert set(taught).isdisjoint(map(plain, wordings))


def test_no_wording_is_cut() -> None:
    whole = bert_tokenizer(2 * MAX_WORDS)
    for others in read_wordings(WORDINGS).values():
        assert max(len(whole.encode(sentence).ids) for sentence in others) <= MAX_WORDS
