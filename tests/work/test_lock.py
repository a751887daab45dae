"""One process at a time writes into a folder, and who comes second is told who is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from sayso.spec import SaysoError
from sayso.work.lock import HOLDER, InUseError, locked

HOLD = """
import sys, time
from pathlib import Path
from sayso.work.lock import locked

with locked(Path(sys.argv[1]), "recording"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "d"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_what_is_done_there_by_whom_and_since_when(holder, tmp_path):
    words = rf"recording, by process {holder.pid} on \S+ since \d{{4}}-"
    with pytest.raises(InUseError, match=words), locked(tmp_path / "d", "recording"):
        pass


def test_the_lock_of_a_killed_process_blocks_nobody(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "d" / HOLDER).exists()
    with locked(tmp_path / "d", "recording"):
        pass


def test_a_folder_is_free_again_after_the_with_also_when_that_failed(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path, "training"):
        raise RuntimeError
    with ExitStack() as held:
        held.enter_context(locked(tmp_path, "training"))
        with pytest.raises(InUseError, match=f"by process {os.getpid()} "):
            held.enter_context(locked(tmp_path, "training"))


def test_a_holder_that_wrote_nothing_readable_still_holds(tmp_path):
    with locked(tmp_path, "training"):
        (tmp_path / HOLDER).write_text("{")
        with pytest.raises(InUseError, match="another process writes there"), locked(tmp_path, "training"):
            pass


def test_a_holder_that_is_only_about_to_say_who_it_is_is_waited_for(tmp_path):
    with locked(tmp_path, "training"):
        said = (tmp_path / HOLDER).read_text()
        (tmp_path / HOLDER).unlink()
        threading.Timer(0.2, (tmp_path / HOLDER).write_text, [said]).start()
        who = f"training, by process {os.getpid()}"
        with pytest.raises(InUseError, match=who), locked(tmp_path, "training"):
            pass


@pytest.mark.parametrize("below", ["", "d"])
def test_a_file_in_place_of_the_folder_or_above_it_is_named(below, tmp_path):
    (tmp_path / "file").write_text("")
    words = rf"is to be a folder, but {tmp_path}/file is a file: name another place"
    with pytest.raises(SaysoError, match=words), locked(tmp_path / "file" / below, "recording"):
        pass


def test_nothing_stays_in_the_folder_behind_the_with(tmp_path):
    with locked(tmp_path, "recording"), locked(tmp_path, "evaluating", "r.json"):
        assert len([*tmp_path.iterdir()]) == 4
    assert [*tmp_path.iterdir()] == []


def test_many_who_wait_for_one_another_are_never_inside_together(tmp_path, capfd):
    inside, most = [], []

    def come_and_go(number):
        for _ in range(5):
            with locked(tmp_path, "counting", wait=True):
                inside.append(number)
                time.sleep(0.002)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
