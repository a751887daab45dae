"""LeRobot's own writer records the mock arm afresh, and sayso reads it.

It runs where LeRobot is installed: `make lerobot`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sayso.data.reader import Dataset

pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="needs LeRobot: `make lerobot`")

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "mock_recording.py"
HERE = Path(__file__).resolve().parents[1] / "recordings" / "desk"


def test_what_lerobot_records_of_the_mock_arm_is_like_what_tests_have(tmp_path):
    words = ["--python", sys.executable, "--out", tmp_path / "d", "--episodes", "2", "--seconds", "2"]
    made = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words), "--height", "72"],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    new, kept = Dataset(tmp_path / "d"), Dataset(HERE)
    assert (len(new.episodes), new.features) == (2, kept.features)
    assert [picture.shape for picture in new.images("desk", [0, 30, 61])] == [(72, 96, 3)] * 3
