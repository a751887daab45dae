"""A robot of a package outside: one file and an entry point, and `sayso run` drives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.data.normalize import Stats
from sayso.models import checkpoint
from sayso.models.table import build
from sayso.spec import ACTION, STATE, Dimension, Features

HERE = Path(__file__).parent
OUTSIDE = HERE / "outside"
TURN = Dimension(name="turn.pos", unit="deg")
FEATURES = Features(
    robot_type="toy_follower", fps=20, state=(TURN,), action=(TURN,), cameras={"front": (32, 32)}
)


def sayso(*words: str) -> subprocess.CompletedProcess[str]:
    """Say something to a sayso beside which the package is installed."""
    return subprocess.run(
        [sys.executable, "-m", "sayso", *words],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE.parent / "src"), str(OUTSIDE)))},
    )


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    torch.manual_seed(0)
    stats = {key: Stats.of(np.linspace(-30, 30, 50)[:, None]) for key in (STATE, ACTION)}
    fresh = build("vla", preset="tiny", features=FEATURES, stats=stats, chunk=4)
    folder = tmp_path_factory.mktemp("policies") / "turns"
    checkpoint.save(fresh, folder)
    return folder


def test_sayso_drives_a_robot_that_a_package_brings(policy, tmp_path):
    diary, out = tmp_path / "diary.txt", tmp_path / "report.json"
    done = sayso(
        *("run", str(policy), "turn to the left", "--robot", f"toy {diary}", "--seconds", "1"),
        *("--rest-s", "0", "--watchdog-ms", "20000", "--patience-s", "30", "--out", str(out)),
    )
    assert done.returncode == 0, done.stderr
    lines = diary.read_text().splitlines()
    assert lines[0] == "connected" and lines[-1] == "disconnected"
    turns = [float(line.split()[-1]) for line in lines[1:-1]]
    assert len(turns) > 2 and max(np.abs(turns)) <= 90
    assert max(np.abs(np.diff(turns))) <= 270 / 20 + 0.01, "a joint moves no faster than its limit"
    assert json.loads(out.read_text())["stopped"] == "its time was over"


def test_where_it_is_must_be_said(policy):
    done = sayso("run", str(policy), "turn", "--robot", "toy")
    assert done.returncode == 2 and 'such as --robot "toy diary.txt"' in done.stderr
