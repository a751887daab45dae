"""Decoded frames lie outside the dataset, whole or not at all, and belong to the videos as they are."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sayso.data import frames
from sayso.data.format import DIGESTS
from sayso.data.frames import taking_room
from sayso.data.reader import Dataset
from sayso.data.video import encode_video
from sayso.data.windows import Windows
from sayso.spec import SaysoError, image_key
from sayso.work.lock import locked
from small_datasets import FPS, SIZE, build, fingerprint, grey

FRONT = image_key("front")
DECODE = """
import sys
from pathlib import Path
from sayso.data import frames
from sayso.data.format import DIGESTS
from sayso.data.reader import Dataset
from sayso.data.windows import Windows

reserve = frames._reserve
def slow(*args):
    reserve(*args)
    print("decoding", flush=True)
    __import__("time").sleep(float(sys.argv[3]))
frames._reserve = slow
Windows(Dataset(sys.argv[1]), cache=Path(sys.argv[2])).decode()
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("tiny"))


def decoding(root: Path, cache: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Start a process that decodes, and wait until it has begun."""
    command = [sys.executable, "-c", DECODE, str(root), str(cache), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"decoding\n"
    return process


def test_what_takes_much_room_is_said_with_the_folder_to_delete(tmp_path, monkeypatch):
    cache, old = tmp_path / "cache", tmp_path / "data" / ".frames"
    for folder in (cache / "0123", old):
        folder.mkdir(parents=True)
        (folder / "front.npy").write_bytes(bytes(2_000_000))
    assert taking_room(cache, [tmp_path / "other"]) == ()
    (said,) = taking_room(cache, [old.parent, old.parent])
    assert said == f"{old} holds 2 MB of frames that an older version of sayso decoded: delete it"
    monkeypatch.setattr(frames, "LARGE_CACHE", 1e6)
    (said,) = taking_room(cache, [])
    assert said.startswith(f"{cache} holds 2 MB of decoded frames: delete that folder")


def test_a_dataset_is_left_as_it_was(tmp_path, monkeypatch):
    root = build(tmp_path / "data")
    before = fingerprint(root)
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path / "cache"))
    Windows(Dataset(root)).batch([0])
    assert fingerprint(root) == before
    assert len(list((tmp_path / "cache" / "frames").rglob("*.npy"))) == 2


def test_the_cache_honours_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("SAYSO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert frames.frames_folder() == tmp_path / "sayso" / "frames"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert frames.frames_folder() == Path.home() / ".cache" / "sayso" / "frames"


def test_a_video_that_was_replaced_is_seen_and_changes_the_hash(tmp_path):
    root = build(tmp_path / "data")
    before = Dataset(root)
    Windows(before, cache=tmp_path / "cache").batch([0])
    (root / DIGESTS).unlink()  # they would tell that it is not the video that was recorded
    (video,) = (root / "videos" / FRONT).rglob("*.mp4")
    encode_video(video, np.full((len(before), *SIZE, 3), 200, np.uint8), FPS)
    after = Dataset(root)
    assert after.hash != before.hash
    assert abs(Windows(after, cache=tmp_path / "cache").batch([0])[FRONT].mean() - 200) <= 2


@pytest.mark.parametrize("damage", ["cut", "empty", "header"])
def test_a_damaged_cache_is_made_again(root, tmp_path, damage):
    Windows(Dataset(root), cache=tmp_path).decode()
    (path,) = tmp_path.rglob("front-*.npy")
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-100], "empty": b"", "header": b"\0" * 20 + content[20:]}[damage])
    batch = Windows(Dataset(root), cache=tmp_path).batch([20])
    assert abs(batch[FRONT].mean() - grey("front", 20)) <= 2


def test_a_kill_while_decoding_leaves_nothing_behind_the_next_start(root, tmp_path):
    process = decoding(root, tmp_path, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(tmp_path.rglob("*.partial"))) == 1
    Windows(Dataset(root), cache=tmp_path, stride=4).decode()
    assert not list(tmp_path.rglob("*.partial"))


def test_another_datasets_leftovers_are_swept_but_not_what_a_living_process_writes(root, tmp_path):
    for name in ("dead", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".front-all-16x24.npy.partial").write_bytes(b"half")
    with locked(tmp_path / "alive", "decoding frames"):
        Windows(Dataset(root), cache=tmp_path).decode()
    assert [path.parent.name for path in tmp_path.rglob("*.partial")] == ["alive"]


def test_who_wants_frames_that_are_being_decoded_waits_for_them(root, tmp_path, capfd):
    process = decoding(root, tmp_path, 1.0)
    began = time.monotonic()
    Windows(Dataset(root), cache=tmp_path).decode()
    assert process.wait() == 0 and time.monotonic() - began > 0.5
    said = capfd.readouterr().err
    assert f"decoding frames, by process {process.pid}" in said and "%" not in said


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing_half_done(root, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SaysoError, match=r"'front'.*No space left.*--cache.*--resize"):
        Windows(Dataset(root), cache=tmp_path).decode()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_that_cannot_reserve_room_is_written_to_all_the_same(root, tmp_path, monkeypatch, number):
    def cannot(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    assert abs(Windows(Dataset(root), cache=tmp_path).batch([20])[FRONT].mean() - grey("front", 20)) <= 2


LIMITED = """
import resource, sys
from pathlib import Path
from sayso.data.format import DIGESTS
from sayso.data.frames import taking_room
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.spec import SaysoError

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    Windows(Dataset(sys.argv[1]), cache=Path(sys.argv[2])).decode()
except SaysoError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_so_large_is_told_in_a_sentence(root, tmp_path):
    command = [sys.executable, "-c", LIMITED, str(root), str(tmp_path), "10000"]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0 and "File too large" in said.stdout and "--cache" in said.stdout


def test_too_little_room_is_told_before_anything_is_decoded(root, tmp_path, monkeypatch):
    monkeypatch.setattr(frames.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SaysoError, match=r"'front' and 'wrist' need 60 kB|need 0 MB"):
        Windows(Dataset(root), cache=tmp_path / "cache").decode()
    assert not (tmp_path / "cache").exists()


def test_much_is_said_before_it_is_decoded_with_the_size_to_record_at(root, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(frames, "WORTH_SAYING", 1000)
    Windows(Dataset(root), cache=tmp_path / "a").decode()
    assert "of decoded frames go to" in (said := capfd.readouterr().err) and "--resize" not in said
    monkeypatch.setattr(frames, "LARGE_PX", 100)
    Windows(Dataset(root), cache=tmp_path / "b").decode()
    assert "Pictures of 16x24" in (said := capfd.readouterr().err) and "to record at 240x320" in said
