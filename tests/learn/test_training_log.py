from __future__ import annotations

import json
from pathlib import Path

import pytest

from sayso.learn.log import Log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"step": step, "total": 1 / step}) + "\n" for step in range(1, 13)))
    return path


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "broken",
    [b'{"step": 3, "to', b"\x00\x00\xff", b"[]", b"3", b'{"step": "three"}', b'{"total": 1}', b"[" * 10**5],
)
def test_a_broken_line_costs_itself_only_and_a_copy_of_the_log_is_kept(path, broken):
    lines = path.read_bytes().split(b"\n")
    lines[2] = broken
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    log = Log(path, step=12)
    log.close()
    assert steps(path) == [1, 2, *range(4, 13)]
    assert (path.parent / "log.jsonl.damaged").read_bytes() == before
    assert "line 3" in log.notes[0]
    assert "log.jsonl.damaged" in log.notes[0]


def test_a_copy_replaces_no_earlier_copy(path):
    for name in ("log.jsonl.damaged", "log.jsonl.damaged-2"):
        path.write_bytes(b"nonsense\n" + path.read_bytes())
        Log(path, step=12).close()
        assert (path.parent / name).read_bytes().startswith(b"nonsense\n")
    assert steps(path) == list(range(1, 13))


def test_a_line_that_was_cut_short_is_cut_back_and_the_next_one_stands_by_itself(path):
    with path.open("a") as file:
        file.write('{"step": 13, "tot')
    log = Log(path, step=12)
    log.write({"step": 13, "total": 0.5})
    log.close()
    assert steps(path) == list(range(1, 14))
    assert log.notes == []


def test_a_last_line_without_its_end_is_kept(path):
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    log = Log(path, step=12)
    log.write({"step": 13})
    log.close()
    assert steps(path) == list(range(1, 14))


def test_what_was_written_after_the_checkpoint_is_dropped_and_what_was_before_is_not_rewritten(path):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = b'{"step":1,   "total": 1.0}\n'
    path.write_bytes(b"".join(lines))
    Log(path, step=7).close()
    assert path.read_bytes() == b"".join(lines[:7])


def test_lines_that_are_lost_are_said_to_be(path):
    path.write_bytes(path.read_bytes()[:100])
    log = Log(path, step=12)
    log.close()
    kept = steps(path)
    assert f"nothing of steps {kept[-1] + 1} to 12" in log.notes[0]
    path.unlink()
    log = Log(path, step=12)
    log.close()
    assert "nothing of steps 1 to 12" in log.notes[0]
    assert Log(path.with_name("another.jsonl")).notes == []
