"""The benchmark of trust counts faults where there are some, and goes on where it stopped."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal

import pytest

import trust
import trust_damage
import trust_files
import trust_messages
from sayso.spec import SaysoError
from small_worlds import FEATURES
from trust_found import Found


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """Folders of whole things, of one kind only, whose opening a test decides."""
    folder = tmp_path / "whole" / "clicks"
    folder.mkdir(parents=True)
    (folder / "clicks.json").write_text(json.dumps(trust_files.CLICKS))

    def opened_by(function):
        monkeypatch.setattr(trust_files, "KINDS", (trust_files.Kind("clicks", 1.0, function),))
        return tmp_path / "whole"

    return opened_by


def refuse(_):
    raise SaysoError("it is damaged")


def test_what_is_refused_in_a_sentence_is_no_fault(whole):
    found = Found()
    trust_files.fuzz_files(found, 20, 0, whole(refuse))
    assert found.counted == {"refused": 20} and not found.examples


@pytest.mark.parametrize(
    ("does", "is_called"),
    [
        (lambda _: 1 / 0, "traceback"),
        (lambda _: refuse_with("Traceback (most recent call last)"), "traceback"),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "death"),
    ],
)
def test_a_bug_and_the_end_of_the_process_are_faults_and_the_rest_is_tried(whole, does, is_called):
    def at_times(folder):
        return does(folder) if "episodes" not in (folder / "clicks.json").read_text() else None

    found = Found()
    trust_files.fuzz_files(found, 30, 0, whole(at_times))
    assert found.sent == 30 and 0 < found.counted[is_called] < 30
    assert found.examples[0].partition(": ")[2].startswith(is_called)


def refuse_with(text):
    raise SaysoError(text)


def test_what_does_not_end_is_a_hang(whole, monkeypatch):
    monkeypatch.setattr(trust_files, "PATIENCE_S", 0.5)
    found = Found()
    trust_files.fuzz_files(found, 1, 0, whole(lambda _: signal.pause()))
    assert found.counted == {"hang": 1}


def test_what_was_stopped_goes_on(tmp_path, whole):
    root = whole(refuse)
    first = Found(tmp_path / "kept.json")
    trust_files.fuzz_files(first, 10, 0, root)
    again = Found(tmp_path / "kept.json")
    assert again.sent == 10
    trust_files.fuzz_files(again, 25, 0, root)
    assert Found(tmp_path / "kept.json").plain() == {"sent": 25, "counted": {"refused": 25}, "examples": []}


def test_a_try_is_made_again_by_its_number(tmp_path):
    look = trust_messages.look_of(FEATURES)
    for number in range(200):
        one, again = (trust_messages.changed(look, random.Random(f"0/{number}")) for _ in range(2))
        assert one == again and isinstance(one, bytes)
    whole = tmp_path / "clicks.json"
    for number in range(100):
        found = []
        for _ in range(2):
            shutil.rmtree(whole, ignore_errors=True) if whole.is_dir() else whole.unlink(missing_ok=True)
            whole.write_text(json.dumps(trust_files.CLICKS))
            trust_damage.changed(whole, random.Random(f"0/{number}"))
            found.append(whole.read_bytes() if whole.is_file() else None)
        assert found[0] == found[1]


def test_numbers_are_flat_and_every_fault_has_one_even_if_it_never_came():
    found = Found()
    found.add("refused")
    flat = trust.numbers("frames", {"server": found.plain(), "load_before": 1.5, "asked": {"frames": 1}})
    assert flat["frames/server/sent"] == 1 and flat["frames/server/death"] == 0
    assert flat["frames/load_before"] == 1.5 and "frames/asked/frames" not in flat
