"""Speed beside an earlier commit's: which way a ratio points, and what a turn counts."""

from __future__ import annotations

import itertools

import pytest

import speed


def test_a_ratio_says_how_many_times_as_fast_it_is_now(capsys):
    rates = speed.of_both("steps", [90.0, 110.0], [45.0, 55.0], faster=1)
    assert rates == {"steps": 100.0, "steps_before": 50.0, "steps_ratio": 2.0}
    seconds = speed.of_both("start_s", [0.5], [2.0], faster=-1)
    assert seconds["start_s_ratio"] == 4.0
    assert "start_s_before 2.000" in capsys.readouterr().out


@pytest.mark.slow
def test_a_turn_counts_steps_behind_the_first_few():
    turns = list(itertools.islice(speed.stepping("tabletop", 4), 2))
    assert [count for count, _, _ in turns] == [4, 4]
    assert all(0 < spent <= clock * 1.5 for _, spent, clock in turns)


def test_a_side_that_ends_is_noticed(tmp_path, monkeypatch):
    side = speed.Side(tmp_path, {}, tmp_path)
    monkeypatch.setattr(speed, "__file__", str(tmp_path / "empty.py"))
    (tmp_path / "empty.py").write_text("", encoding="utf-8")
    side.begin("policy")
    with pytest.raises((speed.subprocess.CalledProcessError, BrokenPipeError)):
        side.turn()
