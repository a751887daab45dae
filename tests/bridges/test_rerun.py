"""What is shown in Rerun is what was recorded, or what happened; and nobody waits for a viewer."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict

import numpy as np
import pytest

from sayso import cli
from sayso.bridges import rerun as bridge
from sayso.data.reader import Dataset
from sayso.flags import alone
from sayso.runtime.chunking import Plan
from sayso.runtime.run import RunConfig, run
from sayso.runtime.tick import Tick
from sayso.sim.robots import SO101
from sayso.spec import STATE, Chunk, SaysoError, image_key
from small_datasets import build

ARM = SO101.features()


class Rising:
    """Ask for twenty degrees everywhere."""

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation):
        """Return sixteen times the same action."""
        return Chunk(np.full((16, 6), 20, np.float32))


def read(path) -> dict[str, dict[str, list]]:
    """Return what a file of Rerun's holds: entity -> column -> values in order."""
    from rerun.chunk import RrdReader

    found: dict = defaultdict(lambda: defaultdict(list))
    for chunk in RrdReader(str(path)).stream():
        table = chunk.to_record_batch().to_pydict()
        for column, values in table.items():
            found[chunk.entity_path][column] += values
    return found


def needs_rerun() -> None:
    pytest.importorskip("rerun", reason="needs the extra `rerun`, 170 MB: `make rerun` installs and tests it")


def test_a_dataset_is_shown_with_its_pictures_numbers_and_words(tmp_path, capsys):
    needs_rerun()
    root, out = build(tmp_path / "small"), tmp_path / "shown" / "small.rrd"
    assert cli.main(["show", str(root), "--episodes", "9", "--rerun", str(out)]) == 0
    assert f"{len(Dataset(root).episodes)} episodes: {out}" in capsys.readouterr().out
    dataset, shown = Dataset(root), read(out)
    for episode in dataset.episodes:
        name = f"/episode_{episode.index}"
        for part, numbers in (("state", dataset.state), ("action", dataset.action)):
            entity = shown[f"{name}/{part}"]
            np.testing.assert_allclose(entity["Scalars:scalars"], numbers[episode.start : episode.stop])
            assert entity["frame"] == list(range(len(episode)))
            assert entity["SeriesLines:names"] == [["pan.pos", "gripper.pos"]]
        for camera in dataset.features.cameras:
            assert len(shown[f"{name}/cameras/{camera}"]["EncodedImage:blob"]) == len(episode)
        assert shown[f"{name}/task"]["TextDocument:text"] == [[episode.tasks[0]]]


def test_a_run_is_shown_with_what_was_seen_planned_sent_and_said(tmp_path, monkeypatch):
    needs_rerun()
    monkeypatch.setattr(bridge, "LEAVES_S", 120)  # all of it is read below, on a busy machine, too
    out = tmp_path / "run.rrd"
    config = RunConfig(robot="dry", seconds=0.5, rest_s=0)
    with bridge.live(str(out), "rise") as watched:
        report = run(Rising(), ARM, "rise", config, watched.tell, watched.watch)
    shown = read(out)
    state, *others = (
        shown[f"/run/{part}"]["SeriesLines:colors"] for part in ("state", "action/wanted", "action/sent")
    )
    assert others == [state, state] and len(set(*state)) == len(ARM.state_names), "a joint has one colour"
    sent = np.array(shown["/run/action/sent"]["Scalars:scalars"])
    assert not watched.left_out and len(sent) == report.ticks and sent[-1] == pytest.approx(20)
    assert shown["/run/action/sent"]["SeriesLines:names"][0][0] == "shoulder_pan.pos sent"
    assert len(shown["/run/state"]["Scalars:scalars"]) == report.ticks
    assert {f"/run/cameras/{camera}" for camera in ARM.cameras} <= set(shown)
    assert shown["/run/chunk"]["Tensor:data"] and shown["/run/task"]["TextDocument:text"] == [["rise"]]
    said = [text for (text,) in shown["/run/events"]["TextLog:text"]]
    assert any("its time was over" in line for line in said)


def test_holding_is_an_event_when_it_begins_and_when_it_ends(tmp_path, monkeypatch):
    needs_rerun()
    monkeypatch.setattr(bridge, "LEAVES_S", 120)
    recording, _ = bridge.opened(str(tmp_path / "held.rrd"), "held")
    watched = bridge.Live(recording, "go")
    for step, held in enumerate((0, 0, 1, 2, 3, 3, 3)):
        watched.tick(Tick(step / 30, None, Plan(), step, np.zeros(6, np.float32), held))
    watched.close()
    events = read(tmp_path / "held.rrd")["/run/events"]
    assert events["TextLog:text"] == [["held: nothing fresh to do"], ["goes on"]]
    assert events["frame"] == [2, 5]


class Hangs:
    """Be a recording of Rerun's that takes nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __getattr__(self, name):
        return lambda *given, **named: self.released.wait(20)


def test_a_viewer_that_hangs_never_keeps_the_loop_waiting(monkeypatch):
    monkeypatch.setattr(bridge.Live, "_write", lambda self, tick: self._recording.log(tick))
    monkeypatch.setattr(bridge, "LEAVES_S", 0.05)
    recording = Hangs()
    watched = bridge.Live(recording, "go")
    picture = np.zeros((4, 4, 3), np.uint8)
    for step in range(3 * bridge.WAITING):
        seen = {image_key("front"): picture, STATE: np.zeros(6, np.float32)}
        watched.tick(Tick(step / 30, seen, Plan(), step, np.zeros(6, np.float32), 0))
    assert watched.left_out >= 2 * bridge.WAITING - 1
    watched.close()
    recording.released.set()


def test_what_is_no_place_for_rerun_is_refused(tmp_path):
    with pytest.raises(SaysoError, match=r"--rerun shown.png is no place .* ends in .rrd"):
        bridge.opened("shown.png", "small")


def test_an_address_where_nobody_listens_is_refused_at_once():
    needs_rerun()
    with pytest.raises(SaysoError, match=r"no viewer of Rerun listens at rerun\+http://127.0.0.1:9/proxy"):
        bridge.opened("rerun+http://127.0.0.1:9/proxy", "small")


def test_without_rerun_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(SaysoError, match=r"pip install 'sayso\[rerun\]'"):
        bridge.opened("view", "small")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("d --rerun", "d --rerun view"),
        ("--rerun d", "--rerun view d"),
        ("d --rerun --episodes 2", "d --rerun view --episodes 2"),
        ("d --rerun a.rrd", "d --rerun a.rrd"),
        ("d --rerun rerun+http://x:1/proxy", "d --rerun rerun+http://x:1/proxy"),
        ("d --rerun=a.rrd", "d --rerun=a.rrd"),
        ("d", "d"),
    ],
)
def test_the_flag_may_stand_alone(given, meant):
    assert alone(given.split(), "--rerun", "view") == meant.split()
