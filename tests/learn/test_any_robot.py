"""Recordings of any arm are trained on: without a state, of any number of joints, with any cameras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sayso import cli
from sayso.data import format as fmt
from sayso.data.writer import assemble, stage_episode
from sayso.learn.imitate import train
from sayso.models import checkpoint
from sayso.spec import ACTION, STATE, TASK, Dimension, Features, image_key
from small_trainings import tiny

SIZE = (16, 24)


def recorded(root: Path, numbers: int, cameras: tuple[str, ...], state: bool = True) -> Path:
    """Record two short episodes of an arm with so many joints."""
    dimensions = tuple(Dimension(name=f"joint_{k}", unit="") for k in range(numbers))
    features = Features(
        robot_type="own",
        fps=30,
        state=dimensions if state else (),
        action=dimensions,
        cameras=dict.fromkeys(cameras, SIZE),
    )
    for seed in range(2):
        frames = []
        for step in range(12):
            pose = np.sin(np.arange(numbers) + seed + step / 5).astype(np.float32)
            seen = {image_key(camera): np.full((*SIZE, 3), 20 * step, np.uint8) for camera in cameras}
            frames.append({**seen, STATE: pose if state else pose[:0], ACTION: pose, TASK: "wave"})
        stage_episode(root, features, frames, seed=seed, family="wave")
    return assemble(root, features)


def without_state(root: Path) -> Path:
    """Leave no column of a state at all, as a recorder does that reads no joints."""
    (root / fmt.DIGESTS).unlink(missing_ok=True)
    info = json.loads((root / fmt.INFO).read_text())
    info.pop("sayso", None)
    info["features"].pop(STATE, None)
    (root / fmt.INFO).write_text(json.dumps(info))
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns([STATE] if STATE in table.column_names else []), path)
    return root


@pytest.mark.parametrize("numbers", [6, 7, 12, 14])
def test_an_arm_of_any_number_of_joints_is_trained_and_measured(tmp_path, numbers):
    data = recorded(tmp_path / "data", numbers, ("cam_high", "OBS Kamera.2"))
    policy = train(tiny(data, tmp_path / "run", steps=2, heldout="0"))
    assert len(checkpoint.load(policy).features.action) == numbers
    found = json.loads((tmp_path / "run" / "heldout.json").read_text())
    assert len(found["dimensions"]) == numbers and found["dimensions"][0]["still"] is not None


@pytest.mark.parametrize("heldout", ["none", "0"])
def test_a_recording_without_a_state_makes_a_policy_that_sees_alone(tmp_path, heldout, capsys):
    data = without_state(recorded(tmp_path / "data", 6, ("front",)))
    policy = train(tiny(data, tmp_path / "run", steps=2, heldout=heldout))
    loaded = checkpoint.load(policy)
    assert loaded.features.state == () and loaded.features.cameras == {"front": SIZE}
    picture = np.zeros((*SIZE, 3), np.uint8)
    assert loaded.act({image_key("front"): picture, TASK: "wave"}).actions.shape == (4, 6)
    if heldout != "none":
        found = json.loads((tmp_path / "run" / "heldout.json").read_text())
        assert found["still"] is None and found["error"] > 0
    assert cli.main(["eval", str(policy), "--datasets", str(data)]) == 0
    assert "-" in capsys.readouterr().out
