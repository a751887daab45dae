"""What sayso pushes, LeRobot's own reader finds on the hub and opens, where LeRobot is (`make lerobot`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import small_hub

ROOT = Path(__file__).parents[2]
DESK = ROOT / "tests" / "recordings" / "desk"
pytest.importorskip("lerobot")

READ = """
import json
from lerobot.datasets.lerobot_dataset import LeRobotDataset
dataset = LeRobotDataset("ada/desk")
frame = dataset[3]
print(json.dumps([len(dataset), frame["task"], frame["action"].tolist()]))
"""


def test_lerobots_reader_finds_what_was_pushed(tmp_path):
    with small_hub.serving() as hub:
        variables = os.environ | {
            "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "a-secret",
            "HF_HOME": str(tmp_path / "hub"), "HF_LEROBOT_HOME": str(tmp_path / "lerobot"),
            "PYTHONPATH": str(ROOT / "src"),
        }  # fmt: skip

        def run(*words):
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=variables)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run("-m", "sayso", "push", str(DESK), "ada/desk")
        frames, task, action = json.loads(run("-c", READ).splitlines()[-1])
    info = json.loads((DESK / "meta" / "info.json").read_text(encoding="utf-8"))
    assert frames == info["total_frames"]
    assert task.startswith("put the red block")
    assert len(action) == info["features"]["action"]["shape"][0]
