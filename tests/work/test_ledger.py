from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sayso.work.ledger import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "log.jsonl")
    for step in range(1, 13):
        ledger.append({"step": step, "total": 1 / step})
    return ledger.path


def up_to(path: Path, step: int = 12) -> Ledger:
    return Ledger(path, lambda row: int(row["step"]) <= step)


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_rows_come_back_as_they_were(path):
    assert Ledger(path).rows == [{"step": step, "total": 1 / step} for step in range(1, 13)]


@pytest.mark.parametrize(
    "broken",
    [b'{"step": 3, "to', b"\x00\x00\xff", b"[]", b"3", b'{"step": 3}', b'{"total": 1}', b"[" * 10**5],
)
def test_a_broken_line_costs_itself_only_and_a_copy_of_the_file_is_kept(path, broken):
    lines = path.read_bytes().split(b"\n")
    lines[2] = broken
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    ledger = up_to(path)
    assert steps(path) == [row["step"] for row in ledger.rows] == [1, 2, *range(4, 13)]
    assert (path.parent / "log.jsonl.damaged").read_bytes() == before
    assert "line 3" in ledger.damage
    assert "log.jsonl.damaged" in ledger.damage


def test_no_damage_is_taken_for_a_row(path):
    whole, rows = path.read_bytes(), Ledger(path).rows
    rng = np.random.default_rng(0)
    for _ in range(200):
        content = bytearray(whole)
        at = int(rng.integers(len(content)))
        if rng.integers(2):
            content[at] ^= 1 << int(rng.integers(8))
        else:
            content[at : at + 40] = bytes(len(content[at : at + 40]))
        path.write_bytes(content)
        assert all(row in rows for row in Ledger(path).rows)


def test_a_file_of_before_there_were_checks_is_read_and_gone_on_with(path):
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)))
    ledger = up_to(path, 2)
    assert not ledger.damage and [row["step"] for row in ledger.rows] == [1, 2]


def test_a_row_that_is_none_of_ours_counts_as_damage(path):
    ledger = Ledger(path)
    ledger.append({"total": 1})
    assert "line 13" in up_to(path).damage


def test_a_copy_replaces_no_earlier_copy(path):
    for name in ("log.jsonl.damaged", "log.jsonl.damaged-2"):
        path.write_bytes(b"nonsense\n" + path.read_bytes())
        up_to(path)
        assert (path.parent / name).read_bytes().startswith(b"nonsense\n")
    assert steps(path) == list(range(1, 13))


def test_a_line_that_was_cut_short_is_cut_back_and_the_next_one_stands_by_itself(path):
    with path.open("a") as file:
        file.write('{"step": 13, "tot')
    ledger = up_to(path)
    ledger.append({"step": 13, "total": 0.5})
    ledger.flush()
    assert steps(path) == list(range(1, 14))
    assert not ledger.damage


def test_a_last_line_without_its_end_is_kept(path):
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    up_to(path).append({"step": 13})
    assert steps(path) == list(range(1, 14))


def test_unwanted_rows_are_dropped_and_the_others_stay_as_they_are(path):
    lines = path.read_bytes().splitlines(keepends=True)
    up_to(path, 7)
    assert path.read_bytes() == b"".join(lines[:7])


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"no JSON"])
def test_a_file_that_was_never_a_ledger_is_kept_beside_the_new_one(path, content):
    path.write_bytes(content)
    ledger = Ledger(path)
    ledger.append({"step": 1})
    assert steps(path) == [1]
    assert path.with_name("log.jsonl.damaged").read_bytes() == content
