"""Cache folder: what was kept comes back whole or not at all."""

from __future__ import annotations

import os

import pytest

from sayso.work.cache import cache_folder, keep, kept


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    return tmp_path


def test_what_is_kept_comes_back_and_what_was_not_does_not():
    keep("words/a", b"states", most=2)
    assert kept("words/a") == b"states"
    assert kept("words/b") is None


def test_what_was_damaged_is_not_believed():
    keep("words/a", b"states", most=2)
    path = cache_folder() / "words" / "a"
    path.write_bytes(path.read_bytes()[:-1] + b"z")
    assert kept("words/a") is None
    path.write_bytes(b"")
    assert kept("words/a") is None


def test_a_folder_holds_what_was_written_last(folder):
    for number in range(4):
        keep(f"words/{number}", b"states", most=2)
        os.utime(folder / "words" / str(number), (number, number))
    assert [kept(f"words/{number}") for number in range(4)] == [None, None, b"states", b"states"]


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_nothing(folder):
    (folder / "words").write_text("a file where a folder should be", encoding="utf-8")
    keep("words/a", b"states", most=2)
    assert kept("words/a") is None
    assert [path.name for path in folder.iterdir()] == ["words"]
