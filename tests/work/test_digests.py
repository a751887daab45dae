from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sayso.work.digests import SUMS, damaged, write_digests

NAMES = ("weights.bin", "facts.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 16)
    (tmp_path / "facts.json").write_text('{"step": 12}')
    write_digests(tmp_path, NAMES)
    return tmp_path


def test_files_as_they_were_written_are_whole(folder):
    assert damaged(folder, NAMES) == []


def test_one_flipped_bit_is_told_with_the_name_of_its_file(folder):
    content = bytearray((folder / "weights.bin").read_bytes())
    content[1000] ^= 1
    (folder / "weights.bin").write_bytes(content)
    assert damaged(folder, NAMES) == ["weights.bin was damaged"]


def test_a_file_that_is_gone_is_told(folder):
    (folder / "facts.json").unlink()
    assert damaged(folder, NAMES) == ["facts.json is missing"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"0123  other.bin\n"])
def test_a_list_of_digests_that_is_damaged_itself_vouches_for_nothing(folder, content):
    (folder / SUMS).write_bytes(content)
    assert damaged(folder, NAMES) == [f"{SUMS} is damaged itself"]


def test_a_folder_without_digests_is_taken_on_trust(folder):
    (folder / SUMS).unlink()
    assert damaged(folder, NAMES) == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_reads_the_list(folder):
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)
