"""Measuring a policy on a small world, in real processes."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import pytest

from sayso.evaluation.report import Report, Training, training_of
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import tally, wilson
from sayso.evaluation.trials import (
    SeenSeedsError,
    evaluate,
    refuse_seen_seeds,
)
from sayso.spec import EXECUTE, Episode, Outcome, UnknownNameError, seeds
from sayso.work.pool import WorkerError
from small_worlds import breaks_on, expert_of, spot_world, still, wordless

TEST = seeds("test", 12)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 1 - 0.1611, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes, n, low, high):
    interval = wilson(successes, n)
    assert interval.share == successes / n
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_an_interval_holds_its_share_where_all_or_none_succeed():
    for n in range(1, 200):
        none, whole = wilson(0, n), wilson(n, n)
        assert none.low == none.share == 0.0 < none.high and whole.low < whole.share == whole.high == 1.0


def test_the_interval_of_nothing_is_everything_and_impossible_counts_are_refused():
    nothing = wilson(0, 0)
    assert math.isnan(nothing.share) and (nothing.low, nothing.high) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    """The expert on both families: some successes, some failures, two of them filmed."""
    films = tmp_path_factory.mktemp("films")
    families = ("go", "visit")
    return evaluate(spot_world, expert_of, families=families, seeds=TEST, workers=2, films=films, max_films=2)


def test_two_processes_find_what_one_loop_here_finds(report):
    world = spot_world()
    here = [rollout(world, world.expert(), seed, family=f) for f in ("go", "visit") for seed in TEST]
    assert [(e.family, e.seed) for e in report.episodes] == [(e.family, e.seed) for e in here]
    assert [e.outcome for e in report.episodes] == [e.outcome for e in here]
    assert {e.outcome for e in here} == {Outcome.SUCCESS, Outcome.FAILURE}


def test_a_report_is_json_that_describes_itself(report, tmp_path):
    raw = json.loads(report.write(tmp_path / "deep" / "report.json").read_text())
    assert raw["n"] == 24 and raw["invalid"] == 0 and raw["partial"] is False
    assert raw["seeds"] == TEST and raw["seeds_disjoint_from_training"] is None
    assert raw["horizon"] == {"go": 30, "visit": 30}
    assert raw["config"]["execute"] == EXECUTE
    assert {"command", "commit", "date", "machine", "training", "code"} <= raw.keys()
    assert raw["machine"]["versions"]["python"].startswith("3.")
    go = raw["families"]["go"]
    assert raw["metrics"]["go_spots"] == go["successes"] / 12 == go["share"]
    assert raw["metrics"]["go_spots/low"] < raw["metrics"]["go_spots"] < raw["metrics"]["go_spots/high"]
    assert go["failed_conditions"] == {"at_spot": 12 - go["successes"]}
    assert go["policy_ms"] > 0 and 0 < go["mean_steps"] <= 30
    assert "frames" not in raw["episodes"][0]


def test_a_report_reads_as_text(report):
    text = str(report)
    assert "spots, 24 episodes" in text and "invalid 0" in text and "failed: at_spot" in text
    assert "interrupted" not in text


def test_the_first_failures_are_filmed_with_both_cameras_side_by_side(report):
    assert len(report.films) == 2
    for film in report.films:
        with av.open(str(film)) as container:
            stream = container.streams.video[0]
            assert stream.width == 2 * 256 and stream.height > 256
            assert sum(1 for _ in container.decode(stream)) == 30
    assert len(list(report.films[0].parent.glob("*.mp4"))) == 2


def test_what_cannot_be_tried_is_invalid_and_counts_neither_way():
    """One episode raises and one kills its process; the other ten are as they would have been."""
    broken = breaks_on(raises=(TEST[2],), dies=(TEST[5],))
    report = evaluate(spot_world, broken, families=["go"], seeds=TEST, workers=2)
    whole = evaluate(spot_world, expert_of, families=["go"], seeds=TEST, workers=1)
    counted = report.of("go")
    assert (counted.n, counted.invalid) == (10, 2)
    by_seed = {e.seed: e for e in report.episodes}
    assert "camera was unplugged" in by_seed[TEST[2]].error
    assert "SIGKILL" in by_seed[TEST[5]].error
    for episode in whole.episodes:
        if episode.seed not in (TEST[2], TEST[5]):
            assert by_seed[episode.seed].outcome == episode.outcome
    assert report.to_json()["invalid"] == 2 and not report.partial


def test_a_wrong_instruction_shows_who_reads_it():
    """Same scene, another object named: the expert follows the words, the wordless policy the old habit."""
    swap = {"swap": True}
    reads = evaluate(spot_world, expert_of, families=["go"], seeds=TEST, workers=1, options=swap)
    habit = evaluate(spot_world, wordless, families=["go"], seeds=TEST, workers=1, options=swap)
    went = reads.of("go").chosen_object
    assert went["named"] >= 6 and "original" not in went
    assert "named" not in habit.of("go").chosen_object
    assert reads.metrics["follows_words"] == went["named"] / 12
    assert habit.metrics["follows_words"] == 0.0
    assert "went for: named" in str(reads)


@pytest.mark.parametrize(
    ("given", "training"),
    [
        ([0], None),
        ([2_000_000, 999_999], None),
        ([1_000_005], Training(seeds=((1_000_000, 1_000_009),))),
    ],
)
def test_seeds_that_training_may_have_seen_are_refused_before_anything_runs(given, training):
    with pytest.raises(SeenSeedsError, match=r"proves nothing.*split 'test'"):
        evaluate(spot_world, still, families=["go"], seeds=given, training=training)


def test_unseen_seeds_pass():
    refuse_seen_seeds([1_000_010, 2_000_000], Training(seeds=((1_000_000, 1_000_009), (5, 9))))


def test_what_a_checkpoint_was_trained_on_is_read_from_its_config(tmp_path):
    facts = {"training": {"datasets": {"home": "abc"}, "seeds": [[0, 320]]}}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    assert training_of(tmp_path) == Training(datasets={"home": "abc"}, seeds=((0, 320),))
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        training_of(tmp_path / "nowhere")


def test_a_world_that_cannot_be_built_is_an_error_and_not_an_invalid_episode():
    with pytest.raises(WorkerError, match="TypeError"):
        evaluate(partial(spot_world, "a", "b"), still, families=["go"], seeds=TEST)


def test_an_unknown_family_is_invalid_everywhere_and_says_which_are_known():
    report = evaluate(spot_world, still, families=["fly"], seeds=TEST[:1], workers=1)
    assert UnknownNameError.__name__ in report.episodes[0].error
    assert report.metrics["success"] is None


def test_repeated_or_missing_seeds_are_refused():
    for given in ([], [TEST[0], TEST[0]]):
        with pytest.raises(ValueError, match="each once"):
            evaluate(spot_world, still, families=["go"], seeds=given)


def test_a_tally_leaves_invalid_episodes_out_of_every_share():
    def episode(outcome: Outcome, steps: int) -> Episode:
        return Episode(world="w", family="f", instruction="", seed=0, horizon=9, outcome=outcome, steps=steps)

    counted = tally([episode(Outcome.SUCCESS, 4), episode(Outcome.FAILURE, 8), episode(Outcome.INVALID, 1)])
    assert (counted.n, counted.successes, counted.invalid, counted.mean_steps) == (2, 1, 1, 6)


def reported(
    outcomes: str, training: Training | None = None, notes: dict[int, dict[str, str]] | None = None
) -> Report:
    """Return a report of one episode per letter: s(uccess), f(ailure), i(nvalid)."""
    ends = {"s": Outcome.SUCCESS, "f": Outcome.FAILURE, "i": Outcome.INVALID}
    episodes = tuple(
        Episode(
            world="w",
            family="f",
            instruction="",
            seed=seed,
            horizon=9,
            outcome=ends[letter],
            error="Traceback\nRuntimeError: unplugged" if letter == "i" else "",
            notes=(notes or {}).get(seed, {}),
        )
        for seed, letter in enumerate(outcomes)
    )
    return Report(
        world="w",
        families=("f",),
        seeds=tuple(range(len(outcomes))),
        episodes=episodes,
        config={},
        training=training,
        provenance={"commit": "c0ffee"},
    )


def test_invalid_episodes_stand_beside_a_rate_and_void_it_above_one_per_cent():
    few, many = reported("s" * 80 + "f" * 19 + "i"), reported("s" * 80 + "f" * 18 + "ii")
    assert few.metrics["f_w"] == 80 / 99 and (few.metrics["f_w/n"], few.metrics["f_w/invalid"]) == (99, 1)
    assert not few.void and "81 %" in str(few)
    for name in ("f_w", "f_w/low", "f_w/high", "success"):
        assert many.metrics[name] is None
    assert (many.metrics["f_w/n"], many.metrics["f_w/invalid"]) == (98, 2)
    plain = many.to_json()
    assert plain["void"] is True and plain["families"]["f"]["share"] is None
    assert "no rate, since more than 1 % is invalid  80/98, invalid 2" in str(many)
    assert "f on seed 98: RuntimeError: unplugged" in str(many)


def test_words_are_followed_or_not_only_where_something_can_be_taken():
    took = {0: {"chosen_object": "named"}, 1: {"chosen_object": "named"}, 2: {"chosen_object": "neither"}}
    report = reported("sssss", notes=took)
    assert report.metrics["follows_words"] == 2 / 3 and report.metrics["follows_words/n"] == 3
    assert "follows_words" not in reported("sss").metrics


def test_seeds_are_called_disjoint_from_training_only_where_training_is_known():
    silent = [
        None,
        Training(datasets={"mine": "abc"}),
        Training(seeds=((0, 9),), seedless=("mine",)),
        Training.from_json({"datasets": {"mine": "abc", "ours": "def"}, "seeds": [[0, 9]]}),
    ]
    unknown = [reported("s", training=training) for training in silent]
    known = reported("s", training=Training(seeds=((0, 9),)))
    assert [r.to_json()["seeds_disjoint_from_training"] for r in (*unknown, known)] == [*[None] * 4, True]
    assert ["disjoint" in str(r) for r in (*unknown, known)] == [*[False] * 4, True]


INTERRUPTED = """
import signal, sys
from pathlib import Path
from small_worlds import SlowWorld, still
from sayso.evaluation.trials import evaluate
# Where tests run in the background, Ctrl-C is ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
seeds = range(2_000_000, 2_000_400)
report = evaluate(SlowWorld, still, families=["go"], seeds=seeds, workers=2, films=Path(sys.argv[1]))
print(len(report.episodes), report.partial, {str(e.outcome) for e in report.episodes}, report.world)
"""


def test_ctrl_c_ends_in_a_partial_report(tmp_path):
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("go-*.mp4"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everybody
    episodes, partial_report, rest = process.communicate(timeout=120)[0].split(maxsplit=2)
    assert 0 < int(episodes) < 400
    assert (partial_report, rest.strip()) == ("True", "{'failure'} spots")
