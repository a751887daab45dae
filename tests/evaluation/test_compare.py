"""The verb that compares two policies: who is better, when it ends, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sayso import cli, loading
from sayso.evaluation import compare
from sayso.evaluation.compare import CompareConfig, compare_policies
from sayso.evaluation.comparison import Comparison
from sayso.evaluation.measure import Subject
from sayso.evaluation.report import Training
from sayso.spec import Episode, Outcome
from sayso.tasks.worlds import WORLDS
from small_worlds import SMALL_WORLDS, breaks_on, expert_of, still

EXPERT = Subject(name="expert", make=expert_of, weights="", training=None)
STILL = Subject(name="still", make=still, weights="", training=None)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, row in SMALL_WORLDS.own.items():
        monkeypatch.setitem(WORLDS.own, name, row)


def asked(**changes) -> CompareConfig:
    return CompareConfig(**{"world": "spots", "workers": 1, **changes})


def test_it_ends_as_soon_as_one_is_clearly_better_and_says_so_in_one_sentence(tmp_path, capsys):
    out = tmp_path / "deep" / "compared.json"
    assert compare_policies(STILL, EXPERT, asked(out=out)) == 0
    table, sentence = capsys.readouterr().out.splitlines()[:-1], json.loads(out.read_text())["sentence"]
    assert table[-1] == sentence and sentence.startswith("expert is better than still: ")
    assert "told apart in at most 5 % of comparisons" in sentence
    raw = json.loads(out.read_text())
    assert raw["verdict"] == "second" and 8 <= raw["pairs"]["n"] < 30 and raw["partial"] is False
    assert raw["pairs"]["only_first"] == 0 and raw["evidence"] >= 20
    assert {e["family"] for pair in raw["episodes"] for e in pair} == {"go", "visit"}
    assert all(one["seed"] == other["seed"] for one, other in raw["episodes"])
    assert [*out.parent.glob("*.jsonl")] == []


def test_a_policy_is_no_better_than_itself_and_that_ends_it_too(capsys):
    assert compare_policies(EXPERT, EXPERT, asked(margin=0.2, json=True)) == 0
    raw = json.loads(capsys.readouterr().out)
    assert raw["verdict"] == "alike" and raw["pairs"]["n"] < 100
    assert "equally good but for 20 points" in raw["sentence"]
    assert compare_policies(EXPERT, EXPERT, asked(pairs=6)) == 0
    assert "no difference between expert and expert could be shown: in 6 pairs" in capsys.readouterr().out


def test_one_that_was_stopped_goes_on_and_ends_where_it_would_have(tmp_path, capsys, monkeypatch):
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    compare_policies(STILL, EXPERT, asked(out=whole))
    run = compare.pool.run

    def interrupted(build, next_job, **named):
        for number, ended in enumerate(run(build, next_job, **named)):
            if number == 7:
                raise KeyboardInterrupt
            yield ended

    monkeypatch.setattr(compare.pool, "run", interrupted)
    assert compare_policies(STILL, EXPERT, asked(out=parts)) == 130
    assert "interrupted; so far, no difference" in capsys.readouterr().out
    assert json.loads(parts.read_text())["partial"] is True
    assert len(parts.with_suffix(".a.episodes.jsonl").read_text().splitlines()) == 1 + 4

    def counted(build, next_job, **named):
        for ended in run(build, next_job, **named):
            again.append(ended[0])
            yield ended

    again: list[object] = []
    monkeypatch.setattr(compare.pool, "run", counted)
    assert compare_policies(STILL, EXPERT, asked(out=parts)) == 0
    first, second = (json.loads(path.read_text()) for path in (whole, parts))
    assert first["pairs"] == second["pairs"] and first["sentence"] == second["sentence"]
    assert len(again) == 2 * first["pairs"]["n"] - 7


def test_pairs_count_in_the_order_of_seeds_and_no_further_than_the_answer():
    """All are there at once, as when it goes on: it must end at the pair at which it would have ended."""
    duel = compare._Duel(STILL, EXPERT, asked(families=("go",), pairs=40), SMALL_WORLDS["spots"])

    def done(success: bool) -> dict[tuple[str, int], Episode]:
        outcome = Outcome.SUCCESS if success else Outcome.FAILURE
        of = {"world": "spots", "instruction": "", "horizon": 9, "outcome": outcome}
        return {(family, seed): Episode(family=family, seed=seed, **of) for family, seed in duel.trials}

    losing, winning = done(False), done(True)
    found = duel._counted((losing, winning), duel._compared([]))
    assert found.verdict == "second" and len(found.pairs) == 8
    del winning[duel.trials[3]]
    found = duel._counted((losing, winning), duel._compared([]))
    assert found.verdict == "open" and len(found.pairs) == 3


def test_what_crashed_counts_for_nobody_and_too_much_of_it_ends_with_1(capsys):
    broken = Subject(name="broken", make=breaks_on(raises=(2_000_000, 2_000_001)), weights="", training=None)
    assert compare_policies(EXPERT, broken, asked(families=("go",), pairs=4)) == 1
    assert "nothing can be said of expert and broken: 2 of 4 pairs crashed, go on seed 2000000 the first" in (
        capsys.readouterr().out
    )


def written(path: Path, *flags: str) -> str:
    given = ["eval", "expert", "--world", "spots", "--workers", "1", "--episodes", "20", "--out", str(path)]
    assert cli.main([*given, *flags]) == 0
    return str(path)


def test_two_reports_on_disk_are_compared_over_the_seeds_they_share(tmp_path, capsys, monkeypatch):
    good = written(tmp_path / "good.json")
    monkeypatch.setattr(loading, "maker_of", lambda *_: still)
    bad = written(tmp_path / "bad.json", "--start", "5")
    capsys.readouterr()
    out = tmp_path / "compared.json"
    assert cli.main(["compare", good, bad, "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"{good} is better than {bad}: " in said.out and "exact test of McNemar" in said.out
    assert "20 episodes are in one report only" in said.err
    raw = json.loads(out.read_text())
    assert raw["pairs"]["n"] == 30 and raw["p"] < 0.01 and raw["sequential"] is False
    assert cli.main(["compare", good, good, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "open"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("compare expert expert", "compare needs --world, where to compare, or two reports"),
        ("compare good.json expert --world spots", "good.json is a report and expert is not"),
        ("compare good.json goood.json", "goood.json is not there; name the JSON file of a report"),
        ("compare good.json goood.json", "Did you mean good.json?"),
        ("compare good.json other.json", "no seed of a family in common"),
        ("compare good.json list.json", "list.json holds list and no report"),
        ("compare good.json facts.json", "facts.json is no report of an evaluation in a world"),
        ("compare expert expert --world spots --alpha 1.5", "--alpha is 1.5, but is a share"),
        ("compare expert expert --world spots --pairs 0", "--pairs is 0, but must be at least 1"),
        ("compare expert expert --world sponts", "Did you mean 'spots'?"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(typed, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = {"world": "spots", "families": ["go"], "config": {}}
    episode = {
        "world": "spots",
        "family": "go",
        "instruction": "",
        "horizon": 1,
        "outcome": "success",
        "notes": {},
    }
    for name, seed in (("good", 2_000_000), ("other", 2_000_001)):
        rows = {**report, "episodes": [{**episode, "seed": seed}]}
        Path(f"{name}.json").write_text(json.dumps(rows))
    Path("list.json").write_text("[]")
    Path("facts.json").write_text("{}")
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""


def test_seeds_that_one_of_them_was_trained_on_are_refused():
    seen = Subject(name="seen", make=still, weights="", training=Training(seeds=((2_000_003, 2_000_009),)))
    with pytest.raises(compare.SaysoError, match="success there proves nothing"):
        compare_policies(EXPERT, seen, asked(families=("go",)))


def test_a_sentence_tells_the_direction_of_a_difference():
    def pairs(one: bool, other: bool, n: int) -> list[tuple[Episode, Episode]]:
        ends = [Outcome.SUCCESS if each else Outcome.FAILURE for each in (one, other)]
        of = {"world": "w", "family": "f", "instruction": "", "horizon": 1}
        return [tuple(Episode(**of, seed=k, outcome=end) for end in ends) for k in range(n)]

    found = Comparison(names=("A", "B"), pairs=[*pairs(True, False, 15), *pairs(True, True, 15)])
    assert str(found).startswith(
        "A is better than B: 100 % success against 50 % in 30 pairs, 15 of which only"
    )
    assert "; +50 points, +19 to +77 with 95 % confidence" in str(found)
