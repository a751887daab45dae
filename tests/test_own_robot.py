"""`docs/own_robot.md` as it is typed, on a recording by LeRobot's own writer, up to an arm that moves.

The arm is the mock arm: in a process of its own, late and off by two degrees, in place of LeRobot's driver.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import mock_arm
from sayso import cli
from sayso.data.reader import Dataset
from sayso.runtime.lerobot import LeRobotRobot

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "own_robot.md"
DESK = ROOT / "tests" / "recordings" / "desk"
SIZE = (72, 96)
SHORTER = {
    "train": ["--steps", "2", "--batch-size", "4", "--threads", "1", "--resize", "64"],
    "adapt": ["--steps", "30", "--lr", "1e-3", "--batch-size", "4", "--threads", "1", "--bound", "10"],
    "run": ["--seconds", "2"],
}
"""What is typed behind a command to make it take seconds."""


def commands() -> list[list[str]]:
    """Return what the page tells its reader to type."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return [shlex.split(line) for spoken, block in blocks if not spoken for line in block.splitlines()]


def typed(words: list[str]) -> int:
    return cli.main([*words[1:], *SHORTER.get(words[1], [])])


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Stand in a folder with a recording, as the page has it, and with a later one of the same arm."""
    shutil.copytree(DESK, tmp_path / "desk")
    assert cli.main(["edit", str(DESK), "--episodes", "0-3", "--out", str(tmp_path / "winter")]) == 0
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.timeout(600)
def test_the_page_goes_from_a_recording_to_an_arm_that_moves(desk, monkeypatch, capfd):
    page = commands()
    assert [words[1] for words in page][:3] == ["check", "show", "train"]
    for words in page:
        if "so101" not in words:
            assert typed(words) == 0, (words, capfd.readouterr().err)
    flags = ("--real-time", "--height", str(SIZE[0]), "--sentence", "put the red block in the bowl")
    with mock_arm.serving(*flags) as address:
        monkeypatch.setattr(
            "sayso.runtime.drivers.lerobot_at",
            lambda connection: LeRobotRobot(mock_arm.MockArm(connection.where, SIZE)),
        )
        arms = [[address if w == "/dev/ttyACM0" else w for w in words] for words in page if "so101" in words]
        dry, real = arms
        before = joints(address)
        assert typed(dry) == 0, capfd.readouterr().err
        assert "shoulder_pan.pos" in capfd.readouterr().out
        np.testing.assert_allclose(joints(address), before, atol=1.0)
        assert typed([*real, "--out", "run.json"]) == 0, capfd.readouterr().err
        assert np.isfinite(joints(address)).all()
    report = json.loads((desk / "run.json").read_text())
    assert report["ticks"] >= 20 and not report["fault"]


def joints(address: str) -> np.ndarray:
    """Ask the arm where its joints stand."""
    arm = mock_arm.MockArm(address, SIZE)
    arm.connect()
    seen = arm.get_observation()
    arm.disconnect()
    return np.array([seen[name] for name in mock_arm.NUMBERS])


def test_the_recording_is_one_of_lerobots_and_of_the_mock_arm():
    dataset = Dataset(DESK)
    assert dataset.features.robot_type == "so_follower"
    assert set(dataset.features.cameras) == set(mock_arm.CAMERAS)
    assert dataset.features.state_names == mock_arm.NUMBERS
    assert len(dataset.episodes) == 6 and set(dataset.tasks) == set(mock_arm.SENTENCES)
    assert sum(path.stat().st_size for path in DESK.rglob("*") if path.is_file()) < 700_000


def test_an_arm_that_is_off_late_and_slow_comes_near_what_it_is_told():
    with mock_arm.serving("--height", str(SIZE[0])) as address:
        arm = mock_arm.MockArm(address, SIZE)
        arm.connect()
        start = arm.get_observation()
        goal = {name: start[name] + 5.0 * (name == "shoulder_pan.pos") for name in mock_arm.NUMBERS}
        path = []
        for _ in range(30):
            arm.send_action(goal)
            path.append(arm.get_observation()["shoulder_pan.pos"])
        with pytest.raises(ConnectionError, match="AttributeError"):
            arm.ask("nothing of this name")
        arm.disconnect()
    assert abs(path[0] - start["shoulder_pan.pos"]) < 0.1  # it has not heard yet
    assert path[2] < goal["shoulder_pan.pos"] - 1.0
    assert abs(path[-1] - goal["shoulder_pan.pos"]) < 0.5
